"""Exponential families: everything that follows from the statistics T and the log normalizer A."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Bool, Float
from numpyro.distributions import constraints

from probdl.distributions.members import bare


@dataclass(frozen=True)
class ExponentialFamily(abc.ABC):
    """A set of distributions p(x | eta) = h(x) exp(eta . T(x) - A(eta)).

    T are the sufficient statistics, eta the natural parameters, A the log normalizer and h the base measure.
    A family says these four, and how it meets NumPyro; the rest is common to all. Natural parameters have any
    leading axes, and one last axis that belongs to the statistics.

    Attributes:
        members: The NumPyro distributions that belong to the family.

    Source:
        Bishop & Bishop (2023), §3.4; Wainwright & Jordan (2008), doi:10.1561/2200000001, §3.
    """

    members: ClassVar[tuple[type[dist.Distribution], ...]] = ()

    @classmethod
    def of(cls, distribution: Any) -> Self:
        """Return the family that a distribution of `members` belongs to, with its known constants.

        Args:
            distribution: The distribution.

        Returns:
            The family.
        """
        return cls()

    @property
    @abc.abstractmethod
    def support(self) -> constraints.Constraint:
        """The values that have a density."""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one value."""
        return ()

    @property
    def dimension(self) -> int:
        """Number of sufficient statistics, and of natural parameters."""
        value = jax.ShapeDtypeStruct(self.event_shape, jnp.result_type(float))
        return jax.eval_shape(self.sufficient_statistics, value).shape[-1]

    @abc.abstractmethod
    def sufficient_statistics(self, x: ArrayLike) -> Float[Array, "*batch dimension"]:
        """Return T(x).

        Args:
            x: Values, of shape `(*batch, *event_shape)`.

        Returns:
            The statistics.
        """

    def log_base_measure(self, x: ArrayLike) -> Float[Array, "*batch"]:
        """Return log h(x).

        Args:
            x: Values, of shape `(*batch, *event_shape)`.

        Returns:
            The logarithm of the base measure, in nats; zero unless the family says otherwise.
        """
        shape = jnp.shape(x)
        return jnp.zeros(shape[: len(shape) - len(self.event_shape)], jnp.result_type(float, x))

    @abc.abstractmethod
    def log_normalizer(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch"]:
        """Return A(eta), the logarithm of the integral of h(x) exp(eta . T(x)).

        Args:
            natural: Natural parameters.

        Returns:
            The log normalizer, in nats; it has no meaning where the parameters are not proper.
        """

    def inside(self, natural: Float[Array, "*batch dimension"]) -> Bool[Array, "*batch"]:
        """Return whether natural parameters, if finite, are inside the set of those that are possible.

        Args:
            natural: Natural parameters.

        Returns:
            True everywhere, unless the family says otherwise.
        """
        return jnp.ones(natural.shape[:-1], bool)

    def is_proper(self, natural: Float[Array, "*batch dimension"]) -> Bool[Array, "*batch"]:
        """Return whether the density can be normalised.

        Args:
            natural: Natural parameters.

        Returns:
            True where it can.
        """
        return jnp.isfinite(natural).all(-1) & self.inside(natural)

    @abc.abstractmethod
    def distribution(self, natural: Float[Array, "*batch dimension"]) -> dist.Distribution:
        """Return the member that has these natural parameters.

        Args:
            natural: Natural parameters, proper.

        Returns:
            A NumPyro distribution of batch shape `batch`.
        """

    def moments(
        self, natural: Float[Array, "*batch dimension"]
    ) -> tuple[Float[Array, "*batch *event"], Float[Array, "*batch *event"]]:
        """Return mean and variance of each entry of a value, inf where infinite, for proper parameters."""
        return (known := self.distribution(natural)).mean, known.variance

    @abc.abstractmethod
    def natural_from_mean(self, mean: Float[Array, "*batch dimension"]) -> Float[Array, "*batch dimension"]:
        """Return the natural parameters whose mean parameters are given: the inverse of `mean_parameters`.

        Args:
            mean: Expected statistics, within the interior of what is possible.

        Returns:
            The natural parameters: the maximum of eta . mean - A(eta).
        """

    @abc.abstractmethod
    def read(self, distribution: Any) -> Float[Array, "*batch dimension"]:
        """Return the natural parameters of a bare distribution of `members`.

        Args:
            distribution: A distribution that is neither expanded nor declared to be of an event.

        Returns:
            Its natural parameters.
        """

    def natural_parameters(self, distribution: dist.Distribution) -> Float[Array, "*batch dimension"]:
        """Return the natural parameters of a member.

        Args:
            distribution: A distribution of `members`, maybe expanded. Dimensions that `to_event` declared are
                read as elements: they are independent.

        Returns:
            The natural parameters, one vector an element.

        Raises:
            TypeError: If the distribution is no member of the family.
        """
        inner = bare(distribution)
        if type(inner) not in self.members:
            names = " or ".join(member.__name__ for member in self.members)
            raise TypeError(
                f"Expected {names}; got {type(inner).__name__}. Find its family with `family_of`."
            )
        natural, shape = self.read(inner), distribution.shape()
        elements = shape[: len(shape) - len(self.event_shape)]
        return jnp.broadcast_to(natural, (*elements, natural.shape[-1]))

    def log_prob(self, natural: Float[Array, "*grid dimension"], x: ArrayLike) -> Float[Array, "*grid *data"]:
        """Return the log-density of every value under every member, as one matrix product.

        Args:
            natural: Natural parameters.
            x: Values, of shape `(*data, *event_shape)`.

        Returns:
            Log-densities, in nats.
        """
        products = jnp.tensordot(natural, self.sufficient_statistics(x), (-1, -1))
        base = self.log_base_measure(x)
        normalizer = self.log_normalizer(natural)
        return products + base - normalizer.reshape(normalizer.shape + (1,) * base.ndim)

    def mean_parameters(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch dimension"]:
        """Return the expected statistics, E[T(x)]: the gradient of the log normalizer.

        Args:
            natural: Natural parameters, proper.

        Returns:
            The mean parameters.
        """
        return jax.grad(lambda eta: self.log_normalizer(eta).sum())(natural)

    def expected_log_base_measure(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch"]:
        """Return E[log h(x)].

        Args:
            natural: Natural parameters, proper.

        Returns:
            The expectation, in nats; zero unless the family says otherwise.
        """
        return jnp.zeros(natural.shape[:-1], natural.dtype)

    def entropy(self, natural: Float[Array, "*batch dimension"]) -> Float[Array, "*batch"]:
        """Return the entropy, A(eta) - eta . E[T(x)] - E[log h(x)].

        Args:
            natural: Natural parameters, proper.

        Returns:
            Entropies, in nats.
        """
        linear = jnp.sum(natural * self.mean_parameters(natural), -1)
        return self.log_normalizer(natural) - linear - self.expected_log_base_measure(natural)

    def kl(
        self, natural: Float[Array, "*batch dimension"], other: Float[Array, "*batch dimension"]
    ) -> Float[Array, "*batch"]:
        """Return the Kullback-Leibler divergence of two members: the Bregman divergence of A.

        KL(p || q) = A(eta_q) - A(eta_p) - (eta_q - eta_p) . E_p[T(x)].

        Args:
            natural: Natural parameters of p, proper.
            other: Natural parameters of q, proper.

        Returns:
            Divergences, in nats.
        """
        linear = jnp.sum((other - natural) * self.mean_parameters(natural), -1)
        return self.log_normalizer(other) - self.log_normalizer(natural) - linear

    def maximum_likelihood(
        self, x: ArrayLike, weights: Float[Array, "*batch data"] | None = None
    ) -> Float[Array, "*batch dimension"]:
        """Return the member under which values are most probable: its mean parameters are their mean of T.

        Args:
            x: Values, of shape `(data, *event_shape)`.
            weights: How much each value counts, such as responsibilities; None: all the same.

        Returns:
            Natural parameters. They are not finite where the likelihood has no maximum, as for equal values.
        """
        statistics = self.sufficient_statistics(x)
        if weights is None:
            return self.natural_from_mean(statistics.mean(0))
        return self.natural_from_mean(weights @ statistics / weights.sum(-1, keepdims=True))


def stacked(*parts: ArrayLike) -> Float[Array, "*batch parts"]:
    """Return arrays, broadcast against each other, along a new last axis.

    Args:
        *parts: The arrays.

    Returns:
        One array of floating-point numbers.

    Example:
        >>> stacked(1, jnp.zeros(2)).tolist()
        [[1.0, 0.0], [1.0, 0.0]]
    """
    return jnp.stack(jnp.broadcast_arrays(*map(jnp.asarray, parts)), -1).astype(
        jnp.result_type(float, *parts)
    )
