"""What every state of a chain has."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class State(Protocol):
    """Where a chain is: a NamedTuple of arrays with at least these."""

    @property
    def position(self) -> Float[Array, " dim"]:
        """The position, in the coordinates in which the kernel moves."""
        ...

    @property
    def log_density(self) -> Float[Array, ""]:
        """Log-density there, in nats."""
        ...

    @property
    def gradient(self) -> Float[Array, " dim"]:
        """Gradient of the log-density there; zeros if the method has none."""
        ...


class Evaluated(NamedTuple):
    """A position, and what is known there: the state of a method that has no more.

    Attributes:
        position: The position, in the coordinates in which the kernel moves.
        log_density: Log-density there, in nats.
        gradient: Its gradient.
    """

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]

    @property
    def is_finite(self) -> Bool[Array, ""]:
        """Whether log-density and gradient are numbers."""
        return jnp.isfinite(self.log_density) & jnp.isfinite(self.gradient).all()
