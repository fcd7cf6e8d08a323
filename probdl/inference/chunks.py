"""Chunks of steps of Markov chains: the compiled part of the driver.

The steps of a chain are numbered from 0, the warm-up first; the key of step t of chain c is
fold_in(fold_in(key, c), t). So neither the number of chains nor the lengths of the chunks change a draw.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.start import strong
from probdl.program.bound import Arrays
from probdl.program.model import Model
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain

LONGEST = 1024
LARGEST_BYTES = 2**26
SECONDS = 0.5
COMPLETION = 2**32 - 2  # the numbers of steps stay below


@functools.partial(jax.jit, static_argnames=("kernel", "density", "length"))
def run_chunk(
    kernel: MarkovChain,
    density: Sampled,
    length: int,
    arrays: Arrays,
    keys: Array,
    states: Any,
    begin: int,
    count: int,
    num_warmup: Any,
) -> tuple[Any, Float[Array, "length chain dim"], Any]:
    """Do some steps of all chains.

    Compiled once for a method, a program and a number of chains: warm-up and sampling, and chunks of any
    count, share it.

    Args:
        kernel: The method, without the lengths of the run.
        density: The static half of the target.
        length: The most steps that a chunk can do.
        arrays: The dynamic half of the target.
        keys: Keys of the chains.
        states: States of the chains.
        begin: Number of the first step.
        count: How many steps to do.
        num_warmup: Number of steps of the warm-up.

    Returns:
        The states after it; positions and infos of the steps, of which the first `count` are meaningful.
    """

    def step(number: Any, states: Any) -> tuple[Any, Any]:
        return _step(kernel, density, arrays, keys, states, jnp.asarray(number, int), num_warmup)

    def body(i: Any, carry: tuple) -> tuple:
        states, record = carry
        states, infos = step(begin + i, states)
        row = (states.position, infos)
        return states, jax.tree.map(lambda rows, new: rows.at[i].set(new), record, row)

    shapes = jax.eval_shape(step, begin, states)
    rows = (shapes[0].position, shapes[1])
    record = jax.tree.map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), rows)
    states, (positions, infos) = jax.lax.fori_loop(0, count, body, (states, record))
    return states, positions, infos


@functools.partial(jax.jit, static_argnames=("kernel", "density"))
def _step(
    kernel: MarkovChain,
    density: Sampled,
    arrays: Arrays,
    keys: Array,
    states: Any,
    number: Array,
    num_warmup: Any,
) -> tuple[Any, Any]:
    """Do one step of all chains: a function of its own, so that it is traced once."""
    target = density.target(arrays)
    step_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
    states, infos = jax.vmap(lambda key, state: kernel.step(key, state, target))(step_keys, states)
    adapt = jax.vmap(lambda state, info: kernel.adapt(state, info, number, num_warmup))
    return strong(jax.lax.cond(number < num_warmup, adapt, lambda s, _: s, states, infos)), strong(infos)


@functools.partial(jax.jit, static_argnames="density")
def complete(
    density: Sampled, arrays: Arrays, keys: Array, begin: int, positions: Float[Array, "length chain dim"]
) -> dict[str, Array]:
    """Return the values of the latent and deterministic sites at positions.

    Args:
        density: The static half of the target.
        arrays: The dynamic half of the target.
        keys: Keys of the chains.
        begin: Number of the first step.
        positions: The positions of the steps.

    Returns:
        Arrays (length, chain, ...) by site.
    """
    numbers = begin + jnp.arange(len(positions))
    fold = jax.vmap(jax.vmap(jax.random.fold_in, (0, None)), (None, 0))
    own = jax.vmap(lambda key: jax.random.fold_in(key, COMPLETION))(keys)
    return density.complete(arrays, fold(own, numbers), positions)


class Chunk(NamedTuple):
    """Some steps of all chains, on the host.

    Attributes:
        positions: Unconstrained positions, as compiled code returns them: (length, chain, dim).
        steps: How many of them are meaningful.
        warming_up: How many of these belong to the warm-up; they come first.
        stats: Statistics of the steps, (chain, step).
    """

    positions: Float[Array, "length chain dim"]
    steps: int
    warming_up: int
    stats: Mapping[str, np.ndarray]

    def sampled(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return what belongs to the steps after the warm-up, chains first."""
        return by_chain(values, self.warming_up, self.steps)

    @property
    def sampled_stats(self) -> dict[str, np.ndarray]:
        """The statistics of the steps after the warm-up."""
        return {name: part[:, self.warming_up :] for name, part in self.stats.items()}


def chunks(
    method: MarkovChain, model: Model, density: Sampled, arrays: Arrays, keys: Array, states: Any
) -> Iterator[Chunk]:
    """Do all steps of the chains, as many at a time as take about half a second.

    Args:
        method: The method.
        model: The model.
        density: What is sampled of it.
        arrays: Its arrays.
        keys: Keys of the chains.
        states: States of the chains at the start.

    Yields:
        One chunk after the other.
    """
    length = longest(model, density, method)
    total, done, count = method.num_warmup + method.num_samples, 0, 1
    while done < total:
        began = time.perf_counter()
        count = min(count, total - done)
        states, positions, infos = run_chunk(
            method.kernel, density, length, arrays, keys, states, done, count, method.num_warmup
        )
        stats = by_chain(infos._asdict(), 0, count)
        pace = SECONDS / (time.perf_counter() - began)
        yield Chunk(positions, count, min(max(method.num_warmup - done, 0), count), stats)
        done += count
        count = int(np.clip(count * np.clip(pace, 0.25, 4), 1, length))


def longest(model: Model, density: Sampled, method: MarkovChain) -> int:
    """Return the most steps that a chunk may have for its draws to stay small in memory."""
    sizes = [math.prod(s.shape) for s in model.sites.values() if not s.is_observed]
    row = method.num_chains * method.precision.floating.itemsize * (sum(sizes) + density.layout.dim)
    return max(1, min(LONGEST, LARGEST_BYTES // max(row, 1)))


def by_chain(arrays: Mapping[str, Any], begin: int, end: int) -> dict[str, np.ndarray]:
    """Return some steps of arrays (length, chain, ...) with the chains first."""
    return {name: np.asarray(array)[begin:end].swapaxes(0, 1) for name, array in arrays.items()}
