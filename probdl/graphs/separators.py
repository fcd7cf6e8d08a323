"""Separators: minimal in linear time, smallest by a minimum cut, all minimal ones one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Set
from typing import TYPE_CHECKING

from probdl.graphs.bayes_ball import ancestors, are_separated, ball
from probdl.graphs.elements import Names
from probdl.graphs.ground import Ground, Neighbours, Node, ground

if TYPE_CHECKING:
    import networkx as nx


def minimal_separator(
    graph: nx.DiGraph, x: Names, y: Names, include: Names = (), restrict: Names | None = None
) -> frozenset[Hashable] | None:
    """Return a set that d-separates x and y, of which no part that holds `include` does.

    Linear in the size of the graph.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]", or several.
        y: The same, disjoint from `x`.
        include: What the separator must hold, disjoint from both.
        restrict: What it may hold beside that; anything if None.

    Returns:
        The separator, or None if there is none. Elements of a plate that the question does not tell
        apart are in it all together or not at all.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If `x`, `y` and `include` overlap, or if the question needs too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "d")])
        >>> sorted(minimal_separator(graph, "a", "d", restrict=["b", "c"]))
        ['b']

    Source:
        van der Zander, Liskiewicz & Textor (2019), Separators and adjustment sets in causal graphs,
        doi:10.1016/j.artint.2018.12.006.
    """
    dag = posed(graph, x, y, include, restrict, "minimal_separator")
    found = find_minimal_separator(
        dag.parents, dag.children, dag.asked[0], dag.asked[1], dag.given(2), dag.also
    )
    return None if found is None else frozenset(dag.labels.names(found - dag.fixed))


def smallest_separator(
    graph: nx.DiGraph, x: Names, y: Names, include: Names = (), restrict: Names | None = None
) -> frozenset[Hashable] | None:
    """Return a set of fewest elements that d-separates x and y.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]", or several.
        y: The same, disjoint from `x`.
        include: What the separator must hold, disjoint from both.
        restrict: What it may hold beside that; anything if None.

    Returns:
        The separator, or None if there is none.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If `x`, `y` and `include` overlap, or if the question needs too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("a", "b1"), ("a", "b2"), ("b1", "c"), ("b2", "c"), ("c", "d")])
        >>> sorted(smallest_separator(graph, "a", "d"))
        ['c']

    Source:
        van der Zander, Liskiewicz & Textor (2019), doi:10.1016/j.artint.2018.12.006.
    """
    dag = posed(graph, x, y, include, restrict, "smallest_separator")
    found = find_smallest_separator(
        dag.parents, dag.children, dag.asked[0], dag.asked[1], dag.given(2), dag.also, dag.labels.size
    )
    return None if found is None else frozenset(dag.labels.names(found - dag.fixed))


def posed(
    graph: nx.DiGraph, x: Names, y: Names, include: Names, restrict: Names | None, where: str
) -> Ground:
    """Return the finite DAG of a question for a separator.

    Args:
        graph: The graph.
        x: One side.
        y: The other.
        include: What the separator must hold.
        restrict: What it may hold; anything if None.
        where: The call that asks, for messages.

    Returns:
        The DAG: its sets are x, y and `include`, beside them `restrict`.
    """
    return ground(graph, x, y, include, where=where, also=restrict)


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
