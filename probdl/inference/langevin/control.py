"""The mode of a posterior and the shape around it, found before chains that see minibatches start."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize

from probdl.inference.langevin.minibatches import Batch, log_density_of
from probdl.inference.maps import Map
from probdl.inference.method import at_least
from probdl.inference.preconditioning import Preconditioner
from probdl.program.bound import Arrays
from probdl.program.target import Sampled

STARTS = 4
PROBES, DIFFERENCE = 16, 1e-4
FEWEST_POINTS, MOST_POINTS, ROUNDS = 64, 512, 2
FLAT = 0.01

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class ControlVariate:
    r"""Gradients of minibatches, corrected by what is known at a centre near the mode.

    $\hat g(x) = g(c) + \hat g_B(x) - \hat g_B(c)$: the gradient g(c) on all rows is computed once, and only
    differences from it are estimated, on the same rows B for both. Near the mode most of the noise cancels.

    Args:
        max_iterations: The most iterations of the search for the mode, on all rows; each takes one or two
            passes over the data.
        num_rows: About how many rows the search begins with.

    Raises:
        ValueError: If one of them is not positive.

    Example:
        >>> ControlVariate(max_iterations=5)
        ControlVariate(max_iterations=5, num_rows=8192)

    Source:
        Baker, Fearnhead, Fox and Nemeth (2019), Control variates for stochastic gradient MCMC.
    """

    max_iterations: int = 20
    num_rows: int = 8192

    def __post_init__(self) -> None:
        """Check the numbers."""
        at_least("max_iterations", self.max_iterations, 1)
        at_least("num_rows", self.num_rows, 1)


@functools.partial(jax.jit, static_argnums=0)
def mean_of_batches(
    inner: Sampled, arrays: Arrays, batches: Batch, position: Float[Array, " dim"]
) -> tuple[Float[Array, ""], Float[Array, " dim"]]:
    """Return log-density and gradient at a position: means over the estimates from some batches.

    Args:
        inner: The static half of the target.
        arrays: The data.
        batches: Batches along the first axis; none if all data are seen.
        position: The position.
    """

    def one(batch: Batch) -> tuple[Array, Array]:
        return jax.value_and_grad(lambda x: log_density_of(inner, arrays, batch, x))(position)

    if not jax.tree.leaves(batches):
        return one(batches)
    return jax.tree.map(lambda terms: terms.mean(0), jax.lax.map(one, batches))


@functools.partial(jax.jit, static_argnums=0)
def scores(
    inner: Sampled, arrays: Arrays, batches: Batch, positions: Float[Array, "point dim"]
) -> Float[Array, "point dim"]:
    """Return gradients at some positions."""
    return jax.lax.map(lambda x: mean_of_batches(inner, arrays, batches, x)[1], positions)


def rough_mode(objective: Objective, starts: Float[np.ndarray, "start dim"]) -> np.ndarray | None:
    """Return a position near a mode; None if the log-density is finite at no starting point.

    Args:
        objective: Position -> log-density and gradient.
        starts: Where to begin: the best of them is taken.
    """
    values = [objective(start) for start in starts]
    good = [i for i, (value, slope) in enumerate(values) if np.isfinite(value) and np.isfinite(slope).all()]
    if not good:
        return None
    best = max(good, key=lambda i: values[i][0])
    return maximum(objective, starts[best], 500)


def maximum(objective: Objective, start: np.ndarray, max_iterations: int, flat: float = 0.0) -> np.ndarray:
    """Return a position of larger log-density.

    Args:
        objective: Position -> log-density and gradient.
        start: Where to begin.
        max_iterations: The most iterations.
        flat: A gradient whose elements are all below is as good as zero.
    """

    def negative(position: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = objective(position)
        if not (np.isfinite(value) and np.isfinite(slope).all()):
            return np.finfo(float).max / 4, np.zeros_like(position)
        return -value, -slope

    options = {"maxiter": max_iterations, "ftol": 1e-12, "gtol": flat}
    found = minimize(negative, np.asarray(start, float), method="L-BFGS-B", jac=True, options=options)
    return found.x if np.isfinite(found.x).all() else start


def shape(
    gradients: Callable[[np.ndarray], np.ndarray], center: np.ndarray, family: Preconditioner, seed: list[int]
) -> Map:
    r"""Return the map that makes the density about standard normal around its mode.

    It is learnt as from draws of a chain: of any spread, since with scores that are linear in them
    $S S^\top$ is the inverse of minus the Hessian all the same.

    Args:
        gradients: Positions (point, dim) -> scores.
        center: The mode.
        family: The family of maps.
        seed: Seed of the points.
    """
    rng, dim = np.random.default_rng(seed), len(center)
    scale = np.full(dim, DIFFERENCE) * np.maximum(1, np.abs(center))
    signs = rng.choice([-1.0, 1.0], (PROBES, dim)) * scale
    curved = (gradients(center + signs) - gradients(center - signs)) / 2
    steep = np.sqrt(np.mean(curved**2, 0)) / scale  # for equal scales about the norms of rows of the Hessian
    found = family.scaled(1 / np.sqrt(np.where(np.isfinite(steep) & (steep > 0), steep, 1.0)))
    for _ in range(ROUNDS):
        count = int(np.clip(4 * dim, FEWEST_POINTS, MOST_POINTS))
        points = np.asarray(found.position(rng.normal(size=(count, dim))))
        points = points + (center - np.asarray(found.position(np.zeros(dim))))
        slopes = gradients(points)
        good = np.isfinite(slopes).all(1)
        if good.sum() > count // 2:
            found = family.learn(found, points[None, good], slopes[None, good]).map
    return found


def objective_of(inner: Sampled, arrays: Arrays, batches: Batch, kind: Any) -> Objective:
    """Return log-density and gradient as a function on the host.

    Args:
        inner: The static half of the target.
        arrays: The data.
        batches: Batches along the first axis.
        kind: Type of positions.
    """

    def objective(position: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = mean_of_batches(inner, arrays, batches, jnp.asarray(position, kind))
        return float(value), np.asarray(slope, float)

    return objective


def seen_through(objective: Objective, map_: Map) -> Objective:
    """Return a function of positions as one of those that a map moves to them."""

    def moved(position: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = objective(np.asarray(map_.position(position)))
        return value, np.asarray(map_.pulled(slope))

    return moved
