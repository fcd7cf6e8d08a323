"""Cholesky factors of block tridiagonal matrices."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.cholesky import cholesky, gram, solve_lower


def factorize(
    diagonal: Float[Array, "time d d"], coupling: Float[Array, "before d d"]
) -> Float[Array, "time d d"]:
    """Return the Cholesky factors of the pivots of a block tridiagonal matrix.

    The pivots are S_0 = D_0 and S_t = D_t - E_(t-1)' S_(t-1)^-1 E_(t-1): a Riccati recursion. It is the one
    part of a chain that is run step by step. Up to the size that `cholesky` writes out, a step takes 0.05 to
    0.3 microseconds, so that stopping where it has converged would save little.

    Args:
        diagonal: D, symmetric.
        coupling: E, one less: E_t couples t and t + 1.

    Returns:
        Lower triangular L with L_t L_t' = S_t; NaN from the first pivot on that is not positive definite.

    Example:
        >>> pivots = factorize(jnp.full((3, 1, 1), 2.0), jnp.ones((2, 1, 1))) ** 2
        >>> [round(pivot, 3) for pivot in pivots.ravel().tolist()]
        [2.0, 1.5, 1.333]

    Source:
        Golub & Van Loan (2013), §4.5.1.
    """

    def pivot(factor: Array, blocks: tuple[Array, Array]) -> tuple[Array, Array]:
        own, before = blocks
        across = solve_lower(factor, before)
        factor = cholesky(own - gram(across, across))
        return factor, factor

    start = jnp.eye(diagonal.shape[-1], dtype=diagonal.dtype)
    before = jnp.pad(coupling, ((1, 0), (0, 0), (0, 0)))
    return lax.scan(pivot, start, (diagonal, before))[1]
