"""The exponential family of vectors: multivariate normal; and how vectors and matrices share one axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.members import bare


@dataclass(frozen=True)
class MultivariateNormalFamily(ExponentialFamily):
    """Multivariate normal distributions: T = (x, x x^T), eta = (precision @ mean, -precision / 2).

    Args:
        size: The number of dimensions.

    Example:
        >>> family = MultivariateNormalFamily(2)
        >>> family.natural_parameters(dist.MultivariateNormal(jnp.ones(2), jnp.eye(2))).tolist()
        [1.0, 1.0, -0.5, -0.0, -0.0, -0.5]

    Source:
        Bishop & Bishop (2023), §3.2 and §3.4.
    """

    size: int
    members: ClassVar = (dist.MultivariateNormal,)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(bare(distribution).event_shape[0])

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.real_vector

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (self.size,)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch dimension"]:
        x = jnp.asarray(x, jnp.result_type(float, x))
        return joined(x, x[..., :, None] * x[..., None, :])

    @override
    def log_normalizer(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch"]:
        shift, half = split(natural, self.size, self.size)
        factor = jnp.linalg.cholesky(-2 * half)
        white = solve_triangular(factor, shift[..., None], lower=True)[..., 0]
        return (white**2).sum(-1) / 2 - log_determinant(factor) / 2 + self.size / 2 * math.log(2 * math.pi)

    @override
    def inside(self, natural: Float[Array, "*batch dimension"]) -> Bool[Array, "*batch"]:
        return is_positive_definite(-split(natural, self.size, self.size)[1])

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch dimension"]:
        precision = distribution.precision_matrix
        return joined((precision @ distribution.loc[..., None])[..., 0], -precision / 2)

    @override
    def distribution(self, natural: Float[Array, "*batch dimension"]) -> dist.MultivariateNormal:
        shift, half = split(natural, self.size, self.size)
        return dist.MultivariateNormal(
            jnp.linalg.solve(-2 * half, shift[..., None])[..., 0], precision_matrix=-2 * half
        )

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch dimension"]) -> Float[Array, "*batch dimension"]:
        first, second = split(mean, self.size, self.size)
        precision = jnp.linalg.inv(second - first[..., :, None] * first[..., None, :])
        return joined((precision @ first[..., None])[..., 0], -precision / 2)


def joined(
    vector: Float[Array, "*batch first"], matrix: Float[Array, "*batch size size"]
) -> Float[Array, "*batch dimension"]:
    """Return a vector followed by the rows of a matrix."""
    batch = jnp.broadcast_shapes(vector.shape[:-1], matrix.shape[:-2])
    flat = matrix.reshape(*matrix.shape[:-2], -1)
    parts = (jnp.broadcast_to(part, (*batch, part.shape[-1])) for part in (vector, flat))
    return jnp.concatenate(list(parts), -1)


def split(
    joint: Float[Array, "*batch dimension"], first: int, size: int
) -> tuple[Float[Array, "*batch first"], Float[Array, "*batch size size"]]:
    """Return the vector and the matrix that `joined` put together."""
    return joint[..., :first], joint[..., first:].reshape(*joint.shape[:-1], size, size)


def log_determinant(factor: Float[Array, "*batch size size"]) -> Float[Array, "*batch"]:
    """Return log |A|, given the Cholesky factor of A."""
    return 2 * jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)


def is_positive_definite(matrix: Float[Array, "*batch size size"]) -> Bool[Array, "*batch"]:
    """Return whether a symmetric matrix is positive definite."""
    return jnp.isfinite(jnp.linalg.cholesky(matrix)).all((-2, -1))
