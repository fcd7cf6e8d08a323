r"""What draws and scores of a window tell: how far from Gaussian the density is, and whether chains agree.

Under any density $E[z_i \partial_i \log p] = -1$, so that the product of the standard deviations of the two
is at least one, with equality for a Gaussian alone: the excess is what of the score is not linear in z.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Draws = Float[np.ndarray, "chain draw dim"]


def departure(moved: Draws, scores: Draws) -> float:
    r"""Return how far from Gaussian a density is in its least Gaussian coordinate.

    Args:
        moved: Positions in coordinates without correlations.
        scores: Gradients of the log-density there.

    Returns:
        The share of the variance of a score that is not linear, in [0, 1): $1 - R^2$.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(4, 1000, 2))
        >>> round(departure(z, -z), 6)
        0.0
        >>> 0.3 < departure(z, -z**3) < 0.5  # a Gaussian would need E[z^6] = E[z^4]^2
        True
    """
    z, g = (v - v.mean(1, keepdims=True) for v in (moved, scores))
    cross, spread, steep = (z * g).mean((0, 1)), (z**2).mean((0, 1)), (g**2).mean((0, 1))
    with np.errstate(all="ignore"):
        share = 1 - cross**2 / (spread * steep)
    return float(np.clip(np.nan_to_num(share, nan=1.0), 0, 1).max())


def split_rhat(values: Draws) -> float:
    """Return the largest split R-hat of some coordinates.

    Args:
        values: Shape (chain, draw, dim).

    Returns:
        At least about 1; infinite where a chain does not move.

    Source:
        Gelman et al. (2013), §11.4.
    """
    half = values.shape[1] // 2
    halves = np.concatenate([values[:, :half], values[:, half : 2 * half]])
    if half < 2:
        return np.inf
    within, between = halves.var(1, ddof=1).mean(0), halves.mean(1).var(0, ddof=1)
    with np.errstate(all="ignore"):
        ratio = np.sqrt((half - 1) / half + between / within)
    return float(np.nan_to_num(ratio, nan=np.inf).max())
