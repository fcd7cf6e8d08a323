"""Undirected graphs as pictures: moral graphs, skeletons and factor graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probdl.program.sites import Site, SiteKind
from probdl.report.labels import visible

if TYPE_CHECKING:
    import networkx as nx


def oriented(graph: nx.Graph) -> nx.DiGraph:
    """Give the edges of an undirected graph a direction, for a layout that draws them without arrows.

    Args:
        graph: An undirected graph. In a factor graph, the nodes with `bipartite=1` are factors.

    Returns:
        The same nodes; an edge leads to a factor, or else to the later node; `graph["undirected"]` is set.

    Example:
        >>> import networkx as nx
        >>> list(oriented(nx.Graph([("b", "a")])).edges)
        [('b', 'a')]
    """
    import networkx as nx

    result = nx.DiGraph(**{**graph.graph, "undirected": True})
    for node, attributes in graph.nodes.data():
        result.add_node(node, **attributes)
        if attributes.get("bipartite") == 1:
            result.nodes[node]["site"] = Site(visible(node), SiteKind.FACTOR)
    rank = {node: i for i, node in enumerate(graph)}
    for a, b in graph.edges():
        tail, head = sorted((a, b), key=lambda node: (graph.nodes[node].get("bipartite") == 1, rank[node]))
        if tail != head:
            result.add_edge(tail, head)
    return result
