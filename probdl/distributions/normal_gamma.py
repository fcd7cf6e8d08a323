"""The normal-gamma distribution of an unknown mean and precision, and its exponential family."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, override

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily, stacked
from probdl.distributions.newton import gamma_shape


class MeanAndPrecision(constraints.Constraint):
    """Vectors of a real number and a positive one."""

    event_dim = 1

    def __call__(self, x: Array) -> Array:
        """Return whether vectors are of the kind."""
        return jnp.isfinite(x[..., 0]) & (x[..., 1] > 0)

    def feasible_like(self, prototype: Array) -> Array:
        """Return the vector (0, 1) in the shape of another."""
        return jnp.broadcast_to(jnp.array([0.0, 1.0], prototype.dtype), prototype.shape)

    def tree_flatten(self) -> tuple[tuple[()], tuple[tuple[()], dict[str, Any]]]:
        """Return no leaves."""
        return (), ((), {})

    def __eq__(self, other: object) -> bool:
        """All are equal."""
        return isinstance(other, MeanAndPrecision)

    def __hash__(self) -> int:
        """All are equal."""
        return hash(MeanAndPrecision)


class NormalGamma(dist.Distribution):
    """Distribution of (mean, precision): a gamma precision, and a normal mean given it.

    p(m, t) = Normal(m | loc, 1 / sqrt(count * t)) Gamma(t | concentration, rate).

    Args:
        loc: Expected mean.
        count: How many observations the knowledge of the mean is worth.
        concentration: Shape of the precision.
        rate: Rate of the precision.

    Example:
        >>> NormalGamma(0.0, 1.0, 2.0, 3.0).sample(jax.random.key(0), (4,)).shape
        (4, 2)

    Source:
        Bishop & Bishop (2023), §3.2.8; Bernardo & Smith (1994), §3.2.4.
    """

    arg_constraints = {
        "loc": constraints.real,
        "count": constraints.positive,
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    reparametrized_params = ["loc", "count", "concentration", "rate"]

    def __init__(
        self,
        loc: ArrayLike,
        count: ArrayLike,
        concentration: ArrayLike,
        rate: ArrayLike,
        *,
        validate_args: bool | None = None,
    ) -> None:
        parts = stacked(loc, count, concentration, rate)
        self.loc, self.count, self.concentration, self.rate = (parts[..., i] for i in range(4))
        super().__init__(parts.shape[:-1], (2,), validate_args=validate_args)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return MeanAndPrecision()

    @override
    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Float[Array, "*shape 2"]:
        of_precision, of_mean = jax.random.split(key)
        precision = dist.Gamma(self.concentration, self.rate).sample(of_precision, sample_shape)
        scale = 1 / jnp.sqrt(self.count * precision)
        return stacked(dist.Normal(self.loc, scale).sample(of_mean), precision)

    @override
    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Float[Array, "*shape"]:
        value = jnp.asarray(value)
        mean, precision = value[..., 0], value[..., 1]
        normal = dist.Normal(self.loc, 1 / jnp.sqrt(self.count * precision))
        return normal.log_prob(mean) + dist.Gamma(self.concentration, self.rate).log_prob(precision)


@dataclass(frozen=True)
class NormalGammaFamily(ExponentialFamily):
    """Normal-gamma distributions of x = (m, t): T = (log t, t, t m, t m^2).

    eta = (concentration - 1/2, -rate - count loc^2 / 2, count loc, -count / 2).

    Example:
        >>> family = NormalGammaFamily()
        >>> family.natural_parameters(NormalGamma(1.0, 2.0, 3.0, 4.0)).tolist()
        [2.5, -5.0, 2.0, -1.0]

    Source:
        Bishop & Bishop (2023), §3.2.8.
    """

    members: ClassVar = (NormalGamma,)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return MeanAndPrecision()

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (2,)

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch 4"]:
        x = jnp.asarray(x)
        mean, precision = x[..., 0], x[..., 1]
        return stacked(jnp.log(precision), precision, precision * mean, precision * mean**2)

    @override
    def log_normalizer(self, natural: Float[Array, "*batch 4"]) -> Float[Array, "*batch"]:
        _, count, shape, rate = _usual(natural)
        return gammaln(shape) - shape * jnp.log(rate) + 0.5 * jnp.log(2 * math.pi / count)

    @override
    def inside(self, natural: Float[Array, "*batch 4"]) -> Bool[Array, "*batch"]:
        _, count, shape, rate = _usual(natural)
        return (count > 0) & (shape > 0) & (rate > 0)

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch 4"]:
        loc, count = distribution.loc, distribution.count
        rate = distribution.rate + count * loc**2 / 2
        return stacked(distribution.concentration - 0.5, -rate, count * loc, -count / 2)

    @override
    def distribution(self, natural: Float[Array, "*batch 4"]) -> NormalGamma:
        return NormalGamma(*_usual(natural))

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch 4"]) -> Float[Array, "*batch 4"]:
        log_precision, precision, first, second = (mean[..., i] for i in range(4))
        shape = gamma_shape(jnp.log(precision) - log_precision)
        loc = first / precision
        return self.read(NormalGamma(loc, 1 / (second - first * loc), shape, shape / precision))


def _usual(natural: Float[Array, "*batch 4"]) -> tuple[Array, Array, Array, Array]:
    """Return loc, count, concentration and rate."""
    count = -2 * natural[..., 3]
    loc = natural[..., 2] / count
    return loc, count, natural[..., 0] + 0.5, -natural[..., 1] - count * loc**2 / 2
