"""Implied independencies: all of them hold, and none is missing up to exchange of elements."""

import itertools
import random

import networkx as nx
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.graphs.independence import Independence
from probdl.graphs.independencies import independencies
from tests.graphs.templates import elements_of, random_template
from tests.graphs.test_neighbourhood import acyclic_templates
from tests.graphs.test_separation_oracle import random_dag, separated


def nonadjacent(dag):
    return {
        frozenset(pair)
        for pair in itertools.combinations(dag, 2)
        if not dag.has_edge(*pair) and not dag.has_edge(*pair[::-1])
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "pairwise", "minimal"])
def test_all_hold(kind):
    for seed in range(80):
        dag = random_dag(random.Random(seed))
        for found in independencies(dag, kind):
            assert separated(dag, set(found.x), set(found.y), set(found.given))


def test_local_statements_are_those_of_the_definition():
    for seed in range(80):
        dag = random_dag(random.Random(seed))
        expected = set()
        for node in dag:
            rest = set(dag) - {node} - nx.descendants(dag, node) - set(dag.pred[node])
            if rest:
                expected.add((node, frozenset(rest), frozenset(dag.pred[node])))
        found = {(s.x[0], frozenset(s.y), frozenset(s.given)) for s in independencies(dag)}
        assert found == expected


def test_pairs_are_those_without_an_edge():
    for seed in range(80):
        dag = random_dag(random.Random(seed))
        for kind in ("pairwise", "minimal"):
            assert {frozenset((s.x[0], s.y[0])) for s in independencies(dag, kind)} == nonadjacent(dag)


@pytest.mark.slow
def test_minimal_sets_are_all_minimal_sets():
    for seed in range(40):
        dag = random_dag(random.Random(seed))
        found = list(independencies(dag, "minimal"))
        assert len(found) == len(set(found))
        for pair in nonadjacent(dag):
            x, y = pair
            rest = [node for node in dag if node not in pair]
            sets = (set(s) for n in range(len(rest) + 1) for s in itertools.combinations(rest, n))
            minimal = []
            for candidate in sets:
                if not any(smaller <= candidate for smaller in minimal) and separated(
                    dag, {x}, {y}, candidate
                ):
                    minimal.append(candidate)
            assert {frozenset(s.given) for s in found if {s.x[0], s.y[0]} == pair} == set(
                map(frozenset, minimal)
            )


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(25), pytest.param(range(25, 150), marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["local", "pairwise", "minimal"])
def test_all_hold_for_elements(kind, seeds):
    for _, template, dag, graph in acyclic_templates(seeds):
        for found in itertools.islice(independencies(graph, kind), 60):
            x, y, given = (
                set().union(*(elements_of(template, name) for name in names))
                for names in (found.x, found.y, found.given)
            )
            assert separated(dag, x, y, given), str(found)


def pattern(template, x, y):
    """Which sites, and along which shared plates the two elements are equal."""
    (a, at), (b, there) = sorted((x, y), key=str)
    place = dict(zip(template.sites[b], there, strict=True))
    return a, b, frozenset(n for n, i in zip(template.sites[a], at, strict=True) if place.get(n) == i)


@pytest.mark.slow
def test_pairs_of_elements_stand_for_all():
    for seed in range(60):
        template = random_template(random.Random(seed), exotic=False)
        dag = template.ground()
        found = {
            pattern(template, *elements_of(template, s.x[0]), *elements_of(template, s.y[0]))
            for s in independencies(template.graph(), "minimal")
        }
        assert found == {pattern(template, *pair) for pair in nonadjacent(dag)}


def eight(y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, 1))
        numpyro.sample("y", dist.Normal(theta, 1), obs=y)


def test_of_a_program():
    graph = pdl.graph(pdl.Model(eight))
    assert [str(s) for s in independencies(graph)] == [
        "theta[0] ⫫ theta[1:], y[1:] | mu",
        "y[0] ⫫ mu, theta[1:], y[1:] | theta[0]",
    ]
    assert Independence(("theta[0]",), ("theta[1]",), ("mu",)) in list(independencies(graph, "minimal"))


def test_a_factor_is_always_given():
    def program():
        a = numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.Normal(0, 1))
        numpyro.sample("c", dist.Normal(0, 1))
        numpyro.factor("f", -((a - b) ** 2))

    graph = pdl.graph(pdl.Model(program))
    for kind in ("local", "pairwise", "minimal"):
        found = {frozenset((s.x[0], *s.y)) for s in independencies(graph, kind)}
        assert not any({"a", "b"} == set(pair) for pair in found)
        assert all(pdl.d_separated(graph, s.x, s.y, s.given) for s in independencies(graph, kind))
        assert all("f" not in (*s.x, *s.y, *s.given) for s in independencies(graph, kind))
    assert not pdl.d_separated(graph, "a", "b")
    assert pdl.d_separated(graph, "a", "c")


def test_names_stand_in_the_order_of_the_graph():
    graph = nx.DiGraph([("c", "x")])
    graph.add_nodes_from("hgfedba")
    for found in independencies(graph):
        assert list(found.y) == [node for node in graph if node in found.y]


def test_lazily():
    graph = nx.DiGraph(itertools.pairwise(range(3000)))
    assert len(list(itertools.islice(independencies(graph, "minimal"), 5))) == 5


def test_unknown_kind():
    with pytest.raises(ValueError, match="Expected kind 'local', 'pairwise' or 'minimal'"):
        independencies(nx.DiGraph(), "global")
