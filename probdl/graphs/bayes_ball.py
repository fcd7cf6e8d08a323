"""Which nodes a path that is open reaches: linear time, on any mapping from nodes to parents and children."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Set

from probdl.graphs.ground import Neighbours, Node

Step = tuple[Node, bool]
"""A node, and whether the path came to it from one of its children (or starts there)."""


def ancestors(parents: Neighbours, nodes: Iterable[Node]) -> set[Node]:
    """Return nodes and all their ancestors.

    Args:
        parents: The parents of each node.
        nodes: Where to begin.

    Returns:
        The nodes themselves among the others.

    Example:
        >>> sorted(ancestors({"a": [], "b": ["a"], "c": ["b"]}, ["b"]))
        ['a', 'b']
    """
    found = set(nodes)
    waiting = list(found)
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def ball(
    parents: Neighbours, children: Neighbours, sources: Iterable[Node], given: Set[Node]
) -> Iterator[Node]:
    """Visit all nodes to which an open path leads from some source.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        sources: Where paths begin.
        given: The observed nodes.

    Yields:
        The nodes, sources first; a node once or twice; given nodes at which the ball stops or turns too.

    Source:
        Shachter (1998), Bayes-ball.

    Example:
        >>> parents, children = {"a": [], "b": [], "c": ["a", "b"]}, {"a": ["c"], "b": ["c"], "c": []}
        >>> list(ball(parents, children, ["a"], {"c"}))
        ['a', 'c', 'b']
    """
    upward = set(sources)  # came from a child
    downward: set[Node] = set()  # came from a parent
    waiting: list[Step] = [(node, True) for node in upward]
    while waiting:
        node, from_child = waiting.pop()
        yield node
        is_given = node in given
        if is_given != from_child:
            for parent in parents[node]:
                if parent not in upward:
                    upward.add(parent)
                    waiting.append((parent, True))
        if not is_given:
            for child in children[node]:
                if child not in downward:
                    downward.add(child)
                    waiting.append((child, False))


def are_separated(
    parents: Neighbours, children: Neighbours, x: Set[Node], y: Set[Node], given: Set[Node]
) -> bool:
    """Return whether no open path joins x and y.

    Two balls start from both sides and take turns: the smaller of the two regions decides the cost.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        x: Some nodes.
        y: Others.
        given: The observed nodes.

    Returns:
        Whether they are d-separated.

    Example:
        >>> parents, children = {"a": [], "b": [], "c": ["a", "b"]}, {"a": ["c"], "b": ["c"], "c": []}
        >>> are_separated(parents, children, {"a"}, {"b"}, set())
        True
    """
    turns = zip(ball(parents, children, x, given), ball(parents, children, y, given), strict=False)
    return not any(a in y or b in x for a, b in turns)


def reachable(
    parents: Neighbours, children: Neighbours, sources: Iterable[Node], given: Set[Node]
) -> set[Node]:
    """Return all nodes that an open path joins to some source.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        sources: Where paths begin.
        given: The observed nodes.

    Returns:
        The nodes, sources among them, without the given ones.

    Example:
        >>> parents, children = {"a": [], "b": [], "c": ["a", "b"]}, {"a": ["c"], "b": ["c"], "c": []}
        >>> sorted(reachable(parents, children, ["a"], {"c"}))
        ['a', 'b']
    """
    return set(ball(parents, children, sources, given)).difference(given)


def shortest_path(
    parents: Neighbours,
    children: Neighbours,
    sources: Collection[Node],
    targets: Set[Node],
    given: Set[Node],
) -> list[Node] | None:
    """Return a shortest open path from a source to a target.

    A shortest open walk never visits a node twice: leaving out the loop between two visits would leave
    an open walk that is shorter.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        sources: Where paths begin.
        targets: Where they end.
        given: The observed nodes.

    Returns:
        Its nodes, or None if no path is open.

    Example:
        >>> parents, children = {"a": [], "b": [], "c": ["a", "b"]}, {"a": ["c"], "b": ["c"], "c": []}
        >>> shortest_path(parents, children, ["a"], {"b"}, {"c"})
        ['a', 'c', 'b']
    """
    opened = ancestors(parents, given)
    came_from: dict[Step, Step | None] = {(node, True): None for node in sources}
    waiting = list(came_from)
    for step in waiting:
        node, from_child = step
        if node in targets:
            return _retrace(step, came_from)
        is_given = node in given
        upward = not is_given if from_child else node in opened
        steps = [(parent, True) for parent in parents[node]] if upward else []
        if not is_given:
            steps += [(child, False) for child in children[node]]
        for new in steps:
            if new not in came_from:
                came_from[new] = step
                waiting.append(new)
    return None


def _retrace(step: Step | None, came_from: dict[Step, Step | None]) -> list[Node]:
    path = []
    while step is not None:
        path.append(step[0])
        step = came_from[step]
    return path[::-1]


def descend(children: Neighbours, node: Node, targets: Set[Node]) -> list[Node]:
    """Return a shortest directed path from a node down to a target.

    Args:
        children: The children of each node.
        node: Where it begins.
        targets: Where it may end.

    Returns:
        Its nodes: the node alone if it is itself a target, none if no target is below it.

    Example:
        >>> descend({"a": ["b"], "b": ["c"], "c": []}, "a", {"c"})
        ['a', 'b', 'c']
    """
    came_from: dict[Step, Step | None] = {(node, False): None}
    waiting = list(came_from)
    for step in waiting:
        if step[0] in targets:
            return _retrace(step, came_from)
        for child in children[step[0]]:
            if (child, False) not in came_from:
                came_from[child, False] = step
                waiting.append((child, False))
    return []
