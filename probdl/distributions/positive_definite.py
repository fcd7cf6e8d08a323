"""The Cholesky factor of a matrix, or an error that names it; what makes a matrix a covariance."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

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


def log_determinant(factor: Float[Array, "dim dim"]) -> Float[Array, ""]:
    """Return the log determinant of the matrix of a Cholesky factor.

    Args:
        factor: The factor.

    Returns:
        The log determinant.

    Example:
        >>> float(log_determinant(jnp.eye(3)))
        0.0
    """
    return 2 * jnp.log(jnp.diagonal(factor)).sum()


def check_parameters(
    mean: Float[Array, "*batch dim"], matrix: Float[Array, "*batch dim dim"], name: str
) -> None:
    """Check that a vector and a symmetric matrix are of the same variables.

    Args:
        mean: The vector; it may have more axes in front.
        matrix: The matrix; it may have more axes in front.
        name: What the matrix is, for the message.

    Raises:
        ValueError: If the shapes do not fit, or if the matrix is known and not symmetric.

    Example:
        >>> check_parameters(jnp.zeros(2), jnp.eye(2), "covariance")
    """
    size, shape = np.shape(mean)[-1:], np.shape(matrix)[-2:]
    if not size or shape != size * 2:
        raise ValueError(
            f"Expected a mean of shape (dim,) and a {name} of shape (dim, dim); got {np.shape(mean)} and "
            f"{np.shape(matrix)}. Give both the same variables."
        )
    if not isinstance(matrix, Tracer):
        check_symmetric(np.asarray(matrix), name)


def is_regular(matrix: Float[np.ndarray, "*batch dim dim"]) -> Bool[np.ndarray, "*batch"]:
    """Return whether covariance matrices are positive definite by more than rounding, whatever the units.

    Args:
        matrix: Symmetric matrices that are known.

    Returns:
        Whether each is.

    Example:
        >>> is_regular(np.stack([np.diag([1e-30, 1.0]), np.ones((2, 2))])).tolist()
        [True, False]
    """
    variances = np.diagonal(matrix, axis1=-2, axis2=-1)
    positive = (variances > 0).all(-1)
    scale = 1 / np.sqrt(np.where(positive[..., None], variances, 1.0))
    correlations = scale[..., None] * np.where(np.isfinite(matrix), matrix, 0.0) * scale[..., None, :]
    least = np.linalg.eigvalsh(correlations)[..., 0]
    regular = positive & (least > matrix.shape[-1] * np.finfo(correlations.dtype).eps)
    return regular & np.isfinite(matrix).all((-2, -1))


def is_regular_factor(factor: Float[np.ndarray, "*batch dim dim"]) -> Bool[np.ndarray, "*batch"]:
    """Return whether matrices are Cholesky factors of matrices that `is_regular`.

    Args:
        factor: Lower triangular matrices that are known.

    Returns:
        Whether each is: its pivots are positive, by more than the rounding of the variances.

    Example:
        >>> is_regular_factor(np.array([[1.0, 0.0], [1.0, 1e-9]])).tolist()
        False
    """
    pivots = np.diagonal(factor, axis1=-2, axis2=-1)
    rounding = factor.shape[-1] * np.finfo(factor.dtype).eps * (factor * factor).sum(-1)
    return (pivots > np.sqrt(rounding)).all(-1) & np.isfinite(factor).all((-2, -1))


def least_eigenvalue(matrix: Float[np.ndarray, "dim dim"]) -> float:
    """Return the least eigenvalue of a symmetric matrix, zero where it is negative by rounding alone.

    Args:
        matrix: A symmetric matrix that is known.

    Returns:
        The eigenvalue.

    Example:
        >>> least_eigenvalue(np.diag([-2.0, 1.0])), least_eigenvalue(np.diag([-1e-17, 1.0]))
        (-2.0, 0.0)
    """
    eigenvalues = np.linalg.eigvalsh(matrix)
    least = float(eigenvalues[0])
    return 0.0 if -_rounding(matrix) * np.abs(eigenvalues).max() <= least < 0 else least


def check_symmetric(matrix: Float[np.ndarray, "*batch dim dim"], name: str) -> None:
    """Check that a matrix is its own transpose, up to rounding.

    Args:
        matrix: Matrices that are known.
        name: What they are, for the message.

    Raises:
        ValueError: If not; the message names the entry that is furthest off.
    """
    gap = np.abs(matrix - np.swapaxes(matrix, -1, -2))
    if gap.size and gap.max() > _rounding(matrix) * np.abs(matrix).max():
        *rest, i, j = (int(k) for k in np.unravel_index(np.argmax(gap), gap.shape))
        raise ValueError(
            f"Expected a symmetric {name}; got {matrix[*rest, i, j]:.6g} at {[*rest, i, j]} and "
            f"{matrix[*rest, j, i]:.6g} at {[*rest, j, i]}. Give it the same numbers on both sides."
        )


def _rounding(matrix: np.ndarray) -> float:
    """Return what entries of a product of matrices may be off, in units of the largest."""
    precision = np.finfo(matrix.dtype if matrix.dtype.kind == "f" else float)
    return 8 * matrix.shape[-1] * float(precision.eps)
