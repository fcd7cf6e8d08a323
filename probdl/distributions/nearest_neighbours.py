"""Entropy and mutual information estimated from draws, by the distances of nearest neighbours."""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Float
from scipy.spatial import KDTree
from scipy.special import digamma, gammaln


def differential_entropy(draws: ArrayLike, neighbours: int = 3) -> float:
    """Return the Kozachenko-Leonenko estimate of the differential entropy.

    Args:
        draws: Independent draws of a continuous distribution, of shape `(draws,)` or `(draws, dim)`. Few
            dimensions: the bias grows with their number.
        neighbours: Which neighbour's distance is used; more have less variance and more bias.

    Returns:
        The estimate, in nats.

    Raises:
        ValueError: If there are too few draws, or if some are equal.

    Example:
        >>> uniform = np.random.default_rng(0).uniform(0, 2, 5000)
        >>> print(f"{differential_entropy(uniform):.1f}")  # log 2
        0.7

    Source:
        Kozachenko & Leonenko (1987); Kraskov, Stoegbauer & Grassberger (2004),
        doi:10.1103/PhysRevE.69.066138, eq. 20.
    """
    points = _columns(draws, neighbours)
    number, size = points.shape
    radius = KDTree(points).query(points, neighbours + 1)[0][:, -1]
    if not radius.all():
        raise ValueError(
            f"Expected draws of a continuous distribution; got {np.count_nonzero(radius == 0)} that equal "
            f"{neighbours} others or more. Use `entropy` on a table of frequencies."
        )
    ball = size / 2 * np.log(np.pi) - gammaln(size / 2 + 1)
    return float(digamma(number) - digamma(neighbours) + ball + size * np.log(radius).mean())


def mutual_information_of_draws(first: ArrayLike, second: ArrayLike, neighbours: int = 3) -> float:
    """Return the Kraskov-Stoegbauer-Grassberger estimate of the mutual information.

    Args:
        first: Draws of x, of shape `(draws,)` or `(draws, dim)`.
        second: Draws of y, one for each of x.
        neighbours: Which neighbour's distance is used; more have less variance and more bias.

    Returns:
        The estimate, in nats; it may be slightly below zero.

    Raises:
        ValueError: If there are too few draws, or not as many of y as of x.

    Example:
        >>> x, e = np.random.default_rng(0).normal(size=(2, 5000))
        >>> print(f"{mutual_information_of_draws(x, x + e):.1f}")  # log(2) / 2
        0.3

    Source:
        Kraskov, Stoegbauer & Grassberger (2004), doi:10.1103/PhysRevE.69.066138, eq. 8.
    """
    x, y = _columns(first, neighbours), _columns(second, neighbours)
    if len(x) != len(y):
        raise ValueError(f"Expected as many draws of both; got {len(x)} and {len(y)}. Draw them together.")
    joint = np.concatenate([x, y], 1)
    radius = KDTree(joint).query(joint, neighbours + 1, p=np.inf)[0][:, -1]
    inside = np.nextafter(radius, 0)
    counts = [
        KDTree(part).query_ball_point(part, inside, p=np.inf, return_length=True) for part in (x, y)
    ]  # each counts itself
    return float(digamma(neighbours) + digamma(len(x)) - sum(digamma(count).mean() for count in counts))


def _columns(draws: ArrayLike, neighbours: int) -> Float[np.ndarray, "draws dim"]:
    points = np.asarray(draws, np.float64)
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or len(points) <= neighbours or neighbours < 1:
        raise ValueError(
            f"Expected more than {neighbours} draws of shape (draws,) or (draws, dim), and a neighbour of "
            f"at least 1; got shape {np.shape(draws)}. Give more draws."
        )
    return points
