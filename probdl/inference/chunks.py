"""Chunks of steps of Markov chains: the compiled part of the driver.

The steps of a chain are numbered from 0, the warm-up first; the key of step t of chain c is
fold_in(fold_in(key, c), t). So the lengths of the chunks do not change a draw.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.maps import through
from probdl.inference.spreading import on_mesh, spread_over
from probdl.inference.tuning import Tuning
from probdl.program.bound import Arrays
from probdl.program.model import Model
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from probdl.inference.mcmc.markov_chain import MarkovChain

LONGEST = 1024
LARGEST_BYTES = 2**26
START, COMPLETION = 2**32 - 1, 2**32 - 2  # the numbers of steps stay below


class Moving(NamedTuple):
    """Chains under way, as compiled code takes and returns them.

    Attributes:
        states: States of the chains.
        tuning: What they share.
        positions: Their positions in the program, (chain, dim).
    """

    states: Any
    tuning: Tuning
    positions: Float[Array, "chain dim"]


MOVING: Any = Moving(0, None, 0)  # the axis of the chain  # pyright: ignore[reportArgumentType]


class Record(NamedTuple):
    """What was seen in a chunk: arrays (length, chain, ...).

    Attributes:
        positions: Positions in the program.
        scores: Gradients of the log-density there.
        infos: What happened in each step.
    """

    positions: Float[Array, "length chain dim"]
    scores: Float[Array, "length chain dim"]
    infos: Any


@functools.partial(jax.jit, static_argnames=("kernel", "density", "length", "mesh"))
def run_chunk(
    kernel: MarkovChain,
    density: Sampled,
    length: int,
    arrays: Arrays,
    keys: Array,
    moving: Moving,
    begin: Any,
    count: Any,
    warming_up: Any,
    restart: Any,
    mesh: Mesh | None = None,
) -> tuple[Moving, Record]:
    """Do some steps of all chains.

    Compiled once for a method, a program and a number of chains: start, all windows of the warm-up and
    sampling, and chunks of any count, share it.

    Args:
        kernel: The method, without the lengths of the run.
        density: The static half of the target.
        length: The most steps that a chunk can do.
        arrays: The dynamic half of the target.
        keys: Keys of the chains.
        moving: The chains.
        begin: Number of the first step.
        count: How many steps to do.
        warming_up: Whether the steps tune.
        restart: Whether states are made anew from the positions first, as after the map changed.
        mesh: The devices over which chains are spread.

    Returns:
        The chains after it; what was seen in the steps, of which the first `count` are meaningful.
    """
    run = functools.partial(_run, kernel, density, length, spread_over(mesh) if kernel.apart else None)
    given = (arrays, keys, moving, begin, count, warming_up, restart)
    return on_mesh(run, mesh, (None, 0, MOVING, None, None, None, None), (MOVING, 1), apart=kernel.apart)(
        *given
    )


def _run(
    kernel: MarkovChain,
    density: Sampled,
    length: int,
    axis: str | None,
    arrays: Arrays,
    keys: Array,
    moving: Moving,
    begin: Any,
    count: Any,
    warming_up: Any,
    restart: Any,
) -> tuple[Moving, Record]:
    """Do some steps of the chains of one device, which has all of them if there is no axis."""
    target = through(density.target(arrays), moving.tuning.map)

    def anew(moving: Moving) -> Any:
        fresh = jax.vmap(jax.random.fold_in, (0, None))(keys, START)
        at = jax.vmap(moving.tuning.map.moved)(moving.positions)
        return strong(jax.vmap(lambda key, position: kernel.init(key, position, target))(fresh, at))

    def body(i: Any, carry: tuple[Moving, Record]) -> tuple[Moving, Record]:
        moving, record = carry
        number = jnp.asarray(begin + i, int)
        moving, row = _step(kernel, density, axis, arrays, keys, moving, number, warming_up)
        return moving, jax.tree.map(lambda rows, new: rows.at[i].set(new), record, row)

    states = jax.lax.cond(restart, anew, lambda moving: moving.states, moving)
    moving = Moving(states, strong(moving.tuning), moving.positions)
    row = jax.eval_shape(lambda m: _step(kernel, density, axis, arrays, keys, m, 0, warming_up), moving)[1]
    record = jax.tree.map(lambda leaf: jnp.zeros((length, *leaf.shape), leaf.dtype), row)
    return jax.lax.fori_loop(0, count, body, (moving, record))


@functools.partial(jax.jit, static_argnames=("kernel", "density", "axis"))
def _step(
    kernel: MarkovChain,
    density: Sampled,
    axis: str | None,
    arrays: Arrays,
    keys: Array,
    moving: Moving,
    number: Any,
    warming_up: Any,
) -> tuple[Moving, Record]:
    """Do one step of all chains: a function of its own, so that it is traced once."""
    tuning = moving.tuning._replace(number=number)
    target = through(density.target(arrays), tuning.map)
    step_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
    states, infos = kernel.steps(step_keys, moving.states, target, tuning)

    def tune(tuning: Tuning, infos: Any) -> Tuning:
        everyones = infos if axis is None else jax.lax.all_gather(infos, axis, tiled=True)
        return strong(kernel.tune(tuning, everyones))

    tuned = jax.lax.cond(warming_up, tune, lambda t, _: strong(t), tuning, infos)
    positions = jax.vmap(tuning.map.position)(states.position)
    scores = jax.vmap(tuning.map.score)(states.gradient)
    return Moving(strong(states), tuned, positions), Record(positions, scores, strong(infos))


def unborn(
    kernel: MarkovChain, density: Sampled, arrays: Arrays, keys: Array, tuning: Tuning, positions: Any
) -> Moving:
    """Return chains that have no state yet, to be started at positions."""

    def states(keys: Array, positions: Array) -> Any:
        target = through(density.target(arrays), tuning.map)
        return jax.vmap(lambda key, position: kernel.init(key, position, target))(keys, positions)

    shapes = jax.eval_shape(states, keys, positions)
    nothing = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return Moving(nothing, tuning, positions)


def strong(tree: Any) -> Any:
    """Return arrays of definite types, so that a step sees the same types whatever went before."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), tree)


