r"""How far the empirical distribution of numbers that should be uniform may stray: exact probabilities.

Of $n$ independent uniform numbers, $c_j$ are below the grid point $j/K$. The statistic is the least two-sided
binomial tail $\gamma = \min_j 2 \min(P(C_j \le c_j), P(C_j \ge c_j))$ over $0 < j < K$. Its distribution is
exact: the increments of $C_j$ are independent Poisson variables, given their sum.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import binom, poisson

ROUNDING = 1e-9
BISECTIONS = 60

Numbers = Float[np.ndarray, "n *element"]


class Band(NamedTuple):
    """What the empirical distribution stays within, at all grid points together.

    Attributes:
        grid: The grid points, strictly between 0 and 1.
        lower: The least share of numbers below each that is still inside.
        upper: The greatest.
    """

    grid: Float[np.ndarray, " point"]
    lower: Float[np.ndarray, " point"]
    upper: Float[np.ndarray, " point"]


def counts_below(values: Numbers, cells: int) -> Int[np.ndarray, "*element point"]:
    """Return how many numbers are below each grid point.

    Args:
        values: Numbers in [0, 1).
        cells: Into how many cells of one width the grid divides the unit interval.

    Returns:
        Counts at the points 1/cells, 2/cells and so on below 1.

    Example:
        >>> counts_below(np.array([0.1, 0.3, 0.9]), 4)
        array([1, 2, 2])
    """
    cell = np.clip(np.floor(values * cells), 0, cells - 1).astype(int)
    flat = cell.reshape(len(cell), -1)
    counts = np.zeros((flat.shape[1], cells), int)
    np.add.at(counts, (np.arange(flat.shape[1])[None], flat), 1)
    return np.cumsum(counts, axis=1)[:, :-1].reshape(*cell.shape[1:], cells - 1)


def p_values(values: Numbers, cells: int) -> Float[np.ndarray, "*element"]:
    """Return the probability that uniform numbers stray from uniformity at least as far.

    Args:
        values: Numbers in [0, 1), independent along the first axis.
        cells: Into how many cells the grid divides the unit interval.

    Returns:
        p-values, exact for each element: of uniform numbers, at most a share p has a p-value of p or less.

    Example:
        >>> uniform = (np.arange(100) + 0.5) / 100
        >>> print(f"{p_values(uniform, 20):.2f} {p_values(uniform**2, 20):.0e}")
        1.00 2e-08

    Source:
        Säilynoja, Bürkner & Vehtari (2022), §2; the recursion in Poisson increments of Moscovich & Nadler
        (2017), doi:10.1016/j.spl.2016.11.027.
    """
    count = len(values)
    tails = _tails(count, cells)
    below = counts_below(values, cells)
    gamma = tails[np.arange(cells - 1), below].min(-1)
    return np.vectorize(lambda g: _probability_of_at_most(float(g), count, cells), otypes=[float])(gamma)


def band(probability: float, count: int, cells: int) -> Band:
    """Return the narrowest band that uniform numbers leave with at most some probability.

    Args:
        probability: Of leaving it anywhere.
        count: How many numbers.
        cells: Into how many cells the grid divides the unit interval.

    Returns:
        The band: a p-value is at most `probability` just when the empirical distribution is outside.

    Example:
        >>> narrow = band(0.05, 100, 4)
        >>> narrow.lower, narrow.upper
        (array([0.15, 0.39, 0.65]), array([0.35, 0.61, 0.85]))
    """
    low, high = np.log(np.finfo(float).tiny), 0.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        inside = _probability_of_at_most(float(np.exp(middle)), count, cells) <= probability
        low, high = (middle, high) if inside else (low, middle)
    lower, upper = _allowed(float(np.exp(low)), count, cells)
    return Band(np.arange(1, cells) / cells, lower / count, upper / count)


@functools.lru_cache(maxsize=8)
def _tails(count: int, cells: int) -> Float[np.ndarray, "point outcome"]:
    """Return the two-sided tail of each possible count at each grid point."""
    points, outcomes = np.arange(1, cells)[:, None] / cells, np.arange(count + 1)
    below = binom.cdf(outcomes, count, points)
    above = binom.sf(outcomes - 1, count, points)
    return np.minimum(1.0, 2 * np.minimum(below, above))


def _allowed(gamma: float, count: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest count at each grid point whose tail is above gamma."""
    allowed = _tails(count, cells) > gamma * (1 + ROUNDING)
    return allowed.argmax(1), count - allowed[:, ::-1].argmax(1)


@functools.lru_cache(maxsize=4096)
def _probability_of_at_most(gamma: float, count: int, cells: int) -> float:
    """Return the probability that the statistic is gamma or less."""
    if gamma >= 1:
        return 1.0
    lower, upper = _allowed(gamma, count, cells)
    if (lower > upper).any() or not (_tails(count, cells).max(1) > gamma * (1 + ROUNDING)).all():
        return 1.0
    rates = poisson.pmf(np.arange(count + 1), count / cells)
    state, first = np.ones(1), 0
    for low, high in zip([*lower, count], [*upper, count], strict=True):
        sums = np.convolve(state, rates[: high - first + 1])
        state, first = sums[low - first : high - first + 1], low
    inside = state[0] / poisson.pmf(count, count)
    return float(np.clip(1 - inside, gamma / 2, 1.0))
