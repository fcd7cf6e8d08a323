"""Conjugacy by interpolation: the coefficients of a log-density on 1 and T(x) are its natural parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.exact.conjugacy.probes import can_be_scaled, in_groups, near, scaled

LogDensity = Callable[[Float[Array, "*event"]], Float[Array, "*elements"]]

SAME = 1e-10  # statistics that depend on each other, as those of symmetric matrices


class Interpolation(NamedTuple):
    """A linear map from the values of a log-density at fixed points to natural parameters.

    Attributes:
        points: Values of the site at which the log-density is evaluated.
        design: The columns 1 and T(x) at these points.
        inverse: Pseudo-inverse of the design.
        scale: Order of magnitude of the points.
        further: Pseudo-inverse of the design with the columns of further statistics, if they were asked for.
        beyond: What stands for an infinite expectation of each of those statistics.
    """

    points: Float[Array, " points *event"]
    design: Float[Array, "points coefficients"]
    inverse: Float[Array, "coefficients points"]
    scale: float = 1.0
    further: Float[Array, "columns points"] | None = None
    beyond: Float[Array, " more"] | None = None


class Fit(NamedTuple):
    """A log-density written as log_constant + natural . T(x), for each element of a site.

    Attributes:
        natural: Natural parameters.
        log_constant: What does not depend on the site, in nats.
        residual: Largest distance from the log-density at the points of the interpolation, in nats.
    """

    natural: Float[Array, "*elements dimension"]
    log_constant: Float[Array, "*elements"]
    residual: Float[Array, "*elements"]


def interpolation(family: ExponentialFamily, scale: float = 1.0, number: int | None = None) -> Interpolation:
    """Return the points and the linear map that read natural parameters off a log-density.

    Args:
        family: The family.
        scale: Order of magnitude of the values of the site. On the line and for vectors, larger than
            need be does no harm; proportions and angles have no scale.
        number: How many points; None for twice as many as there are independent coefficients.

    Returns:
        The interpolation, in float64.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> interpolation(GammaFamily()).points.shape
        (6,)
    """
    unit = scale if can_be_scaled(family) else 1.0
    if number is None:
        square = design_at(family, near(family, 1 + family.dimension))
        number = 2 * int(np.linalg.matrix_rank(square / np.linalg.norm(square, axis=0), rtol=SAME))
    points = scaled(family, near(family, number), unit)
    design = design_at(family, points)
    norms = np.linalg.norm(design, axis=0)
    inverse = np.linalg.pinv(design / norms, rtol=SAME) / norms[:, None]
    return Interpolation(points, design, inverse, unit)  # pyright: ignore[reportArgumentType]


@jax.jit
def solve(points: Interpolation, values: Float[Array, " points *elements"]) -> Fit:
    """Return the natural parameters of a log-density, given its values at the points of an interpolation.

    With float64, their relative error is some 1e-12 times |log_density| / |natural . T| at the points; a
    constant of 1e10 nats costs ten digits.

    Args:
        points: The interpolation.
        values: The log-density of each element at each point, in nats.

    Returns:
        Natural parameters, constant and residual.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> points = interpolation(GammaFamily())
        >>> print(solve(points, 1 - 2 * jnp.asarray(points.points)).natural[1].round(3))
        -2.0
    """
    centred = values - values[0]
    coefficients = jnp.tensordot(points.inverse, centred, 1, precision=lax.Precision.HIGHEST)
    fitted = jnp.tensordot(points.design, coefficients, 1, precision=lax.Precision.HIGHEST)
    residual = jnp.abs(fitted - centred).max(0)
    return Fit(jnp.moveaxis(coefficients[1:], 0, -1), coefficients[0] + values[0], residual)


def design_at(
    family: ExponentialFamily, points: Float[np.ndarray, " points *event"]
) -> Float[np.ndarray, "points coefficients"]:
    """Return the columns 1 and T(x) at points."""
    statistics = in_groups(family.sufficient_statistics, points)
    return np.concatenate([np.ones((len(points), 1)), statistics], 1)
