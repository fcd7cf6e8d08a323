"""Factors of block tridiagonal matrices, one step after the other."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from probdl.exact.gaussians.cholesky import cholesky, gram, inverse, log_determinant, solve_lower


class Factor(NamedTuple):
    """A block tridiagonal precision as one regression of each state on the next.

    Its pivots are S_0 = D_0 and S_t = D_t - E_(t-1)' S_(t-1)^-1 E_(t-1). If it is the precision of Gaussian
    states, x_t given x_(t+1) is N(G_t x_(t+1), C_t), with G_t = -C_t E_t and C_t the inverse of S_t.

    Attributes:
        cholesky: Lower triangular L with L_t L_t' = S_t; NaN from the first pivot on that is not positive
            definite.
        gain: G; zero at the last step.
        covariance: C.
        log_determinant: Logarithm of the determinant of the whole.
        settled: From this step on, up to the last but one, all arrays are the same; None if nothing is known
            of it, the number of steps if it is not so.
    """

    cholesky: Float[Array, "time d d"]
    gain: Float[Array, "time d d"]
    covariance: Float[Array, "time d d"]
    log_determinant: Float[Array, ""]
    settled: Int[Array, ""] | None = None


class Pivot(NamedTuple):
    """One step of a factor: L, G and C."""

    cholesky: Float[Array, "*time d d"]
    gain: Float[Array, "*time d d"]
    covariance: Float[Array, "*time d d"]


def factorize(diagonal: Float[Array, "time d d"], coupling: Float[Array, "before d d"]) -> Factor:
    """Return the factor of a block tridiagonal matrix.

    Args:
        diagonal: D, symmetric.
        coupling: E, one less: E_t couples t and t + 1.

    Returns:
        The factor; its `settled` is None.

    Example:
        >>> pivots = factorize(jnp.full((3, 1, 1), 2.0), jnp.ones((2, 1, 1))).cholesky ** 2
        >>> [round(pivot, 3) for pivot in pivots.ravel().tolist()]
        [2.0, 1.5, 1.333]

    Source:
        Golub & Van Loan (2013), §4.5.1.
    """

    def step(removed: Array, now: tuple[Array, Array]) -> tuple[Array, Pivot]:
        own, after = now
        return pivot_of(own - removed, after)

    after = jnp.pad(coupling, ((0, 1), (0, 0), (0, 0)))
    _, pivots = lax.scan(step, jnp.zeros_like(diagonal[0]), (diagonal, after))
    return Factor(*pivots, log_determinant(pivots.cholesky).sum())


def pivot_of(pivot: Float[Array, "d d"], coupling: Float[Array, "d d"]) -> tuple[Float[Array, "d d"], Pivot]:
    """Factorise one pivot.

    Args:
        pivot: S, symmetric.
        coupling: E, of this step and the next.

    Returns:
        E' S^-1 E, by which the next pivot is less than its D; and what a factor holds of this step.

    Example:
        >>> removed, step = pivot_of(4 * jnp.eye(1), 2 * jnp.eye(1))
        >>> float(removed[0, 0]), float(step.gain[0, 0])
        (1.0, -0.5)
    """
    # Without barriers XLA computes these small matrices anew for each entry of the next one.
    factor = lax.optimization_barrier(cholesky(pivot))
    covariance = lax.optimization_barrier(inverse(factor))
    gain = lax.optimization_barrier(-gram(covariance, coupling))
    across = lax.optimization_barrier(solve_lower(factor, coupling))
    return gram(across, across), Pivot(factor, gain, covariance)
