"""Linear recursions over time: of vectors and of covariances."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.cholesky import gram


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
        state = gram(now[0].mT, state) + now[1]
        return state, state

    return lax.scan(step, jnp.zeros_like(offset[0]), (gain, offset), reverse=True)[1]


def vectors_forward(
    gain: Float[Array, "before d d"], offset: Float[Array, "time d columns"]
) -> Float[Array, "time d columns"]:
    """Return y_0 = u_0 and y_t = G_(t-1)' y_(t-1) + u_t for all t: the recursion transposed.

    Args:
        gain: G, one less.
        offset: u; its columns are recursions of their own.

    Returns:
        All y.

    Example:
        >>> vectors_forward(jnp.ones((2, 1, 1)), jnp.ones((3, 1, 1))).ravel().tolist()
        [1.0, 2.0, 3.0]
    """

    def step(state: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        state = gram(now[0], state) + now[1]
        return state, state

    before = jnp.pad(gain, ((1, 0), (0, 0), (0, 0)))
    return lax.scan(step, jnp.zeros_like(offset[0]), (before, offset))[1]


def covariances_backward(
    gain: Float[Array, "time d d"], noise: Float[Array, "time d d"]
) -> Float[Array, "time d d"]:
    """Return P_t = G_t P_(t+1) G_t' + C_t for all t, from P_T = 0.

    Args:
        gain: G.
        noise: C, symmetric.

    Returns:
        All P, symmetric to the last digit.

    Example:
        >>> covariances_backward(jnp.ones((3, 1, 1)), jnp.ones((3, 1, 1))).ravel().tolist()
        [3.0, 2.0, 1.0]
    """

    def step(state: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        state = gram(gram(state, now[0].mT), now[0].mT) + now[1]
        state = (state + state.mT) / 2
        return state, state

    return lax.scan(step, jnp.zeros_like(noise[0]), (gain, noise), reverse=True)[1]
