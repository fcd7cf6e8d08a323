"""Values of all sites at unconstrained positions, in blocks."""

from __future__ import annotations

import functools

import jax
import numpy as np
from jaxtyping import Array, Float

from probdl.program.bound import Arrays
from probdl.program.target import Sampled

BLOCK = 256
COMPLETION = 2**32 - 2  # other numbers of draws stay below


def completed(
    density: Sampled, arrays: Arrays, chains: Array, positions: Float[np.ndarray, "chain draw dim"]
) -> dict[str, np.ndarray]:
    """Return the values of the latent and deterministic sites at positions.

    Args:
        density: The static half of the density.
        arrays: The dynamic half.
        chains: Keys of the chains, for what is integrated and drawn back.
        positions: Positions.

    Returns:
        Arrays (chain, draw, ...) by site.
    """
    count = positions.shape[1]
    parts = []
    for begin in range(0, count, BLOCK):
        rows = np.minimum(np.arange(begin, begin + BLOCK), count - 1)
        block = _completed(density, arrays, chains, rows, positions[:, rows])
        parts.append({name: np.asarray(x)[:, : count - begin] for name, x in block.items()})
    return {name: np.concatenate([part[name] for part in parts], 1) for name in parts[0]}


@functools.partial(jax.jit, static_argnums=0)
def _completed(
    density: Sampled, arrays: Arrays, chains: Array, rows: Array, positions: Array
) -> dict[str, Array]:
    own = jax.vmap(lambda chain: jax.random.fold_in(chain, COMPLETION))(chains)
    keys = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))(own, rows)
    return density.complete(arrays, keys, positions)
