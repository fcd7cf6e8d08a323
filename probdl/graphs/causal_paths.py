"""Causal paths of a finite DAG, and the DAG without some of its edges."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Set
from typing import TYPE_CHECKING, Any

from probdl.graphs.elements import Names
from probdl.graphs.ground import Neighbours, Node

if TYPE_CHECKING:
    import networkx as nx

Edge = tuple[Node, Node]


def walk(neighbours: Neighbours, start: Iterable[Node], avoid: Set[Node] = frozenset()) -> set[Node]:
    """Return what can be reached along edges without entering some nodes.

    Args:
        neighbours: The children of each node, to walk downward; the parents, to walk upward.
        start: Where walks begin; they may begin at nodes that are to be avoided.
        avoid: What they may not enter.

    Returns:
        The nodes, `start` among them.

    Example:
        >>> sorted(walk({"a": ["b"], "b": ["c"], "c": []}, ["a"], avoid={"c"}))
        ['a', 'b']
    """
    found = set(start)
    waiting = list(found)
    while waiting:
        for node in neighbours[waiting.pop()]:
            if node not in found and node not in avoid:
                found.add(node)
                waiting.append(node)
    return found


def on_causal_paths(parents: Neighbours, children: Neighbours, x: Set[Node], y: Set[Node]) -> set[Node]:
    """Return the nodes of all directed paths from x to y that leave x once, without x.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        x: The causes.
        y: The effects.

    Returns:
        The nodes, those of `y` that are reached among them.

    Example:
        >>> parents, children = {"x": [], "m": ["x"], "y": ["m"]}, {"x": ["m"], "m": ["y"], "y": []}
        >>> sorted(on_causal_paths(parents, children, {"x"}, {"y"}))
        ['m', 'y']
    """
    return (walk(children, x) & walk(parents, y, avoid=x)) - x


def edges_out(children: Neighbours, nodes: Iterable[Node]) -> set[Edge]:
    """Return the edges that leave some nodes.

    Args:
        children: The children of each node.
        nodes: The nodes.

    Returns:
        The edges.
    """
    return {(node, child) for node in nodes for child in children[node]}


def without_edges(
    parents: Neighbours, children: Neighbours, edges: Set[Edge]
) -> tuple[Neighbours, Neighbours]:
    """Return a DAG without some of its edges.

    Args:
        parents: The parents of each node.
        children: The children of each node.
        edges: The edges to leave out.

    Returns:
        Its parents and its children; those that were given stay as they are.

    Example:
        >>> without_edges({"a": [], "b": ["a"]}, {"a": ["b"], "b": []}, {("a", "b")})
        ({'a': [], 'b': []}, {'a': [], 'b': []})
    """
    upward: Any = copy.copy(parents)
    downward: Any = copy.copy(children)
    for tail in {tail for tail, _ in edges}:
        downward[tail] = [head for head in children[tail] if (tail, head) not in edges]
    for head in {head for _, head in edges}:
        upward[head] = [tail for tail in parents[head] if (tail, head) not in edges]
    return upward, downward


def measurable(graph: nx.DiGraph, restrict: Names | None) -> Names | None:
    """Return what the answer to a causal question may hold.

    Args:
        graph: The graph.
        restrict: What the caller allows, or None.

    Returns:
        `restrict`, and without it the nodes that are not marked `latent`; None for all.
    """
    if restrict is not None:
        return restrict
    shown = [node for node, latent in graph.nodes(data="latent") if not latent]
    return None if len(shown) == len(graph) else frozenset(shown)
