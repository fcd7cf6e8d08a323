"""Between which indices a question needs the elements of an axis that is unrolled."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np

from probdl.graphs.elements import Region
from probdl.graphs.ground import Reach
from probdl.graphs.lattice import Lattice
from probdl.graphs.relation import Read

Ranges = dict[Hashable, dict[str, tuple[int, int]]]
"""By site: the first and last index that is needed along each unrolled axis."""


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
