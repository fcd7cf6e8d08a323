"""Exponential families of counts without a bound: Poisson, negative binomial, geometric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily, stacked
from probdl.distributions.factorial import expected_log_factorial
from probdl.distributions.members import bare, known


@dataclass(frozen=True)
class PoissonFamily(ExponentialFamily):
    """Poisson distributions: T = x, eta = log rate.

    Example:
        >>> PoissonFamily().natural_parameters(dist.Poisson(1.0)).tolist()
        [0.0]
    """

    members: ClassVar = (dist.Poisson,)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.nonnegative_integer

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 1"]:
        return stacked(x)

    @override
    def log_base_measure(self, x: ArrayLike) -> Float[Array, "*batch"]:
        return -gammaln(jnp.asarray(x, jnp.result_type(float, x)) + 1)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        return jnp.exp(natural[..., 0])

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 1"]:
        return stacked(jnp.log(distribution.rate))

    @override
    def distribution(self, natural: Float[Array, "*batch 1"]) -> dist.Poisson:
        return dist.Poisson(jnp.exp(natural[..., 0]))

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 1"]) -> Float[Array, "*batch 1"]:
        return jnp.log(mean)

    @override
    def expected_log_base_measure(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        rate = jnp.exp(natural[..., 0])
        return -expected_log_factorial(rate, lambda u: jnp.expm1(-rate[..., None] * u))


@dataclass(frozen=True)
class NegativeBinomialFamily(ExponentialFamily):
    """Successes before a known number of failures: T = x, eta = log p.

    Args:
        total_count: The number of failures, positive; it need not be whole.

    Example:
        >>> NegativeBinomialFamily.of(dist.NegativeBinomialProbs(3.0, 0.2))
        NegativeBinomialFamily(total_count=3.0)
    """

    total_count: float
    members: ClassVar = (dist.NegativeBinomialProbs, dist.NegativeBinomialLogits, dist.NegativeBinomial2)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(known(bare(distribution).concentration, "total count"))

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.nonnegative_integer

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 1"]:
        return stacked(x)

    @override
    def log_base_measure(self, x: ArrayLike) -> Float[Array, "*batch"]:
        x = jnp.asarray(x, jnp.result_type(float, x))
        r = jnp.asarray(self.total_count, x.dtype)
        return gammaln(x + r) - gammaln(r) - gammaln(x + 1)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        return -self.total_count * jnp.log(-jnp.expm1(natural[..., 0]))

    @override
    def inside(self, natural: Float[Array, "*batch 1"]) -> Bool[Array, "*batch"]:
        return natural[..., 0] < 0

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 1"]:
        return stacked(-jnp.log1p(distribution.rate))

    @override
    def distribution(self, natural: Float[Array, "*batch 1"]) -> dist.Distribution:
        logits = natural[..., 0] - jnp.log(-jnp.expm1(natural[..., 0]))
        return dist.NegativeBinomialLogits(jnp.full_like(logits, self.total_count), logits)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 1"]) -> Float[Array, "*batch 1"]:
        return -jnp.log1p(self.total_count / mean)

    @override
    def expected_log_base_measure(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        odds = 1 / jnp.expm1(-natural[..., 0])
        mean = self.total_count * odds

        def thinned(u: Float[Array, " nodes"]) -> Float[Array, "*batch nodes"]:
            return jnp.expm1(-self.total_count * jnp.log1p(odds[..., None] * u))

        return expected_log_factorial(mean, thinned, self.total_count) - expected_log_factorial(mean, thinned)


@dataclass(frozen=True)
class GeometricFamily(NegativeBinomialFamily):
    """Failures before the first success: T = x, eta = log(1 - p).

    Example:
        >>> GeometricFamily().distribution(jnp.log(jnp.array([0.25]))).probs.item()
        0.75
    """

    total_count: float = 1.0
    members: ClassVar = (dist.GeometricProbs, dist.GeometricLogits)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls()

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 1"]:
        return stacked(jnp.log1p(-distribution.probs))

    @override
    def distribution(self, natural: Float[Array, "*batch 1"]) -> dist.GeometricProbs:
        return dist.GeometricProbs(-jnp.expm1(natural[..., 0]))
