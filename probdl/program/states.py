"""The values that a discrete site can take."""

from __future__ import annotations

from typing import Any

import numpy as np

from probdl.program.sites import Site


def base(support: Any) -> Any:
    """Return a NumPyro constraint without the axes that it was told to treat as one draw.

    Args:
        support: The constraint, or None.

    Returns:
        The constraint on each entry.
    """
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    return support


def finite_range(site: Site) -> range | None:
    """Return the values of each entry of a discrete site, or None if they are unbounded or unknown.

    Args:
        site: The site.

    Returns:
        Consecutive integers: all that an entry can be, for some of them more.

    Example:
        >>> import numpyro.distributions as dist
        >>> from probdl.program.sites import SiteKind
        >>> coin = Site("coin", SiteKind.LATENT, support=dist.constraints.boolean, is_discrete=True)
        >>> finite_range(coin)
        range(0, 2)
    """
    support = base(site.support)
    if not site.is_discrete:
        return None
    if type(support).__name__.strip("_").lower() == "boolean":
        return range(2)
    low, high = (np.asarray(getattr(support, bound, None)) for bound in ("lower_bound", "upper_bound"))
    if any(bound.dtype.kind not in "iu" or bound.size == 0 for bound in (low, high)):
        return None
    return range(int(low.min()), int(high.max()) + 1)


def joint_states(values: range, count: int) -> np.ndarray:
    """Return all joint values of several entries with the same values.

    Args:
        values: The values of each.
        count: How many entries.

    Returns:
        Shape (len(values) ** count, count), the last entry fastest.

    Example:
        >>> joint_states(range(2), 2).tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    number = len(values) ** count
    codes = np.indices((len(values),) * count).reshape(count, number).T if count else None
    return np.zeros((1, 0), int) if codes is None else values.start + codes
