"""Equivalence: all graphs on four nodes, whole classes, d-separation, and plates against their unrolling."""

import itertools
import random
from collections import defaultdict

import networkx as nx
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.errors import CyclicGraph
from probdl.graphs.cpdag import cpdag, skeleton, v_structures
from probdl.graphs.equivalence import distinction, equivalent
from probdl.graphs.separation import d_separated
from probdl.graphs.unroll import unroll
from tests.graphs.causal_oracles import random_dag, separated
from tests.graphs.templates import Template, random_template
from tests.marks import exhaustive


def all_dags(size):
    pairs = list(itertools.combinations(range(size), 2))
    for ways in itertools.product((None, 1, -1), repeat=len(pairs)):
        graph = nx.DiGraph()
        graph.add_nodes_from(range(size))
        graph.add_edges_from(pair[::way] for pair, way in zip(pairs, ways, strict=True) if way)
        if nx.is_directed_acyclic_graph(graph):
            yield graph


def independences(graph):
    """All that a graph implies, by brute force."""
    for a, b in itertools.combinations(sorted(graph), 2):
        rest = sorted(set(graph) - {a, b})
        for size in range(len(rest) + 1):
            for given in itertools.combinations(rest, size):
                if separated(graph, {a}, {b}, given):
                    yield a, b, given


def classes(graphs):
    found = defaultdict(list)
    for graph in graphs:
        found[frozenset(independences(graph))].append(graph)
    return list(found.values())


def united(graphs):
    """The union of a class: an edge is directed if all members agree."""
    edges = set().union(*(graph.edges for graph in graphs))
    return {edge: edge[::-1] not in edges for edge in edges}


def directions(graph):
    return {(a, b): directed for a, b, directed in graph.edges.data("directed")}


@pytest.mark.slow
def test_all_graphs_on_four_nodes():
    graphs = list(all_dags(4))
    found = classes(graphs)
    assert (len(graphs), len(found)) == (543, 185)
    for members in found:
        expected = united(members)
        for graph in members:
            assert directions(cpdag(graph)) == expected
        assert all(equivalent(members[0], graph) for graph in members)
    pairs = list(itertools.combinations([members[0] for members in found], 2))
    assert not any(equivalent(*pair) for pair in random.Random(0).sample(pairs, 3000))


@pytest.mark.slow
def test_all_pairs_on_four_nodes_and_all_classes_on_five():
    found = classes(all_dags(4))
    number = {id(graph): i for i, members in enumerate(found) for graph in members}
    graphs = [graph for members in found for graph in members]
    for one, other in itertools.product(graphs, repeat=2):
        assert equivalent(one, other) == (number[id(one)] == number[id(other)])
    five = defaultdict(list)
    for graph in all_dags(5):
        five[frozenset(map(frozenset, graph.edges)), frozenset(colliders(graph))].append(graph)
    assert (sum(map(len, five.values())), len(five)) == (29281, 8782)
    for members in five.values():
        expected = united(members)
        assert all(directions(cpdag(graph)) == expected for graph in members)


def colliders(graph):
    for child in graph:
        for a, b in itertools.combinations(sorted(graph.pred[child]), 2):
            if not graph.has_edge(a, b) and not graph.has_edge(b, a):
                yield a, child, b


def by_meek(graph):
    """The v-structures, then Meek's rules until nothing changes: slow and direct."""
    arrows = {edge for a, c, b in colliders(graph) for edge in ((a, c), (b, c))}
    joined = set(graph.edges) | {edge[::-1] for edge in graph.edges}
    while True:
        loose = joined - arrows - {edge[::-1] for edge in arrows}
        new = {
            (a, b)
            for a, b in loose
            if any((c, a) in arrows and (c, b) not in joined for c in graph)
            or any((a, c) in arrows and (c, b) in arrows for c in graph)
            or any(
                (a, c) in loose
                and (a, d) in loose
                and (c, b) in arrows
                and (d, b) in arrows
                and (c, d) not in joined
                for c, d in itertools.combinations(graph, 2)
            )
        }
        if not new:
            return {edge: True for edge in arrows} | dict.fromkeys(loose, False)
        arrows |= new


