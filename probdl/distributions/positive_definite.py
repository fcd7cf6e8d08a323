"""The Cholesky factor of a matrix, or an error that names it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

REMEDY = (
    "Remove what is a linear function of the rest, or add a small multiple of the identity to the covariance."
)


def cholesky(matrix: Float[Array, "dim dim"], name: str) -> Float[Array, "dim dim"]:
    """Return the Cholesky factor of a positive definite matrix.

    Args:
        matrix: The matrix.
        name: What it is, for the message.

    Returns:
        The lower triangular factor.

    Raises:
        ValueError: Outside a trace, if the matrix is not positive definite.

    Example:
        >>> cholesky(jnp.array([[4.0]]), "covariance").tolist()
        [[2.0]]
    """
    factor = jnp.linalg.cholesky(matrix)
    if not isinstance(factor, Tracer) and factor.size:
        smallest, largest = np.linalg.eigvalsh(np.asarray(matrix))[[0, -1]]
        rounding = len(matrix) * np.finfo(factor.dtype).eps * abs(largest)
        if not (np.isfinite(np.asarray(factor)).all() and smallest > rounding):
            raise ValueError(
                f"Expected a positive definite {name}; got one with an eigenvalue of {smallest:.3g}. {REMEDY}"
            )
    return factor
