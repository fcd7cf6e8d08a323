"""Checks of what a query was given."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from probdl.graphs.elements import Region, axes_of, element_name, run_name
from probdl.graphs.runs import meet

if TYPE_CHECKING:
    import networkx as nx


def check_directed(graph: Any, where: str) -> None:
    """Check that a query was given a directed graph.

    Args:
        graph: What it was given.
        where: The query.

    Raises:
        TypeError: If it is something else.
    """
    import networkx as nx

    if isinstance(graph, nx.MultiDiGraph):
        raise TypeError(
            f"Expected a graph with one edge between two nodes in {where}; got a MultiDiGraph. "
            "Write networkx.DiGraph(graph)."
        )
    if isinstance(graph, nx.DiGraph):
        return
    if isinstance(graph, nx.Graph):
        raise TypeError(
            f"Expected a directed graph in {where}; got an undirected {type(graph).__name__}. "
            "Give each edge a direction: networkx.DiGraph(edges)."
        )
    raise TypeError(
        f"Expected a networkx.DiGraph in {where}; got {type(graph).__name__}. Write graph(model) for a model."
    )


def check_disjoint(graph: nx.DiGraph, regions: Sequence[Sequence[Region]], where: str) -> None:
    """Check that no element is in two of the sets that a query names.

    Args:
        graph: The graph.
        regions: The sets.
        where: The query.

    Raises:
        ValueError: If one is; the message names it.
    """
    nodes = [{region.node for region in found} for found in regions]
    for (i, a), (j, b) in combinations(enumerate(regions), 2):
        common = nodes[i] & nodes[j]
        for one in (region for region in a if region.node in common):
            for other in (region for region in b if region.node == one.node):
                both = [meet(p, q) for p, q in zip(one.runs, other.runs, strict=True)]
                if all(both):
                    sizes = [axis.size for axis in axes_of(graph, one.node)]
                    parts = [run_name(runs[0], size) for runs, size in zip(both, sizes, strict=True)]
                    what = element_name(one.node, [] if set(parts) <= {":"} else parts)
                    raise overlap(what, where)


def overlap(what: Hashable, where: str) -> ValueError:
    """Return the error for an element that is in two sets of a query.

    Args:
        what: The element.
        where: The query.

    Returns:
        The error.
    """
    return ValueError(f"Expected disjoint sets in {where}; got '{what}' in two of them. Take it out of one.")


def check_held(graph: nx.DiGraph, where: str) -> None:
    """Check that `do` holds whole nodes, where elements cannot be told apart.

    Args:
        graph: The graph.
        where: The query.

    Raises:
        ValueError: If it holds some elements of a node.
    """
    for name in (name for _, names in graph.nodes.data("held", default=()) for name in names):
        raise ValueError(
            f"Expected whole nodes held by do in {where}; got '{name}'. Write {where}(unroll(graph))."
        )
