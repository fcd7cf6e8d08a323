"""Ladders of inverse temperatures whose neighbours swap equally often."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

LEAST_REJECTION = 1e-3
FIRST = 1e-3  # the smallest inverse temperature above zero before anything is known


def first_ladder(count: int, last: float) -> Float[np.ndarray, " count"]:
    """Return inverse temperatures from one down in geometric steps.

    Args:
        count: How many, at least two.
        last: The last one; it may be zero.

    Returns:
        The ladder.

    Example:
        >>> first_ladder(4, 0.0).tolist()
        [1.0, 0.03162277660168379, 0.001, 0.0]
        >>> first_ladder(3, 0.01).round(3).tolist()
        [1.0, 0.1, 0.01]
    """
    if last > 0:
        return np.geomspace(1.0, last, count)
    return np.append(np.geomspace(1.0, FIRST, count - 1) if count > 2 else np.ones(1), 0.0)


def equal_ladder(
    betas: Float[np.ndarray, " count"], rates: Float[np.ndarray, " pairs"]
) -> Float[np.ndarray, " count"]:
    r"""Return the ladder whose neighbours should swap equally often.

    The share of swaps that are rejected between neighbours adds up along the ladder to a barrier that does
    not depend on where its rungs are. Rungs at equal parts of it are best.

    Args:
        betas: The ladder so far, from one down.
        rates: How often each pair of neighbours accepted a swap.

    Returns:
        The new one, with the same ends.

    Example:
        >>> ladder = equal_ladder(np.array([1.0, 0.5, 0.0]), np.array([0.9, 0.1]))
        >>> bool(0 < ladder[1] < 0.5)  # most swaps fail below one half
        True

    Source:
        Syed, Bouchard-Côté, Deligiannidis and Doucet (2021), algorithm 2.
    """
    from scipy.interpolate import PchipInterpolator

    rejected = np.maximum(1 - np.nan_to_num(rates, nan=0.0), LEAST_REJECTION)
    barrier = np.concatenate([[0.0], np.cumsum(rejected)])
    wanted = np.linspace(0, barrier[-1], len(betas))
    found = np.asarray(PchipInterpolator(barrier, betas)(wanted))
    found[0], found[-1] = betas[0], betas[-1]
    return np.minimum.accumulate(found)
