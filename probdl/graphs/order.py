"""Orders in which parents come before children."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from probdl.graphs.arguments import check_directed
from probdl.graphs.elements import axes_of, is_plated
from probdl.graphs.lattice import reads_of
from probdl.graphs.unroll import few_elements

if TYPE_CHECKING:
    import networkx as nx


def ancestral_order(graph: nx.DiGraph) -> tuple[Hashable, ...]:
    """Return the nodes in an order in which parents come before children.

    Args:
        graph: The graph of a program, or any acyclic directed graph. Edges from earlier steps of a scan
            do not count: the order is that within a step.

    Returns:
        The nodes; those that the edges leave open are in the order of the graph. Nodes of which some
        elements come before and some after those of the other stand side by side.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.

    Example:
        >>> import networkx as nx
        >>> ancestral_order(nx.DiGraph([("b", "c"), ("a", "b")]))
        ('a', 'b', 'c')

    Source:
        Bishop & Bishop (2023), §11.1.1.
    """
    import networkx as nx

    check_directed(graph, "ancestral_order")
    within = within_a_step(graph) if is_plated(graph) else graph
    rank = {node: i for i, node in enumerate(graph)}
    try:
        return tuple(nx.lexicographical_topological_sort(within, key=rank.__getitem__))
    except nx.NetworkXUnfeasible:
        few_elements(graph, "ancestral_order")  # raises where elements make a cycle too
    joined = nx.condensation(within)
    members = {part: sorted(nodes, key=rank.__getitem__) for part, nodes in joined.nodes.data("members")}
    parts = nx.lexicographical_topological_sort(joined, key=lambda part: rank[members[part][0]])
    return tuple(node for part in parts for node in members[part])


def within_a_step(graph: nx.DiGraph) -> nx.DiGraph:
    """Return a graph without the edges that come from other steps alone, all of them before or all after.

    Args:
        graph: The graph.

    Returns:
        Its nodes and the other edges, without attributes.
    """
    import networkx as nx

    offsets = {(tail, head): _offsets(graph, tail, head) for tail, head in graph.edges()}
    signs: dict[str, set[int]] = {}
    for name, found in (item for by_axis in offsets.values() for item in by_axis.items()):
        signs.setdefault(name, set()).update((k > 0) - (k < 0) for k in found if k is not None)
    one_way = {name for name, found in signs.items() if len(found - {0}) == 1}
    within = nx.DiGraph()
    within.add_nodes_from(graph)
    within.add_edges_from(
        edge
        for edge, by_axis in offsets.items()
        if not any(name in one_way and found.isdisjoint((0, None)) for name, found in by_axis.items())
    )
    return within


def _offsets(graph: nx.DiGraph, parent: Hashable, child: Hashable) -> dict[str, set[int | None]]:
    """Return by how much the reads of an edge are shifted along each axis; None where they are not shifts."""
    shared = {axis.name for axis in axes_of(graph, parent)} & {axis.name for axis in axes_of(graph, child)}
    found: dict[str, set[int | None]] = {name: set() for name in shared}
    for read in reads_of(graph, parent, child):
        for name in shared:
            position = read.positions[name]
            found[name].add(position if isinstance(position, int) else None)
    return {name: some for name, some in found.items() if some}
