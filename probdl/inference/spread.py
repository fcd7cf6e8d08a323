"""Spreads of draws and steepness of scores, and the matrices made of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

PSEUDO_COUNTS = 5
LEAST, MOST = 1e-10, 1e10
MOST_ROWS = 600

Draws = Float[np.ndarray, "chain draw dim"]


def geometric_mean(
    covariance: Float[np.ndarray, "dim dim"], of_scores: Float[np.ndarray, "dim dim"]
) -> Float[np.ndarray, "dim dim"]:
    """Return the matrix M with M B M = A: the geometric mean of A and the inverse of B.

    Args:
        covariance: A, positive definite.
        of_scores: B, positive definite.

    Returns:
        M, positive definite.

    Example:
        >>> geometric_mean(np.diag([4.0, 9.0]), np.diag([1.0, 4.0])).round(6)
        array([[2. , 0. ],
               [0. , 1.5]])
    """
    root, inverse_root = power(of_scores, 0.5), power(of_scores, -0.5)
    mean = inverse_root @ power(root @ covariance @ root, 0.5) @ inverse_root
    return (mean + mean.T) / 2


def largest(stretches: np.ndarray) -> float:
    """Return the largest of some factors, or of their inverses: at least 1."""
    return float(np.exp(np.abs(np.log(stretches)).max(initial=0)))


def center(draws: Draws) -> Float[np.ndarray, " dim"]:
    """Return the mean of all draws."""
    return draws.reshape(-1, draws.shape[-1]).mean(0)


def centred(values: Draws) -> Float[np.ndarray, "draw dim"]:
    """Return values minus the mean of their chain, all chains in a row.

    So chains that have not met yet do not make the spread look larger.
    """
    return (values - values.mean(1, keepdims=True)).reshape(-1, values.shape[-1])


def scales(x: np.ndarray, g: np.ndarray) -> Float[np.ndarray, " dim"]:
    """Return the geometric mean of the spread of each coordinate and the inverse steepness of its score."""
    spread, steepness = np.sqrt((x**2).mean(0)), np.sqrt((g**2).mean(0))
    tiny = np.finfo(float).tiny
    with np.errstate(all="ignore"):
        scale = np.sqrt(np.maximum(spread, tiny) / np.maximum(steepness, tiny))
    return np.clip(np.nan_to_num(scale, nan=1.0), LEAST, MOST)


def covariance_of(values: np.ndarray) -> Float[np.ndarray, "dim dim"]:
    """Return the second moments of values, with a few pseudo-counts of the identity."""
    count, dim = values.shape
    return (values.T @ values + PSEUDO_COUNTS * np.eye(dim)) / (count + PSEUDO_COUNTS)


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Return a power of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, LEAST) ** exponent) @ vectors.T


def thinned(values: np.ndarray) -> np.ndarray:
    """Return at most 600 of the rows, evenly spaced."""
    return values[np.linspace(0, len(values) - 1, min(len(values), MOST_ROWS)).astype(int)]


def leading(values: np.ndarray, rank: int) -> Float[np.ndarray, "rank dim"]:
    """Return the directions in which values spread most."""
    _, singular, rows = np.linalg.svd(values, full_matrices=False)
    return rows[singular > LEAST * max(singular[0], LEAST)][: 2 * rank]


def orthonormal(rows: np.ndarray) -> Float[np.ndarray, "dim rank"]:
    """Return an orthonormal basis of the space that rows span."""
    basis, singular, _ = np.linalg.svd(rows.T, full_matrices=False)
    return basis[:, singular > 1e-8 * singular[0]]
