"""Which elements of which sites an array reads, element by element.

A *strand* says of an array: "where `where` holds, this element reads that element of the source". For
each tracked axis of the source (a plate, a scan) it holds the position that is read: `Along(axis)` when it
is the element's own position along one of its axes, an integer array when it is known otherwise, and ALL
when the whole axis is read. Index arrays broadcast against the array: a position that depends on one axis
costs one axis of memory. Every operation keeps the true reads or adds to them, never drops one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

ALL = None
DENSE_LIMIT = 1 << 22
STRAND_LIMIT = 16


@dataclass(frozen=True)
class Along:
    """The element's own position along one axis of the array."""

    axis: int


Index = Along | np.ndarray | None
Where = np.ndarray | None


class Strand(NamedTuple):
    """One element of the source for each element of the array."""

    at: tuple[Index, ...] = ()
    where: Where = None


Reads = dict[int, tuple[Strand, ...]]


def dense(index: Index, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return an index as an array that broadcasts against `shape`, or ALL if it would be too large."""
    if not isinstance(index, Along):
        return index
    length = shape[index.axis]
    if length > DENSE_LIMIT:
        return ALL
    return np.arange(length).reshape([length if a == index.axis else 1 for a in range(len(shape))])


def same_index(a: Index, b: Index) -> bool:
    """Whether two indices are known to be equal."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a is b or (a.shape == b.shape and bool(np.array_equal(a, b)))
    return not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray) and a == b


def same_strands(a: tuple[Strand, ...], b: tuple[Strand, ...]) -> bool:
    """Whether two sets of strands are equal, in order."""
    return a is b or (
        len(a) == len(b)
        and all(
            len(s.at) == len(t.at) and all(map(same_index, s.at, t.at)) and same_index(s.where, t.where)
            for s, t in zip(a, b, strict=True)
        )
    )


def same_reads(a: Reads, b: Reads) -> bool:
    """Whether two arrays read the same."""
    return a.keys() == b.keys() and all(same_strands(a[k], b[k]) for k in a)


def union(parts: Iterable[Reads], shape: tuple[int, ...]) -> Reads:
    """Return what an array reads whose elements read what the same elements of the parts read."""
    found: Reads = {}
    for part in parts:
        for source, strands in part.items():
            found[source] = join(found[source] + strands, shape) if source in found else strands
    return found


def join(strands: tuple[Strand, ...], shape: tuple[int, ...]) -> tuple[Strand, ...]:
    """Merge strands that say the same or that never meet; fall back on the hull if too many are left."""
    kept: list[Strand] = []
    for strand in strands:
        for i, other in enumerate(kept):
            merged = _merge(other, strand, shape)
            if merged is not None:
                kept[i] = merged
                break
        else:
            kept.append(strand)
    return tuple(kept) if len(kept) <= STRAND_LIMIT else (_hull(kept),)


def _merge(a: Strand, b: Strand, shape: tuple[int, ...]) -> Strand | None:
    if all(map(same_index, a.at, b.at)):
        return Strand(a.at, None if a.where is None or b.where is None else a.where | b.where)
    if a.where is None or b.where is None or (a.where & b.where).any():
        return None
    index: list[Index] = []
    for i, j in zip(a.at, b.at, strict=True):
        if same_index(i, j):
            index.append(i)
            continue
        mine, other = dense(i, shape), dense(j, shape)
        if mine is None or other is None:
            return None
        index.append(np.where(a.where, mine, other))
    return Strand(tuple(index), a.where | b.where)


def _hull(strands: list[Strand]) -> Strand:
    first = strands[0]
    index = tuple(i if all(same_index(i, s.at[k]) for s in strands) else ALL for k, i in enumerate(first.at))
    where = first.where
    for strand in strands[1:]:
        where = None if where is None or strand.where is None else where | strand.where
    return Strand(index, where)


