"""Neighbours, orders, moral graphs and unrolling, against networkx on the full unrolling."""

import itertools
import random

import networkx as nx
import pytest

from probdl.errors import CyclicGraph
from probdl.graphs.moral import factor_graph, moral_graph
from probdl.graphs.neighbourhood import ancestors, children, co_parents, descendants, markov_blanket, parents
from probdl.graphs.order import ancestral_order
from probdl.graphs.treewidth import degree, eliminate, elimination_order, fill_in, treewidth
from probdl.graphs.unroll import unroll
from tests.graphs.templates import elements_of, random_region, random_template
from tests.graphs.test_separation_oracle import random_dag


def union(sets):
    return set().union(*sets)


QUERIES = {
    parents: lambda dag, x: union(dag.pred[v] for v in x),
    children: lambda dag, x: union(dag.succ[v] for v in x),
    co_parents: lambda dag, x: union(dag.pred[c] for v in x for c in dag.succ[v]),
    markov_blanket: lambda dag, x: union(
        [*(dag.pred[v] for v in x), *(dag.succ[v] for v in x), *(dag.pred[c] for v in x for c in dag.succ[v])]
    ),
    ancestors: lambda dag, x: union(nx.ancestors(dag, v) for v in x),
    descendants: lambda dag, x: union(nx.descendants(dag, v) for v in x),
}


def acyclic_templates(seeds):
    for seed in seeds:
        r = random.Random(seed)
        template = random_template(r)
        dag = template.ground()
        if nx.is_directed_acyclic_graph(dag):
            yield r, template, dag, template.graph()


@pytest.mark.slow
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.__name__)
def test_neighbours_of_elements(query):
    for r, template, dag, graph in acyclic_templates(range(200)):
        name, x = random_region(r, template)
        found = [elements_of(template, other) for other in query(graph, name)]
        assert sum(map(len, found)) == len(union(found)), "the names overlap"
        assert union(found) == QUERIES[query](dag, x) - x


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.__name__)
def test_neighbours_of_nodes(query):
    for seed in range(100):
        r = random.Random(seed)
        dag = random_dag(r)
        x = set(r.sample(sorted(dag), r.randint(1, len(dag))))
        assert query(dag, x) == QUERIES[query](dag, x) - x
        assert query(dag, next(iter(x))) == QUERIES[query](dag, {next(iter(x))}) - {next(iter(x))}


def test_a_blanket_separates_and_no_smaller_set_does():
    for seed in range(60):
        dag = random_dag(random.Random(seed))
        for v in dag:
            blanket, rest = set(markov_blanket(dag, v)), set(dag) - {v}
            assert nx.is_d_separator(dag, {v}, rest - blanket, blanket)
            for smaller in (blanket - {b} for b in blanket):
                assert not nx.is_d_separator(dag, {v}, rest - smaller, smaller)


def test_ancestral_order():
    for seed in range(100):
        dag = random_dag(random.Random(seed))
        place = {node: i for i, node in enumerate(ancestral_order(dag))}
        assert set(place) == set(dag)
        assert all(place[a] < place[b] for a, b in dag.edges)
    assert ancestral_order(nx.DiGraph([("b", "c"), ("a", "c")])) == ("b", "a", "c")


def test_order_within_a_step():
    for _, template, _, graph in acyclic_templates(range(200)):
        place = {node: i for i, node in enumerate(ancestral_order(graph))}
        same = nx.DiGraph()
        same.add_nodes_from(graph)
        for (parent, child), reads in template.edges.items():
            if not all(isinstance(r.positions.get("time"), int) and r.positions["time"] < 0 for r in reads):
                same.add_edge(parent, child)
        if nx.is_directed_acyclic_graph(same):
            assert all(place[a] < place[b] for a, b in same.edges)


def test_unroll():
    for _, _, dag, graph in acyclic_templates(range(150)):
        flat = unroll(graph)
        names = {f"{s}[{','.join(map(str, at))}]" if at else s: (s, at) for s, at in dag}
        assert set(flat) == set(names)
        assert {(names[a], names[b]) for a, b in flat.edges} == set(dag.edges)
        assert all(not site.axes and site.name == name for name, site in flat.nodes(data="site"))


def test_moral_graph():
    for _, _, dag, graph in acyclic_templates(range(150)):
        moral = moral_graph(graph)
        found = {frozenset((a[0], b[0])) for a, b in nx.moral_graph(dag).edges}
        assert {frozenset(edge) for edge in moral.edges} == {pair for pair in found if len(pair) == 2}
        joined = {node for node, flag in moral.nodes(data="joined") if flag}
        assert joined == {site for pair in found if len(pair) == 1 for site in pair}
    for seed in range(50):
        dag = random_dag(random.Random(seed))
        assert nx.utils.graphs_equal(moral_graph(dag), nx.Graph(nx.moral_graph(dag)))


def test_factor_graph():
    dag = nx.DiGraph([("a", "c"), ("b", "c"), ("c", "d")])
    factors = factor_graph(dag)
    assert nx.is_bipartite(factors)
    assert set(factors["p(c | a, b)"]) == {"a", "b", "c"}
    assert {n for n, side in factors.nodes(data="bipartite") if side == 0} == set(dag)


def width_of(moral, order):
    moral = nx.Graph(moral)
    width = 0
    for node in order:
        around = list(moral[node])
        width = max(width, len(around))
        moral.remove_node(node)
        moral.add_edges_from(itertools.combinations(around, 2))
    return width


def test_elimination_orders():
    for seed in range(60):
        dag = random_dag(random.Random(seed))
        moral = nx.moral_graph(dag)
        found = elimination_order(dag)
        assert set(found.order) == set(dag)
        assert width_of(moral, found.order) == found.width
        if len(dag) <= 6:
            best = min(width_of(moral, order) for order in itertools.permutations(dag))
            assert found.lower_bound <= best <= found.width
            assert found.is_optimal == (found.lower_bound == found.width)
            assert not found.is_optimal or found.width == best


def test_each_step_of_a_greedy_order_is_the_cheapest():
    for seed in range(40):
        r = random.Random(seed)
        moral = nx.gnp_random_graph(12, 0.3, seed=seed)
        around = {v: set(moral[v]) for v in r.sample(sorted(moral), len(moral))}
        for score in (fill_in, degree):
            left = {v: set(others) for v, others in around.items()}
            for node in eliminate(around, score)[0]:
                assert score(left, node) == min(score(left, other) for other in left)
                own = left.pop(node)
                for other in own:
                    left[other] |= own - {other}
                    left[other].discard(node)


def test_known_treewidths():
    chain = nx.DiGraph(itertools.pairwise(range(50)))
    assert elimination_order(chain).is_optimal
    assert treewidth(chain) == 1
    grid = nx.DiGraph(
        [((i, j), (i + di, j + dj)) for i in range(4) for j in range(4) for di, dj in ((0, 1), (1, 0))]
    )
    assert treewidth(grid.subgraph([(i, j) for i in range(4) for j in range(4)])) == 4
    assert treewidth(nx.DiGraph([(i, "y") for i in range(7)])) == 7


def test_cycles_are_listed():
    cyclic = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])
    for query in (*QUERIES, moral_graph, elimination_order, ancestral_order, unroll):
        with pytest.raises(CyclicGraph, match="Expected an acyclic graph; got the cycle") as caught:
            query(*((cyclic, "d") if query in QUERIES else (cyclic,)))
        cycle = caught.value.cycle
        assert all(cyclic.has_edge(a, b) for a, b in itertools.pairwise([*cycle, cycle[0]]))
