"""Separating sets on a finite DAG: a minimal one, a smallest one, all minimal ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set

from probdl.graphs.bayes_ball import ancestors, are_separated, ball
from probdl.graphs.ground import Neighbours, Node


def find_minimal_separator(
    parents: Neighbours,
    children: Neighbours,
    x: Set[Node],
    y: Set[Node],
    include: Set[Node] = frozenset(),
    restrict: Set[Node] | None = None,
) -> frozenset[Node] | None:
    """Return a minimal separator on a finite DAG.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        x: Some nodes.
        y: Others.
        include: Nodes that it must hold.
        restrict: Nodes that it may hold beside; all if None.

    Returns:
        The separator, or None if there is none.
    """
    kept = ancestors(parents, x | y | include)
    widest = _allowed(kept, x, y, include, restrict)
    if not are_separated(parents, children, x, y, widest):
        return None
    near_x = widest.intersection(ball(parents, children, x, widest)) | include
    return frozenset(near_x.intersection(ball(parents, children, y, near_x)) | include)


def minimal_separators(
    parents: Neighbours,
    children: Neighbours,
    x: Set[Node],
    y: Set[Node],
    include: Set[Node] = frozenset(),
    restrict: Set[Node] | None = None,
) -> Iterator[frozenset[Node]]:
    """Yield all minimal separators on a finite DAG, each once.

    Each is the border of the part of the moral graph that it leaves to x; the search decides node by node
    whether it belongs to that part.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        x: Some nodes.
        y: Others.
        include: Nodes that it must hold.
        restrict: Nodes that it may hold beside; all if None.

    Yields:
        The separators; polynomial time passes between two of them.

    Source:
        Takata (2010), Space-optimal, backtracking algorithms to list the minimal vertex separators of a
        graph, doi:10.1016/j.dam.2010.05.013.
    """
    moral = _moral(parents, children, x, y, include, restrict)
    waiting: list[tuple[frozenset[Node], frozenset[Node]]] = [(frozenset(x), frozenset())]
    while waiting:
        side, refused = waiting.pop()
        border = _border(moral, side)
        if not y.isdisjoint(border):
            continue
        far = _component(moral, y, border)
        border = frozenset(node for node in border if not far.isdisjoint(moral[node]))
        side = frozenset(_component(moral, x, border))
        if not side.isdisjoint(refused):
            continue
        free = next((v for v in border - refused if y.isdisjoint(moral[v])), None)
        if free is None:
            yield border | include
        else:
            waiting.append((side, refused | {free}))
            waiting.append((side | {free}, refused))


def find_smallest_separator(
    parents: Neighbours,
    children: Neighbours,
    x: Set[Node],
    y: Set[Node],
    include: Set[Node] = frozenset(),
    restrict: Set[Node] | None = None,
    size: Callable[[Node], int] = lambda _: 1,
) -> frozenset[Node] | None:
    """Return a separator of fewest elements on a finite DAG: a minimum cut of the moral graph.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        x: Some nodes.
        y: Others.
        include: Nodes that it must hold.
        restrict: Nodes that it may hold beside; all if None.
        size: How many elements a node stands for.

    Returns:
        The separator, or None if there is none.
    """
    import networkx as nx

    moral = _moral(parents, children, x, y, include, restrict)
    network = nx.DiGraph()
    source, sink = "source", "sink"
    for node, around in moral.items():
        if node in x:
            network.add_edge(source, (node, "in"))
        if node in y:
            network.add_edge((node, "out"), sink)
        ends = {} if node in x or node in y else {"capacity": size(node)}
        network.add_edge((node, "in"), (node, "out"), **ends)
        network.add_edges_from(((node, "out"), (other, "in")) for other in around)
    if source not in network or sink not in network:
        return frozenset(include)
    if any(not y.isdisjoint(moral[node]) for node in x):
        return None
    _, (near, _) = nx.minimum_cut(network, source, sink)
    return frozenset(node for node in moral if (node, "in") in near and (node, "out") not in near) | include


def _allowed(
    kept: Collection[Node], x: Set[Node], y: Set[Node], include: Set[Node], restrict: Set[Node] | None
) -> frozenset[Node]:
    allowed = frozenset(kept) if restrict is None else frozenset(kept) & restrict
    return frozenset(allowed.difference(x, y)) | include


def _moral(
    parents: Neighbours,
    children: Neighbours,
    x: Set[Node],
    y: Set[Node],
    include: Set[Node],
    restrict: Set[Node] | None,
) -> dict[Node, set[Node]]:
    """Return the moral graph of the ancestors without `include`; nodes that may not separate let through."""
    kept = ancestors(parents, x | y | include)
    around: dict[Node, set[Node]] = {node: set() for node in kept}
    for node in kept:
        family = [node, *parents[node]]
        for member in family:
            around[member].update(family)
    held = _allowed(kept, x, y, include, restrict) - include
    ends = held | x | y
    shown = {}
    for node in ends:
        seen = {node}
        waiting = [node]
        while waiting:
            for other in around[waiting.pop()] - seen - include:
                seen.add(other)
                if other not in ends:
                    waiting.append(other)
        shown[node] = (seen & ends) - {node}
    return shown


def _border(moral: Mapping[Node, Set[Node]], side: Iterable[Node]) -> frozenset[Node]:
    side = frozenset(side)
    return frozenset[Node]().union(*(moral[node] for node in side)) - side


def _component(moral: Mapping[Node, Set[Node]], start: Iterable[Node], without: Set[Node]) -> set[Node]:
    seen = set(start)
    waiting = list(seen)
    while waiting:
        for node in moral[waiting.pop()] - seen - without:
            seen.add(node)
            waiting.append(node)
    return seen
