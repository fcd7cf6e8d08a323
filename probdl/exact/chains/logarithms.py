"""Sums of numbers that are given by their logarithms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def log_sum(logs: Float[Array, ...], axis: int | None = None) -> Float[Array, ...]:
    """Return the logarithm of a sum; -inf, with a gradient of zeros, where all its terms are zero.

    Args:
        logs: Logarithms of the terms, in nats.
        axis: The axis to sum over; all if None.

    Returns:
        The logarithm, in nats; NaN where a term is.

    Example:
        >>> nothing = jnp.array([-jnp.inf, -jnp.inf])
        >>> log_sum(nothing).item(), jax.grad(log_sum)(nothing).tolist()
        (-inf, [0.0, 0.0])
    """
    impossible = (logs == -jnp.inf).all(axis, keepdims=True)
    found = jax.nn.logsumexp(jnp.where(impossible, 0, logs), axis)
    return jnp.where(impossible.reshape(found.shape), -jnp.inf, found)
