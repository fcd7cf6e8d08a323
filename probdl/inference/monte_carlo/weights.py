"""Logarithms of importance weights: their tail, the effective number of draws, and the evidence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

PARETO_K, WEIGHTED_SIZE, NUM_WEIGHTED, UNDEFINED = "pareto_k", "weighted_ess", "num_weighted", "num_undefined"
FEWEST_DRAWS = 25  # five in the tail
LARGEST_GOOD_K = 0.7


def log_sum_exp(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Return the logarithm of a sum of exponentials.

    Args:
        values: The exponents.
        axis: Over which axis; None for all.

    Returns:
        An array, or a number.
    """
    from scipy.special import logsumexp

    return np.asarray(logsumexp(values, axis=axis))[()]


class Evidence(NamedTuple):
    """An estimate of the log evidence, in nats.

    Attributes:
        value: The estimate.
        error: Its standard error.
    """

    value: float
    error: float


class Smoothed(NamedTuple):
    """Normalised weights.

    Attributes:
        log_weights: Their logarithms, of the shape of what was given; they sum to one.
        pareto_k: Shape of the tail of the raw weights; NaN where there is no tail to fit.
    """

    log_weights: Float[np.ndarray, ...]
    pareto_k: float


def smoothed(log_weights: Float[np.ndarray, ...], efficiency: float = 1.0) -> Smoothed:
    """Return weights whose largest ones are replaced by quantiles of a fitted Pareto distribution.

    Args:
        log_weights: Raw logarithms of weights, of any shape; at least one is finite.
        efficiency: How much a draw is worth of an independent one, for the length of the tail.

    Returns:
        Normalised weights, and the shape k of the tail: above about 0.7 estimates cannot be trusted.

    Source:
        Vehtari, Simpson, Gelman, Yao & Gabry (2024), arXiv:1507.02646, as in ArviZ.
    """
    from arviz_stats.base.array import array_stats

    flat = log_weights.ravel()
    plain = Smoothed(log_weights - log_sum_exp(flat), np.nan)
    if np.isfinite(flat).sum() < FEWEST_DRAWS or np.ptp(flat[np.isfinite(flat)]) == 0:
        return plain
    try:
        with np.errstate(all="ignore"):
            found, k = array_stats.psislw(-flat, r_eff=efficiency)  # pyright: ignore[reportArgumentType]
    except ValueError:  # the whole tail has one value
        return plain
    if not np.isfinite(k):
        return plain
    return Smoothed(np.asarray(found).reshape(log_weights.shape), float(k))


def highest_good_k(count: int) -> float:
    """Return the largest k at which estimates from so many draws can be trusted.

    Args:
        count: The number of draws.

    Returns:
        The smaller of 1 - 1 / log10(count) and 0.7.

    Example:
        >>> round(highest_good_k(1000), 3), highest_good_k(10_000)
        (0.667, 0.7)
    """
    return float(min(1 - 1 / np.log10(max(count, 2)), LARGEST_GOOD_K))


def effective_size(log_weights: Float[np.ndarray, ...]) -> float:
    """Return how many equally weighted draws are worth as much: one over the sum of squared weights.

    Args:
        log_weights: Normalised logarithms of weights.

    Returns:
        A number between one and that of the weights.

    Example:
        >>> print(f"{effective_size(np.log([0.5, 0.25, 0.25])):.2f}")
        2.67
    """
    return float(np.exp(-log_sum_exp(2 * log_weights)))


def evidence(log_weights: Float[np.ndarray, ...]) -> Evidence:
    r"""Return the logarithm of the mean of weights, which estimates the evidence without bias.

    Args:
        log_weights: Raw logarithms of weights of independent draws.

    Returns:
        The estimate, and its error by the delta method: sd(w) / (mean(w) sqrt(n)).
    """
    flat = log_weights.ravel()
    count = flat.size
    value = float(log_sum_exp(flat) - np.log(count))
    ratios = np.exp(flat - value)
    return Evidence(value, float(ratios.std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf)


def pooled(parts: Float[np.ndarray, " group"], errors: Float[np.ndarray, " group"]) -> Evidence:
    """Return one estimate from those of independent groups of particles.

    Args:
        parts: Log evidence of each group.
        errors: What each group says of its own error.

    Returns:
        The logarithm of the mean evidence. Its error is the larger of that by the groups' own errors and that
        by their spread.
    """
    shares = np.exp(parts - log_sum_exp(parts))
    own = float(np.sqrt(np.sum((shares * errors) ** 2)))
    return Evidence(
        float(log_sum_exp(parts) - np.log(len(parts))),
        max(own, evidence(parts).error) if len(parts) > 1 else own,
    )
