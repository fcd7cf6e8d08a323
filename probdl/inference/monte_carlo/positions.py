"""Unconstrained positions of the values of sites."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Fix
from probdl.program.layout import Layout
from probdl.program.weighing import position_of

BLOCK = 256


def positions(
    bound: BoundProgram,
    layout: Layout,
    scan_of: tuple[tuple[str, str], ...],
    arrays: Arrays,
    values: Mapping[str, np.ndarray],
) -> Float[np.ndarray, "draw dim"]:
    """Return the unconstrained positions of draws.

    Args:
        bound: The program.
        layout: The sites of a position.
        scan_of: The scan of each latent that is in one.
        arrays: The data of the program.
        values: Values of all latents: (draw, ...).

    Returns:
        Not finite where a value lies on the border of its support.
    """
    count = len(next(iter(values.values())))
    parts = []
    for begin in range(0, count, BLOCK):
        rows = np.minimum(np.arange(begin, begin + BLOCK), count - 1)
        block = _positions(
            bound, layout, scan_of, arrays, {n: np.asarray(x)[rows] for n, x in values.items()}
        )
        parts.append(np.asarray(block)[: count - begin])
    return np.concatenate(parts)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _positions(
    bound: BoundProgram,
    layout: Layout,
    scan_of: tuple[tuple[str, str], ...],
    arrays: Arrays,
    values: dict[str, Any],
) -> Array:
    def one(own: dict[str, Any]) -> Array:
        return position_of(bound.trace(arrays, Fix(None, own, dict(scan_of))), layout)

    return jax.vmap(one)(values)
