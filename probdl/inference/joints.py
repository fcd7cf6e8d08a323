"""Joint distributions of some elements, and the informations that each form of them allows."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import override

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from probdl.distributions import information
from probdl.distributions.gaussian import GaussianVector
from probdl.distributions.nearest_neighbours import (
    conditional_mutual_information_of_draws,
    differential_entropy,
    kl_divergence_of_draws,
)


@dataclass(frozen=True, eq=False)
class Joint(abc.ABC):
    """The joint distribution of some elements.

    Attributes:
        elements: Their names.
    """

    elements: tuple[str, ...]

    @abc.abstractmethod
    def entropy(self, at: Sequence[int]) -> float:
        """Return the entropy of the elements at some positions, in nats; of none, zero."""

    def mutual_information(self, first: Sequence[int], second: Sequence[int], given: Sequence[int]) -> float:
        """Return H(x, z) + H(y, z) - H(x, y, z) - H(z), in nats."""
        both = self.entropy([*first, *given]) + self.entropy([*second, *given])
        return both - self.entropy([*first, *second, *given]) - self.entropy(given)

    @abc.abstractmethod
    def divergence(self, other: Joint) -> float:
        """Return the Kullback-Leibler divergence from this distribution to another, in nats."""


@dataclass(frozen=True, eq=False)
class DiscreteJoint(Joint):
    """Probabilities of joint values, which are exact or the frequencies of draws.

    Attributes:
        elements: Names of the elements.
        values: Joint values that are possible, each once.
        probabilities: Their probabilities.

    Example:
        >>> coin = DiscreteJoint(("coin",), np.array([[0], [1]]), np.array([0.5, 0.5]))
        >>> print(f"{coin.entropy([0]):.3f}")
        0.693
    """

    values: Int[np.ndarray, "state element"]
    probabilities: Float[np.ndarray, " state"]

    @override
    def entropy(self, at: Sequence[int]) -> float:
        """Return the entropy of the elements at some positions, in nats; of none, zero."""
        if not at:
            return 0.0
        _, which = np.unique(self.values[:, at], axis=0, return_inverse=True)
        return float(information.entropy(np.bincount(which, self.probabilities)))

    @override
    def divergence(self, other: Joint) -> float:
        """Return the Kullback-Leibler divergence from this distribution to another, in nats."""
        if not isinstance(other, DiscreteJoint):
            raise _another_form(self, other)
        both, which = np.unique(np.concatenate([self.values, other.values]), axis=0, return_inverse=True)
        own, others = np.split(which, [len(self.values)])
        p = np.bincount(own, self.probabilities, len(both))
        q = np.bincount(others, other.probabilities, len(both))
        return float(information.kl_divergence(p, q))


@dataclass(frozen=True, eq=False)
class GaussianJoint(Joint):
    """A multivariate normal distribution.

    Attributes:
        elements: Names of the elements.
        gaussian: Their distribution.

    Example:
        >>> pair = GaussianJoint(("a", "b"), GaussianVector(jnp.zeros(2), jnp.array([[1, 0.6], [0.6, 1]])))
        >>> print(f"{pair.mutual_information([0], [1], []):.3f}")  # -log(1 - 0.36) / 2
        0.223
    """

    gaussian: GaussianVector

    @override
    def entropy(self, at: Sequence[int]) -> float:
        """Return the entropy of the elements at some positions, in nats; of none, zero."""
        if not at:
            return 0.0
        part = self.gaussian.marginal(at)
        scale = jnp.sqrt(jnp.diagonal(part.covariance))
        return float(part.affine(jnp.diag(1 / scale)).entropy() + jnp.log(scale).sum())

    @override
    def divergence(self, other: Joint) -> float:
        """Return the Kullback-Leibler divergence from this distribution to another, in nats."""
        if not isinstance(other, GaussianJoint):
            raise _another_form(self, other)
        units = jnp.diag(1 / jnp.sqrt(jnp.diagonal(self.gaussian.covariance)))
        return float(self.gaussian.affine(units).kl(other.gaussian.affine(units)))


@dataclass(frozen=True, eq=False)
class SampledJoint(Joint):
    """Draws of a continuous distribution.

    Distances add up coordinates of different units, so that each is divided by its standard deviation: that
    changes an entropy by a known number, the others not at all.

    Attributes:
        elements: Names of the elements.
        draws: Independent draws.

    Raises:
        ValueError: If draws of an element are not finite, or all equal.

    Example:
        >>> normal = SampledJoint(("x",), np.random.default_rng(0).normal(0, 1e6, (5000, 1)))
        >>> print(f"{normal.entropy([0]):.0f}")  # log(2 pi e) / 2 + 6 log(10)
        15
    """

    draws: Float[np.ndarray, "draw element"]

    def __post_init__(self) -> None:
        """Check that each element varies."""
        for name, column in zip(self.elements, self.draws.T, strict=True):
            if not (np.isfinite(column).all() and np.ptp(column) > 0):
                raise ValueError(
                    f"Expected finite draws that vary; got {column.min():.6g} to {column.max():.6g} for "
                    f"'{name}'. Leave it out, or look at what the run says of it."
                )

    @property
    def _scale(self) -> Float[np.ndarray, " element"]:
        return self.draws.std(0)

    @override
    def entropy(self, at: Sequence[int]) -> float:
        """Return the entropy of the elements at some positions, in nats; of none, zero."""
        if not at:
            return 0.0
        scale = self._scale[at]
        return differential_entropy(self.draws[:, at] / scale) + float(np.log(scale).sum())

    @override
    def mutual_information(self, first: Sequence[int], second: Sequence[int], given: Sequence[int]) -> float:
        """Return the mutual information, by one radius for all of its terms, so that their errors cancel."""
        x, y, z = ((self.draws / self._scale)[:, np.asarray(at, int)] for at in (first, second, given))
        return conditional_mutual_information_of_draws(x, y, z)

    @override
    def divergence(self, other: Joint) -> float:
        """Return the Kullback-Leibler divergence from this distribution to another, in nats."""
        if not isinstance(other, SampledJoint):
            raise _another_form(self, other)
        return kl_divergence_of_draws(self.draws / self._scale, other.draws / self._scale)


_FORMS = {
    DiscreteJoint: "discrete values",
    GaussianJoint: "an exact Gaussian",
    SampledJoint: "draws of a continuous distribution",
}


def _another_form(own: Joint, other: Joint) -> ValueError:
    form = _FORMS.get(type(other), "draws of discrete and continuous values")
    return ValueError(
        f"Expected {_FORMS[type(own)]} of {', '.join(own.elements)} in both; got {form}. Give "
        f"the exact posteriors of both, or the results of infer(...) of both."
    )
