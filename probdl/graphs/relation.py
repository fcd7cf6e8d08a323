"""How one site reads another across plates and scans: aligned, shifted, gathered, or crossed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from probdl.graphs import strands
from probdl.graphs.strands import ALL, Along, Strand
from probdl.program.sites import Site

Position = int | np.ndarray | None


@dataclass(frozen=True)
class Read:
    """One element of a parent that an element of the child reads.

    Attributes:
        positions: By plate or scan of the parent: an int is an offset from the child's own position, an
            array holds the position read by each element of the child, over `axes` (of length one along
            those that it does not depend on); None means all positions.
        where: For which elements of the child it holds, over `axes`; None means for all.
        axes: The plates and scans of the child, outermost first.
    """

    positions: Mapping[str, Position]
    where: np.ndarray | None
    axes: tuple[str, ...]


def edge_attributes(reads: Iterable[Read]) -> dict[str, Any]:
    """Return what an edge says of the plates and scans of the parent.

    Args:
        reads: What the child reads of the parent.

    Returns:
        `aligned` (the child reads the same element), `crossed` (it may read any element), `shifted` (offsets
        by plate or scan: -1 is the one before), `gathered` (positions by plate, one array a read), and
        `reads` themselves, which are exact where several plates are read jointly.

    Example:
        >>> lag = Read({"time": -1}, None, ("time",))
        >>> edge_attributes([lag])["shifted"]
        {'time': (-1,)}
    """
    found = _distinct(reads)
    aligned, crossed, shifted, gathered = set(), set(), {}, {}
    for name in dict.fromkeys(name for read in found for name in read.positions):
        positions = [read.positions[name] for read in found]
        if any(p is None for p in positions):
            crossed.add(name)
        elif all(isinstance(p, int) for p in positions):
            offsets = tuple(sorted({p for p in positions if isinstance(p, int)}))
            if offsets == (0,):
                aligned.add(name)
            else:
                shifted[name] = offsets
        else:
            gathered[name] = tuple(positions)
    return {
        "aligned": frozenset(aligned),
        "crossed": frozenset(crossed),
        "shifted": shifted,
        "gathered": gathered,
        "reads": found,
    }


def leaf_axes(site: Site, shape: tuple[int, ...], trailing: int) -> dict[str, int]:
    """Return the axis of an array inside a site along which each of its plates and scans lies.

    Args:
        site: The site.
        shape: Shape of the array: a parameter of its distribution, say.
        trailing: How many of its rightmost axes do not belong to the batch.

    Returns:
        Axes by name; a name is missing where the array is the same for all its elements.
    """
    batch = len(site.shape) - site.event_dim
    first = 0 if site.scan is None else 1
    found = {}
    for name, axis in site.axes:
        if name == site.scan:
            place = 0
        else:
            place = len(shape) - trailing + axis - batch
            if place < first:
                continue
        if place < len(shape) and shape[place] == site.shape[axis]:
            found[name] = place
    return found


def relate(
    found: tuple[Strand, ...],
    shape: tuple[int, ...],
    child: Site,
    trailing: int,
    parent: Site,
    sizes: tuple[int, ...],
) -> list[Read]:
    """Say what a site reads of a parent, given what one of its arrays reads.

    Args:
        found: The strands of the parent in the array.
        shape: Shape of the array.
        child: The site that the array belongs to.
        trailing: How many of the array's rightmost axes do not belong to the child's batch.
        parent: The parent.
        sizes: Lengths of the tracked axes of the parent.

    Returns:
        The reads.
    """
    places = leaf_axes(child, shape, trailing)
    inner = tuple(a for a in range(len(shape)) if a not in places.values())
    reduced = strands.reduce({0: found}, shape, inner, lambda _: sizes)[0]
    shape = tuple(1 if a in inner else n for a, n in enumerate(shape))
    axes = tuple(name for name, _ in child.axes)
    names = [name for name, _ in parent.axes]
    reads = []
    for strand in reduced:
        positions = {
            name: _position(i, strand.where, name, places, shape, axes, size)
            for name, i, size in zip(names, strand.at, sizes, strict=False)
        }
        where = None if strand.where is None else _over(strand.where, places, axes)
        reads.append(Read(positions, where, axes))
    return reads


def _position(
    index: strands.Index,
    where: np.ndarray | None,
    name: str,
    places: Mapping[str, int],
    shape: tuple[int, ...],
    axes: tuple[str, ...],
    size: int,
) -> Position:
    own = places.get(name)
    if isinstance(index, Along) and index.axis == own:
        return 0
    array = strands.dense(index, shape)
    if array is ALL or array is None:
        return None
    if size == 1 and name in axes:
        return 0
    if own is not None:
        here = np.arange(shape[own]).reshape([shape[own] if a == own else 1 for a in range(len(shape))])
        offset = array - here
        held = (
            offset
            if where is None
            else np.broadcast_to(offset, np.broadcast_shapes(offset.shape, where.shape))[
                np.broadcast_to(where, np.broadcast_shapes(offset.shape, where.shape))
            ]
        )
        if held.size and (held == held.flat[0]).all():
            return int(held.flat[0])
    return _over(array, places, axes)


def _over(array: np.ndarray, places: Mapping[str, int], axes: tuple[str, ...]) -> np.ndarray:
    """Arrange an array over the axes of the child, of length one where it does not depend on them."""
    order = [places[name] for name in axes if name in places]
    rest = [a for a in range(array.ndim) if a not in order]
    kept = array.transpose([*order, *rest]).reshape([array.shape[a] for a in order])
    sizes = iter(kept.shape)
    return kept.reshape([next(sizes) if name in places else 1 for name in axes])


def _distinct(reads: Iterable[Read]) -> tuple[Read, ...]:
    """Drop repeated reads, and all others beside one of everything."""
    kept: list[Read] = []
    for read in reads:
        if read.where is None and read.positions and all(p is None for p in read.positions.values()):
            return (read,)
        if not any(_same(read, other) for other in kept):
            kept.append(read)
    return tuple(kept)


def _same(a: Read, b: Read) -> bool:
    return _equal(a.where, b.where) and all(_equal(p, b.positions[n]) for n, p in a.positions.items())


def _equal(a: Position, b: Position) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray) and a == b
