"""A normal or Student approximation at the highest point of a density, to propose draws from."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.method import at_least
from probdl.inference.monte_carlo.maxima import highest
from probdl.inference.monte_carlo.student import Student
from probdl.program.bound import Arrays
from probdl.program.density import Density

FLATTEST = 1e-6


@dataclass(frozen=True, kw_only=True)
class LaplaceGuide:
    """Propose from a Student distribution fitted at the mode of the posterior, in unconstrained space.

    The mode is the highest of those found from several starts, the scale matrix the inverse of the curvature
    there. A Student distribution has heavier tails than a posterior usually has, which weights need.

    Args:
        degrees_of_freedom: How light the tails are; math.inf for a normal distribution.
        num_starts: From how many random points the mode is looked for.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> print(LaplaceGuide(degrees_of_freedom=math.inf))
        LaplaceGuide(degrees_of_freedom=inf, num_starts=8)

    Source:
        Bishop & Bishop (2023), §10.4.2 (Laplace approximation) and §14.1.5.
    """

    degrees_of_freedom: float = 7.0
    num_starts: int = 8

    def __post_init__(self) -> None:
        """Check the numbers."""
        at_least("num_starts", self.num_starts, 1)
        if not self.degrees_of_freedom > 0:
            raise ValueError(
                f"Expected degrees_of_freedom to be positive; got {self.degrees_of_freedom!r}. Pass for "
                f"instance degrees_of_freedom=7."
            )

    def fitted(self, key: Array, density: Density, arrays: Arrays) -> Student:
        """Return the approximation.

        Args:
            key: The key of the starts.
            density: The density over unconstrained positions.
            arrays: Its data.

        Returns:
            A distribution of positions.

        Raises:
            ValueError: If the density has no mode.
        """
        target = density.target(arrays)
        starts = np.asarray(jax.vmap(target.init)(jax.random.split(key, self.num_starts)))
        mode = highest(_log_density, density, arrays, starts)
        if not mode.is_found:
            raise ValueError(
                f"Expected a posterior with a highest point; got one that rises without end, at a "
                f"log-density of {mode.value:.4g} along {mode.where(density.layout)}. Give that site a "
                f"proper prior, or pass another guide."
            )
        scale = _scale(np.asarray(_hessian(density, arrays, mode.position)))
        nu = math.inf if math.isinf(self.degrees_of_freedom) else float(self.degrees_of_freedom)
        return Student(jnp.asarray(mode.position), jnp.asarray(scale), jnp.asarray(nu))


def _log_density(density: Density, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
    return density.log_density(arrays, position)


@functools.partial(jax.jit, static_argnums=0)
def _hessian(density: Density, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, "dim dim"]:
    gradient = jax.grad(density.target(arrays).log_density)
    step = 1e-4 * jnp.maximum(1.0, jnp.abs(position))

    def column(unit: Array) -> Array:
        moved = unit * step
        return (gradient(position + moved) - gradient(position - moved)) / (2 * jnp.sum(moved))

    return jax.lax.map(column, jnp.eye(position.shape[0]))


def _scale(hessian: np.ndarray) -> np.ndarray:
    """Return a lower triangular factor of the covariance, kept narrow where the density is all but flat."""
    values, vectors = np.linalg.eigh(-(hessian + hessian.T) / 2)
    steep = np.maximum(np.abs(values), FLATTEST * max(np.abs(values).max(), 1.0))
    return np.linalg.cholesky((vectors / steep) @ vectors.T)
