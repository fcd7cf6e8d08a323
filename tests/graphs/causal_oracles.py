"""Causal criteria by their definitions, path by path and set by set, with networkx alone."""

import itertools
import random

import networkx as nx


def separated(dag, x, y, given):
    """Lauritzen's criterion."""
    x, y, given = set(x), set(y), set(given)
    named = x | y | given
    kept = named.union(*(nx.ancestors(dag, node) for node in named))
    moral = nx.Graph(nx.moral_graph(dag.subgraph(kept)))
    moral.remove_nodes_from(given)
    return not any(y & set(nx.node_connected_component(moral, node)) for node in x)


def below(dag, nodes):
    return set(nodes).union(*(nx.descendants(dag, node) for node in nodes))


def without(dag, edges):
    left = dag.copy()
    left.remove_edges_from(list(edges))
    return left


def causal_paths(dag, x, y):
    for a, b in itertools.product(x, y):
        yield from (path for path in nx.all_simple_paths(dag, a, b) if not set(path[1:]) & set(x))


def backdoor(dag, x, y, z, held=()):
    """Pearl's definition 3.3.1; for several x their edges are cut together. `held` is always given."""
    if below(dag, x) & {*z, *held}:
        return False
    return separated(without(dag, dag.out_edges(x)), x, y, {*z, *held})


def adjustment(dag, x, y, z, held=()):
    """The criterion of Shpitser, VanderWeele and Robins; no factor may lie below x."""
    paths = list(causal_paths(dag, x, y))
    causal = {node for path in paths for node in path[1:]}
    if below(dag, causal) & {*z, *held} or below(dag, x) & set(held):
        return False
    return separated(without(dag, {(path[0], path[1]) for path in paths}), x, y, {*z, *held})


def frontdoor(dag, x, y, z, held=()):
    """Pearl's definition 3.3.3; no factor may lie below x or z."""
    if below(dag, {*x, *z}) & set(held):
        return False
    if any(
        not set(path) & set(z) for a, b in itertools.product(x, y) for path in nx.all_simple_paths(dag, a, b)
    ):
        return False
    return separated(without(dag, dag.out_edges(x)), x, z, held) and separated(
        without(dag, dag.out_edges(z)), z, y, {*x, *held}
    )


def family(criterion, dag, x, y, include, allowed, held=()):
    """All sets that meet a criterion, hold `include`, and beside it only what is allowed."""
    free = sorted(set(allowed) - set(x) - set(y) - set(include) - set(held), key=str)
    sets = (
        frozenset(some) | frozenset(include)
        for size in range(len(free) + 1)
        for some in itertools.combinations(free, size)
    )
    return [found for found in sets if criterion(dag, x, y, found, held)]


def minimal(sets):
    return {one for one in sets if not any(other < one for other in sets)}


def is_instrument(dag, x, y, z, given):
    """z reaches y through x alone, given others that no causal path has changed."""
    paths = list(nx.all_simple_paths(dag, x, y))
    changed = below(dag, {y, *(node for path in paths for node in path[1:])})
    if changed & {z, *given}:
        return False
    rest = without(dag, {(path[0], path[1]) for path in paths})
    return separated(rest, {z}, {y}, given) and not separated(rest, {z}, {x}, given)


def random_dag(r: random.Random, most: int = 8) -> nx.DiGraph:
    """A random DAG over 0, 1, ... whose nodes are in no particular order."""
    size, density = r.randint(3, most), r.choice([0.25, 0.33, 0.45])
    nodes = r.sample(range(size), size)
    dag = nx.DiGraph()
    dag.add_nodes_from(range(size))
    dag.add_edges_from(edge for edge in itertools.combinations(nodes, 2) if r.random() < density)
    return dag


def random_question(r: random.Random, dag: nx.DiGraph):
    """Causes, effects, what a set must hold and may hold."""
    order = list(nx.topological_sort(dag))
    if r.random() < 0.6:
        x, y = {order[r.randrange(len(order) // 2 + 1)]}, {order[-1]}
    else:
        roles = {node: r.choice("xy..") for node in dag}
        x, y = ({node for node in dag if roles[node] == role} for role in "xy")
        x, y = x or {order[0]} - y, y or {order[-1]} - x
    rest = set(dag) - x - y
    include = {node for node in rest if r.random() < 0.12}
    allowed = set(dag) if r.random() < 0.6 else {node for node in dag if r.random() < 0.7}
    return x, y, include, allowed
