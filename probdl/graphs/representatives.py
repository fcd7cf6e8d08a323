"""A few elements of each plate, enough to compare two graphs: a v-structure has at most three."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Set
from itertools import chain, product
from typing import TYPE_CHECKING

from probdl.graphs.elements import Axis, Region, axes_of, element_name, is_plated
from probdl.graphs.ground import Reach
from probdl.graphs.lattice import lattice_of
from probdl.graphs.runs import firsts, partition

if TYPE_CHECKING:
    import networkx as nx

FEW = 3


def representatives(first: nx.DiGraph, second: nx.DiGraph, where: str) -> tuple[nx.DiGraph, nx.DiGraph]:
    """Return the graphs of some elements of two graphs with the same nodes and axes.

    Each axis falls into cells that neither graph tells apart. Three elements of each cell are kept: any
    three elements of a plate can be exchanged with kept ones, so that the two graphs have the same edges and
    v-structures if and only if they have the same ones here. An axis with lags or gathers is kept whole.

    Args:
        first: A graph.
        second: Another one.
        where: The call that asks, for messages.

    Returns:
        Graphs whose nodes are elements, without attributes.
    """
    graphs = (first, second)
    if not any(is_plated(graph) for graph in graphs):
        return graphs
    lattices = [lattice_of(graph, (), Reach.ALL) for graph in graphs]
    axes = {axis.name: axis for node in first for axis in axes_of(first, node)}
    kept = {}
    for name, axis in axes.items():
        cells = partition(axis.size, chain(*(lattice.cuts.get(name, ()) for lattice in lattices)))
        whole = any(name in lattice.unrolled for lattice in lattices)
        kept[name] = (
            frozenset(range(axis.size))
            if whole
            else frozenset(at for cell in cells for at in firsts(cell, FEW))
        )
    a, b = (_restricted(graph, kept, where) for graph in graphs)
    return a, b


def _restricted(graph: nx.DiGraph, kept: Mapping[str, Set[int]], where: str) -> nx.DiGraph:
    """Return the graph of the elements whose indices are all kept."""
    import networkx as nx

    from probdl.graphs.unrolling import unrolled

    wanted = {
        element_name(node, index) if index else node
        for node in graph
        for index in product(*(sorted(kept[axis.name]) for axis in axes_of(graph, node)))
    }
    dag = unrolled(graph, [[region] for region in _apart(graph, kept)], where, Reach.ALL)
    named = ((number, dag.labels.element(number)) for number in dag.nodes)
    names = {number: name for number, name in named if name in wanted}
    result = nx.DiGraph()
    result.add_nodes_from(names.values())
    for number, name in names.items():
        result.add_edges_from((names[parent], name) for parent in dag.parents[number] if parent in names)
    return result


def _apart(graph: nx.DiGraph, kept: Mapping[str, Set[int]]) -> Iterator[Region]:
    """Yield regions that tell the kept indices of each axis apart."""
    carriers: dict[str, tuple[Hashable, tuple[Axis, ...]]] = {
        axis.name: (node, axes_of(graph, node)) for node in graph for axis in axes_of(graph, node)
    }
    for name, (node, axes) in carriers.items():
        for at in sorted(kept[name]):
            yield Region(
                node, tuple(((at, at + 1),) if axis.name == name else ((0, axis.size),) for axis in axes)
            )
