"""A chain over latents and data together: data are drawn given the latents, latents moved given the data."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from probdl.inference.calibration_ranks import log_likelihood
from probdl.inference.chunks import strong
from probdl.inference.maps import through
from probdl.inference.tuning import Tuning
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.runs import Scans, replicate
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain

DATA, START, STEP, REST = range(4)
Values = Mapping[str, Array]


class Quantity(NamedTuple):
    """Some elements of a site.

    Attributes:
        site: The site.
        elements: Which of them, in the order of the flat value.
    """

    site: str
    elements: tuple[int, ...]


@dataclass(frozen=True)
class Joint:
    """The static half of the joint distribution of latents and data.

    Attributes:
        bound: The program.
        scan_of: The scan of each latent that is in one.
        latents: Names of the latent sites.
        observed: Names of the observed sites.
        quantities: What is recorded, beside the log-likelihood.
    """

    bound: BoundProgram
    scan_of: Scans
    latents: tuple[str, ...]
    observed: tuple[str, ...]
    quantities: tuple[Quantity, ...]

    def data(self, arrays: Arrays, keys: Array, latents: Values) -> dict[str, Array]:
        """Draw data given latents, draws first."""
        drawn = replicate(self.bound, self.scan_of, arrays, keys, dict(latents))[1]
        return {name: drawn[name] for name in self.observed}

    def recorded(self, arrays: Arrays, latents: Values, data: Values) -> Float[Array, " quantity"]:
        """Return the quantities of one draw, the log-likelihood last."""
        both = {**latents, **data}
        parts = [both[name].reshape(-1)[np.array(elements)] for name, elements in self.quantities]
        own = replace(arrays, observed={**arrays.observed, **data})
        height = log_likelihood(self.bound, self.scan_of, self.observed, own, latents)
        return jnp.concatenate([*(part.astype(height.dtype) for part in parts), height[None]])


class Pair(NamedTuple):
    """Latents of many independent chains.

    Attributes:
        positions: Positions of what is sampled of them.
        latents: Values of all latent sites.
    """

    positions: Float[Array, "chain dim"]
    latents: Values


@functools.partial(jax.jit, static_argnums=(0,))
def recorded(joint: Joint, arrays: Arrays, latents: Values, data: Values) -> Float[Array, "draw quantity"]:
    """Return the quantities of draws of latents and data."""
    return jax.vmap(functools.partial(joint.recorded, arrays))(latents, data)


@functools.partial(jax.jit, static_argnames=("kernel", "density", "joint", "length"))
def alternate(
    kernel: MarkovChain,
    density: Sampled,
    joint: Joint,
    length: int,
    arrays: Arrays,
    keys: Array,
    tuning: Tuning,
    pair: Pair,
    begin: Any,
    steps: Any,
) -> tuple[Pair, Float[Array, "length chain quantity"]]:
    """Draw data given latents and move the latents given the data, in turn.

    Args:
        kernel: The method.
        density: What is sampled of the latents.
        joint: The joint distribution.
        length: How many times to do both.
        arrays: The data of the program.
        keys: Keys of the chains.
        tuning: What the kernel has learnt.
        pair: Where the chains are.
        begin: The number of the first time.
        steps: How many steps of the kernel the latents make each time.

    Returns:
        Where the chains are after it; what was recorded after each move of the latents, with the data that
        they were moved given.

    Source:
        Geweke (2004), doi:10.1198/016214504000001132: the successive-conditional simulator.
    """

    def body(pair: Pair, number: Array) -> tuple[Pair, Array]:
        own = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, number), 4))(keys)
        data = joint.data(arrays, own[:, DATA], pair.latents)
        moved = jax.tree.map(
            lambda new, old: new.astype(old.dtype), jax.vmap(move)(own, data, pair.positions), pair
        )
        return moved, jax.vmap(functools.partial(joint.recorded, arrays))(moved.latents, data)

    def move(own: Array, data: Values, position: Array) -> Pair:
        known = replace(arrays, observed={**arrays.observed, **data})
        target = through(density.target(known), tuning.map)
        state = kernel.init(own[START], tuning.map.moved(position), target)

        def step(number: Any, states: Any) -> Any:
            key = jax.random.fold_in(own[STEP], number)
            return strong(kernel.steps(key[None], states, target, tuning._replace(number=number))[0])

        states = strong(jax.tree.map(lambda leaf: leaf[None], state))
        states = jax.lax.fori_loop(0, steps, step, states)
        position = tuning.map.position(states.position[0])
        values = density.complete(known, own[REST][None], position[None])
        return Pair(position, {name: values[name][0] for name in joint.latents})

    return jax.lax.scan(body, pair, begin + jnp.arange(length))


def quantities(shapes: Mapping[str, tuple[int, ...]], most: int) -> tuple[Quantity, ...]:
    """Return the elements of sites that are recorded: evenly spaced ones, if a site has many.

    Args:
        shapes: Shapes of the sites.
        most: The most elements of a site.

    Returns:
        The quantities.
    """
    found = []
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        picked: Int[np.ndarray, " element"] = np.unique(np.linspace(0, size - 1, min(size, most)).astype(int))
        found.append(Quantity(name, tuple(map(int, picked))))
    return tuple(found)
