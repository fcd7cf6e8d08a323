"""Arguments of distributions whose weighted maximum likelihood is a mean: what it is the mean of."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, override

import jax
import jax.numpy as jnp
from jaxtyping import Array
from numpyro.distributions import constraints

from probdl.distributions.counts import GeometricFamily, NegativeBinomialFamily, PoissonFamily
from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.positive import ExponentialDistributionFamily, ParetoFamily
from probdl.distributions.real import LaplaceFamily
from probdl.distributions.trials import BernoulliFamily, BinomialFamily
from probdl.program.member import Data, Member

Group = tuple["Argument", ...]


@dataclass(frozen=True, eq=False)
class Form:
    """How an argument is written. Static; equal to itself alone.

    Attributes:
        of: The function of a natural parameter, or of a spread, that it is.
        supports: The constraints of a param that may be any such argument, and nothing else.
    """

    of: Callable[[Array], Array]
    supports: tuple[Any, ...] = (constraints.real,)


POSITIVE = (constraints.positive, constraints.softplus_positive)
ITSELF, PROBABILITY = Form(lambda x: x), Form(jax.nn.sigmoid, (constraints.unit_interval,))
FORMS: Mapping[type[ExponentialFamily], tuple[Form, ...]] = MappingProxyType(
    {
        BernoulliFamily: (PROBABILITY, ITSELF),
        BinomialFamily: (PROBABILITY, ITSELF),
        PoissonFamily: (Form(jnp.exp, POSITIVE), ITSELF),
        ExponentialDistributionFamily: (Form(lambda x: -x, POSITIVE), Form(lambda x: -1 / x, POSITIVE)),
        GeometricFamily: (Form(lambda x: -jnp.expm1(x), (constraints.unit_interval,)),),
        NegativeBinomialFamily: (Form(jnp.exp, (constraints.unit_interval,)),),
        LaplaceFamily: (Form(lambda x: -1 / x, POSITIVE),),
        ParetoFamily: (Form(lambda x: -x - 1, POSITIVE),),
    }
)


@dataclass(frozen=True)
class Argument(abc.ABC):
    """An argument of the distribution of a factor. Static.

    Attributes:
        factor: The number of the factor.
    """

    factor: int

    def is_like(self, other: Argument) -> bool:
        """Whether a mean over places of this and of another one makes sense."""
        return type(self) is type(other)

    @property
    @abc.abstractmethod
    def supports(self) -> tuple[Any, ...]:
        """The constraints of a param that can be all that the argument can, and nothing else."""

    @abc.abstractmethod
    def read(self, log: Array, data: Mapping[str, Data]) -> Array:
        """Return the argument at all places.

        Args:
            log: The factor: a table of logarithms, or natural parameters.
            data: What is known of the data.
        """

    @abc.abstractmethod
    def sums(self, weights: Array, data: Mapping[str, Data], location: Array | None) -> tuple[Array, Array]:
        """Return sums of a statistic and of weights at all places, by which its mean is found.

        Args:
            weights: The weights of the factor.
            data: What is known of the data.
            location: The location at all places, for a spread.
        """

    def value(self, mean: Array) -> Array:
        """Return the param, given the mean of the statistic over all places that share an entry.

        Args:
            mean: The means, in the shape of the param.
        """
        return mean


@dataclass(frozen=True)
class Chances(Argument):
    """The probabilities of the states of a latent.

    Attributes:
        axis: The axis of its states.
        only: The state whose probability it is; None if of all states.
    """

    axis: int
    only: int | None = None

    @property
    @override
    def supports(self) -> tuple[Any, ...]:
        return (constraints.simplex if self.only is None else constraints.unit_interval,)

    @override
    def read(self, log: Array, data: Mapping[str, Data]) -> Array:
        return self._taken(jnp.exp(log))

    @override
    def sums(self, weights: Array, data: Mapping[str, Data], location: Array | None) -> tuple[Array, Array]:
        whole = jnp.broadcast_to(weights.sum(self.axis, keepdims=True), weights.shape)
        return self._taken(weights), self._taken(whole)

    def _taken(self, table: Array) -> Array:
        return table if self.only is None else jnp.take(table, self.only, axis=self.axis)


@dataclass(frozen=True)
class OfFamily(Argument):
    """An argument of the distribution of an observed site.

    Attributes:
        site: The site.
        kept: Which axes of its batch the factor has.
        states: How many axes of states it has.
    """

    site: Member
    kept: tuple[int, ...]
    states: int

    def natural(self, log: Array) -> Array:
        """Return natural parameters, or their weights, draw by draw."""
        return log[..., :-1].reshape(*log.shape[:-1], -1, self.site.size)

    def count(self, weights: Array) -> Array:
        """Return the weight at each place."""
        return weights[..., -1:]

    def unit(self, data: Mapping[str, Data]) -> tuple[Array, Array]:
        """Return what values are measured from, and their unit, at all places."""
        unit = data[self.site.name].unit
        if unit is None:
            return jnp.zeros(()), jnp.ones(())
        return self._placed(unit.mean), self._placed(unit.scale)

    def _placed(self, value: Array) -> Array:
        whole = value[None] if self.site.in_scan else value
        flat = whole.reshape(*whole.shape[: self.site.rank], -1)
        flat = jnp.squeeze(flat, [axis for axis in range(self.site.rank) if axis not in self.kept])
        return jnp.expand_dims(flat, tuple(range(len(self.kept), len(self.kept) + self.states)))


@dataclass(frozen=True)
class Formed(OfFamily):
    """An argument that may be written in several ways.

    Attributes:
        form: The way: a function of a natural parameter, or of a spread.
    """

    form: Form

    @property
    @override
    def supports(self) -> tuple[Any, ...]:
        return self.form.supports


@dataclass(frozen=True)
class Mean(Formed):
    """A function of the mean of the one statistic of a family."""

    @override
    def is_like(self, other: Argument) -> bool:
        return isinstance(other, Mean) and (self.form, self.site.family) == (other.form, other.site.family)

    @override
    def read(self, log: Array, data: Mapping[str, Data]) -> Array:
        return self.form.of(self.natural(log)[..., 0])

    @override
    def sums(self, weights: Array, data: Mapping[str, Data], location: Array | None) -> tuple[Array, Array]:
        top = self.natural(weights)[..., 0]
        return top, jnp.broadcast_to(self.count(weights), top.shape)

    @override
    def value(self, mean: Array) -> Array:
        support, kind = self.site.family.support, jnp.finfo(mean.dtype)
        is_boolean = support is constraints.boolean
        low = 0.0 if is_boolean else getattr(support, "lower_bound", -jnp.inf)
        high = 1.0 if is_boolean else getattr(support, "upper_bound", jnp.inf)
        inside = jnp.clip(
            mean, low + kind.tiny, high * (1 - kind.epsneg)
        )  # where all are alike, it is at an end
        return self.form.of(self.site.family.natural_from_mean(inside[..., None])[..., 0])


@dataclass(frozen=True)
class Shares(OfFamily):
    """The probabilities of observed classes."""

    @property
    @override
    def supports(self) -> tuple[Any, ...]:
        return (constraints.simplex,)

    @override
    def read(self, log: Array, data: Mapping[str, Data]) -> Array:
        return jax.nn.softmax(self.natural(log), -1)

    @override
    def sums(self, weights: Array, data: Mapping[str, Data], location: Array | None) -> tuple[Array, Array]:
        top = self.natural(weights)
        return top, jnp.broadcast_to(self.count(weights)[..., None], top.shape)
