"""Linear recursions over time: of vectors and of covariances.

The barriers keep XLA from computing a small matrix anew for each entry of what is made of it.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.gaussians.cholesky import gram


def vectors_backward(
    gain: Float[Array, "time d d"], offset: Float[Array, "time d columns"]
) -> Float[Array, "time d columns"]:
    """Return y_t = G_t y_(t+1) + u_t for all t, from y_T = 0.

    Args:
        gain: G.
        offset: u; its columns are recursions of their own.

    Returns:
        All y.

    Example:
        >>> vectors_backward(jnp.ones((3, 1, 1)), jnp.ones((3, 1, 1))).ravel().tolist()
        [3.0, 2.0, 1.0]
    """

    def step(state: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        state = lax.optimization_barrier(gram(now[0].mT, state) + now[1])
        return state, state

    return lax.scan(step, jnp.zeros_like(offset[0]), (gain, offset), reverse=True)[1]


def vectors_forward(
    gain: Float[Array, "time d d"],
    covariance: Float[Array, "time d d"],
    right: Float[Array, "time d columns"],
) -> tuple[Float[Array, "time d columns"], Float[Array, "columns columns"]]:
    """Return C_t y_t for y_t = G_(t-1)' y_(t-1) + r_t from y_0 = r_0, and the sum of all y_t' C_t y_t.

    Args:
        gain: G.
        covariance: C, symmetric.
        right: r; its columns are recursions of their own.

    Returns:
        All C y, and the sum.

    Example:
        >>> one = jnp.ones((3, 1, 1))
        >>> [found.ravel().tolist() for found in vectors_forward(one, 2 * one, one)]
        [[2.0, 4.0, 6.0], [28.0]]
    """

    def step(carried: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        gain, covariance, right = now
        state = lax.optimization_barrier(carried[0] + right)
        spread = lax.optimization_barrier(gram(covariance, state))
        return (gram(gain, state), carried[1] + gram(state, spread)), spread

    columns = right.shape[-1]
    start = (jnp.zeros_like(right[0]), jnp.zeros((columns, columns), right.dtype))
    (_, products), spread = lax.scan(step, start, (gain, covariance, right))
    return spread, products


def covariances_backward(
    gain: Float[Array, "time d d"], noise: Float[Array, "time d d"]
) -> tuple[Float[Array, "time d d"], Float[Array, "before d d"]]:
    """Return P_t = G_t P_(t+1) G_t' + C_t for all t, from P_T = 0, and all G_t P_(t+1) but the last.

    Args:
        gain: G.
        noise: C, symmetric.

    Returns:
        All P, and what couples neighbours.

    Example:
        >>> one = jnp.ones((3, 1, 1))
        >>> [found.ravel().tolist() for found in covariances_backward(one, one)]
        [[3.0, 2.0, 1.0], [2.0, 1.0]]
    """

    def step(after: Array, now: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        found = covariance_before(after, *now)
        return found[0], found

    covariance, lagged = lax.scan(step, jnp.zeros_like(noise[0]), (gain, noise), reverse=True)[1]
    return covariance, lagged[:-1]


def covariance_before(
    after: Float[Array, "d d"], gain: Float[Array, "d d"], noise: Float[Array, "d d"]
) -> tuple[Float[Array, "d d"], Float[Array, "d d"]]:
    """Return G P G' + C and G P: the covariance of G x + N(0, C), and with x, where x has covariance P.

    Args:
        after: P, symmetric.
        gain: G.
        noise: C, symmetric.

    Returns:
        Both; the first one symmetric to the last digit.

    Example:
        >>> covariance_before(jnp.eye(1), 2 * jnp.eye(1), jnp.eye(1))[0].tolist()
        [[5.0]]
    """
    lagged = lax.optimization_barrier(gram(gain.mT, after))
    found = gram(lagged.mT, gain.mT)
    return (found + found.mT) / 2 + noise, lagged
