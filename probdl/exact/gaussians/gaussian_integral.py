"""Integrals and maxima of Gaussian potentials, and the conditional distributions that they leave."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from probdl.exact.gaussians.cholesky import cholesky, gram, inverse, log_determinant, solve_lower, solve_upper
from probdl.exact.gaussians.gaussian import Canonical, Moments

MOST_NATS = 1e-3 / float(np.finfo(np.float64).eps)  # of sizes that cancel: a thousandth of a nat is right


class Conditional(NamedTuple):
    """The distribution of some coordinates given the rest: N(gain rest + offset, (L L')^-1).

    Attributes:
        gain: Matrix of the regression on the rest.
        offset: Mean where the rest is zero.
        cholesky: L, the lower Cholesky factor of the precision.

    Example:
        >>> pair = Canonical(jnp.zeros(()), jnp.zeros(2), jnp.array([[4.0, -2.0], [-2.0, 2.0]]))
        >>> _, first = integrate(pair, 1)
        >>> first.mean(jnp.array([3.0])).tolist()
        [1.5]
    """

    gain: Float[Array, "*batch k rest"]
    offset: Float[Array, "*batch k"]
    cholesky: Float[Array, "*batch k k"]

    def mean(self, rest: Float[Array, "*batch rest"]) -> Float[Array, "*batch k"]:
        """Return the mean given the rest."""
        return (self.gain @ rest[..., None])[..., 0] + self.offset

    def sample(self, key: Array, rest: Float[Array, "*batch rest"]) -> Float[Array, "*batch k"]:
        """Draw one vector for each one of the rest."""
        mean = self.mean(rest)
        noise = jax.random.normal(key, mean.shape, mean.dtype)
        return mean + solve_upper(self.cholesky, noise[..., None])[..., 0]

    def log_peak(self) -> Float[Array, "*batch"]:
        """Return the logarithm of the density at its mean."""
        return (log_determinant(self.cholesky) - self.offset.shape[-1] * math.log(2 * math.pi)) / 2


class Regression(NamedTuple):
    """The distribution of some coordinates given the rest, by moments: N(gain rest + offset, covariance).

    Attributes:
        gain: Matrix of the regression on the rest.
        offset: Mean where the rest is zero.
        covariance: Covariance matrix given the rest.
    """

    gain: Float[Array, "*batch k rest"]
    offset: Float[Array, "*batch k"]
    covariance: Float[Array, "*batch k k"]


def integrate(potential: Canonical, k: int) -> tuple[Canonical, Conditional]:
    """Integrate the first k coordinates out.

    With J and h cut after k, J_11 = L L' and V = L^-1 J_12, the rest has precision J_22 - V'V, linear term
    h_2 - V'L^-1 h_1, and log scale c + |L^-1 h_1|^2 / 2 - log |L| + (k / 2) log 2 pi.

    Args:
        potential: A potential of n coordinates; batch axes are free.
        k: How many of them, from the first on.

    Returns:
        The potential of the last n - k coordinates, and the distribution of the first k given these. Both
        are NaN where the integral diverges.

    Example:
        >>> normal = Canonical(jnp.zeros(()), jnp.zeros(2), jnp.eye(2))
        >>> print(f"{integrate(normal, 1)[0].log_scale:.4f}")
        0.9189

    Source:
        Koller & Friedman (2009), §14.2.1.2, with the Cholesky factor in place of the inverse.
    """
    return _integrate(potential, k)


def maximize(potential: Canonical, k: int) -> tuple[Canonical, Conditional]:
    """Maximise over the first k coordinates.

    Args:
        potential: A potential of n coordinates; batch axes are free.
        k: How many of them, from the first on.

    Returns:
        The maximum as a potential of the last n - k coordinates, and the distribution of the first k given
        these, whose mean is where it is attained. Both are NaN where there is no maximum.

    Example:
        >>> normal = Canonical(jnp.zeros(()), jnp.array([2.0, 0.0]), jnp.eye(2))
        >>> float(maximize(normal, 1)[0].log_scale)
        2.0
    """
    return _maximize(potential, k)


def expected_log(potential: Canonical, given: Regression) -> Canonical:
    """Return the expected logarithm of a potential as a function of its last coordinates.

    Args:
        potential: A potential of k and further coordinates.
        given: The distribution of the first k given the further ones.

    Returns:
        The potential of the further ones whose logarithm is that expectation.

    Example:
        >>> square = Canonical(jnp.zeros(()), jnp.zeros(1), 2 * jnp.eye(1))
        >>> standard = Regression(jnp.zeros((1, 0)), jnp.zeros(1), jnp.eye(1))
        >>> float(expected_log(square, standard).log_scale)  # of minus the square
        -1.0
    """
    k = given.offset.shape[-1]
    precision = potential.precision
    own, across = (precision[..., :k, :k] + precision[..., :k, :k].mT) / 2, _across(precision, k)
    linear, offset = potential.linear[..., :k, None], given.offset[..., None]
    pull = gram(own, offset)
    trace = (own * given.covariance).sum((-2, -1))
    mixed = gram(given.gain, across)
    return Canonical(
        potential.log_scale + (offset * (linear - pull / 2)).sum((-2, -1)) - trace / 2,
        potential.linear[..., k:] + (gram(given.gain, linear - pull) - gram(across, offset))[..., 0],
        precision[..., k:, k:] + gram(given.gain, gram(own, given.gain)) + mixed + mixed.mT,
    )


def log_normalizer(potential: Canonical) -> Float[Array, "*batch"]:
    """Return the log integral over all coordinates.

    Args:
        potential: A potential; batch axes are free.

    Returns:
        Log integrals, in nats; NaN where the integral diverges. The gradients are 1, the mean, and minus
        half the second moments.

    Example:
        >>> print(f"{log_normalizer(Canonical(jnp.zeros(()), jnp.ones(1), jnp.eye(1))):.4f}")
        1.4189
    """
    return integrate(potential, potential.size)[0].log_scale


def moments(potential: Canonical) -> Moments:
    """Return mean and covariance of the normalised potential.

    Args:
        potential: A potential; batch axes are free.

    Returns:
        Mean J^-1 h and covariance J^-1; NaN where it cannot be normalised.

    Example:
        >>> moments(Canonical(jnp.zeros(()), jnp.array([2.0]), jnp.array([[4.0]]))).mean.tolist()
        [0.5]
    """
    _, whole = maximize(potential, potential.size)
    return Moments(whole.offset, inverse(whole.cholesky))


def is_proper(potential: Canonical) -> Bool[Array, "*batch"]:
    """Say whether a potential can be normalised: h is finite and J positive definite beyond rounding.

    Args:
        potential: A potential; batch axes are free.

    Returns:
        Truth values.

    Example:
        >>> bool(is_proper(Canonical(jnp.zeros(()), jnp.zeros(2), jnp.ones((2, 2)))))
        False
    """
    _, whole = _maximize(potential, potential.size)
    return jnp.isfinite(whole.cholesky).all((-2, -1)) & jnp.isfinite(whole.offset).all(-1)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _maximize(potential: Canonical, k: int) -> tuple[Canonical, Conditional]:
    precision, linear = potential.precision, potential.linear[..., None]
    factor = cholesky(precision[..., :k, :k])
    across = solve_lower(factor, _across(precision, k))
    along = solve_lower(factor, linear[..., :k, :])
    rest = Canonical(
        potential.log_scale + (along * along).sum((-2, -1)) / 2,
        (linear[..., k:, :] - gram(across, along))[..., 0],
        precision[..., k:, k:] - gram(across, across),
    )
    return rest, Conditional(-solve_upper(factor, across), solve_upper(factor, along)[..., 0], factor)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _integrate(potential: Canonical, k: int) -> tuple[Canonical, Conditional]:
    rest, conditional = _maximize(potential, k)
    constant = k / 2 * math.log(2 * math.pi)
    log_scale = rest.log_scale - log_determinant(conditional.cholesky) / 2 + constant
    return rest._replace(log_scale=log_scale), conditional


# The differential of a maximum is that of the potential where it is attained, and the differential of a log
# integral is its expectation: no derivative of a Cholesky factor is needed.


@_maximize.defjvp
def _(k: int, primals: tuple[Canonical], tangents: tuple[Canonical]):
    (rest, conditional), (_, moved) = jax.jvp(lambda p: _maximize.fun(p, k), primals, tangents)
    given = Regression(conditional.gain, conditional.offset, jnp.zeros_like(conditional.cholesky))
    return (rest, conditional), (expected_log(*tangents, given), moved)


@_integrate.defjvp
def _(k: int, primals: tuple[Canonical], tangents: tuple[Canonical]):
    (rest, conditional), (_, moved) = jax.jvp(lambda p: _integrate.fun(p, k), primals, tangents)
    given = Regression(conditional.gain, conditional.offset, inverse(conditional.cholesky))
    return (rest, conditional), (expected_log(*tangents, given), moved)


def _across(precision: Float[Array, "*batch n n"], k: int) -> Float[Array, "*batch k rest"]:
    return (precision[..., :k, k:] + precision[..., k:, :k].mT) / 2