@functools.partial(jax.jit, static_argnames=("density", "mesh"))
def complete(
    density: Sampled,
    arrays: Arrays,
    keys: Array,
    begin: int,
    positions: Float[Array, "length chain dim"],
    mesh: Mesh | None = None,
) -> dict[str, Array]:
    """Return the values of the latent and deterministic sites at positions.

    Args:
        density: The static half of the target.
        arrays: The dynamic half of the target.
        keys: Keys of the chains.
        begin: Number of the first step.
        positions: The positions of the steps.
        mesh: The devices over which chains are spread.

    Returns:
        Arrays (length, chain, ...) by site.
    """
    run = functools.partial(_complete, density)
    return on_mesh(run, mesh, (None, 0, None, 1), 1, apart=True)(arrays, keys, begin, positions)


def _complete(
    density: Sampled, arrays: Arrays, keys: Array, begin: Any, positions: Float[Array, "length chain dim"]
) -> dict[str, Array]:
    numbers = begin + jnp.arange(len(positions))
    fold = jax.vmap(jax.vmap(jax.random.fold_in, (0, None)), (None, 0))
    own = jax.vmap(lambda key: jax.random.fold_in(key, COMPLETION))(keys)
    return density.complete(arrays, fold(own, numbers), positions)


def longest(model: Model, density: Sampled, method: MarkovChain) -> int:
    """Return the most steps that a chunk may have for its draws to stay small in memory."""
    sizes = [math.prod(s.shape) for s in model.sites.values() if not s.is_observed]
    row = method.num_chains * method.precision.floating.itemsize * (sum(sizes) + 2 * density.layout.dim)
    return max(1, min(LONGEST, LARGEST_BYTES // max(row, 1)))


def by_chain(arrays: Mapping[str, Any], begin: int, end: int) -> dict[str, np.ndarray]:
    """Return some steps of arrays (length, chain, ...) with the chains first."""
    return {name: np.asarray(array)[begin:end].swapaxes(0, 1) for name, array in arrays.items()}