def reversed_somewhere(r, graph):
    """Turn covered edges round: the class stays the same (Chickering 1995)."""
    graph = graph.copy()
    for _ in range(10):
        covered = [(a, b) for a, b in graph.edges if set(graph.pred[b]) - {a} == set(graph.pred[a])]
        if covered:
            a, b = r.choice(covered)
            graph.remove_edge(a, b)
            graph.add_edge(b, a)
    return graph


def check_random_dags(seeds):
    unlike = 0
    for seed in seeds:
        r = random.Random(seed)
        graph = random_dag(r, most=9)
        assert directions(cpdag(graph)) == by_meek(graph), seed
        same = reversed_somewhere(r, graph)
        assert equivalent(graph, same), seed
        assert distinction(graph, same) is None
        assert directions(cpdag(same)) == directions(cpdag(graph)), seed
        assert sorted(map(sorted, skeleton(graph).edges)) == sorted(map(sorted, graph.edges))
        assert {frozenset([(a, b), (b, a)]) | {c} for a, c, b in v_structures(graph)} == {
            frozenset([(a, b), (b, a)]) | {c} for a, c, b in colliders(graph)
        }
        other = nx.DiGraph()
        other.add_nodes_from(same)
        order = r.sample(list(same), len(same))
        other.add_edges_from(
            edge if order.index(edge[0]) < order.index(edge[1]) else edge[::-1] for edge in same.edges
        )
        if r.random() < 0.3 and other.edges:
            other.remove_edge(*r.choice(list(other.edges)))
        unlike += check_distinction(graph, other, by_meek(graph) == by_meek(other))
    return unlike


def check_distinction(first, second, is_same):
    """What is said to hold in one graph alone does."""
    assert equivalent(first, second) == is_same
    why = distinction(first, second)
    assert (why is None) == is_same
    if why is None:
        return 0
    statement = why.independence
    answers = [d_separated(graph, statement.x, statement.y, statement.given) for graph in (first, second)]
    owns = [True, False] if why.in_first == (len(why.nodes) == 3) else [False, True]
    assert answers == owns, why
    return 1


def test_random_dags():
    assert check_random_dags(range(300)) > 100


@exhaustive
def test_thousands_of_random_dags():
    assert check_random_dags(range(1000, 6000)) > 1000


def test_what_is_said():
    chain, fork = nx.DiGraph([("a", "b"), ("b", "c")]), nx.DiGraph([("b", "a"), ("b", "c")])
    collider = nx.DiGraph([("a", "b"), ("c", "b")])
    assert distinction(chain, fork) is None
    assert str(distinction(collider, chain)) == (
        "The first graph alone has the v-structure a -> b <- c; it alone implies a ⫫ c."
    )
    assert str(distinction(chain, nx.DiGraph([*chain.edges, ("a", "c")]))) == (
        "The second graph alone has an edge between a and c; the first alone implies a ⫫ c | b."
    )
    assert str(distinction(nx.DiGraph([*chain.edges, ("c", "d")]), chain)) == (
        "The first graph alone has the node d, or it has other plates there."
    )


def test_attributes():
    graph = nx.DiGraph([("a", "c"), ("b", "c")], name="g")
    graph.nodes["a"]["latent"] = True
    for found in (cpdag(graph), skeleton(graph)):
        assert found.graph == {"name": "g"}
        assert found.nodes["a"] == {"latent": True}


def random_pair(r):
    """Two templates of the same sites, alike but for some edges."""
    first = random_template(r, exotic=r.random() < 0.5)
    edges = dict(first.edges)
    for edge in list(edges):
        chance = r.random()
        if chance < 0.15:
            del edges[edge]
        elif chance < 0.5:
            parent, child = edge
            if parent != child and set(first.sites[parent]) == set(first.sites[child]):
                (read, *_) = edges.pop(edge)
                kinds = {p if isinstance(p, int) else type(p) for p in read.positions.values()}
                if kinds in ({0}, {type(None)}, set()) and read.where is None:
                    edges[child, parent] = [type(read)(read.positions, None, first.sites[parent])]
                else:
                    edges[edge] = [read]
    return first, Template(first.sizes, first.sites, edges)


