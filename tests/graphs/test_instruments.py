"""Instruments: known graphs, and all conditioning sets of random ones."""

import itertools
import random
from dataclasses import replace

import networkx as nx
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.errors import SiteNotFound
from probdl.graphs.instruments import instruments
from tests.graphs.causal_oracles import is_instrument, random_dag, without
from tests.graphs.templates import elements_of, random_template
from tests.marks import exhaustive


def graph_of(edges, latent=()):
    graph = nx.DiGraph(edges)
    for node in latent:
        graph.nodes[node]["latent"] = True
    return graph


CONFOUNDED = [("x", "y"), ("u", "x"), ("u", "y")]


def test_the_classic_one():
    assert instruments(graph_of([("z", "x"), *CONFOUNDED], "u"), "x", "y") == (("z", frozenset()),)
    assert instruments(graph_of([("z", "x"), ("z", "y"), *CONFOUNDED], "u"), "x", "y") == ()
    assert instruments(graph_of([("z", "u"), *CONFOUNDED], "u"), "x", "y") == ()


def test_conditional_ones():
    """Brito & Pearl (2002): z is an instrument given w alone."""
    edges = [("w", "z"), ("z", "x"), ("w", "y"), *CONFOUNDED]
    assert instruments(graph_of(edges, "u"), "x", "y") == (("z", frozenset("w")),)
    proxy = [("v", "z"), ("v", "x"), *CONFOUNDED]
    assert instruments(graph_of(proxy, "uv"), "x", "y") == (("z", frozenset()),)


def test_mediators_belong_to_the_effect():
    edges = [("z", "x"), ("x", "m"), ("m", "y"), ("u", "x"), ("u", "y")]
    assert instruments(graph_of(edges, "u"), "x", "y") == (("z", frozenset()),)
    assert instruments(graph_of([*edges, ("z", "m")], "u"), "x", "y") == ()
    below = [*edges, ("m", "d"), ("v", "d"), ("v", "x")]
    assert instruments(graph_of(below, "uv"), "x", "y") == (("z", frozenset()),)


def test_the_nearest_set_leaves_most_dependence():
    edges = [("a", "z"), ("a", "b"), ("b", "y"), ("a", "x"), *CONFOUNDED]
    assert dict(instruments(graph_of(edges, "u"), "x", "y"))["z"] == {"b"}


def test_it_identifies_the_effect_in_a_linear_model():
    """cov(z, y | w) / cov(z, x | w) is the sum over causal paths of the products of their coefficients."""
    edges = [("w", "z"), ("z", "x"), ("w", "y"), ("x", "m"), ("m", "y"), *CONFOUNDED]
    graph = graph_of(edges, "u")
    ((z, given),) = instruments(graph, "x", "y")
    nodes = list(nx.topological_sort(graph))
    place = {node: i for i, node in enumerate(nodes)}
    weights = np.zeros((len(nodes), len(nodes)))
    for k, (a, b) in enumerate(graph.edges):
        weights[place[b], place[a]] = 0.7 + 0.1 * k
    total = np.linalg.inv(np.eye(len(nodes)) - weights)
    covariance = total @ total.T
    w = [place[node] for node in given]

    def partial(a, b):
        i, j = place[a], place[b]
        return covariance[i, j] - covariance[i, w] @ np.linalg.solve(
            covariance[np.ix_(w, w)], covariance[w, j]
        )

    np.testing.assert_allclose(partial(z, "y") / partial(z, "x"), total[place["y"], place["x"]], rtol=1e-12)


def subsets(nodes):
    nodes = sorted(nodes, key=str)
    return (set(some) for size in range(len(nodes) + 1) for some in itertools.combinations(nodes, size))


def found_by_search(dag, x, y, hidden, held=frozenset()):
    """Return the nodes that are instruments given some ancestors of y and themselves, and given any set."""
    rest = without(dag, {(path[0], path[1]) for path in nx.all_simple_paths(dag, x, y)})
    ancestral, conditional = set(), set()
    for z in set(dag) - {x, y} - hidden - held:
        above = set().union(*({node, *nx.ancestors(rest, node)} for node in (y, z, *held)))
        for given in subsets(set(dag) - {x, y, z} - hidden - held):
            if is_instrument(dag, x, y, z, given | held):
                conditional.add(z)
                if given <= above:
                    ancestral.add(z)
                    break
    return ancestral, conditional


def check_random_dags(seeds):
    some = 0
    for seed in seeds:
        r = random.Random(seed)
        dag = random_dag(r, most=7)
        order = list(nx.topological_sort(dag))
        x, y = (order[at] for at in sorted(r.sample(range(len(order)), 2)))
        hidden = {node for node in dag if node not in (x, y) and r.random() < 0.3}
        for node in hidden:
            dag.nodes[node]["latent"] = True
        found = dict(instruments(dag, x, y))
        ancestral, conditional = found_by_search(dag, x, y, hidden)
        assert set(found) == ancestral, seed
        assert bool(found) == bool(conditional), seed
        assert all(is_instrument(dag, x, y, z, given) for z, given in found.items()), seed
        some += any(found.values())
    return some


