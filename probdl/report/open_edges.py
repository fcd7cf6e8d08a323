"""The edges of a drawn graph along which what is asked about depends on other sites."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from probdl.graphs.grid import Grid
from probdl.graphs.ground import Ground, Node
from probdl.graphs.lattice import reads_of
from probdl.report.roles import Edge

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Homes:
    """Which drawn node each node of a finite DAG belongs to.

    Attributes:
        of: The drawn node of each node.
        crowds: For an edge of the drawing, nodes of its tail that stand for several parents of one child.
    """

    of: Mapping[Node, Hashable]
    crowds: Mapping[Edge, Set[Node]]


def homes_in(graph: nx.DiGraph, dag: Ground) -> Homes:
    """Return which drawn node each node of a finite DAG belongs to.

    Args:
        graph: The graph that is drawn.
        dag: Its finite DAG.

    Returns:
        The homes.
    """
    if not isinstance(dag.labels, Grid):
        return Homes({node: node for node in graph}, {})
    grid = dag.labels
    of = {number: node for node in grid.offsets for number in grid.all_of(node)}
    crowds = {}
    for tail, head in graph.edges:
        if tail in grid.offsets and (found := _crowded(graph, grid, tail, head)):
            crowds[tail, head] = found
    return Homes(of, crowds)


def _crowded(graph: nx.DiGraph, grid: Grid, tail: Hashable, head: Hashable) -> frozenset[int]:
    """Elements of a folded plate are several parents of one child where the edge crosses the plate."""
    crossed = {
        name for read in reads_of(graph, tail, head) for name, at in read.positions.items() if at is None
    }
    flags = np.zeros(grid.shape(tail), bool)
    for position, axis in enumerate(grid.axes[tail]):
        cells = grid.cells.get(axis.name)
        if axis.name in crossed and cells is not None:
            several = np.array([sum(stop - start for start, stop in runs) > 1 for runs in cells])
            flags |= several.reshape([-1 if i == position else 1 for i in range(flags.ndim)])
    return frozenset((np.flatnonzero(flags) + grid.offsets[tail]).tolist())


def open_edges(
    dag: Ground, homes: Homes, sources: Set[Node], given: Set[Node], reached: Set[Node]
) -> set[Edge]:
    """Return the drawn edges that lie on an open path from a source to something else.

    An edge to a node that is not given does if its tail is reached. One to a given node does if the path
    can turn there to another parent.

    Args:
        dag: The finite DAG.
        homes: The drawn node of each of its nodes.
        sources: Where paths begin.
        given: What is given, and what is always given.
        reached: What open paths reach, sources among it.

    Returns:
        The edges (parent, child) of the drawing.
    """
    found: set[Edge] = set()
    for head in dag.nodes:
        free = [tail for tail in dag.parents[head] if tail not in given]
        if head in given:
            crowd = [tail for tail in free if tail in homes.crowds.get((homes.of[tail], homes.of[head]), ())]
            if len(free) + len(crowd) < 2 or all(tail in sources for tail in free):
                continue
        found.update(
            (homes.of[tail], homes.of[head])
            for tail in free
            if tail in reached and not (tail in sources and head in sources)
        )
    return found
