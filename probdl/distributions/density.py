"""Density estimators without parameters: histogram, kernel, nearest neighbours."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import ArrayLike, Float
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from scipy.special import gammaln, logsumexp

AT_ONCE = 512


@dataclass(frozen=True, eq=False, init=False)
class Histogram:
    """A density that is constant in each bin: the share of draws in it over its width.

    Args:
        draws: Draws of one real variable; those beyond the edges are left out.
        edges: Edges of the bins, increasing; or how many bins of one width reach from the least draw to the
            greatest.

    Raises:
        ValueError: If the edges do not increase, or if no draw is between them; if the number of bins is not
            positive, or draws to take their edges from are not finite.

    Example:
        >>> histogram = Histogram(np.array([0.1, 0.2, 0.7, 1.5]), np.array([0.0, 1.0, 2.0]))
        >>> np.exp(histogram.log_prob([0.5, 1.9, 3.0])).round(2).tolist()
        [0.75, 0.25, 0.0]

    Source:
        Bishop & Bishop (2023), §3.5.1.
    """

    draws: Float[np.ndarray, " draws"]
    edges: Float[np.ndarray, " edges"]

    def __init__(self, draws: ArrayLike, edges: ArrayLike | int) -> None:
        values = np.asarray(draws)
        places = np.asarray(edges)
        places = places if places.ndim else _edges(values, operator.index(places.item()))
        object.__setattr__(self, "draws", values)
        object.__setattr__(self, "edges", places)
        if self.edges.ndim != 1 or len(self.edges) < 2 or not (np.diff(self.edges) > 0).all():
            raise ValueError(
                f"Expected edges that increase; got {np.asarray(self.edges).tolist()}. Sort them."
            )
        if not np.histogram(self.draws, self.edges)[0].any():
            raise ValueError(
                f"Expected draws between {self.edges[0]} and {self.edges[-1]}; got none. Widen the edges."
            )

    def log_prob(self, x: ArrayLike) -> Float[np.ndarray, "*batch"]:
        """Return the log-density, which integrates to one.

        Args:
            x: Values.

        Returns:
            Log-densities, in nats; minus infinity in empty bins and outside all.
        """
        density, _ = np.histogram(self.draws, self.edges, density=True)
        bins = np.searchsorted(self.edges, x, side="right") - 1
        bins = np.where(np.asarray(x) == self.edges[-1], len(density) - 1, bins)
        inside = (bins >= 0) & (bins < len(density))
        with np.errstate(divide="ignore"):
            return np.log(np.where(inside, density[np.clip(bins, 0, len(density) - 1)], 0.0))


@dataclass(frozen=True, eq=False, init=False)
class KernelDensity:
    """A density that is the mean of a normal density about each draw.

    Args:
        draws: Draws, of shape `(draws, dim)`.
        bandwidth: Standard deviation of the kernels, the same in all dimensions: bring them to one scale.
            None: `scott_bandwidth(draws)`.

    Raises:
        ValueError: If the draws have another shape, or if the bandwidth is not positive.

    Example:
        >>> estimate = KernelDensity(np.array([[0.0]]), 1.0)
        >>> print(f"{np.exp(estimate.log_prob([[0.0]]))[0]:.4f}")  # 1 / sqrt(2 pi)
        0.3989

    Source:
        Bishop & Bishop (2023), §3.5.2.
    """

    draws: Float[np.ndarray, "draws dim"]
    bandwidth: float

    def __init__(self, draws: ArrayLike, bandwidth: float | None = None) -> None:
        values = np.asarray(draws)
        _check_table(values)
        object.__setattr__(self, "draws", values)
        object.__setattr__(self, "bandwidth", scott_bandwidth(values) if bandwidth is None else bandwidth)
        if not self.bandwidth > 0:
            raise ValueError(
                f"Expected a positive bandwidth; got {self.bandwidth}. See `leave_one_out_bandwidth`."
            )

    def log_prob(self, x: ArrayLike) -> Float[np.ndarray, " batch"]:
        """Return the log-density, which integrates to one.

        Args:
            x: Values, of shape `(batch, dim)`.

        Returns:
            Log-densities, in nats.
        """
        number, size = self.draws.shape
        values = np.asarray(x, np.float64)
        parts = np.split(values, range(AT_ONCE, len(values), AT_ONCE))
        total = [_log_kernels(cdist(part, self.draws, "sqeuclidean"), self.bandwidth) for part in parts]
        normalizer = np.log(number) + size * (np.log(self.bandwidth) + 0.5 * np.log(2 * np.pi))
        return np.concatenate(total) - normalizer


@dataclass(frozen=True, eq=False)
class NearestNeighbourDensity:
    """The share of draws in the smallest ball that holds the nearest ones, over its volume.

    It is no density: its integral is infinite. It compares points, and by Bayes' theorem it classifies.

    Args:
        draws: Draws, of shape `(draws, dim)`.
        neighbours: How many the ball holds.

    Raises:
        ValueError: If the draws have another shape, or if there are fewer than `neighbours`.

    Example:
        >>> estimate = NearestNeighbourDensity(np.array([[0.0], [1.0], [3.0]]), 2)
        >>> np.exp(estimate.log_unnormalized([[0.5]])).round(4).tolist()  # 2 / (3 * 1.0)
        [0.6667]

    Source:
        Bishop & Bishop (2023), §3.5.3, eq. 3.180.
    """

    draws: Float[np.ndarray, "draws dim"]
    neighbours: int

    def __post_init__(self) -> None:
        """Check shape and number."""
        _check_table(self.draws)
        if not 1 <= self.neighbours <= len(self.draws):
            raise ValueError(
                f"Expected from 1 to {len(self.draws)} neighbours; got {self.neighbours}. Give more draws."
            )

    def log_unnormalized(self, x: ArrayLike) -> Float[np.ndarray, " batch"]:
        """Return the logarithm of the estimate, which has no finite integral.

        Args:
            x: Values, of shape `(batch, dim)`.

        Returns:
            Logarithms, in nats; infinite where the ball has no volume.
        """
        number, size = self.draws.shape
        radius = KDTree(self.draws).query(np.asarray(x, float), self.neighbours)[0]
        radius = radius.reshape(len(radius), -1)[:, -1]
        ball = size / 2 * np.log(np.pi) - gammaln(size / 2 + 1)
        with np.errstate(divide="ignore"):
            return np.log(self.neighbours / number) - ball - size * np.log(radius)


def scott_bandwidth(draws: Float[np.ndarray, "draws dim"]) -> float:
    r"""Return the bandwidth of Scott's rule, $\sigma n^{-1 / (d + 4)}$, nearly the best for normal draws.

    Args:
        draws: Draws, of shape `(draws, dim)`; sigma^2 is the mean of the variances of their coordinates.

    Returns:
        The bandwidth; too wide where draws have several modes.

    Raises:
        ValueError: If the draws have another shape, or do not vary.

    Example:
        >>> print(f"{scott_bandwidth(np.array([[-1.0], [1.0]])):.4f}")  # sqrt(2) / 2^(1/5)
        1.2311

    Source:
        Scott (1992), Multivariate Density Estimation, §6.3.
    """
    _check_table(draws)
    number, size = draws.shape
    sigma = float(np.sqrt(draws.var(0, ddof=1).mean())) if number > 1 else 0.0
    if not (np.isfinite(sigma) and sigma > 0):
        raise ValueError(
            f"Expected finite draws that vary; got {number} with a standard deviation of {sigma:.3g}. Give a "
            f"bandwidth."
        )
    return sigma * number ** (-1 / (size + 4))


def leave_one_out_bandwidth(draws: Float[np.ndarray, "draws dim"], candidates: Sequence[float]) -> float:
    """Return the bandwidth under which each draw is most probable given the others.

    Args:
        draws: Draws, of shape `(draws, dim)`; the time grows with the square of their number.
        candidates: Bandwidths to choose from.

    Returns:
        The candidate of the largest sum of log-densities; if draws are equal, small ones are favoured.

    Raises:
        ValueError: If the draws have another shape, or a candidate is not positive.

    Example:
        >>> draws = np.random.default_rng(0).normal(size=(200, 1))
        >>> leave_one_out_bandwidth(draws, [0.01, 0.4, 10.0])
        0.4

    Source:
        Duin (1976), doi:10.1109/TC.1976.1674577.
    """
    _check_table(draws)
    widths = np.asarray(candidates, float)
    if not widths.size or not (widths > 0).all():
        raise ValueError(
            f"Expected positive bandwidths; got {widths.tolist()}. Give some, such as 0.1 and 1.0."
        )
    total = np.zeros(len(widths))
    for start in range(0, len(draws), AT_ONCE):
        block = draws[start : start + AT_ONCE]
        square = cdist(block, draws, "sqeuclidean")
        square[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        total += [_log_kernels(square, width).sum() for width in widths]
    return float(widths[np.argmax(total - draws.size * np.log(widths))])


def _edges(draws: np.ndarray, number: int) -> Float[np.ndarray, " edges"]:
    if number < 1:
        raise ValueError(f"Expected one bin or more; got {number}. Give their number, or their edges.")
    if not (draws.size and np.isfinite(draws).all()):
        raise ValueError(
            f"Expected finite draws to take {number} bins from; got {draws.size} draws, of which "
            f"{np.count_nonzero(~np.isfinite(draws))} are not finite. Drop these, or give the edges."
        )
    return np.histogram_bin_edges(draws, number)


def _log_kernels(square: Float[np.ndarray, "batch draws"], bandwidth: float) -> Float[np.ndarray, " batch"]:
    return np.asarray(logsumexp(-square / (2 * bandwidth**2), axis=1))


def _check_table(draws: np.ndarray) -> None:
    if np.ndim(draws) != 2 or not len(draws):
        raise ValueError(
            f"Expected draws of shape (draws, dim); got {np.shape(draws)}. Give one variable as a column."
        )