def random_element(r, template):
    site = r.choice(list(template.sites))
    index = r.choice(list(template.elements(site)))
    return f"{site}[{','.join(map(str, index))}]" if index else site, (site, index)


def check_templates(seeds):
    asked = 0
    for seed in seeds:
        r = random.Random(seed)
        template = random_template(r, exotic=seed % 2 == 0)
        dag = template.ground()
        if not 4 <= len(dag) <= 8 or not nx.is_directed_acyclic_graph(dag):
            continue
        graph = template.graph()
        (x_name, x), (y_name, y) = random_element(r, template), random_element(r, template)
        if x == y:
            continue
        hidden, held = set(), set()
        for site in set(template.sites) - {x[0], y[0]}:
            is_end = not list(graph.successors(site)) or not list(graph.predecessors(site))
            if r.random() < 0.3:
                graph.nodes[site]["latent"] = True
                hidden |= elements_of(template, site)
            elif is_end and r.random() < 0.2:
                kind = pdl.SiteKind.PARAM if list(graph.successors(site)) else pdl.SiteKind.FACTOR
                graph.nodes[site]["site"] = replace(graph.nodes[site]["site"], kind=kind)
                held |= elements_of(template, site)
        asked += 1
        found = {}
        for z, given in instruments(graph, x_name, y_name):
            (element,) = elements_of(template, z)
            found[element] = set().union(*(elements_of(template, name) for name in given))
        ancestral, conditional = found_by_search(dag, x, y, hidden, frozenset(held))
        assert set(found) <= ancestral, seed
        assert bool(found) == bool(conditional), seed
        assert {site for site, _ in found} == {site for site, _ in ancestral}, seed
        assert all(is_instrument(dag, x, y, z, given | held) for z, given in found.items()), seed
    return asked


def test_random_dags():
    assert check_random_dags(range(150)) > 3


def test_random_templates():
    assert check_templates(range(300)) > 30


@exhaustive
def test_thousands_of_random_ones():
    assert check_random_dags(range(1000, 3000)) > 50
    assert check_templates(range(1000, 6000)) > 500


def many_genes():
    with numpyro.plate("n", 1000):
        gene = numpyro.sample("gene", dist.Normal(0, 1))
    u = numpyro.sample("u", dist.Normal(0, 1))
    x = numpyro.sample("x", dist.Normal(gene.sum() + u, 1))
    with numpyro.plate("m", 3):
        numpyro.sample("y", dist.Normal(x + u, 1))


def test_elements_of_a_plate_stand_for_each_other():
    graph = pdl.graph(pdl.Model(many_genes))
    graph.nodes["u"]["latent"] = True
    assert instruments(graph, "x", "y[0]") == (("gene[0]", frozenset()),)
    with pytest.raises(ValueError, match=r"one node as y in instruments; got 3: y. Name one, 'y\[0\]' say."):
        instruments(graph, "x", "y")
    with pytest.raises(ValueError, match=r"one node as x in instruments; got none. Name one."):
        instruments(graph, (), "y")


def test_only_what_an_element_needs_is_conditioned_on():
    def program():
        q = numpyro.sample("q", dist.Normal(0, 1))
        with numpyro.plate("n", 5):
            t = numpyro.sample("t", dist.Normal(q, 1))
            z = numpyro.sample("z", dist.Normal(t, 1))
        x = numpyro.sample("x", dist.Normal(z.sum(), 1))
        numpyro.sample("y", dist.Normal(x + q, 1))

    graph = pdl.graph(pdl.Model(program))
    graph.nodes["q"]["latent"] = True
    assert instruments(graph, "x", "y") == (("z[0]", frozenset({"t[0]"})),)


def test_a_factor_of_a_mediator_leaves_none():
    def program(of_mediator):
        z, u = (numpyro.sample(name, dist.Normal(0, 1)) for name in "zu")
        x = numpyro.sample("x", dist.Normal(z + u, 1))
        m = numpyro.sample("m", dist.Normal(x, 1))
        numpyro.sample("y", dist.Normal(m + u, 1))
        numpyro.factor("f", m if of_mediator else z)

    for of_mediator, expected in ((False, (("z", frozenset()),)), (True, ())):
        graph = pdl.graph(pdl.Model(program, of_mediator))
        graph.nodes["u"]["latent"] = True
        assert instruments(graph, "x", "y") == expected


def test_errors():
    with pytest.raises(SiteNotFound, match="in instruments; got 'q'"):
        instruments(graph_of(CONFOUNDED), "x", "q")
    with pytest.raises(ValueError, match="disjoint sets in instruments"):
        instruments(graph_of(CONFOUNDED), "x", "x")
