"""Graph surgery: the graph under an intervention."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from probdl.graphs.elements import Axis, Names, Region, axes_of, element_name, find_region, listed, run_name
from probdl.graphs.ground import check_directed
from probdl.graphs.lattice import reads_of
from probdl.graphs.relation import Read, edge_attributes
from probdl.graphs.unrolling import merged
from probdl.program.sites import Site, SiteKind, intervened

if TYPE_CHECKING:
    import networkx as nx


def do(graph: nx.DiGraph, nodes: Names) -> nx.DiGraph:
    """Return the graph under an intervention on some nodes: a copy without the edges into them.

    A site becomes `SiteKind.INTERVENED`, without distribution: `do(graph(model), "x")` is
    `graph(model.do(x=value))`. In a bare graph only the edges go: queries do not take the nodes as given.

    Of elements of a site, as of "x[3]", the site keeps its kind, which is that of the other elements; its
    node has the attribute `held`, a tuple of the names of those that are held, and the `reads` of the edges
    into it have a `where` that leaves them out.

    Args:
        graph: The graph of a program, or any directed graph; it stays as it is.
        nodes: A node or an element such as "x[3]" or "x[2:5]", or several.

    Returns:
        The new graph, of the same nodes.

    Raises:
        TypeError: If `graph` is no DiGraph.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If a site is a factor.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "y")])
        >>> list(do(graph, "x").edges)
        [('u', 'y'), ('x', 'y')]

    Source:
        Pearl (2009), Causality, definition 3.2.1 and §3.2.3.
    """
    check_directed(graph, "do")
    regions = [find_region(graph, name, "do") for name in listed(nodes, graph)]
    result = graph.copy()
    for node in dict.fromkeys(region.node for region in regions):
        _check_has_value(graph.nodes[node].get("site"))
        before = [find_region(graph, name, "do") for name in graph.nodes[node].get("held", ())]
        held = merged([*before, *(region for region in regions if region.node == node)])
        flags = _flags(axes_of(graph, node), held)
        if flags.all():
            _hold(result, node)
        else:
            result.nodes[node]["held"] = tuple(_names(axes_of(graph, node), held))
            _spare(result, node, flags)
    return result


def _check_has_value(site: Site | None) -> None:
    if site is not None and site.kind is SiteKind.FACTOR:
        raise ValueError(
            f"Expected a site with a value in do; got '{site.name}', a factor, which has no value. "
            f"Intervene on the sites that it reads."
        )


def _hold(graph: nx.DiGraph, node: Hashable) -> None:
    """Take a node from its parents."""
    graph.remove_edges_from(list(graph.in_edges(node)))
    attributes = graph.nodes[node]
    attributes.pop("held", None)
    site = attributes.get("site")
    if isinstance(site, Site):
        attributes["site"] = intervened(site)


def _spare(graph: nx.DiGraph, node: Hashable, held: np.ndarray) -> None:
    """Take some elements of a node from their parents."""
    names = [axis.name for axis in axes_of(graph, node)]
    for parent in list(graph.predecessors(node)):
        reads = [_elsewhere(read, names, held) for read in reads_of(graph, parent, node)]
        left = [read for read in reads if read.where is None or read.where.any()]
        if left:
            graph.edges[parent, node].update(edge_attributes(left))
        else:
            graph.remove_edge(parent, node)


def _elsewhere(read: Read, names: Sequence[str], held: np.ndarray) -> Read:
    """Return a read for those elements of the child alone that are not held."""
    free = ~held.transpose([names.index(name) for name in read.axes])
    return replace(read, where=free if read.where is None else read.where & free)


def _flags(axes: Sequence[Axis], regions: Iterable[Region]) -> np.ndarray:
    """Return whether each element is in some region, of length one along axes that all leave whole."""
    return reduce(np.logical_or, (_inside(axes, region) for region in regions))


def _inside(axes: Sequence[Axis], region: Region) -> np.ndarray:
    found = np.ones((1,) * len(axes), bool)
    for place, (axis, runs) in enumerate(zip(axes, region.runs, strict=True)):
        if runs != ((0, axis.size),):
            along = np.zeros(axis.size, bool)
            for start, stop in runs:
                along[start:stop] = True
            found = found & along.reshape([-1 if i == place else 1 for i in range(len(axes))])
    return found


def _names(axes: Sequence[Axis], regions: Iterable[Region]) -> Iterable[str]:
    for region in regions:
        for runs in product(*region.runs):
            parts = [run_name(run, axis.size) for run, axis in zip(runs, axes, strict=True)]
            yield element_name(region.node, parts)
