"""What an exponential family reads off a NumPyro distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpyro.distributions as dist
from jax.core import Tracer
from jaxtyping import ArrayLike


def bare(distribution: Any) -> Any:
    """Return a distribution without what `expand` and `to_event` put around it.

    Args:
        distribution: The distribution.

    Returns:
        The distribution inside.

    Example:
        >>> type(bare(dist.Normal().expand([3]).to_event(1))).__name__
        'Normal'
    """
    while isinstance(distribution, dist.Independent | dist.ExpandedDistribution):
        distribution = distribution.base_dist
    return distribution


def known(value: ArrayLike, name: str) -> float:
    """Return the one number that a known constant of a family is.

    Args:
        value: The constant of a distribution; all its elements are equal.
        name: What it is, for the message.

    Returns:
        The number.

    Raises:
        ValueError: If elements differ, or have no value yet because JAX traces them.

    Example:
        >>> known(np.full(3, 10), "total count")
        10
    """
    if isinstance(value, Tracer):
        raise ValueError(
            f"Expected a {name} that is a number; got a traced value. Make it a constant of the program."
        )
    distinct = np.unique(np.asarray(value))
    if distinct.size != 1:
        raise ValueError(
            f"Expected one {name} for all elements; got {distinct.size}, such as {distinct[:3].tolist()}. "
            "Treat elements of equal constants together."
        )
    return distinct.item()
