"""Exponential families of positive numbers: gamma, inverse gamma, exponential, log-normal, Pareto."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily, stacked
from probdl.distributions.members import bare, known
from probdl.distributions.newton import gamma_shape
from probdl.distributions.real import NormalFamily

SHAPE = 1e-10  # a number of degrees of freedom, or a shape, that is rounding


@dataclass(frozen=True)
class GammaFamily(ExponentialFamily):
    """Gamma distributions: T = (log x, x), eta = (shape - 1, -rate).

    Example:
        >>> family = GammaFamily()
        >>> family.natural_parameters(dist.Gamma(3.0, 2.0)).tolist()
        [2.0, -2.0]

    Source:
        Bishop & Bishop (2023), §3.2 and §3.4.
    """

    members: ClassVar = (dist.Gamma, dist.Chi2)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.positive

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 2"]:
        return stacked(jnp.log(x), x)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        shape, rate = natural[..., 0] + 1, -natural[..., 1]
        return gammaln(shape) - shape * jnp.log(rate)

    @override
    def inside(self, natural: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        return (natural[..., 0] > -1) & (natural[..., 1] < 0)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 2"]:
        return stacked(distribution.concentration - 1, -distribution.rate)

    @override
    def distribution(self, natural: Float[Array, "*batch 2"]) -> dist.Gamma:
        return dist.Gamma(natural[..., 0] + 1, -natural[..., 1])

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        shape = gamma_shape(jnp.log(mean[..., 1]) - mean[..., 0])
        return stacked(shape - 1, -shape / mean[..., 1])


@dataclass(frozen=True)
class InverseGammaFamily(ExponentialFamily):
    """Distributions of 1 / x for a gamma variable x: T = (log x, 1 / x), eta = (-shape - 1, -rate).

    Example:
        >>> family = InverseGammaFamily()
        >>> family.natural_parameters(dist.InverseGamma(3.0, 2.0)).tolist()
        [-4.0, -2.0]
    """

    members: ClassVar = (dist.InverseGamma,)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.positive

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 2"]:
        return stacked(jnp.log(x), 1 / jnp.asarray(x))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        shape, rate = -natural[..., 0] - 1, -natural[..., 1]
        return gammaln(shape) - shape * jnp.log(rate)

    @override
    def inside(self, natural: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        return (natural[..., 0] < -1) & (natural[..., 1] < 0)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 2"]:
        return stacked(-distribution.concentration - 1, -distribution.rate)

    @override
    def distribution(self, natural: Float[Array, "*batch 2"]) -> dist.InverseGamma:
        return dist.InverseGamma(-natural[..., 0] - 1, -natural[..., 1])

    @override
    def moments(
        self, natural: Float[Array, "*batch 2"]
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        first, second = -natural[..., 0] - 2, -natural[..., 0] - 3  # the shape less one, and less two
        mean = -natural[..., 1] / first
        variance = mean**2 / second
        return jnp.where(first > SHAPE, mean, jnp.inf), jnp.where(second > SHAPE, variance, jnp.inf)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        shape = gamma_shape(jnp.log(mean[..., 1]) + mean[..., 0])
        return stacked(-shape - 1, -shape / mean[..., 1])


@dataclass(frozen=True)
class ExponentialDistributionFamily(ExponentialFamily):
    """Exponential distributions: T = x, eta = -rate.

    Example:
        >>> ExponentialDistributionFamily().natural_parameters(dist.Exponential(2.0)).tolist()
        [-2.0]
    """

    members: ClassVar = (dist.Exponential,)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.positive

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 1"]:
        return stacked(x)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        return -jnp.log(-natural[..., 0])

    @override
    def inside(self, natural: Float[Array, "*batch 1"]) -> Bool[Array, "*batch"]:
        return natural[..., 0] < 0

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 1"]:
        return stacked(-distribution.rate)

    @override
    def distribution(self, natural: Float[Array, "*batch 1"]) -> dist.Exponential:
        return dist.Exponential(-natural[..., 0])

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 1"]) -> Float[Array, "*batch 1"]:
        return -1 / mean


@dataclass(frozen=True)
class LogNormalFamily(ExponentialFamily):
    """Distributions of exp(z) for a normal variable z: T = (log x, log^2 x), eta as of z, less (1, 0).

    The factor 1 / x of the density is a power of x: it is part of eta . T(x), and the base measure is one.

    Example:
        >>> LogNormalFamily().natural_parameters(dist.LogNormal(1.0, 0.5)).tolist()
        [3.0, -2.0]
    """

    members: ClassVar = (dist.LogNormal,)
    normal: ClassVar = NormalFamily()

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.positive

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 2"]:
        return self.normal.sufficient_statistics(jnp.log(x))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        return self.normal.log_normalizer(natural.at[..., 0].add(1))

    @override
    def inside(self, natural: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        return self.normal.inside(natural)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 2"]:
        return self.normal.read(distribution).at[..., 0].add(-1)

    @override
    def distribution(self, natural: Float[Array, "*batch 2"]) -> dist.LogNormal:
        normal = self.normal.distribution(natural.at[..., 0].add(1))
        return dist.LogNormal(normal.loc, normal.scale)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        return self.normal.natural_from_mean(mean).at[..., 0].add(-1)


@dataclass(frozen=True)
class ParetoFamily(ExponentialFamily):
    """Pareto distributions of a known minimum: T = log x, eta = -(exponent + 1).

    Args:
        minimum: The least possible value.

    Example:
        >>> ParetoFamily.of(dist.Pareto(2.0, 3.0))
        ParetoFamily(minimum=2.0)
    """

    minimum: float
    members: ClassVar = (dist.Pareto,)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(known(bare(distribution).scale, "minimum"))

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.greater_than(self.minimum)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 1"]:
        return stacked(jnp.log(x))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        exponent = -natural[..., 0] - 1
        return -jnp.log(exponent) - exponent * jnp.log(self.minimum)

    @override
    def inside(self, natural: Float[Array, "*batch 1"]) -> Bool[Array, "*batch"]:
        return natural[..., 0] < -1

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 1"]:
        return stacked(-distribution.alpha - 1)

    @override
    def distribution(self, natural: Float[Array, "*batch 1"]) -> dist.Pareto:
        return dist.Pareto(jnp.full_like(natural[..., 0], self.minimum), -natural[..., 0] - 1)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 1"]) -> Float[Array, "*batch 1"]:
        return -1 / (mean - jnp.log(self.minimum)) - 1
