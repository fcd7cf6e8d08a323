"""Separators of nodes and elements: minimal in linear time, smallest by a minimum cut."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from probdl.graphs.elements import Names
from probdl.graphs.ground import Ground, ground
from probdl.graphs.separating import find_minimal_separator, find_smallest_separator

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
