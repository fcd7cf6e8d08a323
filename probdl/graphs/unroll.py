"""All elements of a graph with plates and scans, or the few that show all there is to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from probdl.graphs.elements import axes_of, is_plated
from probdl.graphs.ground import FIXED, Ground, check_acyclic, check_directed, ground
from probdl.program.sites import Site, intervened

if TYPE_CHECKING:
    import networkx as nx


def unroll(graph: nx.DiGraph) -> nx.DiGraph:
    """Return the graph of all elements: one node for each element of a plate or step of a scan.

    Args:
        graph: The graph of a program, or any acyclic directed graph.

    Returns:
        A graph without plates; nodes have names such as "x[3]" and carry the site of their element. A graph
        without plates is copied.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If there are too many elements; the message says how many.

    Example:
        >>> import networkx as nx
        >>> from probdl.program.sites import SiteKind
        >>> graph = nx.DiGraph(plates={"n": 2})
        >>> graph.add_node("x", site=Site("x", SiteKind.LATENT, (2,), plates=("n",), axes=(("n", 0),)))
        >>> graph.add_edge("mu", "x")
        >>> list(unroll(graph).edges)
        [('mu', 'x[0]'), ('mu', 'x[1]')]
    """
    import networkx as nx

    dag = all_elements(graph, "unroll")
    if not is_plated(graph):
        return nx.DiGraph(graph)
    result = nx.DiGraph(**{**graph.graph, "plates": {}, "scans": {}})
    names = [dag.labels.element(node) for node in dag.nodes]
    sites = {node: _of_one_element(graph, node) for node in graph}
    result.add_nodes_from((name, sites[dag.labels.site(i)]) for i, name in enumerate(names))
    result.add_edges_from((names[parent], names[i]) for i in dag.nodes for parent in dag.parents[i])
    for i, (name, attributes) in zip(dag.nodes, result.nodes.data(), strict=True):
        if isinstance(site := attributes.get("site"), Site):
            site = intervened(site) if i in dag.fixed and site.kind not in FIXED else site
            attributes["site"] = replace(site, name=str(name))
    return result


def _of_one_element(graph: nx.DiGraph, node: object) -> dict[str, object]:
    """Return the attributes of one element of a node: its site has lost its plates and scan."""
    attributes = {key: value for key, value in graph.nodes[node].items() if key != "held"}
    site = attributes.get("site")
    if isinstance(site, Site) and axes_of(graph, node):
        lost = {axis for _, axis in site.axes}
        shape = tuple(size for axis, size in enumerate(site.shape) if axis not in lost)
        attributes["site"] = replace(site, shape=shape, plates=(), scan=None, axes=())
    return attributes


def all_elements(graph: nx.DiGraph, where: str) -> Ground:
    """Return the finite DAG of all elements.

    Args:
        graph: The graph.
        where: The query, for messages.

    Returns:
        The DAG.

    Raises:
        ValueError: If there are too many; the message says how many.
    """
    axes = {axis.name for node in graph for axis in axes_of(graph, node)} if is_plated(graph) else set()
    return _elements(graph, where, 0, axes)


def few_elements(graph: nx.DiGraph, where: str, apart: Iterable[str] = ()) -> Ground:
    """Return the finite DAG with three elements of each cell of a plate that can be folded.

    A cell holds elements that can be exchanged: without masks, all of them. An edge, a fork or a collider
    has at most three elements of a plate, and can be exchanged with one of these.

    Args:
        graph: The graph.
        where: The query, for messages.
        apart: Plates to unroll wholly all the same.

    Returns:
        The DAG.

    Raises:
        ValueError: If lags and gathers would need too many elements.
    """
    return _elements(graph, where, 2, apart)


def _elements(graph: nx.DiGraph, where: str, copies: int, apart: Iterable[str]) -> Ground:
    check_directed(graph, where)
    if not is_plated(graph):
        return ground(graph, where=where)
    from probdl.graphs.unrolling import sampled

    dag = sampled(graph, where, copies, apart)
    check_acyclic(dag)
    return dag
