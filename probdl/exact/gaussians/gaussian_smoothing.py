"""What a Gaussian chain says of its states: their moments, and joint draws of them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.exact.gaussians.cholesky import solve_upper
from probdl.exact.gaussians.gaussian import Moments
from probdl.exact.gaussians.gaussian_elimination import Eliminated, chain_moments
from probdl.exact.gaussians.gaussian_integral import Conditional, moments
from probdl.exact.gaussians.linear_recursion import vectors_backward


class Smoothed(NamedTuple):
    """Moments of the states of a chain given all data.

    Attributes:
        mean: Means.
        covariance: Covariance matrices.
        lagged: Covariances of each state and the next one.
        border: Mean and covariance of the border.
    """

    mean: Float[Array, "time d"]
    covariance: Float[Array, "time d d"]
    lagged: Float[Array, "before d d"]
    border: Moments


def smooth(eliminated: Eliminated, border: Float[Array, " border"] | None = None) -> Smoothed:
    """Return the moments of all states.

    Args:
        eliminated: A chain whose states are integrated out.
        border: Value of the border, or None to integrate over it.

    Returns:
        The moments; NaN where the chain cannot be normalised.

    Example:
        >>> from probdl.exact.gaussians.gaussian import Canonical
        >>> from probdl.exact.gaussians.gaussian_chain import GaussianChain
        >>> from probdl.exact.gaussians.gaussian_elimination import eliminate
        >>> start = Canonical(jnp.zeros(()), jnp.zeros(1), 4 * jnp.eye(1))
        >>> none = Canonical(jnp.zeros(1), jnp.zeros((1, 1)), jnp.zeros((1, 1, 1)))
        >>> pair = Canonical(jnp.zeros(1), jnp.zeros((1, 2)), jnp.zeros((1, 2, 2)))
        >>> smooth(eliminate(GaussianChain(start, none, pair, length=1))).covariance.tolist()
        [[[0.25]]]

    Source:
        Rauch, Tung & Striebel (1965), in terms of the conditionals.
    """
    known = moments(eliminated.border) if border is None else _given(border)
    found = chain_moments(eliminated)
    spread = found.gain @ known.covariance
    return Smoothed(
        found.offset + found.gain @ known.mean,
        found.covariance + spread @ found.gain.mT,
        found.lagged + spread[:-1] @ found.gain[1:].mT,
        known,
    )


def sample(key: Array, steps: Conditional, border: Float[Array, " border"]) -> Float[Array, "time d"]:
    """Draw all states jointly, given the border, from the last to the first.

    Many draws share the elimination: `jax.vmap(sample, (0, None, 0))(keys, eliminated.steps, borders)`.

    Args:
        key: A random key.
        steps: The conditionals of the states, of `eliminate`.
        border: Value of the border; empty if there is none.

    Returns:
        One draw.

    Example:
        >>> alone = Conditional(jnp.zeros((1, 1, 1)), jnp.ones((1, 1)), 1e6 * jnp.ones((1, 1, 1)))
        >>> sample(jax.random.key(0), alone, jnp.zeros(0)).round(3).tolist()
        [[1.0]]

    Source:
        Carter & Kohn (1994); Frühwirth-Schnatter (1994).
    """
    noise = jax.random.normal(key, steps.offset.shape, steps.offset.dtype)
    return _backward(steps, border, solve_upper(steps.cholesky, noise[..., None]))


def conditional_mean(steps: Conditional, border: Float[Array, " border"]) -> Float[Array, "time d"]:
    """Return the means of all states given the border, which are their most probable values as well.

    Args:
        steps: The conditionals of the states, of `eliminate`.
        border: Value of the border; empty if there is none.

    Returns:
        The means.

    Example:
        >>> alone = Conditional(jnp.zeros((1, 1, 1)), jnp.ones((1, 1)), jnp.ones((1, 1, 1)))
        >>> conditional_mean(alone, jnp.zeros(0)).tolist()
        [[1.0]]
    """
    return _backward(steps, border, jnp.zeros((), steps.offset.dtype))


def _backward(steps: Conditional, border: Array, noise: Array) -> Float[Array, "time d"]:
    d = steps.offset.shape[-1]
    shift = steps.offset[..., None] + steps.gain[..., d:] @ border[:, None] + noise
    return vectors_backward(steps.gain[..., :d], shift)[..., 0]


def _given(border: Array) -> Moments:
    return Moments(border, jnp.zeros((border.size, border.size), border.dtype))
