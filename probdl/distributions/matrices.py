"""Exponential families of positive definite matrices: Wishart and inverse Wishart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import digamma, multigammaln
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.members import bare
from probdl.distributions.newton import positive_root
from probdl.distributions.positive import SHAPE
from probdl.distributions.vectors import is_positive_definite, joined, log_determinant, split


@dataclass(frozen=True)
class WishartFamily(ExponentialFamily):
    """Wishart distributions: T = (log |X|, X), eta = ((nu - size - 1) / 2, -rate / 2).

    Args:
        size: The number of rows.

    Example:
        >>> WishartFamily(2).natural_parameters(dist.Wishart(5.0, jnp.eye(2))).tolist()
        [1.0, -0.5, -0.0, -0.0, -0.5]

    Source:
        Bishop & Bishop (2023), §3.2.8.
    """

    size: int
    members: ClassVar = (dist.Wishart,)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(bare(distribution).event_shape[0])

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.positive_definite

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (self.size, self.size)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch dimension"]:
        x = jnp.asarray(x, jnp.result_type(float, x))
        return joined(log_determinant(jnp.linalg.cholesky(x))[..., None], x)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch"]:
        power, half = split(natural, 1, self.size)
        return _log_normalizer(power[..., 0] + (self.size + 1) / 2, half)

    @override
    def inside(self, natural: Float[Array, "*batch dimension"]) -> Bool[Array, "*batch"]:
        power, half = split(natural, 1, self.size)
        return (power[..., 0] > -1) & is_positive_definite(-half)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch dimension"]:
        return joined(
            (distribution.concentration[..., None] - self.size - 1) / 2, -distribution.rate_matrix / 2
        )

    @override
    def distribution(self, natural: Float[Array, "*batch dimension"]) -> dist.Wishart:
        power, half = split(natural, 1, self.size)
        return dist.Wishart(2 * power[..., 0] + self.size + 1, rate_matrix=-2 * half)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch dimension"]) -> Float[Array, "*batch dimension"]:
        log_det, matrix = split(mean, 1, self.size)
        concentration = wishart_concentration(
            log_determinant(jnp.linalg.cholesky(matrix)) - log_det[..., 0], self.size
        )
        rate = concentration[..., None, None] * jnp.linalg.inv(matrix)
        return joined((concentration[..., None] - self.size - 1) / 2, -rate / 2)


@dataclass(frozen=True)
class InverseWishartFamily(ExponentialFamily):
    """Inverse Wishart distributions: T = (log |X|, X^-1), eta = (-(nu + size + 1) / 2, -scale / 2).

    Args:
        size: The number of rows.

    Example:
        >>> InverseWishartFamily(2).natural_parameters(dist.InverseWishart(5.0, jnp.eye(2))).tolist()
        [-4.0, -0.5, -0.0, -0.0, -0.5]
    """

    size: int
    members: ClassVar = (dist.InverseWishart,)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(bare(distribution).event_shape[0])

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.positive_definite

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (self.size, self.size)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch dimension"]:
        x = jnp.asarray(x, jnp.result_type(float, x))
        return joined(log_determinant(jnp.linalg.cholesky(x))[..., None], jnp.linalg.inv(x))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch"]:
        power, half = split(natural, 1, self.size)
        return _log_normalizer(-power[..., 0] - (self.size + 1) / 2, half)

    @override
    def inside(self, natural: Float[Array, "*batch dimension"]) -> Bool[Array, "*batch"]:
        power, half = split(natural, 1, self.size)
        return (power[..., 0] < -self.size) & is_positive_definite(-half)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch dimension"]:
        power = -(distribution.concentration[..., None] + self.size + 1) / 2
        return joined(power, -distribution.scale_matrix / 2)

    @override
    def distribution(self, natural: Float[Array, "*batch dimension"]) -> dist.InverseWishart:
        power, half = split(natural, 1, self.size)
        return dist.InverseWishart(-2 * power[..., 0] - self.size - 1, scale_matrix=-2 * half)

    @override
    def moments(
        self, natural: Float[Array, "*batch dimension"]
    ) -> tuple[Float[Array, "*batch size size"], Float[Array, "*batch size size"]]:
        power, half = split(natural, 1, self.size)
        excess = -2 * power[..., None] - 2 * self.size - 1  # degrees of freedom less size
        scale = -2 * half
        diagonal = jnp.diagonal(scale, axis1=-2, axis2=-1)
        product = diagonal[..., :, None] * diagonal[..., None, :]
        mean = scale / (excess - 1)
        variance = (excess + 1) * scale**2 + (excess - 1) * product
        variance = variance / (excess * (excess - 1) ** 2 * (excess - 3))
        return jnp.where(excess > 1 + SHAPE, mean, jnp.inf), jnp.where(excess > 3 + SHAPE, variance, jnp.inf)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch dimension"]) -> Float[Array, "*batch dimension"]:
        log_det, matrix = split(mean, 1, self.size)
        concentration = wishart_concentration(
            log_determinant(jnp.linalg.cholesky(matrix)) + log_det[..., 0], self.size
        )
        scale = concentration[..., None, None] * jnp.linalg.inv(matrix)
        return joined(-(concentration[..., None] + self.size + 1) / 2, -scale / 2)


def wishart_concentration(gap: Float[Array, "*batch"], size: int) -> Float[Array, "*batch"]:
    """Return the degrees of freedom of a Wishart distribution, given log |E[X]| - E[log |X|].

    Args:
        gap: The difference, positive.
        size: The number of rows.

    Returns:
        Degrees of freedom.

    Example:
        >>> print(f"{wishart_concentration(jnp.log(5.0 / 2) - digamma(5.0 / 2), 1):.3f}")
        5.000
    """

    def straightened(excess: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        nu = excess + size - 1
        terms = jnp.log(nu / 2)[..., None] - digamma((nu[..., None] - jnp.arange(size)) / 2)
        return 1 / terms.sum(-1)

    return positive_root(straightened, 1 / gap, size / gap) + size - 1


def _log_normalizer(half_nu: Float[Array, "*batch"], half: Float[Array, "*batch size size"]) -> Array:
    # The powers of two of both parts of the constant cancel: |-half| is |rate / 2|.
    size = half.shape[-1]
    return multigammaln(half_nu, size) - half_nu * log_determinant(jnp.linalg.cholesky(-half))
