"""From the values of latent sites back to unconstrained positions."""

from __future__ import annotations

import jax.numpy as jnp
import numpyro
from jaxtyping import Array, Float
from numpyro.distributions import biject_to

from probdl.program.bound import Arrays
from probdl.program.density import Density
from probdl.program.handlers import Fix, Message

POSITION, GAP = "position of ", "gap of "


class Locate(Fix):
    """Run the program at given values of its latents and record where they lie unconstrained.

    Beside each site stands a deterministic one with its unconstrained value, and one with how far the
    bijection misses the value when it maps that back, relative to 1 or to its size: nothing, unless the
    value is outside the support.
    """

    def visit(self, msg: Message) -> None:
        """Give a held site its value, and map it back."""
        super().visit(msg)
        name = msg.get("name")
        if msg["type"] != "sample" or name not in self.values:
            return
        bijection, value = biject_to(msg["fn"].support), msg["value"]
        z = bijection.inv(value)
        gap = jnp.abs(bijection(z) - value) / jnp.maximum(jnp.abs(value), 1)
        numpyro.deterministic(f"{POSITION}{name}", z)
        numpyro.deterministic(f"{GAP}{name}", jnp.max(gap, initial=0))


def locate(
    density: Density, arrays: Arrays, values: dict[str, Array]
) -> tuple[Float[Array, " dim"], dict[str, Array]]:
    """Return the unconstrained position of values of the latent sites.

    Args:
        density: The static half of the target.
        arrays: The dynamic half.
        values: Constrained values of all latent sites.

    Returns:
        The position, not finite where a value is at an end of its support or beyond; and for each site by how
        much its value is missed when the position is mapped back, relative to 1 or to its size.
    """
    layout = density.layout
    trace = density.bound.trace(arrays, Locate(None, values, dict(layout.scan_of)))
    parts = [jnp.ravel(trace[f"{POSITION}{name}"]["value"]) for name in layout.names]
    return jnp.concatenate(parts), {name: jnp.max(trace[f"{GAP}{name}"]["value"]) for name in layout.names}
