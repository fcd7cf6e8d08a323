"""Whether a density has the form of an exponential family: a fit, checked at other points near and far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.independent import IndependentFamily
from probdl.distributions.matrices import InverseWishartFamily, WishartFamily
from probdl.distributions.positive import GammaFamily, InverseGammaFamily, LogNormalFamily
from probdl.distributions.real import NormalFamily, VonMisesFamily
from probdl.distributions.simplex import BetaFamily, DirichletFamily
from probdl.distributions.vectors import MultivariateNormalFamily
from probdl.exact.conjugacy.conjugate import Fit, Interpolation, LogDensity, design_at, interpolation, solve
from probdl.exact.conjugacy.probes import can_be_scaled, far, in_groups, near, scaled, volume_power
from probdl.program.precision import Precision

ROUNDING = 1e-10  # of the size of its terms: what a sum of many may lose
POINTS = 64
MAGNITUDES = 10.0 ** np.arange(-30, 30.5, 0.5)
POSITIVE = (GammaFamily(), InverseGammaFamily(), LogNormalFamily())


@dataclass(frozen=True, eq=False)
class Certificate:
    """What a comparison of a log-density with an exponential family found.

    Attributes:
        family: The family.
        interpolation: The map that gives its natural parameters, for use at every step of a sampler.
        fit: The natural parameters found.
        residual: Largest distance between log-density and fit, in nats, at all points.
        excess: Largest ratio of such a distance to what rounding explains; above one, the form is another.
        worst: Value of the site at which the ratio is largest.
        is_proper: Whether the natural parameters of all elements belong to a distribution; elements that are
            impossible at all points do not count.
    """

    family: ExponentialFamily
    interpolation: Interpolation
    fit: Fit
    residual: float
    excess: float
    worst: Float[np.ndarray, "*event"]
    is_proper: bool

    @property
    def holds(self) -> bool:
        """Whether the log-density has the form of the family at all points that were looked at."""
        return self.excess <= 1

    def __str__(self) -> str:
        """Return a sentence."""
        verdict = "has" if self.holds else "does not have"
        return (
            f"The log-density {verdict} the form of {self.family}: it differs by up to "
            f"{self.residual:.2g} nats, {self.excess:.2g} times what rounding explains, "
            f"worst at {self.worst.round(6).tolist()}."
        )


def candidates(support: constraints.Constraint, event_shape: Sequence[int]) -> tuple[ExponentialFamily, ...]:
    """Return the families that a conditional density on a support may belong to.

    Args:
        support: The support of the site.
        event_shape: Shape of one element of it; further axes before those of the support are independent
            values of it.

    Returns:
        Families, the most common first; none for a support without one.

    Example:
        >>> candidates(constraints.unit_interval, ())
        (BetaFamily(),)
        >>> candidates(constraints.unit_interval, (3,))
        (IndependentFamily(base=BetaFamily(), shape=(3,)),)
    """
    first = len(event_shape) - support.event_dim
    if first > 0:
        each = candidates(support, event_shape[first:])
        return tuple(IndependentFamily(family, tuple(event_shape[:first])) for family in each)
    size = event_shape[-1] if event_shape else 1
    table: tuple[tuple[constraints.Constraint, int, tuple[ExponentialFamily, ...]], ...] = (
        (constraints.positive, 0, POSITIVE),
        (constraints.nonnegative, 0, POSITIVE),
        (constraints.softplus_positive, 0, POSITIVE),
        (constraints.unit_interval, 0, (BetaFamily(),)),
        (constraints.real, 0, (NormalFamily(),)),
        (constraints.circular, 0, (VonMisesFamily(),)),
        (constraints.simplex, 1, (DirichletFamily(size),)),
        (constraints.real_vector, 1, (MultivariateNormalFamily(size),)),
        (constraints.positive_definite, 2, (WishartFamily(size), InverseWishartFamily(size))),
    )
    fitting = (row for known, rank, row in table if support == known and rank == len(event_shape))
    return next(fitting, ())


def certify(log_density: LogDensity, family: ExponentialFamily) -> Certificate:
    """Check whether a log-density has the form of a family.

    It is fitted at points of its own order of magnitude, then compared at other points near and far: a
    function in pieces, with steps, or of another tail differs at one of them. A deviation that is confined to
    values between the points, or beyond a factor of some 10^4 of its order of magnitude, is not seen.

    Args:
        log_density: Gives the log-density (or the log-likelihood) of each element of the site for a value
            that all of them take, -inf for one that is impossible; it is evaluated in float64, outside any
            trace.
        family: The family.

    Returns:
        The certificate.

    Example:
        >>> certify(lambda x: -2 * jnp.log1p(x**2), GammaFamily()).holds
        False
        >>> print(certify(lambda x: 2 * jnp.log(x) - 3 * x, GammaFamily()).fit.natural.round(6))
        [ 2. -3.]

    Source:
        Bishop & Bishop (2023), §3.4.2: conjugate priors of the exponential family.
    """
    with Precision.DOUBLE.active():
        scale = _scale(log_density, family)
        points = interpolation(family, scale)
        used = len(points.points)
        others = (near(family, POINTS, used + 1), far(family, POINTS, used + 1 + POINTS))
        every = np.concatenate([points.points, *(scaled(family, other, scale) for other in others)])
        values = in_groups(jax.vmap(log_density), every)
        impossible = np.isneginf(values).all(0)
        values = np.where(impossible, 0.0, values)
        found = solve(points, jnp.asarray(values[:used]))
        distance, size = _compare(family, every, values, found)
        proper = np.asarray(family.is_proper(found.natural)) & ~impossible
        is_proper = bool((proper | impossible).all() and proper.any())
    with np.errstate(invalid="ignore"):
        excess = distance / (ROUNDING * (size + size[:used].max(0)) + np.finfo(np.float64).tiny)
    excess = np.nan_to_num(excess, nan=np.inf).reshape(len(every), -1).max(1)
    worst = int(excess.argmax())
    residual = float(np.nan_to_num(distance, nan=np.inf).max())
    return Certificate(family, points, found, residual, float(excess[worst]), every[worst], is_proper)


def _compare(
    family: ExponentialFamily, points: np.ndarray, values: np.ndarray, found: Fit
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far fit and log-density are apart, and how large the terms are that make them."""
    design = design_at(family, points)
    coefficients = np.concatenate([np.asarray(found.log_constant)[..., None], found.natural], -1)
    with np.errstate(invalid="ignore", over="ignore"):
        fitted = np.tensordot(design, coefficients, (-1, -1))
        size = np.tensordot(np.abs(design), np.abs(coefficients), (-1, -1))
        return np.abs(values - fitted), size + np.abs(values)


def _scale(log_density: LogDensity, family: ExponentialFamily) -> float:
    """Return the order of magnitude that has most probability, for most elements."""
    if not can_be_scaled(family):
        return 1.0
    base = near(family, 6)
    points = np.concatenate([scaled(family, base, magnitude) for magnitude in MAGNITUDES])
    values = np.nan_to_num(in_groups(jax.vmap(log_density), points), nan=-np.inf, posinf=-np.inf)
    along = values.reshape(len(MAGNITUDES), len(base), -1).max(1)
    volume = volume_power(family) * np.log(MAGNITUDES)[:, None]
    best = (along + volume).argmax(0)
    inside = best[(best > 0) & (best < len(MAGNITUDES) - 1)]  # at an end, nothing is known of the scale
    scale = float(MAGNITUDES[int(np.median(inside))]) if inside.size else 1.0
    on_line = family.support is constraints.real or family.support is constraints.real_vector
    return max(scale, 1.0) if on_line else scale
