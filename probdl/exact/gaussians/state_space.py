"""Linear Gaussian state-space models in matrices, as chains of potentials."""

from __future__ import annotations

import enum
import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from probdl.exact.gaussians.cholesky import cholesky, log_determinant, solve_lower
from probdl.exact.gaussians.gaussian_chain import GaussianChain
from probdl.exact.gaussians.gaussian_elimination import eliminate
from probdl.exact.gaussians.gaussian_root import Root, RootChain
from probdl.exact.gaussians.gaussian_smoothing import Smoothed, smooth
from probdl.exact.gaussians.gaussian_steady import SHORTEST
from probdl.exact.gaussians.innovations import smooth_by_innovations
from probdl.exact.gaussians.state_space_arguments import is_singular, state_space_arguments
from probdl.program.describe import is_abstract
from probdl.program.precision import Precision, concrete


class StateSpace(NamedTuple):
    """The model x_(t+1) = F x_t + b + N(0, Q), y_t = H x_t + d + N(0, R), x_0 = N(m, P).

    Q and P may be singular for `kalman_smoother` outside a trace: a slope that never changes, lags of a state
    as further states. Inside a trace, and for `chain` and `roots`, they are positive definite.

    Attributes:
        transition: F.
        transition_noise: Q.
        transition_offset: b.
        emission: H.
        emission_noise: R, positive definite.
        emission_offset: d.
        mean: m.
        covariance: P.

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

        Raises:
            ValueError: As in `roots`.
        """
        return _canonical(self.roots(data, about))

    def roots(self, data: Float[Array, "time p"], about: Float[Array, "time d"] | None = None) -> RootChain:
        """Return the chain as sums of squares: what `chain` returns, with no digits lost.

        Args:
            data: Observations y; NaN where an element is missing.
            about: Points of which the states of the chain are the deviations; zero by default.

        Returns:
            A chain without border, whose log normalizer is the log likelihood.

        Raises:
            ValueError: If shapes or values do not fit, or if Q or P is singular.
        """
        model, data = state_space_arguments(self, data)
        if not is_abstract(model) and is_singular(model):
            raise ValueError(
                "Expected transition_noise and covariance to be positive definite; got a singular one: the "
                "states have no density. Call kalman_smoother, which needs none."
            )
        model, data = StateSpace(*map(jnp.asarray, model)), jnp.asarray(data)
        about = jnp.zeros((1, model.mean.size), model.mean.dtype) if about is None else about
        return model._roots(data, about, ~jnp.isnan(data))

    def _roots(
        self, data: Float[Array, "time p"], about: Float[Array, "steps d"], present: Bool[Array, "steps p"]
    ) -> RootChain:
        eye = jnp.eye(self.mean.size, dtype=self.mean.dtype)
        ahead = about @ self.transition.T + self.transition_offset
        known, moved = (ahead, about) if len(about) == 1 else (ahead[:-1], about[1:])
        return RootChain(
            _normal(eye, self.covariance, self.mean - about[0]),
            self._observed(data - about @ self.emission.T, present),
            _normal(jnp.concatenate([-self.transition, eye], -1)[None], self.transition_noise, known - moved),
            length=data.shape[0],
        )

    def _observed(self, data: Float[Array, "time p"], present: Bool[Array, "steps p"]) -> Root:
        # A missing element has no row, a noise of its own, and its constant back.
        value = jnp.where(present, data - self.emission_offset, 0.0)
        both = present[:, :, None] & present[:, None, :]
        noise = jnp.where(both, self.emission_noise, jnp.eye(data.shape[1], dtype=data.dtype))
        seen = _normal(present[..., None] * self.emission, noise, value)
        missing = (~present).sum(-1) * (math.log(2 * math.pi) / 2)
        return seen._replace(log_scale=seen.log_scale + missing)


