"""From values of latent sites to the position that they are at."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import biject_to

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Fix
from probdl.program.layout import Layout
from probdl.program.runs import Scans


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def positions_of(
    bound: BoundProgram, layout: Layout, scan_of: Scans, arrays: Arrays, values: Mapping[str, Any]
) -> Float[Array, "draw dim"]:
    """Return the positions of values of the latent sites.

    Args:
        bound: The program.
        layout: Where each site lies in a position; sites that are not in it are left out.
        scan_of: The scan of each latent that is in one.
        arrays: The data of the program.
        values: Values of all latent sites, with draws along the first axis.

    Returns:
        One position a draw; not finite where a value lies on the border of its support.
    """

    def one(own: Mapping[str, Any]) -> Array:
        trace = bound.trace(arrays, Fix(None, own, dict(scan_of)))
        found = {name: jnp.asarray(trace[name]["value"]) for name in layout.names}
        free = {
            name: biject_to(trace[name]["fn"].support).inv(value)
            for name, value in found.items()
            if name not in layout.own
        }
        return layout.ravel({**found, **free})

    return jax.vmap(one)(values)
