"""Plates folded to one element for each group that a question tells apart; lags and gathers unrolled."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from probdl.graphs.elements import Axis, Region, Runs, axes_of, held_regions, kinds
from probdl.graphs.grid import Grid
from probdl.graphs.ground import FIXED, Ground, Reach
from probdl.graphs.lattice import Lattice, lattice_of
from probdl.graphs.ranges import Ranges, spread
from probdl.graphs.relation import Read
from probdl.graphs.runs import firsts, partition, union
from probdl.program.sites import SiteKind

if TYPE_CHECKING:
    import networkx as nx

MOST = 5_000_000


def unrolled(graph: nx.DiGraph, regions: Sequence[Sequence[Region]], where: str, reach: Reach) -> Ground:
    """Return the finite DAG of a graph with plates or scans that answers a question exactly.

    Elements of a plate that is only aligned or crossed can be exchanged, so one element stands for all
    those that the question does not tell apart: every edge of one of them has its like at each other one,
    upward and downward, and so has every path. Along a scan or plate with lags or gathers each element
    stands for itself, as far as it can matter.

    Args:
        graph: The graph.
        regions: The sets of elements that the question names.
        where: The query, for messages.
        reach: Which elements are needed.

    Returns:
        The DAG; its nodes are numbers.

    Raises:
        ValueError: If it would have too many nodes or edges; the message says how many.
    """
    named = [merged(found) for found in regions]
    factors = (node for node, kind in kinds(graph).items() if kind is SiteKind.FACTOR)
    always = [Region(node, whole(axes_of(graph, node))) for node in factors]
    seeds = [*always, *(region for found in named for region in found)]
    lattice = lattice_of(graph, [region.node for region in seeds], reach)
    return _built(graph, lattice, seeds, named, where, reach)


def sampled(graph: nx.DiGraph, where: str, copies: int, apart: Iterable[str] = ()) -> Ground:
    """Return the finite DAG of all sites with a few elements of each plate that can be folded.

    Args:
        graph: The graph.
        where: The query, for messages.
        copies: How many elements of each cell of such a plate, in which none differs from another, stand for
            themselves; one more stands for the rest.
        apart: Plates to unroll wholly.

    Returns:
        The DAG; its nodes are numbers.

    Raises:
        ValueError: If it would have too many nodes or edges; the message says how many.
    """
    lattice = lattice_of(graph, (), Reach.ALL)
    for name in apart:
        lattice.unrolled.setdefault(name, "is wanted whole")
    for name, cells in _cells(lattice, ()).items():
        alone = (at for cell in cells for at in firsts(cell, copies))
        lattice.cuts.setdefault(name, []).extend(((at, at + 1),) for at in alone)
    return _built(graph, lattice, (), (), where, Reach.ALL)


def _built(
    graph: nx.DiGraph,
    lattice: Lattice,
    seeds: Sequence[Region],
    named: Sequence[Sequence[Region]],
    where: str,
    reach: Reach,
) -> Ground:
    ranges = spread(lattice, seeds, reach)
    cells = _cells(lattice, seeds)
    _check_size(lattice, ranges, cells, where)
    grid = _grid(lattice, ranges, cells)
    parents, children = _adjacency(grid, lattice)
    fixed = [grid.all_of(n) for n, kind in kinds(graph).items() if kind in FIXED and n in grid.offsets]
    fixed += [grid.inside(region) for region in held_regions(graph)]
    asked = tuple(frozenset[int]().union(*(grid.inside(region) for region in found)) for found in named)
    return Ground(parents, children, asked, frozenset[int]().union(*fixed), grid)


def whole(axes: Iterable[Axis]) -> tuple[Runs, ...]:
    """Return the region of all elements of a node.

    Args:
        axes: Its axes.

    Returns:
        All indices along each.
    """
    return tuple(((0, axis.size),) for axis in axes)


def merged(regions: Iterable[Region]) -> list[Region]:
    """Join regions that differ along one axis alone: naming a thousand elements makes one set of them.

    Args:
        regions: The regions.

    Returns:
        Fewer regions of the same elements.

    Example:
        >>> merged([Region("x", (((0, 1),),)), Region("x", (((1, 3),),))])
        [Region(node='x', runs=(((0, 3),),))]
    """
    found = list(dict.fromkeys(regions))
    for axis in range(max((len(region.runs) for region in found), default=0)):
        groups: dict[tuple[Hashable, tuple[Runs, ...]], list[Region]] = {}
        for region in found:
            rest = region.runs[:axis] + region.runs[axis + 1 :]
            groups.setdefault((region.node, rest), []).append(region)
        found = []
        for (node, rest), group in groups.items():
            runs = (union(region.runs[axis] for region in group),) if axis < len(group[0].runs) else ()
            found.append(Region(node, rest[:axis] + runs + rest[axis:]))
    return found


def _cells(lattice: Lattice, seeds: Iterable[Region]) -> dict[str, list[Runs]]:
    """Fold the axes that can be, into the coarsest cells that the question and the reads allow."""
    cuts = {name: list(found) for name, found in lattice.cuts.items()}
    for region in seeds:
        for axis, runs in zip(lattice.axes[region.node], region.runs, strict=True):
            cuts.setdefault(axis.name, []).append(runs)
    sizes = {axis.name: axis.size for axes in lattice.axes.values() for axis in axes}
    return {n: partition(size, cuts.get(n, ())) for n, size in sizes.items() if n not in lattice.unrolled}


def _grid(lattice: Lattice, ranges: Ranges, cells: dict[str, list[Runs]]) -> Grid:
    coordinates = {
        node: tuple(
            np.array([cell[0][0] for cell in cells[axis.name]], int)
            if axis.name in cells
            else np.arange(held[axis.name][0], held[axis.name][1] + 1)
            for axis in lattice.axes[node]
        )
        for node, held in ranges.items()
    }
    return Grid(lattice.axes, coordinates, cells)


def _check_size(lattice: Lattice, ranges: Ranges, cells: Mapping[str, list[Runs]], where: str) -> None:
    """Count elements and edges before any of them is made."""
    lengths = {
        node: {
            axis.name: len(cells[axis.name])
            if axis.name in cells
            else held[axis.name][1] - held[axis.name][0] + 1
            for axis in lattice.axes[node]
        }
        for node, held in ranges.items()
    }
    elements = sum(math.prod(own.values()) for own in lengths.values())
    edges = 0
    for parent, child, reads in _joined(ranges, lattice):
        for read in reads:
            free = (lengths[parent][name] for name, position in read.positions.items() if position is None)
            edges += math.prod(lengths[child].values()) * math.prod(free)
    if elements + edges > MOST:
        why = "; ".join(f"'{name}' {reason}" for name, reason in lattice.unrolled.items())
        remedy = "Ask about earlier elements, or of a smaller model." if why else "Name fewer elements."
        raise ValueError(
            f"Expected a question in {where} that needs at most {MOST:,} elements and edges; got one that "
            f"needs {elements:,} elements and {edges:,} edges{', since ' + why if why else ''}. {remedy}"
        )


def _joined(
    nodes: Collection[Hashable], lattice: Lattice
) -> Iterable[tuple[Hashable, Hashable, tuple[Read, ...]]]:
    """Yield the edges between sites of which there are elements."""
    for child in nodes:
        for parent, reads in lattice.reads[child].items():
            if parent in nodes and reads:
                yield parent, child, reads


def _adjacency(grid: Grid, lattice: Lattice) -> tuple[list[list[int]], list[list[int]]]:
    tails, heads = [np.zeros(0, int)], [np.zeros(0, int)]
    for parent, child, reads in _joined(grid.offsets, lattice):
        pairs = [_pairs(grid, parent, child, read) for read in reads]
        both = np.concatenate(pairs, axis=1)
        if len(pairs) > 1:
            both = np.unique(both, axis=1)
        tails.append(both[0])
        heads.append(both[1])
    tail, head = np.concatenate(tails), np.concatenate(heads)
    return _lists(head, tail, grid.count), _lists(tail, head, grid.count)


def _lists(own: np.ndarray, other: np.ndarray, count: int) -> list[list[int]]:
    order = np.argsort(own, kind="stable")
    stops = np.cumsum(np.bincount(own, minlength=count)).tolist()
    flat = other[order].tolist()
    return [flat[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]


def _pairs(grid: Grid, parent: Hashable, child: Hashable, read: Read) -> np.ndarray:
    """Return the numbers of parent and child for each pair of elements that a read joins."""
    place = {axis.name: i for i, axis in enumerate(grid.axes[child])}
    own = grid.coordinates[child]
    free = [axis.name for axis in grid.axes[parent] if read.positions[axis.name] is None]
    rank = len(own) + len(free)

    def along(values: np.ndarray, axis: int) -> np.ndarray:
        return values.reshape([-1 if i == axis else 1 for i in range(rank)])

    def held(array: np.ndarray) -> np.ndarray:
        """An array over the axes of the child, at its coordinates."""
        at = [
            own[place[n]] if size > 1 else np.zeros(1, int)
            for n, size in zip(read.axes, array.shape, strict=True)
        ]
        part = array[np.ix_(*at)] if at else array
        moved = part.transpose([read.axes.index(axis.name) for axis in grid.axes[child]]) if at else part
        return moved.reshape([*moved.shape, *(1 for _ in free)])

    is_read = np.ones((1,) * rank, bool) if read.where is None else held(read.where)
    index = []
    for axis, values in zip(grid.axes[parent], grid.coordinates[parent], strict=True):
        position = read.positions[axis.name]
        if position is None:
            found = along(np.arange(len(values)), len(own) + free.index(axis.name))
        else:
            wanted = (
                along(own[place[axis.name]], place[axis.name]) + position
                if isinstance(position, int)
                else held(position)
            )
            found = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
            is_read = is_read & (values[found] == wanted)
        index.append(found)
    shape = tuple(len(values) for values in own) + tuple(
        len(grid.coordinates[parent][i]) for i, axis in enumerate(grid.axes[parent]) if axis.name in free
    )
    wide = [np.broadcast_to(i, shape) for i in index]
    heads = np.arange(math.prod(grid.shape(child))).reshape([*grid.shape(child), *(1 for _ in free)])
    kept = np.broadcast_to(is_read, shape)
    tail = (
        np.ravel_multi_index([i[kept] for i in wide], grid.shape(parent))
        if index
        else np.zeros(int(kept.sum()), int)
    )
    return np.stack([grid.offsets[parent] + tail, grid.offsets[child] + np.broadcast_to(heads, shape)[kept]])
