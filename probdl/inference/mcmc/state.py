"""What every state of a chain has."""

from __future__ import annotations

from typing import Protocol

from jaxtyping import Array, Float


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
