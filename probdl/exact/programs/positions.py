"""Positions of the elements that a term reads: one for all of its elements, or an array of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probdl.graphs.relation import Position


def one_position(positions: Sequence[Position]) -> Position:
    """Return the position that all reads share, or None if there is none."""
    first = positions[0]
    for other in positions[1:]:
        same = (
            np.array_equal(first, other)
            if isinstance(first, np.ndarray) and isinstance(other, np.ndarray)
            else type(first) is type(other) and first == other
        )
        if not same:
            return None
    return first


def over(position: np.ndarray, axes: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Arrange positions over the axes of a term, of length one where they are the same along one."""
    position = compact(position)
    order = [axes.index(name) for name in wanted if name in axes]
    rest = [a for a in range(position.ndim) if a not in order]
    moved = position.transpose([*order, *rest])
    sizes = iter(moved.shape)
    return moved.reshape([next(sizes) if name in axes else 1 for name in wanted])


def compact(position: np.ndarray) -> np.ndarray:
    """Return positions of length one along the axes along which they are the same."""
    for axis in range(position.ndim):
        first = position.take([0], axis)
        if position.shape[axis] > 1 and (position == first).all():
            position = first
    return position
