"""Separators against brute force over all subsets."""

import itertools
import random

import networkx as nx
import pytest

from probdl.graphs.bayes_ball import are_separated
from probdl.graphs.separating import find_minimal_separator, find_smallest_separator, minimal_separators
from probdl.graphs.separators import minimal_separator, smallest_separator
from tests.graphs.templates import elements_of, random_region, random_template
from tests.graphs.test_separation_oracle import separated


def neighbours(dag):
    return {v: set(dag.pred[v]) for v in dag}, {v: set(dag.succ[v]) for v in dag}


def brute_force(dag, x, y, include, restrict):
    """All separators between include and include | restrict that lose the property with any smaller set."""
    free = sorted(restrict - include - x - y, key=str)
    sets = [include | set(s) for n in range(len(free) + 1) for s in itertools.combinations(free, n)]
    found = []
    for candidate in sets:
        if any(smaller <= candidate for smaller in found):
            continue
        if separated(dag, x, y, candidate):
            found.append(candidate)
    return found


def random_question(r):
    """Draw sets that are connected as they stand, so that something has to separate them."""
    while True:
        nodes = list(range(r.randint(6, 9)))
        dag = nx.DiGraph()
        dag.add_nodes_from(nodes)
        dag.add_edges_from(edge for edge in itertools.combinations(nodes, 2) if r.random() < 0.3)
        order = r.sample(nodes, len(nodes))
        size_x, size_y = (1 + (r.random() < 0.25) for _ in "xy")
        x, y, rest = set(order[:size_x]), set(order[size_x : size_x + size_y]), order[size_x + size_y :]
        include = {node for node in rest if r.random() < 0.1}
        restrict = {node for node in rest if r.random() < 0.95} | include
        joined = any(dag.has_edge(a, b) or dag.has_edge(b, a) for a in x for b in y)
        if not separated(dag, x, y, include) and (not joined or r.random() < 0.05):
            return dag, x, y, include, restrict


@pytest.mark.slow
def test_the_questions_are_rich():
    """Many of them have several minimal separators."""
    counts = [len(brute_force(*random_question(random.Random(seed)))) for seed in range(100)]
    assert sum(count > 1 for count in counts) > 10
    assert max(counts) > 2


@pytest.mark.parametrize("seed", range(250))
def test_minimal_smallest_and_all(seed):
    dag, x, y, include, restrict = random_question(random.Random(seed))
    every = brute_force(dag, x, y, include, restrict)
    # Minimal means that no part separates; brute force by size keeps the inclusion-minimal ones.
    minimal = [s for s in every if not any(t < s for t in every)]
    arguments = (*neighbours(dag), x, y, include, restrict)
    listed = list(minimal_separators(*arguments))
    assert len(listed) == len(set(listed))
    found, smallest = find_minimal_separator(*arguments), find_smallest_separator(*arguments)
    if not minimal:
        assert found is None
        assert smallest is None
        assert listed == []
        return
    assert found in minimal
    assert len(smallest) == min(map(len, minimal))
    assert are_separated(*neighbours(dag), x, y, smallest)
    assert set(listed) == {frozenset(s) for s in minimal}


def test_unrestricted_is_everything():
    graph = nx.DiGraph([("a", "b"), ("b", "c")])
    assert minimal_separator(graph, "a", "c") == {"b"}
    assert minimal_separator(graph, "a", "b") is None
    assert minimal_separator(graph, "a", "c", restrict=[]) is None


@pytest.mark.parametrize("seed", range(150))
def test_plates(seed):
    r = random.Random(seed)
    template = random_template(r)
    (x, xs), (y, ys) = random_region(r, template), random_region(r, template)
    dag = template.ground()
    if xs & ys or not nx.is_directed_acyclic_graph(dag):
        return
    found, smallest = minimal_separator(template.graph(), x, y), smallest_separator(template.graph(), x, y)
    rest = {v for v in dag if v in nx.ancestors(dag, v) or v not in xs | ys}
    kept = set().union(xs, ys, *(nx.ancestors(dag, v) for v in xs | ys))
    if found is None:
        assert smallest is None
        assert not separated(dag, xs, ys, (rest & kept) - xs - ys)
        return
    elements = set().union(*(elements_of(template, name) for name in found))
    assert separated(dag, xs, ys, elements)
    assert not any(separated(dag, xs, ys, elements - {v}) for v in elements)
    least = find_smallest_separator(*neighbours(dag), xs, ys)
    assert len(set().union(*(elements_of(template, name) for name in smallest))) == len(least)
