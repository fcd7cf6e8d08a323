"""Linear Gaussian state-space models in matrices, as chains of potentials."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.exact.cholesky import cholesky, log_determinant, solve_lower
from probdl.exact.gaussian_chain import GaussianChain
from probdl.exact.gaussian_elimination import eliminate
from probdl.exact.gaussian_root import Root, RootChain
from probdl.exact.gaussian_smoothing import Smoothed, conditional_mean, smooth


class StateSpace(NamedTuple):
    """The model x_(t+1) = F x_t + b + N(0, Q), y_t = H x_t + d + N(0, R), x_0 = N(m, P).

    Attributes:
        transition: F.
        transition_noise: Q, positive definite.
        transition_offset: b.
        emission: H.
        emission_noise: R, positive definite.
        emission_offset: d.
        mean: m.
        covariance: P, positive definite.

    Example:
        >>> one, zero = jnp.eye(1), jnp.zeros(1)
        >>> walk = StateSpace(one, one, zero, one, one, zero, zero, one)
        >>> walk.chain(jnp.array([[1.0], [jnp.nan]])).unary.precision.ravel().tolist()
        [1.0, 0.0]
    """

    transition: Float[Array, "d d"]
    transition_noise: Float[Array, "d d"]
    transition_offset: Float[Array, " d"]
    emission: Float[Array, "p d"]
    emission_noise: Float[Array, "p p"]
    emission_offset: Float[Array, " p"]
    mean: Float[Array, " d"]
    covariance: Float[Array, "d d"]

    def chain(
        self, data: Float[Array, "time p"], about: Float[Array, "time d"] | None = None
    ) -> GaussianChain:
        """Return the chain of potentials of the states given data.

        Args:
            data: Observations y; NaN where an element is missing.
            about: Points of which the states of the chain are the deviations; zero by default.

        Returns:
            A chain without border, whose log normalizer is the log likelihood.
        """
        roots = self.roots(data, about)
        return GaussianChain(
            roots.first.canonical(), roots.unary.canonical(), roots.pair.canonical(), roots.length
        )

    def roots(self, data: Float[Array, "time p"], about: Float[Array, "time d"] | None = None) -> RootChain:
        """Return the chain as sums of squares: what `chain` returns, with no digits lost.

        Args:
            data: Observations y; NaN where an element is missing.
            about: Points of which the states of the chain are the deviations; zero by default.

        Returns:
            A chain without border, whose log normalizer is the log likelihood.
        """
        eye = jnp.eye(self.mean.size, dtype=self.mean.dtype)
        about = jnp.zeros((1, self.mean.size), self.mean.dtype) if about is None else about
        ahead = about @ self.transition.T + self.transition_offset
        known, moved = (ahead, about) if len(about) == 1 else (ahead[:-1], about[1:])
        return RootChain(
            _normal(eye, self.covariance, self.mean - about[0]),
            self._observed(data - about @ self.emission.T),
            _normal(jnp.concatenate([-self.transition, eye], -1)[None], self.transition_noise, known - moved),
            length=data.shape[0],
        )

    def _observed(self, data: Float[Array, "time p"]) -> Root:
        # A missing element has no row, a noise of its own, and its constant back.
        present = ~jnp.isnan(data)
        value = jnp.where(present, data - self.emission_offset, 0.0)
        both = present[:, :, None] & present[:, None, :]
        noise = jnp.where(both, self.emission_noise, jnp.eye(data.shape[1], dtype=data.dtype))
        seen = _normal(present[..., None] * self.emission, noise, value)
        missing = (~present).sum(-1) * (math.log(2 * math.pi) / 2)
        return seen._replace(log_scale=seen.log_scale + missing)


def kalman_smoother(model: StateSpace, data: Float[Array, "time p"]) -> tuple[Float[Array, ""], Smoothed]:
    """Return the log likelihood of a state-space model and the moments of its states given all data.

    The states are found twice, the second time as deviations from the first answer, with the same factors:
    iterative refinement, without which data far from zero would cost the likelihood its digits.

    Args:
        model: The model.
        data: Observations y; NaN where an element is missing.

    Returns:
        The log likelihood in nats, and the moments.

    Example:
        >>> one, zero = jnp.eye(1), jnp.zeros(1)
        >>> walk = StateSpace(one, one, zero, one, one, zero, zero, one)
        >>> _, smoothed = kalman_smoother(walk, jnp.array([[1.0], [jnp.nan]]))
        >>> smoothed.mean.tolist()
        [[0.5], [0.5]]

    Source:
        Durbin & Koopman (2012), ch. 4.
    """
    rough = eliminate(model.chain(data))
    about = conditional_mean(rough.steps, jnp.zeros(0, model.mean.dtype))
    fine = eliminate(model.chain(data, about), rough.steps.cholesky)
    found = smooth(fine)
    return fine.border.log_scale, found._replace(mean=found.mean + about)


def _normal(rows: Array, covariance: Array, value: Array) -> Root:
    """Return the potential of x in N(value; rows x, covariance)."""
    factor = cholesky(covariance)
    constant = value.shape[-1] * math.log(2 * math.pi)
    target = solve_lower(factor, value[..., None])[..., 0]
    log_scale = jnp.broadcast_to(-(log_determinant(factor) + constant) / 2, target.shape[:-1])
    return Root(log_scale, solve_lower(factor, rows), target)
