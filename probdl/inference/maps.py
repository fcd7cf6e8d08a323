r"""Affine maps between the positions of a program and those in which a kernel moves.

A kernel sees the density of $z$ where $x = \mu + S z$: with the right map each coordinate has unit scale and
none is correlated, so that no kernel needs a mass matrix of its own. The Jacobian of the map is a constant
and is left out: log-densities stay those of $x$.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from jaxtyping import Float

from probdl.program.target import Target


class Map(Protocol):
    r"""An invertible affine map $x = \mu + S z$: a NamedTuple of arrays.

    Its methods take leading axes, too.
    """

    def position(self, moved: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return x for z."""
        ...

    def moved(self, position: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return z for x."""
        ...

    def score(self, gradient: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient of a log-density in x for that in z."""
        ...

    def pulled(self, score: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in z for that in x."""
        ...


class Unmoved(NamedTuple):
    """The identity: x is z."""

    def position(self, moved: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return x for z."""
        return moved

    def moved(self, position: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return z for x."""
        return position

    def score(self, gradient: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in x for that in z."""
        return gradient

    def pulled(self, score: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in z for that in x."""
        return score


class DiagonalMap(NamedTuple):
    """A scale for each coordinate.

    Attributes:
        center: The origin of z, in x.
        scale: The diagonal of S, positive.
    """

    center: Float[Any, " dim"]
    scale: Float[Any, " dim"]

    def position(self, moved: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return x for z."""
        return self.center + self.scale * moved

    def moved(self, position: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return z for x."""
        return (position - self.center) / self.scale

    def score(self, gradient: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in x for that in z."""
        return gradient / self.scale

    def pulled(self, score: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in z for that in x."""
        return score * self.scale


class DenseMap(NamedTuple):
    """Any invertible matrix.

    Attributes:
        center: The origin of z, in x.
        matrix: S.
        inverse: Its inverse.
    """

    center: Float[Any, " dim"]
    matrix: Float[Any, "dim dim"]
    inverse: Float[Any, "dim dim"]

    def position(self, moved: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return x for z."""
        return self.center + moved @ self.matrix.T

    def moved(self, position: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return z for x."""
        return (position - self.center) @ self.inverse.T

    def score(self, gradient: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in x for that in z."""
        return gradient @ self.inverse

    def pulled(self, score: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in z for that in x."""
        return score @ self.matrix


class LowRankMap(NamedTuple):
    """A scale for each coordinate after a stretch of a few directions.

    S = diag(scale) (1 + U diag(s - 1) U')

    Attributes:
        center: The origin of z, in x.
        scale: Positive scales.
        directions: U: orthonormal columns, or zeros.
        stretch: s: by how much each direction is stretched, positive.
    """

    center: Float[Any, " dim"]
    scale: Float[Any, " dim"]
    directions: Float[Any, "dim rank"]
    stretch: Float[Any, " rank"]

    def position(self, moved: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return x for z."""
        return self.center + self.scale * self._stretched(moved, self.stretch)

    def moved(self, position: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return z for x."""
        return self._stretched((position - self.center) / self.scale, 1 / self.stretch)

    def score(self, gradient: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in x for that in z."""
        return self._stretched(gradient, 1 / self.stretch) / self.scale

    def pulled(self, score: Float[Any, " dim"]) -> Float[Any, " dim"]:
        """Return the gradient in z for that in x."""
        return self._stretched(score * self.scale, self.stretch)

    def _stretched(self, vector: Any, stretch: Any) -> Any:
        return vector + ((stretch - 1) * (vector @ self.directions)) @ self.directions.T


def through(target: Target, map_: Map) -> Target:
    """Return a target as a kernel sees it that moves in z.

    Args:
        target: The target, over x.
        map_: The map from z to x.

    Returns:
        The target over z; its log-density is that of x.

    Example:
        >>> target = Target(lambda x: -((x - 3.0) ** 2).sum(), lambda key: np.zeros(1), lambda x: {"x": x})
        >>> float(through(target, DiagonalMap(np.array([3.0]), np.array([2.0]))).log_density(np.ones(1)))
        -4.0
    """
    if isinstance(map_, Unmoved):
        return target

    def seen(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda moved: function(map_.position(moved))

    def minibatch(choice: Any) -> Callable[[Any], Any]:
        estimate = cast(Any, target.minibatch)(choice)

        def moved_estimate(moved: Any) -> tuple[Any, Any]:
            log_density, gradient = estimate(map_.position(moved))
            return log_density, map_.pulled(gradient)

        return moved_estimate

    return Target(
        seen(target.log_density),
        lambda key: map_.moved(target.init(key)),
        seen(target.constrain),
        integers=target.integers,
        minibatch=None if target.minibatch is None else minibatch,
    )


def moved_by(map_: Map, draws: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return draws and scores in the coordinates of a map; on the host.

    Args:
        map_: The map.
        draws: Positions of the program (chain, draw, dim).
        scores: Gradients of the log-density there.

    Returns:
        Both in z.
    """
    return map_.moved(draws), map_.pulled(scores)  # pyright: ignore[reportArgumentType, reportReturnType]
