"""Several values of one exponential family, independent of each other, as one value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.exponential_family import ExponentialFamily


@dataclass(frozen=True)
class IndependentFamily(ExponentialFamily):
    """Products of members of one family: the statistics and natural parameters of all, one after the other.

    Args:
        base: The family of each.
        shape: How many there are, as axes before those of one of them.

    Example:
        >>> from probdl.distributions.positive import GammaFamily
        >>> family = IndependentFamily(GammaFamily(), (2,))
        >>> family.natural_parameters(dist.Gamma(jnp.array([1.0, 3.0]), 2.0).to_event(1)).tolist()
        [0.0, -2.0, 2.0, -2.0]
    """

    base: ExponentialFamily
    shape: tuple[int, ...]

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.independent(self.base.support, len(self.shape))

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return (*self.shape, *self.base.event_shape)

    def apart(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch *shape each"]:
        """Return the natural parameters of each.

        Args:
            natural: Natural parameters of all.

        Returns:
            The same numbers with the axes of `shape`.
        """
        return natural.reshape(*natural.shape[:-1], *self.shape, self.base.dimension)

    def joined(self, parts: Float[Array, "*batch *shape each"]) -> Float[Array, "*batch dimension"]:
        """Return vectors of each as one vector of all."""
        lead = parts.shape[: parts.ndim - len(self.shape) - 1]
        return parts.reshape(*lead, math.prod(parts.shape[len(lead) :]))

    @override
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch dimension"]:
        return self.joined(self.base.sufficient_statistics(x))

    @override
    def log_base_measure(self, x: ArrayLike) -> Float[Array, "*batch"]:
        return self._over(jnp.sum, self.base.log_base_measure(x))

    @override
    def log_normalizer(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch"]:
        return self._over(jnp.sum, self.base.log_normalizer(self.apart(natural)))

    @override
    def inside(self, natural: Float[Array, "*batch dimension"]) -> Bool[Array, "*batch"]:
        return self._over(jnp.all, self.base.inside(self.apart(natural)))

    @override
    def distribution(self, natural: Float[Array, "*batch dimension"]) -> dist.Distribution:
        return self.base.distribution(self.apart(natural)).to_event(len(self.shape))

    @override
    def natural_from_mean(self, mean: Float[Array, "*batch dimension"]) -> Float[Array, "*batch dimension"]:
        return self.joined(self.base.natural_from_mean(self.apart(mean)))

    @override
    def natural_parameters(self, distribution: dist.Distribution) -> Float[Array, "*batch dimension"]:
        return self.joined(self.base.natural_parameters(distribution))

    @override
    def read(self, distribution: Any) -> Float[Array, "*batch dimension"]:
        return self.joined(self.base.read(distribution))

    @override
    def expected_log_base_measure(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch"]:
        return self._over(jnp.sum, self.base.expected_log_base_measure(self.apart(natural)))

    def _over(self, reduce: Any, parts: Array) -> Array:
        return reduce(parts, tuple(range(-len(self.shape), 0)))
