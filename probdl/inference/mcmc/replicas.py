"""Several copies of the latents of a program, of which the first counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.program.bound import Arrays
from probdl.program.layout import Layout
from probdl.program.target import Prior, Sampled, Target


class ReplicaTarget(NamedTuple):
    """The target of all replicas.

    Attributes:
        log_density: Sum of the log-densities of all.
        init: A start that all of them share.
        constrain: Values of the first one.
        one: The target of one replica.
    """

    log_density: Any
    init: Any
    constrain: Any
    one: Target


@dataclass(frozen=True)
class Replicas:
    """The static half of a target of several replicas, one after the other in a position.

    Attributes:
        density: That of one of them.
        count: How many there are.
    """

    density: Sampled
    count: int

    @property
    def layout(self) -> Layout:
        """Where the latents lie in a position: those of the first replica, then those of the others."""
        one = self.density.layout
        others = (f"{name} of replica {k}" for k in range(1, self.count) for name in one.names)
        return Layout((*one.names, *others), one.shapes * self.count, one.scan_of, one.own)

    def first(self, position: Float[Array, "*draw dim"]) -> Float[Array, "*draw one"]:
        """Return the position of the first replica."""
        return position[..., : self.density.layout.dim]

    def target(self, arrays: Arrays) -> Target:
        """Return the target for some data."""
        one = self.density.target(arrays)
        return ReplicaTarget(  # pyright: ignore[reportReturnType]
            lambda position: self.log_density(arrays, position),
            lambda key: jnp.tile(one.init(key), self.count),
            lambda position: one.constrain(self.first(position)),
            one,
        )

    def points(self, arrays: Arrays, keys: Array, attempt: int) -> Float[np.ndarray, "chain dim"]:
        """Return a random starting point for each key of a chain: the same for all replicas."""
        return np.tile(self.density.points(arrays, keys, attempt), (1, self.count))

    def log_density(self, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the sum of the log-densities of all replicas."""
        each = position.reshape(self.count, -1)
        return jax.vmap(self.density.target(arrays).log_density)(each).sum()

    def site_log_probs(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the log-probability of each site at the position of the first replica."""
        return self.density.site_log_probs(arrays, self.first(position))

    def complete(self, arrays: Arrays, keys: Array, positions: Float[Array, "*draw dim"]) -> dict[str, Array]:
        """Return the values of all latent and deterministic sites of the first replica."""
        return self.density.complete(arrays, keys, self.first(positions))


def energy(target: Target, position: Array, *, whole: bool) -> tuple[Array, Array]:
    """Return the log-density at a position, and the part of it that is tempered; in nats.

    Args:
        target: The target of one replica.
        position: The position.
        whole: Whether all of it is tempered, not the likelihood alone.

    Returns:
        Two numbers; what is no number counts as impossible.
    """
    if whole or target.prior is None:
        log_density = part = target.log_density(position)
    else:
        part = target.prior.log_likelihood(position)
        log_density = target.prior.log_density(position) + part
    return log_density, jnp.where(jnp.isnan(part), -jnp.inf, part)


def tempered(target: Target, beta: Float[Array, ""], *, whole: bool) -> Target:
    r"""Return the target of a replica: prior times likelihood to the power of $\beta$.

    Args:
        target: The target.
        beta: The inverse temperature, positive.
        whole: Whether the prior is tempered as well.

    Returns:
        The target.

    Example:
        >>> target = Target(lambda x: -(x**2).sum(), lambda key: jnp.zeros(1), lambda x: {"x": x})
        >>> float(tempered(target, jnp.array(0.5), whole=True).log_density(jnp.ones(1)))
        -0.5
    """
    prior = target.prior
    if whole or prior is None:
        return target._replace(log_density=lambda x: beta * target.log_density(x), prior=None)

    def log_likelihood(position: Array) -> Array:
        return beta * prior.log_likelihood(position)

    return target._replace(
        log_density=lambda x: prior.log_density(x) + log_likelihood(x),
        prior=Prior(prior.log_density, log_likelihood, prior.draw, prior.mean),
    )
