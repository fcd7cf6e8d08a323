"""Compiled runs of a program: at given values, and with observations drawn anew."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Fix, Replicate
from probdl.program.target import latent_values, log_probs, total

Scans = tuple[tuple[str, str], ...]


@functools.partial(jax.jit, static_argnums=(0, 1))
def log_joint(
    bound: BoundProgram, scan_of: Scans, arrays: Arrays, values: dict[str, Any]
) -> Float[Array, ""]:
    """Return the log joint density of a program at constrained values, in nats."""
    terms = log_probs(bound.trace(arrays, Fix(None, values, dict(scan_of))))
    return total(terms, jnp.result_type(float))


@functools.partial(jax.jit, static_argnums=(0, 1))
def replicate(
    bound: BoundProgram, scan_of: Scans, arrays: Arrays, keys: Array, held: dict[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Draw the observed sites anew, and the latents that are not held.

    Args:
        bound: The program.
        scan_of: The scan of each held site that is in one.
        arrays: Its data.
        keys: One key a draw.
        held: Values of latents, one a draw along the first axis.

    Returns:
        Draws of the latent and deterministic sites that are not held, and of the sites that were observed.
    """

    def once(key: Array, values: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Array]]:
        forgotten: set[str] = set()
        drawn = latent_values(bound.trace(arrays, Replicate(None, values, dict(scan_of), forgotten), key))
        latent = {k: v for k, v in drawn.items() if k not in forgotten and k not in held}
        return latent, {k: v for k, v in drawn.items() if k in forgotten}

    return jax.vmap(once)(keys, held)
