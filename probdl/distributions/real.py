"""Exponential families of real numbers and of angles: normal, Laplace, von Mises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import i0e
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily, stacked
from probdl.distributions.members import bare, known
from probdl.distributions.newton import von_mises_concentration


@dataclass(frozen=True)
class NormalFamily(ExponentialFamily):
    """Normal distributions: T = (x, x^2), eta = (mean / variance, -1 / (2 variance)).

    Example:
        >>> NormalFamily().natural_parameters(dist.Normal(1.0, 0.5)).tolist()
        [4.0, -2.0]

    Source:
        Bishop & Bishop (2023), §3.4, eq. 3.160.
    """

    members: ClassVar = (dist.Normal,)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.real

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 2"]:
        return stacked(x, jnp.square(x))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        half_precision = -natural[..., 1]
        return natural[..., 0] ** 2 / (4 * half_precision) + 0.5 * jnp.log(math.pi / half_precision)

    @override
    def inside(self, natural: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        return natural[..., 1] < 0

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 2"]:
        precision = 1 / jnp.square(distribution.scale)
        return stacked(distribution.loc * precision, -precision / 2)

    @override
    def distribution(self, natural: Float[Array, "*batch 2"]) -> dist.Normal:
        variance = -0.5 / natural[..., 1]
        return dist.Normal(natural[..., 0] * variance, jnp.sqrt(variance))

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        precision = 1 / (mean[..., 1] - mean[..., 0] ** 2)
        return stacked(mean[..., 0] * precision, -precision / 2)


@dataclass(frozen=True)
class LaplaceFamily(ExponentialFamily):
    """Laplace distributions of a known centre: T = |x - centre|, eta = -1 / scale.

    Args:
        centre: The median.

    Example:
        >>> LaplaceFamily(1.0).natural_parameters(dist.Laplace(1.0, 0.5)).tolist()
        [-2.0]
    """

    centre: float
    members: ClassVar = (dist.Laplace,)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(known(bare(distribution).loc, "centre"))

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.real

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 1"]:
        return stacked(jnp.abs(x - self.centre))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        return jnp.log(-2 / natural[..., 0])

    @override
    def inside(self, natural: Float[Array, "*batch 1"]) -> Bool[Array, "*batch"]:
        return natural[..., 0] < 0

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 1"]:
        return stacked(-1 / jnp.asarray(distribution.scale))

    @override
    def distribution(self, natural: Float[Array, "*batch 1"]) -> dist.Laplace:
        return dist.Laplace(self.centre, -1 / natural[..., 0])

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 1"]) -> Float[Array, "*batch 1"]:
        return -1 / mean


@dataclass(frozen=True)
class VonMisesFamily(ExponentialFamily):
    """Von Mises distributions: T = (cos x, sin x), eta = concentration * (cos mean, sin mean).

    Example:
        >>> VonMisesFamily().natural_parameters(dist.VonMises(0.0, 2.0)).tolist()
        [2.0, 0.0]

    Source:
        Bishop & Bishop (2023), §3.3.
    """

    members: ClassVar = (dist.VonMises,)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.circular

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 2"]:
        return stacked(jnp.cos(x), jnp.sin(x))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        concentration = length(natural)
        return math.log(2 * math.pi) + jnp.log(i0e(concentration)) + concentration

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 2"]:
        direction = stacked(jnp.cos(distribution.loc), jnp.sin(distribution.loc))
        return jnp.asarray(distribution.concentration)[..., None] * direction

    @override
    def distribution(self, natural: Float[Array, "*batch 2"]) -> dist.VonMises:
        return dist.VonMises(jnp.arctan2(natural[..., 1], natural[..., 0]), length(natural))

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        resultant = length(mean)
        scale = von_mises_concentration(resultant) / jnp.where(resultant > 0, resultant, 1)
        return scale[..., None] * mean


def length(vector: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
    """Return the Euclidean length, with a gradient of zero where it is zero.

    Args:
        vector: Vectors.

    Returns:
        Their lengths.

    Example:
        >>> print(length(jnp.array([3.0, 4.0])))
        5.0
    """
    square = jnp.sum(vector**2, -1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