def check_templates(seeds):
    asked, same, checked = 0, 0, 0
    for seed in seeds:
        r = random.Random(seed)
        first, second = random_pair(r)
        dags = [one.ground() for one in (first, second)]
        if not all(map(nx.is_directed_acyclic_graph, dags)) or len(dags[0]) > 60:
            continue
        a, b = first.graph(), second.graph()
        answer = signature(dags[0]) == signature(dags[1])
        asked += 1
        same += answer
        check_distinction(a, b, answer)
        if len(dags[0]) <= 14:
            checked += 1
            names = {(site, index): name(site, index) for site, index in dags[0]}
            expected = {(names[u], names[v]): flag for (u, v), flag in by_meek(dags[0]).items()}
            assert directions(cpdag(a)) == expected, seed
            assert len(list(v_structures(a))) == len(list(colliders(dags[0])))
            assert skeleton(a).number_of_edges() == len(dags[0].edges)
    return asked, same, checked


def name(site, index):
    return f"{site}[{','.join(map(str, index))}]" if index else site


def signature(dag):
    return set(map(frozenset, dag.edges)), {(frozenset({a, b}), c) for a, c, b in colliders(dag)}


@pytest.mark.slow
def test_random_templates():
    asked, same, checked = check_templates(range(300))
    assert min(same, asked - same, checked) > 20


@exhaustive
def test_thousands_of_random_templates():
    asked, same, checked = check_templates(range(1000, 6000))
    assert min(same, asked - same, checked) > 300


def regression(size):
    def program():
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        with numpyro.plate("n", size):
            z = numpyro.sample("z", dist.Normal(mu, 1))
            x = numpyro.sample("x", dist.Normal(z, 1))
        numpyro.sample("y", dist.Normal(x.sum(), 1))

    return pdl.graph(pdl.Model(program))


def turned(size):
    def program():
        z_mean = numpyro.sample("mu", dist.Normal(0, 1))
        with numpyro.plate("n", size):
            x = numpyro.sample("x", dist.Normal(0, 1))
            numpyro.sample("z", dist.Normal(x + z_mean, 1))
        numpyro.sample("y", dist.Normal(x.sum(), 1))

    return pdl.graph(pdl.Model(program))


def test_plates_of_any_size():
    large = 10**6
    assert equivalent(regression(large), regression(large))
    why = distinction(regression(large), turned(large))
    assert why.nodes == ("x[0]", "z[0]", "mu") or why.nodes == ("mu", "z[0]", "x[0]")
    assert not why.in_first
    assert str(why.independence) in ("mu ⫫ x[0]", "x[0] ⫫ mu")
    assert distinction(regression(4), regression(5)).nodes == ("z",)
    with pytest.raises(ValueError, match="at most 200,000 elements in cpdag; got 2,000,002"):
        cpdag(regression(large))


def test_from_four_elements_on_more_show_nothing_new():
    small = directions(cpdag(regression(4)))
    found = directions(cpdag(regression(7)))
    assert {edge: flag for edge, flag in found.items() if set(edge) <= {v for e in small for v in e}} == small
    assert found["x[6]", "y"]
    assert not found["z[6]", "mu"]


def test_sites_of_elements():
    found = cpdag(regression(2))
    assert found.nodes["z[1]"]["site"].shape == ()
    assert list(found) == list(unroll(regression(2)))


@pytest.mark.parametrize("ask", [cpdag, skeleton, v_structures, lambda graph: equivalent(graph, graph)])
def test_errors(ask):
    with pytest.raises(CyclicGraph):
        ask(nx.DiGraph([("a", "b"), ("b", "a")]))
    with pytest.raises(TypeError, match="directed graph"):
        ask(nx.Graph([("a", "b")]))
