r"""Chains of a warm-up that are where next to no mass is.

The mass around a chain is about $\exp(\overline{\log p} + \sum_i \log \mathrm{sd}_i)$: a chain that has less
than a tiny share of that of the best one is lost, in a minor mode or at a point where it is stuck, and is put
to where another one has been. Modes of comparable mass are left alone: R-hat will tell.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

NATS = 15.0


def lost_chains(
    draws: Float[np.ndarray, "chain draw dim"], log_densities: Float[np.ndarray, "chain draw"]
) -> Bool[np.ndarray, " chain"]:
    """Return which chains are lost.

    Args:
        draws: Positions of the chains in a window.
        log_densities: Log-densities there, in nats.

    Returns:
        For each chain whether the mass around it is less than that around the best by 15 nats and one more
        for each dimension, which allows for what is not known of the spreads.

    Example:
        >>> r = np.random.default_rng(0)
        >>> draws = r.normal(size=(4, 50, 2))
        >>> lp = -(draws**2).sum(2) / 2
        >>> lost_chains(draws, lp).any(), lost_chains(draws, lp - 40 * np.eye(4)[1][:, None])
        (np.False_, array([False,  True, False, False]))
    """
    with np.errstate(all="ignore"):
        mass = log_densities.mean(1) + np.log(draws.std(1)).sum(-1)
    mass = np.nan_to_num(mass, nan=-np.inf, neginf=-np.inf)
    return mass < mass.max() - NATS - draws.shape[-1]


def replaced(
    positions: Float[np.ndarray, "chain dim"],
    lost: Bool[np.ndarray, " chain"],
    draws: Float[np.ndarray, "chain draw dim"],
) -> Float[np.ndarray, "chain dim"]:
    """Return positions with each lost chain put to where another one was in the middle of the window.

    Args:
        positions: Where the chains are.
        lost: Which of them are lost.
        draws: Their positions in the window.

    Returns:
        The new positions.
    """
    found = positions.copy()
    good = np.flatnonzero(~lost)
    for number, chain in enumerate(np.flatnonzero(lost)):
        found[chain] = draws[good[number % len(good)], draws.shape[1] // 2]
    return found
