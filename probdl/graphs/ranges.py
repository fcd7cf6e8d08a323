"""Which sites a question needs, which axes it must unroll, and between which indices."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from probdl.graphs.elements import Axis, Region, Runs, axes_of, held_regions
from probdl.graphs.ground import Reach
from probdl.graphs.relation import Position, Read
from probdl.graphs.runs import runs_of

if TYPE_CHECKING:
    import networkx as nx

MOST_GROUPS = 64

Ranges = dict[Hashable, dict[str, tuple[int, int]]]
"""By site: the first and last index that is needed along each unrolled axis."""


@dataclass(frozen=True)
class Lattice:
    """The sites that a question needs, before any element is counted.

    Attributes:
        axes: The axes of each site.
        reads: What each site reads of each of its parents, by child and parent.
        cuts: Index sets, by axis, that no cell may straddle, since an edge treats them on their own.
        unrolled: The axes whose elements cannot be exchanged, with the reason.
    """

    axes: Mapping[Hashable, tuple[Axis, ...]]
    reads: Mapping[Hashable, Mapping[Hashable, tuple[Read, ...]]]
    cuts: dict[str, list[Runs]] = field(default_factory=dict)
    unrolled: dict[str, str] = field(default_factory=dict)


def lattice_of(graph: nx.DiGraph, named: Iterable[Hashable], reach: Reach) -> Lattice:
    """Return the sites that a question needs.

    Args:
        graph: The graph.
        named: The sites that it names.
        reach: Which elements are needed.

    Returns:
        The lattice.
    """
    needed = dict.fromkeys(graph) if reach is Reach.ALL else dict.fromkeys(named)
    if reach is Reach.CHILDREN:
        needed |= dict.fromkeys(child for node in list(needed) for child in graph.successors(node))
    waiting = list(needed)
    while waiting:
        new = [parent for parent in graph.predecessors(waiting.pop()) if parent not in needed]
        needed |= dict.fromkeys(new)
        waiting += new
    inside = {node: axes_of(graph, node) for node in graph if node in needed}
    reads = {
        child: {parent: reads_of(graph, parent, child) for parent in graph.predecessors(child)}
        for child in inside
    }
    lattice = Lattice(inside, reads)
    sizes: dict[str, int] = {}
    for axis in (axis for axes in inside.values() for axis in axes):
        if sizes.setdefault(axis.name, axis.size) != axis.size:
            lattice.unrolled[axis.name] = "has several sizes"
    for child, found in reads.items():
        for parent, read in ((parent, read) for parent, some in found.items() for read in some):
            _classify(lattice, f"of '{parent}' by '{child}' ({sizes_of(inside[child])})", read)
    for region in held_regions(graph):
        for axis, runs in zip(inside.get(region.node, ()), region.runs, strict=False):
            lattice.cuts.setdefault(axis.name, []).append(runs)
    return lattice


def sizes_of(axes: Iterable[Axis]) -> str:
    """Write axes with their sizes.

    Args:
        axes: The axes.

    Returns:
        "n = 3, time = 8".
    """
    return ", ".join(f"{axis.name} = {axis.size:,}" for axis in axes)


def reads_of(graph: nx.DiGraph, parent: Hashable, child: Hashable) -> tuple[Read, ...]:
    """Return what a site reads of its parent.

    Args:
        graph: The graph.
        parent: The parent.
        child: The child.

    Returns:
        The reads of the edge; where it was drawn by hand, those that its `aligned`, `shifted` and
        `gathered` stand for; without any, plates that both share are aligned, as in a textbook.
    """
    attributes = graph.edges[parent, child]
    names = [axis.name for axis in axes_of(graph, parent)]
    own = tuple(axis.name for axis in axes_of(graph, child))
    if "reads" in attributes:
        return tuple(_simplified(read, names) for read in attributes["reads"])
    says = any(word in attributes for word in ("aligned", "crossed", "shifted", "gathered"))
    aligned = attributes.get("aligned", ()) if says else own
    choices: list[Sequence[Position]] = []
    for name in names:
        if name in attributes.get("shifted", {}) and name in own:
            choices.append([int(offset) for offset in attributes["shifted"][name]])
        elif name in attributes.get("gathered", {}):
            choices.append(list(attributes["gathered"][name]))
        else:
            choices.append([0 if name in aligned and name in own else None])
    reads = (Read(dict(zip(names, chosen, strict=True)), None, own) for chosen in product(*choices))
    return tuple(_simplified(read, names) for read in reads)


def _simplified(read: Read, names: Sequence[str]) -> Read:
    """Drop from the arrays of a read the axes along which they are constant."""
    positions = {name: _narrowed(read.positions.get(name)) for name in names}
    return Read(positions, None if read.where is None else _narrowed_array(read.where), read.axes)


def _narrowed(position: Position) -> Position:
    return (
        position if position is None or isinstance(position, int) else _narrowed_array(np.asarray(position))
    )


def _narrowed_array(array: np.ndarray) -> np.ndarray:
    for axis in range(array.ndim):
        first = array.take([0], axis)
        if array.shape[axis] > 1 and (array == first).all():
            array = first
    return array


def _classify(lattice: Lattice, what: str, read: Read) -> None:
    """Note which axes of a read cannot be folded, and where the others must be cut."""
    for name, position in read.positions.items():
        if isinstance(position, int):
            if position != 0:
                lattice.unrolled.setdefault(name, f"is read with lags {what}")
        elif position is not None and position.size == 1:
            at = int(position.reshape(-1)[0])
            lattice.cuts.setdefault(name, []).append(((at, at + 1),))
        elif position is not None:
            for axis in (name, *_varying(position, read.axes)):
                lattice.unrolled.setdefault(axis, f"is read by an index {what}")
    if read.where is None:
        return
    for axis in _varying(read.where, read.axes):
        groups = _alike(read.where, read.axes.index(axis))
        if len(groups) <= MOST_GROUPS:
            lattice.cuts.setdefault(axis, []).extend(groups)
        else:
            lattice.unrolled.setdefault(axis, f"is read in part {what}")


def _alike(array: np.ndarray, axis: int) -> list[Runs]:
    """Group the indices of an axis at which an array is the same."""
    slices = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    if slices.shape[1] == 1:
        return [runs_of(slices[:, 0]), runs_of(~slices[:, 0])]
    group = np.unique(slices, axis=0, return_inverse=True)[1].reshape(-1)
    return [runs_of(group == which) for which in range(group.max() + 1)]


def _varying(array: np.ndarray, axes: Sequence[str]) -> list[str]:
    return [name for name, size in zip(axes, array.shape, strict=True) if size > 1]


def spread(lattice: Lattice, seeds: Iterable[Region], reach: Reach) -> Ranges:
    """Return which indices of the unrolled axes are needed: a box for each site, closed under parents.

    Args:
        lattice: The sites.
        seeds: What the question names.
        reach: Which elements are needed.

    Returns:
        The ranges; a site without any is not needed.
    """
    if reach is Reach.ALL:
        return {node: _whole(lattice, node) for node in lattice.axes}
    ranges: Ranges = {}
    waiting = [node for region in seeds if (node := _widen(ranges, *_box(lattice, region))) is not None]
    if reach is Reach.CHILDREN:
        named = dict(ranges)
        for child, found in lattice.reads.items():
            for read, held in (
                (read, named[node]) for node in found if node in named for read in found[node]
            ):
                box = _readers(lattice, held, child, read)
                if box is not None and _widen(ranges, child, box) is not None:
                    waiting.append(child)
    while waiting:
        child = waiting.pop()
        for parent, reads in lattice.reads[child].items():
            for read in reads:
                box = _read_box(lattice, parent, ranges[child], read)
                if box is not None and _widen(ranges, parent, box) is not None:
                    waiting.append(parent)
    return {node: ranges[node] for node in lattice.axes if node in ranges}


def _widen(ranges: Ranges, node: Hashable, box: Mapping[str, tuple[int, int]]) -> Hashable | None:
    """Make the range of a site hold a box; return the site if that changed it."""
    old = ranges.get(node)
    new = (
        dict(box) if old is None else {n: (min(a, old[n][0]), max(b, old[n][1])) for n, (a, b) in box.items()}
    )
    ranges[node] = new
    return None if new == old else node


def _whole(lattice: Lattice, node: Hashable) -> dict[str, tuple[int, int]]:
    return {axis.name: (0, axis.size - 1) for axis in lattice.axes[node] if axis.name in lattice.unrolled}


def _box(lattice: Lattice, region: Region) -> tuple[Hashable, dict[str, tuple[int, int]]]:
    pairs = zip(lattice.axes[region.node], region.runs, strict=True)
    return region.node, {
        axis.name: (runs[0][0], runs[-1][1] - 1) for axis, runs in pairs if axis.name in lattice.unrolled
    }


def _read_box(
    lattice: Lattice, parent: Hashable, held: Mapping[str, tuple[int, int]], read: Read
) -> dict[str, tuple[int, int]] | None:
    """Return a box around what the elements in a range read; a lag reaches back to the start at once."""
    box = _whole(lattice, parent)
    for name, (first, last) in box.items():
        position = read.positions[name]
        if position is None:
            continue
        if isinstance(position, int):
            low, high = held[name]
            low, high = (low if position >= 0 else first), (high if position <= 0 else last)
            box[name] = max(first, low + max(position, 0)), min(last, high + min(position, 0))
        else:
            at = [
                slice(held[n][0], held[n][1] + 1) if n in held and size > 1 else slice(None)
                for n, size in zip(read.axes, position.shape, strict=True)
            ]
            part = position[tuple(at)]
            box[name] = max(first, int(part.min())), min(last, int(part.max()))
        if box[name][0] > box[name][1]:
            return None
    return box


def _readers(
    lattice: Lattice, held: Mapping[str, tuple[int, int]], child: Hashable, read: Read
) -> dict[str, tuple[int, int]] | None:
    """Return a box around the elements that read some element in a range."""
    box = _whole(lattice, child)
    for name, (first, last) in held.items():
        position = read.positions[name]
        if isinstance(position, int):
            low, high = max(box[name][0], first - position), min(box[name][1], last - position)
            if low > high:
                return None
            box[name] = (low, high)
        elif position is not None:
            found = np.argwhere((position >= first) & (position <= last))
            if not len(found):
                return None
            for axis, (low, high) in zip(
                read.axes, zip(found.min(0), found.max(0), strict=True), strict=True
            ):
                if axis in box and position.shape[read.axes.index(axis)] > 1:
                    box[axis] = max(box[axis][0], int(low)), min(box[axis][1], int(high))
                    if box[axis][0] > box[axis][1]:
                        return None
    return box
