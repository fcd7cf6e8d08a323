"""Steps of an elimination that remove the states of a scan all at once."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.exact.chains import chain, chain_paths
from probdl.exact.gaussians import gaussian_smoothing
from probdl.exact.gaussians.gaussian_integral import Conditional
from probdl.exact.programs.potential import Space
from probdl.exact.programs.steps import Elements, looked_up, selected
from probdl.exact.programs.variables import Ref


@dataclass(frozen=True, eq=False)
class ChainStep:
    """A chain of discrete states that was summed out.

    Attributes:
        space: The variables.
        names: The variables of a state.
        scan: The scan.
        axes: Their other axes.
        others: The discrete variables that they are distributed given.
        transitions: Logarithms: axes, states of the others, steps, from, to.
        emissions: Logarithms: axes, states of the others, steps, state.
    """

    space: Space
    names: tuple[str, ...]
    scan: str
    axes: tuple[str, ...]
    others: tuple[Ref, ...]
    transitions: Array
    emissions: Array

    @property
    def given(self) -> tuple[Ref, ...]:
        """The variables of tables that they are distributed given."""
        return self.others

    def draw(self, key: Array | None, known: Elements) -> dict[str, Array]:
        """Return the states of all steps."""
        arrays = [
            selected(self.space, self.axes, self.others, array, known)
            for array in (self.transitions, self.emissions)
        ]
        lengths = tuple(self.space.lengths[axis] for axis in self.axes)
        count = int(np.prod(lengths))
        transitions, emissions = (x.reshape(count, *x.shape[len(lengths) :]) for x in arrays)
        initial = jnp.zeros(emissions.shape[-1], emissions.dtype)
        if key is None:
            best = jax.vmap(lambda b, e: chain_paths.most_probable(initial, b, e).path)
            paths = best(transitions, emissions)
        else:
            draw = jax.vmap(lambda k, b, e: chain_paths.sample(k, initial, b, e))
            paths = draw(jax.random.split(key, count), transitions, emissions)
        sizes = [self.space.variables[name].size for name in self.names]
        states = jnp.unravel_index(paths.reshape(*lengths, -1), sizes)
        order = self.space.ordered({*self.axes, self.scan})
        place = order.index(self.scan)
        return {n: jnp.moveaxis(s, -1, place) for n, s in zip(self.names, states, strict=True)}


def log_sum_of_paths(transitions: Array, emissions: Array) -> Array:
    """Return the logarithm of the sum over all paths."""
    return chain.log_normalizer(jnp.zeros(emissions.shape[-1], emissions.dtype), transitions, emissions)


def log_maximum_of_paths(transitions: Array, emissions: Array) -> Array:
    """Return the largest logarithm of a path."""
    initial = jnp.zeros(emissions.shape[-1], emissions.dtype)
    return chain_paths.most_probable(initial, transitions, emissions).log_prob


@dataclass(frozen=True, eq=False)
class GaussianChainStep:
    """A chain of Gaussian states that was integrated out.

    Attributes:
        space: The variables.
        names: The variables of a state.
        scan: The scan.
        axes: Their other axes.
        given: The variables of tables that they are distributed given.
        others: The Gaussian ones.
        steps: The distribution of each state given the next: axes, states of the former, steps.
    """

    space: Space
    names: tuple[str, ...]
    scan: str
    axes: tuple[str, ...]
    given: tuple[Ref, ...]
    others: tuple[Ref, ...]
    steps: Conditional

    def draw(self, key: Array | None, known: Elements) -> dict[str, Array]:
        """Return the states of all steps."""
        lengths = tuple(self.space.lengths[axis] for axis in self.axes)
        count = int(np.prod(lengths))
        arrays = [selected(self.space, self.axes, self.given, x, known) for x in self.steps]
        steps = Conditional(*(x.reshape(count, *x.shape[len(lengths) :]) for x in arrays))
        rest = [looked_up(self.space, ref, self.axes, known) for ref in self.others]
        border = jnp.concatenate([*rest, jnp.zeros((*lengths, 0), steps.offset.dtype)], -1).reshape(count, -1)
        if key is None:
            paths = jax.vmap(gaussian_smoothing.conditional_mean)(steps, border)
        else:
            paths = jax.vmap(gaussian_smoothing.sample)(jax.random.split(key, count), steps, border)
        whole = paths.reshape(*lengths, *paths.shape[1:])
        order = self.space.ordered({*self.axes, self.scan})
        moved = jnp.moveaxis(whole, -2, order.index(self.scan))
        ends = np.cumsum([self.space.variables[name].size for name in self.names])
        parts = jnp.split(moved, ends[:-1].tolist(), -1)
        return dict(zip(self.names, parts, strict=True))
