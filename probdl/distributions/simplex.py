"""Exponential families of proportions: beta and Dirichlet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily, stacked
from probdl.distributions.members import bare
from probdl.distributions.newton import dirichlet_concentration


@dataclass(frozen=True)
class BetaFamily(ExponentialFamily):
    """Beta distributions: T = (log x, log(1 - x)), eta = (a - 1, b - 1).

    Example:
        >>> BetaFamily().natural_parameters(dist.Beta(2.0, 3.0)).tolist()
        [1.0, 2.0]

    Source:
        Bishop & Bishop (2023), §3.1.
    """

    members: ClassVar = (dist.Beta, dist.BetaProportion)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.unit_interval

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 2"]:
        return stacked(jnp.log(x), jnp.log1p(-jnp.asarray(x)))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        return _log_beta(natural + 1)

    @override
    def inside(self, natural: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        return (natural > -1).all(-1)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 2"]:
        return stacked(distribution.concentration1 - 1, distribution.concentration0 - 1)

    @override
    def distribution(self, natural: Float[Array, "*batch 2"]) -> dist.Beta:
        return dist.Beta(natural[..., 0] + 1, natural[..., 1] + 1)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        return dirichlet_concentration(mean) - 1


@dataclass(frozen=True)
class DirichletFamily(ExponentialFamily):
    """Dirichlet distributions: T = log x, eta = a - 1.

    Args:
        parts: The number of proportions.

    Example:
        >>> family = DirichletFamily(3)
        >>> family.natural_parameters(dist.Dirichlet(jnp.array([1.0, 2.0, 3.0]))).tolist()
        [0.0, 1.0, 2.0]

    Source:
        Bishop & Bishop (2023), §3.1.3.
    """

    parts: int
    members: ClassVar = (dist.Dirichlet,)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(bare(distribution).event_shape[0])

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.simplex

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (self.parts,)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch parts"]:
        return jnp.log(x)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch parts"]) -> Float[Array, "*batch"]:
        return _log_beta(natural + 1)

    @override
    def inside(self, natural: Float[Array, "*batch parts"]) -> Bool[Array, "*batch"]:
        return (natural > -1).all(-1)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch parts"]:
        return jnp.asarray(distribution.concentration) - 1

    @override
    def distribution(self, natural: Float[Array, "*batch parts"]) -> dist.Dirichlet:
        return dist.Dirichlet(natural + 1)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch parts"]) -> Float[Array, "*batch parts"]:
        return dirichlet_concentration(mean) - 1


def _log_beta(concentration: Float[Array, "*batch parts"]) -> Float[Array, "*batch"]:
    return gammaln(concentration).sum(-1) - gammaln(concentration.sum(-1))
