"""Angles: their mean, their spread, and the von Mises distribution of maximum likelihood."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Float

from probdl.distributions.real import VonMisesFamily, length


class CircularSummary(NamedTuple):
    """Statistics of angles that do not depend on where the circle is cut.

    Attributes:
        mean: Direction of the mean of the unit vectors, from -pi to pi.
        resultant_length: Length of that mean: one if all angles are equal, near zero if they are spread out.
        variance: One less the resultant length.
        standard_deviation: sqrt(-2 log resultant length), in radians.
    """

    mean: Float[Array, "*batch"]
    resultant_length: Float[Array, "*batch"]
    variance: Float[Array, "*batch"]
    standard_deviation: Float[Array, "*batch"]


def circular_summary(angles: ArrayLike, weights: Float[Array, "*batch n"] | None = None) -> CircularSummary:
    """Return mean and spread of angles.

    Args:
        angles: Angles, (n,), in radians; multiples of 2 pi make no difference.
        weights: How much each counts; None: all the same.

    Returns:
        The statistics.

    Raises:
        ValueError: If there is no angle, or if they have more axes than one.

    Example:
        >>> summary = circular_summary(jnp.radians(jnp.array([350.0, 30.0])))
        >>> print(f"{jnp.degrees(summary.mean):.1f}")
        10.0

    Source:
        Bishop & Bishop (2023), §3.3; Mardia & Jupp (2000), §2.3.
    """
    angles = _checked(angles)
    statistics = VonMisesFamily().sufficient_statistics(angles)
    weights = jnp.ones(len(angles)) if weights is None else weights
    mean = weights @ statistics / weights.sum(-1, keepdims=True)
    resultant = jnp.minimum(length(mean), 1)
    direction = jnp.arctan2(mean[..., 1], mean[..., 0])
    return CircularSummary(direction, resultant, 1 - resultant, jnp.sqrt(-2 * jnp.log(resultant)))


def fit_von_mises(angles: ArrayLike, weights: Float[Array, "*batch n"] | None = None) -> dist.VonMises:
    """Return the von Mises distribution under which angles are most probable.

    The mean is the circular mean; the concentration k solves I1(k) / I0(k) = resultant length.

    Args:
        angles: Angles, (n,), in radians.
        weights: How much each counts, such as responsibilities; None: all the same.

    Returns:
        The distribution; of few angles, the concentration is biased upward, and of equal ones infinite.

    Raises:
        ValueError: If there is no angle, or if they have more axes than one.

    Example:
        >>> fitted = fit_von_mises(jnp.array([-0.5, 0.0, 0.5]))
        >>> print(f"{fitted.concentration:.2f}")
        6.42

    Source:
        Bishop & Bishop (2023), eqs. 3.132 to 3.135.
    """
    family = VonMisesFamily()
    return family.distribution(family.maximum_likelihood(_checked(angles), weights))


def _checked(angles: ArrayLike) -> Float[Array, " n"]:
    values = jnp.asarray(angles)
    if values.ndim != 1 or not values.size:
        raise ValueError(
            f"Expected one angle or more, of shape (n,); got shape {values.shape}. Map over several sets of "
            f"angles with jax.vmap."
        )
    return values
