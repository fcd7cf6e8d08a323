"""Compiled steps of chains on many data sets: those of the driver, vectorised."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.chunks import COMPLETION, Moving, Record, run_chunk
from probdl.program.bound import Arrays
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain


@dataclass(frozen=True)
class Which:
    """Which leaves of the dynamic half of a model have the data sets first.

    Attributes:
        structure: Its tree structure.
        stacked: Of each leaf, whether.
    """

    structure: Any
    stacked: tuple[bool, ...]

    @property
    def axes(self) -> list[int | None]:
        """The axis of the data sets in each leaf."""
        return [0 if stacked else None for stacked in self.stacked]

    def arrays(self, leaves: Sequence[Any]) -> Arrays:
        """Return the dynamic half that has these leaves."""
        return jax.tree.unflatten(self.structure, leaves)


@dataclass(frozen=True, eq=False)
class Stacked:
    """The dynamic halves of a model given several data sets; what they share is there once.

    Attributes:
        which: Which leaves have the data sets first.
        leaves: The leaves.
    """

    which: Which
    leaves: list[Any]

    @classmethod
    def of(cls, arrays: Sequence[Arrays]) -> Stacked:
        """Stack the leaves that differ.

        Args:
            arrays: One a data set; what is the same object is shared.

        Returns:
            All of them.
        """
        flat = list(zip(*(jax.tree.leaves(one) for one in arrays), strict=True))
        stacked = tuple(any(leaf is not own[0] for leaf in own) for own in flat)
        leaves = [
            np.stack([np.asarray(leaf) for leaf in own]) if apart else own[0]
            for own, apart in zip(flat, stacked, strict=True)
        ]
        return cls(Which(jax.tree.structure(arrays[0]), stacked), leaves)


@functools.partial(jax.jit, static_argnames=("kernel", "density", "length", "which"))
def run_fleet(
    kernel: MarkovChain,
    density: Sampled,
    length: int,
    which: Which,
    leaves: list[Any],
    keys: Array,
    moving: Moving,
    begin: Any,
    count: Any,
    warming_up: Any,
    restart: Any,
) -> tuple[Moving, Record]:
    """Do some steps of all chains of all data sets: `run_chunk`, with data sets as the first axis.

    Args:
        kernel: The method, without the lengths of the run.
        density: The static half of the target.
        length: The most steps that a chunk can do.
        which: Which leaves have the data sets first.
        leaves: Those of the dynamic halves.
        keys: Keys of the chains, (set, chain).
        moving: The chains, data sets first.
        begin: Number of the first step, of each data set.
        count: How many steps to do, of all.
        warming_up: Whether the steps tune, of each data set.
        restart: Whether states are made anew from the positions first, of each data set.

    Returns:
        The chains after it; what was seen, data sets first.
    """

    def run(leaves: list[Any], keys: Array, moving: Moving, begin: Any, warming_up: Any, restart: Any) -> Any:
        arrays = which.arrays(leaves)
        return run_chunk(kernel, density, length, arrays, keys, moving, begin, count, warming_up, restart)

    return jax.vmap(run, (which.axes, 0, 0, 0, 0, 0))(leaves, keys, moving, begin, warming_up, restart)


@functools.partial(jax.jit, static_argnums=(0, 1))
def complete(
    density: Sampled, which: Which, leaves: list[Any], keys: Array, positions: Float[Array, "set draw dim"]
) -> dict[str, Array]:
    """Return the values of the latent and deterministic sites at positions.

    Args:
        density: The static half of the target.
        which: Which leaves have the data sets first.
        leaves: Those of the dynamic halves.
        keys: One key a data set, for what is left to be drawn.
        positions: Positions of each data set.

    Returns:
        Arrays (set, draw, ...) by site.
    """

    def one(leaves: list[Any], key: Array, positions: Array) -> dict[str, Array]:
        own = jax.random.fold_in(key, COMPLETION)
        each = jax.vmap(functools.partial(jax.random.fold_in, own))(jnp.arange(len(positions)))
        return density.complete(which.arrays(leaves), each, positions)

    return jax.vmap(one, (which.axes, 0, 0))(leaves, keys, positions)
