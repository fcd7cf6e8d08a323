"""Faithful inverses claim nothing that the graph does not: each is an I-map, on elements too."""

import itertools
import random

import networkx as nx
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.graphs.inversion import faithful_inverse
from probdl.graphs.neighbourhood import parents
from probdl.graphs.unroll import unroll
from tests.graphs.templates import random_template
from tests.graphs.test_separation_oracle import random_dag, separated
from tests.marks import EXHAUSTIVE


def assert_i_map(dag, inverse, latents):
    """Each latent is independent of those before it and of the data, given its parents."""
    assert nx.is_directed_acyclic_graph(inverse)
    before = set(inverse) - latents
    assert all(not inverse.pred[v] for v in before)
    for node in nx.topological_sort(inverse):
        if node in latents:
            own = set(inverse.pred[node])
            assert own <= before
            rest = before - own
            assert not rest or separated(dag, {node}, rest, own), node
            before.add(node)


@pytest.mark.parametrize("seed", range(300))
def test_random_dags(seed):
    r = random.Random(seed)
    dag = random_dag(r)
    latents = {node for node in dag if r.random() < 0.6}
    if latents:
        inverse = faithful_inverse(dag, latents)
        assert set(inverse) == set(dag)
        assert set(inverse.graph["order"]) == latents
        place = {node: i for i, node in enumerate(inverse.graph["order"])}
        assert all(place[a] < place[b] for a, b in inverse.edges if a in latents)
        assert_i_map(dag, inverse, latents)


def test_naive_reversal_is_not_faithful():
    """The law can fail: turning all arcs around breaks it for a collider."""
    dag = nx.DiGraph([("a", "x"), ("b", "x")])
    with pytest.raises(AssertionError):
        assert_i_map(dag, dag.reverse(), {"a", "b"})
    assert_i_map(dag, faithful_inverse(dag), {"a", "b"})


@pytest.mark.slow
@pytest.mark.parametrize("exotic", [False, True])
@pytest.mark.parametrize("seeds", [range(60), pytest.param(range(60, 400), marks=EXHAUSTIVE)])
def test_random_templates(seeds, exotic):
    done = 0
    for seed in seeds:
        r = random.Random(seed)
        template = random_template(r, exotic=exotic)
        dag = nx.relabel_nodes(
            template.ground(), lambda v: f"{v[0]}[{','.join(map(str, v[1]))}]" if v[1] else v[0]
        )
        drawn = {site for site in template.sites if r.random() < 0.6}
        if not drawn or not nx.is_directed_acyclic_graph(dag):
            continue
        done += 1
        inverse = unroll(faithful_inverse(template.graph(), drawn))
        assert set(inverse) == set(dag)
        assert_i_map(dag, inverse, {node for node in dag if node.partition("[")[0] in drawn})
    assert done > 0.4 * len(seeds)


def hidden_markov():
    def step(z, _):
        z = numpyro.sample("z", dist.Categorical(probs=numpyro.util.jnp.eye(2)[z] * 0.8 + 0.1))
        numpyro.sample("x", dist.Normal(z, 1.0))
        return z, None

    scan(step, 0, None, length=6)


def test_chain():
    graph = pdl.graph(pdl.Model(hidden_markov).condition(x=[0.0, 1, 0, 1, 0, 1]))
    inverse = faithful_inverse(graph)
    assert parents(inverse, "z[3]") == {"z[4]", "x[:4]"}
    assert inverse.graph["order"] == ("z[5]", "z[4]", "z[3]", "z[2]", "z[1]", "z[0]")
    assert inverse.edges["z", "z"]["shifted"] == {"time": (1,)}


def eight(y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1), obs=y)


def test_plates_are_shared():
    inverse = faithful_inverse(pdl.graph(pdl.Model(eight).condition(y=[0.0] * 8)))
    assert parents(inverse, "theta[3]") == {"mu", "tau", "y[3]"}
    assert parents(inverse, "mu") | parents(inverse, "tau") >= {"y"}
    assert inverse.edges["y", "theta"]["aligned"] == {"school"}


def test_a_plate_of_a_billion():
    graph = pdl.graph(pdl.Model(eight).condition(y=[0.0] * 8))
    big = enlarged(graph, 10**9)
    assert parents(faithful_inverse(big), "theta[123456789]") == {"mu", "tau", "y[123456789]"}


def enlarged(graph, size):
    """The same graph with plates of another size."""
    big = nx.DiGraph(plates=dict.fromkeys(graph.graph["plates"], size), scans={})
    for node, site in graph.nodes(data="site"):
        shape = tuple(size for _ in site.shape)
        big.add_node(node, site=pdl.Site(node, site.kind, shape, plates=site.plates, axes=site.axes))
    big.add_edges_from(graph.edges(data=True))
    return big


def test_deterministic_sites_are_seen_through():
    def program():
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        z = numpyro.sample("z", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + z)
        numpyro.sample("y", dist.Normal(theta, 1), obs=0.0)

    inverse = faithful_inverse(pdl.graph(pdl.Model(program)))
    assert set(inverse) == {"mu", "z", "y"}
    assert set(map(frozenset, inverse.edges)) == set(
        map(frozenset, itertools.combinations(["mu", "z", "y"], 2))
    )


def test_elements_are_refused():
    graph = pdl.graph(pdl.Model(eight))
    with pytest.raises(
        ValueError, match="Expected whole nodes as latents in faithful_inverse.*Write 'theta'"
    ):
        faithful_inverse(graph, ["theta[3]"])
    with pytest.raises(pdl.SiteNotFound, match="Did you mean 'theta'"):
        faithful_inverse(graph, ["thta"])
