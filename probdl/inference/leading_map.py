"""Maps of the first coordinates alone: what follows them are integers, which stay as they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.maps import DenseMap, DiagonalMap, Map


class LeadingMap(NamedTuple):
    """A map of the first coordinates; the others are left alone.

    Attributes:
        first: The map of the first coordinates: as many as its center has.

    Example:
        >>> map_ = LeadingMap(DiagonalMap(jnp.array([1.0]), jnp.array([2.0])))
        >>> map_.position(jnp.array([1.0, 4.0])).tolist()
        [3.0, 4.0]
    """

    first: DiagonalMap | DenseMap

    def position(self, moved: Float[Array, " dim"]) -> Float[Array, " dim"]:
        """Return x for z."""
        return self._joined(self.first.position(moved[..., : self._count]), moved)

    def moved(self, position: Float[Array, " dim"]) -> Float[Array, " dim"]:
        """Return z for x."""
        return self._joined(self.first.moved(position[..., : self._count]), position)

    def score(self, gradient: Float[Array, " dim"]) -> Float[Array, " dim"]:
        """Return the gradient in x for that in z."""
        return self._joined(self.first.score(gradient[..., : self._count]), gradient)

    def pulled(self, score: Float[Array, " dim"]) -> Float[Array, " dim"]:
        """Return the gradient in z for that in x."""
        return self._joined(self.first.pulled(score[..., : self._count]), score)

    @property
    def _count(self) -> int:
        return self.first.center.shape[-1]

    def _joined(self, first: Any, whole: Any) -> Any:
        rest = whole[..., self._count :]
        if isinstance(first, np.ndarray) and isinstance(rest, np.ndarray):
            return np.concatenate([first, rest], -1)
        return jnp.concatenate([first, rest], -1)


def unit(dim: int, integers: int, *, dense: bool) -> Map:
    """Return the map that changes nothing.

    Args:
        dim: Number of coordinates.
        integers: How many of them, the last ones, are integers.
        dense: Whether it can hold correlations.

    Returns:
        The map, of NumPy arrays.

    Example:
        >>> unit(3, 1, dense=False).first.scale
        array([1., 1.])
    """
    count = dim - integers
    center, square = np.zeros(count), np.eye(count)
    first = DenseMap(center, square, square) if dense else DiagonalMap(center, np.ones(count))
    return LeadingMap(first) if integers else first
