"""A multivariate normal distribution some of whose coordinates were not seen."""

from __future__ import annotations

import math
from typing import Any, cast, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float
from numpyro.distributions import constraints


class PartlyObservedNormal(dist.Distribution):
    """Draws whole vectors; the density is that of the coordinates that were seen.

    Args:
        normal: The distribution of whole vectors.
        seen: Which coordinates of a value count: shape (..., d).

    Example:
        >>> both = dist.MultivariateNormal(jnp.zeros(2), jnp.array([[4.0, 1.0], [1.0, 9.0]]))
        >>> partly = PartlyObservedNormal(both, jnp.array([False, True]))
        >>> bool(jnp.isclose(partly.log_prob(jnp.array([7.0, 2.0])), dist.Normal(0, 3).log_prob(2.0)))
        True

    Source:
        Bishop & Bishop (2023), §3.2.5 (marginal Gaussian).
    """

    arg_constraints = {"seen": constraints.independent(constraints.boolean, 1)}
    pytree_data_fields = ("normal", "seen")
    reparametrized_params: list[str] = []
    normal: dist.MultivariateNormal
    seen: Bool[Array, "*batch d"]

    def __init__(self, normal: dist.MultivariateNormal, seen: Bool[Array, "*batch d"]) -> None:
        batch = jnp.broadcast_shapes(normal.batch_shape, jnp.shape(seen)[:-1])
        self.normal = normal
        self.seen = jnp.broadcast_to(jnp.asarray(seen, bool), (*batch, *normal.event_shape))
        super().__init__(batch, normal.event_shape, validate_args=False)

    @property
    @override
    def support(self) -> constraints.Constraint:
        """All vectors."""
        return constraints.real_vector

    @override
    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Float[Array, "*sample d"]:
        """Draw whole vectors."""
        return cast(Array, self.normal.expand(self.batch_shape).sample(key, sample_shape))

    @override
    def log_prob(self, value: Any, intermediates: Any = None) -> Float[Array, "*batch"]:
        """Return the log-density of the coordinates that were seen, in nats; the others do not matter."""
        del intermediates
        seen, covariance = self.seen, cast(Array, self.normal.covariance_matrix)
        both = seen[..., :, None] & seen[..., None, :]
        factor = jnp.linalg.cholesky(jnp.where(both, covariance, jnp.eye(seen.shape[-1])))
        apart = jnp.where(seen, value - cast(Array, self.normal.loc), 0.0)
        factor = jnp.broadcast_to(factor, (*apart.shape[:-1], *factor.shape[-2:]))
        scaled = solve_triangular(factor, apart[..., None], lower=True)[..., 0]
        log_det = jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
        return -0.5 * (jnp.square(scaled).sum(-1) + seen.sum(-1) * math.log(2 * math.pi)) - log_det
