"""Entropy and mutual information estimated from draws, by the distances of nearest neighbours."""

from __future__ import annotations

import numpy as np
from jaxtyping import ArrayLike, Float
from scipy.spatial import KDTree
from scipy.special import digamma, gammaln

from probdl.distributions.mixed_draws import MixedDraws, information_of_mixed_draws


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
    return conditional_mutual_information_of_draws(
        first, second, np.empty((len(np.asarray(first)), 0)), neighbours
    )


def conditional_mutual_information_of_draws(
    first: ArrayLike, second: ArrayLike, given: ArrayLike, neighbours: int = 3
) -> float:
    r"""Return the Frenzel-Pompe estimate of what x and y tell of each other if z is known.

    $\psi(k) + \langle \psi(n_z) - \psi(n_{xz}) - \psi(n_{yz}) \rangle$, where $n$ counts the draws that are
    nearer than the $k$-th neighbour of all coordinates together, the draw itself among them.

    Args:
        first: Draws of x, of shape `(draws,)` or `(draws, dim)`.
        second: Draws of y, one for each of x.
        given: Draws of z, one for each of x. Distances are the largest of all coordinates: bring them to
            similar scales.
        neighbours: Which neighbour's distance is used; more have less variance and more bias.

    Returns:
        The estimate, in nats; it may be slightly below zero.

    Raises:
        ValueError: If there are too few draws, or not as many of each.

    Example:
        >>> z, e, f = np.random.default_rng(0).normal(size=(3, 5000))
        >>> x, y = z + 0.5 * e, z + 0.5 * f  # independent given z
        >>> print(f"{abs(conditional_mutual_information_of_draws(x, y, z)):.1f}")
        0.0

    Source:
        Frenzel & Pompe (2007), doi:10.1103/PhysRevLett.99.204101; with no z, Kraskov et al. (2004), eq. 8.
    """
    x, y, z = (_columns(draws, neighbours) for draws in (first, second, given))
    other = y if len(y) != len(x) else z
    if len(other) != len(x):
        raise ValueError(
            f"Expected as many draws of both; got {len(x)} and {len(other)}. Draw them together."
        )
    nothing = np.empty((len(x), 0), int)
    of_x, of_y, of_z = (MixedDraws(nothing, points) for points in (x, y, z))
    return information_of_mixed_draws(of_x, of_y, of_z, neighbours)


def kl_divergence_of_draws(first: ArrayLike, second: ArrayLike, neighbours: int = 3) -> float:
    r"""Return the Wang-Kulkarni-Verdu estimate of the Kullback-Leibler divergence KL(p || q).

    $\frac{d}{n} \sum_i \log \frac{\nu_i}{\rho_i} + \log \frac{m}{n - 1}$, where $\rho_i$ and $\nu_i$ are the
    distances of the $i$-th of $n$ draws of p to its $k$-th neighbour among the others, and among the $m$
    draws of q.

    Args:
        first: Independent draws of p, of shape `(draws,)` or `(draws, dim)`.
        second: Independent draws of q, another number of them if need be. Where p has many and q has few the
            estimate is too low.
        neighbours: Which neighbour's distance is used; more have less variance and more bias.

    Returns:
        The estimate, in nats; it may be slightly below zero.

    Raises:
        ValueError: If there are too few draws, if some are equal, or if the dimensions differ.

    Example:
        >>> x, y = np.random.default_rng(0).normal(size=(2, 5000))
        >>> print(f"{kl_divergence_of_draws(x, y + 1):.1f}")  # 1 / 2
        0.5

    Source:
        Wang, Kulkarni & Verdu (2009), doi:10.1109/TIT.2009.2016060.
    """
    x, y = _columns(first, neighbours), _columns(second, neighbours)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"Expected draws of one dimension; got {x.shape[1]} and {y.shape[1]}. Compare the same variables."
        )
    own = KDTree(x).query(x, neighbours + 1)[0][:, -1]
    other = KDTree(y).query(x, neighbours)[0].reshape(len(x), -1)[:, -1]
    if not (own.all() and other.all()):
        equal = np.count_nonzero((own == 0) | (other == 0))
        raise ValueError(
            f"Expected draws of continuous distributions; got {equal} that equal {neighbours} others or "
            f"more. Use `kl_divergence` on tables of frequencies."
        )
    return float(x.shape[1] * np.log(other / own).mean() + np.log(len(y) / (len(x) - 1)))


def _columns(draws: ArrayLike, neighbours: int) -> Float[np.ndarray, "draws dim"]:
    points = np.asarray(draws, np.float64)
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or len(points) <= neighbours or neighbours < 1:
        raise ValueError(
            f"Expected more than {neighbours} draws of shape (draws,) or (draws, dim), and a neighbour of "
            f"at least 1; got shape {np.shape(draws)}. Give more draws."
        )
    return points
