"""Exponential families of successes and classes: Bernoulli, binomial, categorical, multinomial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, override

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily, stacked
from probdl.distributions.factorial import binomial_log_factorial
from probdl.distributions.members import bare, known


@dataclass(frozen=True)
class BernoulliFamily(ExponentialFamily):
    """Bernoulli distributions: T = x, eta = log(p / (1 - p)).

    Example:
        >>> BernoulliFamily().natural_parameters(dist.Bernoulli(0.5)).tolist()
        [0.0]

    Source:
        Bishop & Bishop (2023), §3.4, eq. 3.142.
    """

    members: ClassVar = (dist.BernoulliProbs, dist.BernoulliLogits)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.boolean

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 1"]:
        return stacked(x)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        return jax.nn.softplus(natural[..., 0])

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 1"]:
        return stacked(distribution.logits)

    @override
    def distribution(self, natural: Float[Array, "*batch 1"]) -> dist.BernoulliLogits:
        return dist.BernoulliLogits(natural[..., 0])

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 1"]) -> Float[Array, "*batch 1"]:
        return jax.scipy.special.logit(mean)


@dataclass(frozen=True)
class BinomialFamily(ExponentialFamily):
    """Binomial distributions of a known total count: T = x, eta = log(p / (1 - p)).

    Args:
        total_count: The number of trials.

    Example:
        >>> BinomialFamily.of(dist.Binomial(10, 0.5))
        BinomialFamily(total_count=10)
    """

    total_count: float
    members: ClassVar = (dist.BinomialProbs, dist.BinomialLogits)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(known(bare(distribution).total_count, "total count"))

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.integer_interval(0, self.total_count)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 1"]:
        return stacked(x)

    @override
    def log_base_measure(self, x: ArrayLike) -> Float[Array, "*batch"]:
        n = jnp.asarray(self.total_count, jnp.result_type(float, x))
        return gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        return self.total_count * jax.nn.softplus(natural[..., 0])

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 1"]:
        return stacked(distribution.logits)

    @override
    def distribution(self, natural: Float[Array, "*batch 1"]) -> dist.BinomialLogits:
        return dist.BinomialLogits(natural[..., 0], self.total_count)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 1"]) -> Float[Array, "*batch 1"]:
        return jnp.log(mean) - jnp.log(self.total_count - mean)

    @override
    def expected_log_base_measure(self, natural: Float[Array, "*batch 1"]) -> Float[Array, "*batch"]:
        n = jnp.asarray(self.total_count, natural.dtype)
        hit, miss = (binomial_log_factorial(n, jax.nn.sigmoid(sign * natural[..., 0])) for sign in (1, -1))
        return gammaln(n + 1) - hit - miss


@dataclass(frozen=True)
class CategoricalFamily(ExponentialFamily):
    """Categorical distributions: T = one-hot code of x, eta = log p, defined but for a constant.

    Args:
        classes: The number of classes.

    Example:
        >>> CategoricalFamily.of(dist.Categorical(jnp.array([0.2, 0.3, 0.5])))
        CategoricalFamily(classes=3)
    """

    classes: int
    members: ClassVar = (dist.CategoricalProbs, dist.CategoricalLogits)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        return cls(bare(distribution).probs.shape[-1])

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.integer_interval(0, self.classes - 1)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch classes"]:
        return jax.nn.one_hot(jnp.asarray(x).astype(int), self.classes, dtype=jnp.result_type(float))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch classes"]) -> Float[Array, "*batch"]:
        return jax.nn.logsumexp(natural, -1)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch classes"]:
        return jax.nn.log_softmax(distribution.logits, -1)

    @override
    def distribution(self, natural: Float[Array, "*batch classes"]) -> dist.CategoricalLogits:
        return dist.CategoricalLogits(natural)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch classes"]) -> Float[Array, "*batch classes"]:
        return jnp.log(mean)


@dataclass(frozen=True)
class MultinomialFamily(ExponentialFamily):
    """Multinomial distributions of a known total count: T = x, eta = log p, defined but for a constant.

    Args:
        total_count: The number of trials.
        classes: The number of classes.

    Example:
        >>> MultinomialFamily.of(dist.Multinomial(10, jnp.array([0.2, 0.3, 0.5])))
        MultinomialFamily(total_count=10, classes=3)
    """

    total_count: float
    classes: int
    members: ClassVar = (dist.MultinomialProbs, dist.MultinomialLogits)

    @classmethod
    @override
    def of(cls, distribution: Any) -> Self:
        inner = bare(distribution)
        return cls(known(inner.total_count, "total count"), inner.probs.shape[-1])

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.multinomial(self.total_count)

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (self.classes,)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch classes"]:
        return jnp.asarray(x, jnp.result_type(float, x))

    @override
    def log_base_measure(self, x: ArrayLike) -> Float[Array, "*batch"]:
        n = jnp.asarray(self.total_count, jnp.result_type(float, x))
        return gammaln(n + 1) - gammaln(jnp.asarray(x) + 1).sum(-1)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch classes"]) -> Float[Array, "*batch"]:
        return self.total_count * jax.nn.logsumexp(natural, -1)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch classes"]:
        return jax.nn.log_softmax(distribution.logits, -1)

    @override
    def distribution(self, natural: Float[Array, "*batch classes"]) -> dist.MultinomialLogits:
        return dist.MultinomialLogits(natural, self.total_count)

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch classes"]) -> Float[Array, "*batch classes"]:
        return jnp.log(mean / self.total_count)

    @override
    def expected_log_base_measure(self, natural: Float[Array, "*batch classes"]) -> Float[Array, "*batch"]:
        n = jnp.asarray(self.total_count, natural.dtype)
        return gammaln(n + 1) - binomial_log_factorial(n, jax.nn.softmax(natural, -1)).sum(-1)
