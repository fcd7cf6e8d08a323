"""Arrays that are the same all along some axes, and traced functions of them.

A program that draws the elements of a plate reads its parameters by element, `loc[z]`. Where each element
of `z` has the same value, so has each element of `loc[z]`, and a decomposition of `covariance[z]` is needed
once. Here an axis along which nothing changes has length one until an operation needs all of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array


class Repeated(NamedTuple):
    """An array that repeats along some axes.

    Attributes:
        array: Its entries: of length one along these axes. An axis of length zero is written out.
        shape: The shape of the whole array.

    Example:
        >>> Repeated(jnp.ones((1, 2)), (3, 2)).whole.shape
        (3, 2)
    """

    array: Array
    shape: tuple[int, ...]

    @classmethod
    def of(cls, value: Array | Repeated) -> Repeated:
        """Wrap an array of which nothing is known."""
        return value if isinstance(value, Repeated) else cls(jnp.asarray(value), jnp.shape(value))

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes along which it repeats."""
        return tuple(i for i, length in enumerate(self.shape) if length > 1 == self.array.shape[i])

    @property
    def whole(self) -> Array:
        """The whole array."""
        return self.along(range(len(self.shape))).array

    def along(self, axes: Sequence[int]) -> Repeated:
        """Return the same with some axes written out."""
        wanted = [n if i in axes else self.array.shape[i] for i, n in enumerate(self.shape)]
        return self if tuple(wanted) == self.array.shape else Repeated(self._to(wanted), self.shape)

    def over(self, lengths: Sequence[int]) -> Array:
        """Return the entries, written out along axes where some lengths are not one."""
        return self._to([b if b != 1 else a for a, b in zip(self.array.shape, lengths, strict=True)])

    def _to(self, shape: Sequence[int]) -> Array:
        return jnp.broadcast_to(self.array, tuple(shape))


def groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Return which axes of a shape become which axes of another one of the same size.

    Args:
        before: The shape.
        after: The other one.

    Returns:
        Groups of axes, in order.

    Example:
        >>> groups((2, 3, 4), (6, 4))
        [([0, 1], [0]), ([2], [1])]
    """
    found, i, j = [], 0, 0
    while i < len(before) or j < len(after):
        old, new = ([i] if i < len(before) else []), ([j] if j < len(after) else [])
        if old and before[i] == 1 and not (new and after[j] == 1):
            new = []
        elif new and after[j] == 1 and not (old and before[i] == 1):
            old = []
        i, j = i + len(old), j + len(new)
        while math.prod(before[k] for k in old) != math.prod(after[k] for k in new):
            if math.prod(before[k] for k in old) < math.prod(after[k] for k in new):
                old.append(i)
                i += 1
            else:
                new.append(j)
                j += 1
        found.append((old, new))
    return found
