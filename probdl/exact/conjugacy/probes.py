"""Points at which a density is looked at, to learn its form: spread over a support, near and far."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpyro.distributions import biject_to, constraints

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.independent import IndependentFamily
from probdl.distributions.normal_gamma import MeanAndPrecision
from probdl.program.precision import Precision

NEAR = 2.0  # in the coordinates of `_points`: a factor of e^2 about the scale
FAR = 10.0
AT_ONCE = 32
FAR_MAGNITUDES = 10.0 ** np.arange(-4, 5)


def near(family: ExponentialFamily, number: int, first: int = 1) -> Float[np.ndarray, " number *event"]:
    """Return values of the order of one.

    Args:
        family: The family whose support they are of.
        number: How many.
        first: Where in the sequence to begin: values of different indices are different.

    Returns:
        Values, in float64.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> near(GammaFamily(), 3).round(2).tolist()
        [0.22, 2.57, 0.56]
    """
    return _points(family, _sequence(_coordinates(family), number, first), NEAR)


def far(family: ExponentialFamily, number: int, first: int = 1) -> Float[np.ndarray, " number *event"]:
    """Return values from all over the support: very small, very large, and close to its ends.

    Args:
        family: The family whose support they are of.
        number: How many.
        first: Where in the sequence to begin: values of different indices are different.

    Returns:
        Values, in float64.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> values = far(GammaFamily(), 20)
        >>> bool(values.min() < 1e-3), bool(values.max() > 1e3)
        (True, True)
    """
    cube = _sequence(_coordinates(family), number, first)
    if not can_be_scaled(family):
        return _points(family, cube, FAR)
    return scaled(family, _points(family, cube, NEAR), np.resize(FAR_MAGNITUDES, number))


def can_be_scaled(family: ExponentialFamily) -> bool:
    """Return whether a multiple of a value is a value.

    Args:
        family: The family.

    Returns:
        False for proportions and angles.

    Example:
        >>> from probdl.distributions.simplex import BetaFamily
        >>> can_be_scaled(BetaFamily())
        False
    """
    bounded = (constraints.unit_interval, constraints.simplex, constraints.circular)
    return not any(_each(family).support is support for support in bounded)


def scaled(
    family: ExponentialFamily,
    points: Float[np.ndarray, " points *event"],
    scale: float | Float[np.ndarray, " points"],
) -> Float[np.ndarray, " points *event"]:
    """Return values in another unit.

    Args:
        family: The family whose support they are of.
        points: The values.
        scale: The unit: what 1 becomes.

    Returns:
        Values; a precision that goes with a mean is divided by the square of the unit.

    Example:
        >>> from probdl.distributions.normal_gamma import NormalGammaFamily
        >>> scaled(NormalGammaFamily(), np.ones((1, 2)), 10.0).tolist()
        [[10.0, 0.01]]
    """
    factor = np.reshape(scale, np.shape(scale) + (1,) * (points.ndim - np.ndim(scale)))
    if isinstance(family.support, MeanAndPrecision):
        return points * np.concatenate(np.broadcast_arrays(factor, factor**-2.0), -1)
    return points * factor


def volume_power(family: ExponentialFamily) -> int:
    """Return how the volume of a set of values grows with their unit: as this power of it.

    Args:
        family: The family whose support they are of.

    Returns:
        The number of free coordinates of a value; of a mean and a precision, one less two.

    Example:
        >>> from probdl.distributions.matrices import WishartFamily
        >>> volume_power(WishartFamily(2))
        3
    """
    return -1 if isinstance(family.support, MeanAndPrecision) else _coordinates(family)


def in_groups(
    function: Callable[[Any], Any], points: Float[np.ndarray, " points *event"]
) -> Float[np.ndarray, " points *values"]:
    """Apply a function of many points to a few at a time, in float64: operations of one shape compile once.

    Args:
        function: The function; the first axis is that of the points.
        points: The points.

    Returns:
        Its values.

    Example:
        >>> in_groups(lambda x: 2 * x, np.arange(3.0)).tolist()
        [0.0, 2.0, 4.0]
    """
    groups = -(-len(points) // AT_ONCE)
    filled = np.resize(points, (groups * AT_ONCE, *points.shape[1:]))
    with Precision.DOUBLE.active():
        values = [np.asarray(function(group)) for group in np.split(filled, groups)]
    return np.concatenate(values)[: len(points)]


def _points(
    family: ExponentialFamily, cube: Float[np.ndarray, "points coordinates"], reach: float
) -> Float[np.ndarray, " points *event"]:
    if isinstance(family, IndependentFamily):
        own = cube.reshape(-1, _coordinates(family.base))
        return _points(family.base, own, reach).reshape(-1, *family.event_shape)
    support, z = family.support, reach * (2 * cube - 1)
    if support is constraints.circular:
        return np.pi * (2 * cube[:, 0] - 1)
    if support is constraints.real or support is constraints.real_vector:
        return np.sinh(z).reshape(-1, *family.event_shape)
    if isinstance(support, MeanAndPrecision):
        return np.stack([np.sinh(z[:, 0]), np.exp(z[:, 1])], -1)
    return in_groups(biject_to(support), z if family.event_shape else z[:, 0])


def _each(family: ExponentialFamily) -> ExponentialFamily:
    return family.base if isinstance(family, IndependentFamily) else family


def _coordinates(family: ExponentialFamily) -> int:
    if isinstance(family, IndependentFamily):
        return math.prod(family.shape) * _coordinates(family.base)
    if isinstance(family.support, MeanAndPrecision):
        return 2
    return int(np.prod(biject_to(family.support).inverse_shape(family.event_shape)))


def _sequence(dimension: int, number: int, first: int) -> Float[np.ndarray, "number dimension"]:
    """Return points of the unit cube that fill it evenly: multiples of an irrational vector, modulo one."""
    ratio = 2.0
    for _ in range(60):
        ratio = (1 + ratio) ** (1 / (dimension + 1))
    steps = ratio ** -np.arange(1.0, dimension + 1)
    return (0.5 + np.arange(first, first + number)[:, None] * steps) % 1.0