def transform(
    reads: Reads,
    shape: tuple[int, ...],
    change: Callable[[np.ndarray], np.ndarray],
    axis_map: Callable[[int], int | None],
) -> Reads:
    """Rearrange an array: apply the rearrangement to its index arrays and masks.

    Args:
        reads: What the array reads.
        shape: Its shape.
        change: The rearrangement of an array that broadcasts against the shape.
        axis_map: The new place of an axis that is kept whole, else None.

    Returns:
        What the rearranged array reads.
    """

    def one(index: Index) -> Index:
        if isinstance(index, Along):
            axis = axis_map(index.axis)
            if axis is not None:
                return Along(axis)
            index = dense(index, shape)
        return ALL if index is None else change(index)

    found: Reads = {}
    for source, strands in reads.items():
        moved = []
        for strand in strands:
            where = None if strand.where is None else change(strand.where)
            if where is None or where.any():
                whole = where is None or bool(where.all())
                moved.append(Strand(tuple(one(i) for i in strand.at), None if whole else where))
        if moved:
            found[source] = tuple(moved)
    return found


def restrict(reads: Reads, where: np.ndarray, shape: tuple[int, ...]) -> Reads:
    """Keep the reads of the elements where a mask holds."""
    found: Reads = {}
    for source, strands in reads.items():
        masked = tuple(Strand(s.at, where if s.where is None else s.where & where) for s in strands)
        kept = tuple(s for s in masked if s.where is None or s.where.any())
        if kept:
            found[source] = kept
    return found


def reduce(
    reads: Reads, shape: tuple[int, ...], axes: Iterable[int], sizes: Callable[[int], tuple[int, ...]]
) -> Reads:
    """Return what the array with some axes reduced to length one reads: all that was read along them.

    Args:
        reads: What the array reads.
        shape: Its shape.
        axes: The axes.
        sizes: Lengths of the tracked axes of a source.

    Returns:
        The reads; index arrays have length one along the axes.
    """
    return {source: _reduce(strands, shape, tuple(axes), sizes(source)) for source, strands in reads.items()}


def _reduce(
    strands: tuple[Strand, ...], shape: tuple[int, ...], axes: tuple[int, ...], sizes: tuple[int, ...]
) -> tuple[Strand, ...]:
    for axis in axes:
        found: list[Strand] = []
        for strand in strands:
            found += _reduce_axis(strand, shape, axis, sizes)
        shape = (*shape[:axis], 1, *shape[axis + 1 :])
        strands = join(tuple(found), shape)
    return strands


def _reduce_axis(strand: Strand, shape: tuple[int, ...], axis: int, sizes: tuple[int, ...]) -> list[Strand]:
    length = shape[axis]
    varying = [k for k, i in enumerate(strand.at) if _varies(i, axis, length)]
    where = strand.where
    reduced = None if where is None else where.any(axis, keepdims=True)
    if not varying:
        return [Strand(_fix_along(strand.at, axis, shape), reduced)]
    whole = where is None and all(isinstance(strand.at[k], Along) and sizes[k] == length for k in varying)
    if (
        whole
        or length > STRAND_LIMIT
        or (len(varying) == 1 and _covers(strand, varying[0], axis, sizes, shape))
    ):
        index = tuple(ALL if k in varying else i for k, i in enumerate(strand.at))
        return [Strand(_fix_along(index, axis, shape), reduced)]
    arrays = [dense(i, shape) for i in strand.at]
    return [
        Strand(
            tuple(a if a is None else _take(a, p, axis) for a in arrays),
            None if where is None else _take(where, p, axis),
        )
        for p in range(length)
        if where is None or _take(where, p, axis).any()
    ]


def _covers(strand: Strand, k: int, axis: int, sizes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a position runs through the whole source axis along the reduced axis, for every element."""
    index = dense(strand.at[k], shape)
    if index is None:
        return True
    if strand.where is not None or index.size != index.shape[axis]:
        return False
    return len(np.unique(index)) == sizes[k]


def _varies(index: Index, axis: int, length: int) -> bool:
    if isinstance(index, Along):
        return index.axis == axis and length > 1
    return index is not None and index.shape[axis] > 1 and bool((index != _take(index, 0, axis)).any())


def _fix_along(index: tuple[Index, ...], axis: int, shape: tuple[int, ...]) -> tuple[Index, ...]:
    def one(i: Index) -> Index:
        if isinstance(i, Along):
            return np.zeros([1] * len(shape), int) if i.axis == axis else i
        return i if i is None else _take(i, 0, axis)

    return tuple(one(i) for i in index)


def _take(array: np.ndarray, position: int, axis: int) -> np.ndarray:
    position = min(position, array.shape[axis] - 1)
    return np.take(array, [position], axis=axis)
