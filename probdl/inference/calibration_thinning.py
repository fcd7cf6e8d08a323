"""Draws that are about independent, out of those of a run: how many there are, and which are taken."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri
from scipy.stats import rankdata

SPACING = 2.0
FEWEST = 19
MOST_ELEMENTS = 32


def bulk_ess(draws: Float[np.ndarray, "*run chain draw"]) -> Float[np.ndarray, "*run"]:
    """Return the bulk effective sample sizes of many runs at once.

    Args:
        draws: Draws of one number in each run.

    Returns:
        At most the number of draws times its decimal logarithm; NaN where all draws are equal.

    Example:
        >>> draws = np.random.default_rng(0).normal(size=(4, 500))
        >>> bool(1500 < bulk_ess(draws) < 2500)
        True

    Source:
        Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), doi:10.1214/20-BA1221, as in ArviZ, which takes
        one number at a time.
    """
    half = draws.shape[-1] // 2
    count = 2 * half * draws.shape[-2]
    if half < 2:
        return np.full(draws.shape[:-2], np.nan)
    split = np.concatenate([draws[..., :half], draws[..., -half:]], axis=-2)
    flat = split.reshape(*draws.shape[:-2], count)
    ranks = rankdata(flat, axis=-1).reshape(split.shape)
    scores = ndtri((ranks - 0.375) / (count + 0.25))
    mean = scores.mean(-1, keepdims=True)
    power = np.abs(np.fft.rfft(scores - mean, 2 * half, axis=-1)) ** 2
    covariances = np.fft.irfft(power, 2 * half, axis=-1)[..., :half].mean(-2) / half
    within = covariances[..., 0] * half / (half - 1)
    between = mean[..., 0].var(-1, ddof=1)
    with np.errstate(all="ignore"):
        total = within * (half - 1) / half + between
        correlations = 1 - (within[..., None] - covariances * half / (half - 1)) / total[..., None]
        correlations[..., 0] = 1.0
        pairs = correlations[..., : half // 2 * 2].reshape(*draws.shape[:-2], half // 2, 2).sum(-1)
        kept = np.logical_and.accumulate(pairs > 0, axis=-1)
        falling = np.minimum.accumulate(np.where(kept, pairs, 0.0), axis=-1)
        time = np.maximum(2 * falling.sum(-1) - 1, 1 / np.log10(count))
        return np.where(np.ptp(flat, axis=-1) > 0, count / time, np.nan)


def some_elements(size: int) -> Int[np.ndarray, " element"]:
    """Return which elements of a site are looked at: evenly spaced ones, if there are many."""
    return np.unique(np.linspace(0, size - 1, min(size, MOST_ELEMENTS)).astype(int))


def num_independent(ess: float, total: int, most: int) -> int:
    """Return how many draws are taken: half as many as a run is worth.

    Args:
        ess: The smallest effective sample size of the run; NaN if nothing ever changes.
        total: How many draws it has.
        most: How many are taken at most.

    Returns:
        At least 19, as far as there are as many: a run that is worth less does not represent its posterior,
        and should not pass.

    Example:
        >>> num_independent(900.0, 4000, 99), num_independent(100.0, 4000, 99), num_independent(3.0, 4000, 99)
        (99, 50, 19)
    """
    wanted = most if np.isnan(ess) else int(min(ess / SPACING, most))
    return min(max(wanted, min(FEWEST, most)), total)


def evenly(count: int, total: int, length: int) -> Int[np.ndarray, " row"]:
    """Return rows that are evenly spaced, and row 0 in the places that are left.

    Args:
        count: How many rows.
        total: How many there are, the chains one after another.
        length: How many places there are.

    Returns:
        The rows.

    Example:
        >>> evenly(3, 9, 5)
        array([1, 4, 7, 0, 0])
    """
    rows = np.zeros(length, int)
    rows[:count] = ((np.arange(count) + 0.5) * total / count).astype(int)
    return rows


def by_weight(
    count: int, log_weights: Float[np.ndarray, " draw"], length: int, rng: np.random.Generator
) -> Int[np.ndarray, " row"]:
    """Return rows drawn with probabilities in proportion to their weights, and row 0 in the places left.

    Args:
        count: How many rows.
        log_weights: Logarithms of the weights.
        length: How many places there are.
        rng: Where the numbers come from.

    Returns:
        The rows.

    Example:
        >>> by_weight(2, np.array([-np.inf, 0.0]), 3, np.random.default_rng(0))
        array([1, 1, 0])
    """
    weights = np.exp(log_weights - log_weights.max())
    rows = np.zeros(length, int)
    rows[:count] = rng.choice(len(weights), count, p=weights / weights.sum())
    return rows