def kalman_smoother(model: StateSpace, data: Float[Array, "time p"]) -> tuple[Float[Array, ""], Smoothed]:
    """Return the log likelihood of a state-space model and the moments of its states given all data.

    The states are found twice, the second time as deviations from the first answer, with the same factors:
    iterative refinement, without which data far from zero would cost the likelihood its digits. Where Q or P
    is singular, by a filter of covariances.

    Args:
        model: The model.
        data: Observations y; NaN where an element is missing. One axis will do if H has one row.

    Returns:
        The log likelihood in nats, and the moments: NumPy arrays in double precision, whatever the flags of
        JAX; inside a trace JAX arrays in the precision of the trace.

    Raises:
        ValueError: If a shape is wrong; or, outside a trace, if a value is not finite, if a covariance is not
            symmetric or has a negative eigenvalue, or if R is singular.

    Example:
        >>> one, zero = jnp.eye(1), jnp.zeros(1)
        >>> walk = StateSpace(one, one, zero, one, one, zero, zero, one)
        >>> _, smoothed = kalman_smoother(walk, jnp.array([[1.0], [jnp.nan]]))
        >>> smoothed.mean.tolist()
        [[0.5], [0.5]]

    Source:
        Durbin & Koopman (2012), ch. 4.
    """
    model, data = state_space_arguments(model, data)
    # With no element missing the precision is the same at all times, and that of a long chain settles.
    settles = len(data) >= SHORTEST
    form = _Form.INCOMPLETE
    if settles and not is_abstract(data) and not np.isnan(data).any():
        form = _Form.COMPLETE
    if not is_abstract((model, data)):
        form = _Form.INNOVATIONS if is_singular(model) else form
        with Precision.DOUBLE.active():
            doubled = StateSpace(*(jnp.asarray(part, float) for part in model)), jnp.asarray(data, float)
            return concrete(_smoothed(*doubled, form))
    if not (settles and is_abstract(data)):
        return _smoothed(model, jnp.asarray(data), form)
    missing, complete = (partial(_smoothed, form=form) for form in (_Form.INCOMPLETE, _Form.COMPLETE))
    model = StateSpace(*map(jnp.asarray, model))
    return lax.cond(jnp.isnan(data).any(), missing, complete, model, data)


class _Form(enum.Enum):
    """What is known of a model and its data."""

    INCOMPLETE = enum.auto()  # elements may be missing
    COMPLETE = enum.auto()  # none is, and there are many steps
    INNOVATIONS = enum.auto()  # a covariance of states is singular


@partial(jax.jit, static_argnames="form")
def _smoothed(
    model: StateSpace, data: Float[Array, "time p"], form: _Form
) -> tuple[Float[Array, ""], Smoothed]:
    present = jnp.ones((1, data.shape[1]), bool) if form is _Form.COMPLETE else ~jnp.isnan(data)
    if form is _Form.INNOVATIONS:
        return smooth_by_innovations(model, data, present)
    origin = jnp.zeros((1, model.mean.size), model.mean.dtype)
    rough = eliminate(_canonical(model._roots(data, origin, present)))
    about = rough.means[..., 0]
    fine = eliminate(_canonical(model._roots(data, about, present)), rough.factor)
    found = smooth(fine)
    return fine.border.log_scale, found._replace(mean=found.mean + about)


def _canonical(chain: RootChain) -> GaussianChain:
    return GaussianChain(
        chain.first.canonical(), chain.unary.canonical(), chain.pair.canonical(), chain.length
    )


def _normal(rows: Array, covariance: Array, value: Array) -> Root:
    """Return the potential of x in N(value; rows x, covariance)."""
    factor = lax.optimization_barrier(cholesky(covariance))
    constant = value.shape[-1] * math.log(2 * math.pi)
    target = _whitened(factor, value)
    log_scale = jnp.broadcast_to(-(log_determinant(factor) + constant) / 2, target.shape[:-1])
    return Root(log_scale, *lax.optimization_barrier((solve_lower(factor, rows), target)))


def _whitened(factor: Float[Array, "*steps n n"], value: Float[Array, "*time n"]) -> Float[Array, "*time n"]:
    """Return L^-1 v; where L is the same at all times, as one product of matrices."""
    n = value.shape[-1]
    if factor.size > n * n:
        return solve_lower(factor, value[..., None])[..., 0]
    return value @ solve_lower(factor.reshape(n, n), jnp.eye(n, dtype=value.dtype)).T
