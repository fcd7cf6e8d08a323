"""Integrals over a conjugate variable of which a table at some points is known."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.independent import IndependentFamily
from probdl.distributions.matrices import WishartFamily
from probdl.distributions.positive import GammaFamily
from probdl.distributions.real import VonMisesFamily
from probdl.exact.conjugacy.conjugate import SAME, Interpolation, interpolation, solve
from probdl.exact.conjugacy.probes import in_groups
from probdl.exact.gaussians.gaussian_integral import MOST_NATS

TOLERANCE = 1e-7  # of the values: what sums of many terms lose, far below what another form differs by


def integrated(
    points: Interpolation, family: ExponentialFamily, table: Float[Array, "*rest points"]
) -> tuple[Float[Array, "*rest"], Float[Array, "*rest dimension"]]:
    r"""Return the logarithm of the integral of a density of a family, and its natural parameters.

    The derivative of the integral by the table is the expectation of what the table is moved by, exact for
    whatever is linear in the statistics: $\sum_p w_p\,\dot f(x_p)$ with $w = \mathrm E[1, T(x)]\,D^+$.

    Args:
        points: The points, with their design $D$.
        family: The family.
        table: Logarithm of the density at the points, in nats; -inf at all of them where it is zero.

    Returns:
        Nats, NaN where the density is not of the family at these points; and natural parameters.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> from probdl.program.precision import Precision
        >>> points = interpolation(GammaFamily())
        >>> with Precision.DOUBLE.active():
        ...     x = jnp.asarray(points.points)
        ...     log, natural = integrated(points, GammaFamily(), 2 * jnp.log(x) - x)
        >>> print(f"{log:.3f}", natural.round(3))  # log Gamma(3)
        0.693 [ 2. -1.]

    Source:
        Bishop & Bishop (2023), §3.4: the derivative of the log normalizer is the expected statistics.
    """
    possible = table[..., :1] > -jnp.inf
    fitted = solve(points, jnp.moveaxis(jnp.where(possible, table, 0), -1, 0))
    return _log_integral(points, family, table), lax.stop_gradient(fitted.natural)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _log_integral(points: Interpolation, family: ExponentialFamily, table: Array) -> Array:
    possible = table[..., 0] > -jnp.inf
    fitted = solve(points, jnp.moveaxis(jnp.where(possible[..., None], table, 0), -1, 0))
    found = fitted.log_constant + family.log_normalizer(fitted.natural)
    spread = jnp.abs(table - table[..., :1]).max(-1)
    fits = (fitted.residual <= TOLERANCE * (1 + spread)) & (spread <= MOST_NATS)
    fits &= family.is_proper(fitted.natural)
    return jnp.where(possible, jnp.where(fits, found, jnp.nan), -jnp.inf)


@_log_integral.defjvp
def _log_integral_jvp(
    points: Interpolation, family: ExponentialFamily, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (table,), (moved,) = primals, tangents
    possible = table[..., :1] > -jnp.inf
    natural = solve(points, jnp.moveaxis(jnp.where(possible, table, 0), -1, 0)).natural
    expected = [jnp.ones((*natural.shape[:-1], 1), natural.dtype), family.mean_parameters(natural)]
    if points.further is not None and points.beyond is not None:
        more = further_expectations(family, natural)
        expected.append(jnp.where(jnp.isfinite(more), more, jnp.asarray(points.beyond)))
    inverse = points.inverse if points.further is None else points.further
    weights = jnp.matmul(jnp.concatenate(expected, -1), jnp.asarray(inverse), precision=lax.Precision.HIGHEST)
    value = _log_integral(points, family, table)
    return value, jnp.sum(jnp.where(possible, weights, 0) * moved, -1)


def with_further(
    family: ExponentialFamily, scale: float, excess: int = 2, *, beyond: float = 0.0
) -> Interpolation:
    """Return points at which expectations of more than the statistics of a family can be read off.

    An infinite expectation has no weight in what does not depend on it. Another number in its place moves
    what does.

    Args:
        family: The family.
        scale: Order of magnitude of the values of the site.
        excess: How many times as many points as columns.
        beyond: What stands for an infinite expectation, in units of its statistic at the points.

    Returns:
        An interpolation; its `further` maps expectations to weights of its points.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> with_further(GammaFamily(), 1.0).further.shape  # 1, log x, x, and x, x^2, 1 / x
        (6, 12)
    """
    rows = 1 + family.dimension + further_statistics(family, jnp.ones((1, *family.event_shape))).shape[-1]
    found = interpolation(family, scale, excess * rows)
    more = in_groups(partial(further_statistics, family), np.asarray(found.points))
    design = np.concatenate([found.design, more], 1)
    norms = np.linalg.norm(design, axis=0)
    further = np.linalg.pinv(design / norms, rtol=SAME) / norms[:, None]
    return found._replace(further=further, beyond=beyond * np.linalg.norm(more, axis=0))


def further_statistics(
    family: ExponentialFamily, x: Float[Array, "*batch *event"]
) -> Float[Array, "*batch more"]:
    """Return the entries of values, their squares, and the inverses of what may be a precision.

    Args:
        family: The family.
        x: The values.

    Returns:
        One vector a value.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> further_statistics(GammaFamily(), jnp.array(2.0)).tolist()
        [2.0, 4.0, 0.5]
    """
    if isinstance(family, IndependentFamily):
        return family.joined(further_statistics(family.base, x))
    rank = len(family.event_shape)
    lead = x.shape[: x.ndim - rank]
    if isinstance(family, VonMisesFamily):
        return jnp.zeros((*lead, 0), x.dtype)
    flat = x.reshape(*lead, -1)
    if not isinstance(family, GammaFamily | WishartFamily):
        return jnp.concatenate([flat, flat**2], -1)
    inverse = jnp.linalg.inv(x) if rank else 1 / x
    return jnp.concatenate([flat, flat**2, inverse.reshape(flat.shape)], -1)


def further_expectations(
    family: ExponentialFamily, natural: Float[Array, "*batch dimension"]
) -> Float[Array, "*batch more"]:
    """Return the expectations of `further_statistics`; infinite or undefined ones are not finite.

    Args:
        family: The family.
        natural: Natural parameters, proper.

    Returns:
        One vector a distribution.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> further_expectations(GammaFamily(), jnp.array([2.0, -1.0])).tolist()  # Gamma(3, 1)
        [3.0, 12.0, 0.5]
    """
    if isinstance(family, IndependentFamily):
        return family.joined(further_expectations(family.base, family.apart(natural)))
    lead = natural.shape[:-1]
    if isinstance(family, VonMisesFamily):
        return jnp.zeros((*lead, 0), natural.dtype)
    mean, variance = (x.reshape(*lead, -1) for x in family.moments(natural))
    found = [mean, variance + mean**2]
    if isinstance(family, GammaFamily):
        excess = natural[..., :1]  # the shape less one
        found.append(jnp.where(excess > 0, -natural[..., 1:] / excess, jnp.inf))
    if isinstance(family, WishartFamily):
        excess = 2 * natural[..., :1]  # degrees of freedom less size less one
        found.append(jnp.where(excess > 0, -2 * natural[..., 1:] / excess, jnp.inf))
    return jnp.concatenate(found, -1)
