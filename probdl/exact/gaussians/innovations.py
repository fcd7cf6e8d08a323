"""The Kalman filter and smoother by innovations, which inverts no covariance of the states."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from probdl.exact.gaussians.cholesky import cholesky, gram, log_determinant, solve_lower
from probdl.exact.gaussians.gaussian import Moments
from probdl.exact.gaussians.gaussian_smoothing import Smoothed

if TYPE_CHECKING:
    from probdl.exact.gaussians.state_space import StateSpace


class _Step(NamedTuple):
    """What the filter leaves for the smoother.

    Attributes:
        mean: Mean of the state given the data so far.
        covariance: Its covariance.
        predicted: Covariance of the state given the data before.
        kept: What of the error of the prediction the observation leaves, I - K H.
        surprise: H' S^-1 v of the innovation v and its covariance S.
        information: H' S^-1 H.
        log_density: That of the innovation.
    """

    mean: Float[Array, " d"]
    covariance: Float[Array, "d d"]
    predicted: Float[Array, "d d"]
    kept: Float[Array, "d d"]
    surprise: Float[Array, " d"]
    information: Float[Array, "d d"]
    log_density: Float[Array, ""]


def smooth_by_innovations(
    model: StateSpace, data: Float[Array, "time p"], present: Bool[Array, "steps p"]
) -> tuple[Float[Array, ""], Smoothed]:
    """Return the log likelihood and the moments of the states, whose noise may be singular.

    Args:
        model: The model; its emission noise is positive definite.
        data: Observations.
        present: Which elements are not missing, for each time or for all.

    Returns:
        The log likelihood in nats, and the moments.

    Example:
        >>> from probdl.exact.gaussians.state_space import StateSpace
        >>> one, zero = jnp.eye(1), jnp.zeros(1)
        >>> level = StateSpace(one, 0 * one, zero, one, one, zero, zero, one)  # it never moves
        >>> found = smooth_by_innovations(level, jnp.ones((3, 1)), jnp.ones((1, 1), bool))[1]
        >>> found.mean.round(4).tolist()
        [[0.75], [0.75], [0.75]]

    Source:
        De Jong (1989), doi:10.1080/01621459.1989.10478894; Durbin & Koopman (2012), §4.4 and §4.7; the
        covariances of the filter in Joseph's form.
    """
    eye, transition = jnp.eye(model.mean.size, dtype=model.mean.dtype), model.transition

    def forward(ahead: tuple[Array, Array], seen: tuple[Array, Array]) -> tuple[tuple[Array, Array], _Step]:
        (mean, covariance), (y, is_seen) = ahead, seen
        rows = is_seen[:, None] * model.emission
        error = jnp.where(is_seen, y - model.emission_offset - model.emission @ mean, 0.0)
        both = is_seen[:, None] & is_seen[None]
        noise = jnp.where(both, model.emission_noise, jnp.eye(len(y), dtype=y.dtype))
        factor = cholesky(rows @ covariance @ rows.T + noise)
        white = solve_lower(factor, jnp.concatenate([rows, error[:, None]], -1))
        whitened, residual = white[:, :-1], white[:, -1:]
        surprise, information = gram(whitened, residual)[:, 0], gram(whitened, whitened)
        kept = eye - covariance @ information
        gain = covariance @ gram(whitened, solve_lower(factor, jnp.eye(len(y), dtype=y.dtype)))
        updated = _symmetric(kept @ covariance @ kept.T + gain @ noise @ gain.T)
        found = mean + covariance @ surprise
        constant = log_determinant(factor) + is_seen.sum() * math.log(2 * math.pi)
        log_density = -(constant + (residual * residual).sum()) / 2
        step = _Step(found, updated, covariance, kept, surprise, information, log_density)
        moved = _symmetric(transition @ updated @ transition.T + model.transition_noise)
        return (transition @ found + model.transition_offset, moved), step

    whole = jnp.broadcast_to(present, data.shape)
    _, steps = lax.scan(forward, (model.mean, model.covariance), (data, whole))

    def backward(later: tuple[Array, Array], step: _Step) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
        r, n = later  # what the data after the next state say of it: a linear and a quadratic term
        carried = step.covariance @ transition.T
        mean = step.mean + carried @ r
        covariance = _symmetric(step.covariance - carried @ n @ carried.T)
        back = step.kept.T @ transition.T
        before = step.surprise + back @ r, _symmetric(step.information + back @ n @ back.T)
        return before, (mean, covariance, carried, n)

    nothing = jnp.zeros_like(model.mean), jnp.zeros_like(model.covariance)
    _, (mean, covariance, carried, n) = lax.scan(backward, nothing, steps, reverse=True)
    lagged = carried[:-1] @ (eye - n[:-1] @ steps.predicted[1:])
    border = Moments(jnp.zeros(0, mean.dtype), jnp.zeros((0, 0), mean.dtype))
    return steps.log_density.sum(), Smoothed(mean, covariance, lagged, border)


def _symmetric(matrix: Float[Array, "d d"]) -> Float[Array, "d d"]:
    return (matrix + matrix.T) / 2
