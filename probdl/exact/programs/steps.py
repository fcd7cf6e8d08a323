"""Steps of an elimination: each removes variables and remembers their distribution given those left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.exact.gaussians.gaussian_integral import Conditional
from probdl.exact.programs.potential import Space
from probdl.exact.programs.variables import Ref

Elements = Mapping[str, Array]


class Step(Protocol):
    """Variables that were removed."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        ...

    @property
    def given(self) -> tuple[Ref, ...]:
        """The variables of tables that they are distributed given."""
        ...

    def draw(self, key: Array | None, known: Elements) -> dict[str, Array]:
        """Return values of the elements: drawn, or the most probable ones without a key.

        Args:
            key: A key, or None.
            known: Elements of the variables that were removed later.

        Returns:
            One array a variable: its axes, then its coordinates; numbers of states of a discrete one.
        """
        ...


def looked_up(space: Space, ref: Ref, axes: Sequence[str], known: Elements) -> Array:
    """Return the elements that a ref reads, over axes.

    Args:
        space: The variables.
        ref: What is read.
        axes: The axes of the reader.
        known: Elements by variable.

    Returns:
        The axes, then coordinates if there are any.
    """
    variable = space.variables[ref.name]
    shape = [space.lengths[axis] for axis in axes]
    at = dict(ref.at)
    index = []
    for axis in variable.axes:
        if axis in at:
            index.append(jnp.asarray(np.broadcast_to(at[axis], shape)))
        else:
            place = axes.index(axis)
            steps = np.arange(shape[place]).reshape([-1 if i == place else 1 for i in range(len(shape))])
            index.append(jnp.asarray(np.broadcast_to(steps, shape)))
    value = known[ref.name]
    if not index:
        return jnp.broadcast_to(value, (*shape, *value.shape))
    return value[tuple(index)]


def selected(
    space: Space, axes: Sequence[str], discrete: Sequence[Ref], array: Array, known: Elements
) -> Array:
    """Return a table at the known states of discrete variables.

    Args:
        space: The variables.
        axes: The first axes of the table.
        discrete: The variables of the axes that follow.
        array: The table; of length one along axes that it does not depend on.
        known: States by variable.

    Returns:
        The axes, and what comes after the states.
    """
    lead = len(axes)
    shape = tuple(space.lengths[axis] for axis in axes)
    states = tuple(space.variables[ref.name].size for ref in discrete)
    whole = jnp.broadcast_to(array, (*shape, *states, *array.shape[lead + len(states) :]))
    if not discrete:
        return whole
    index = tuple(jnp.asarray(grid) for grid in np.indices(shape))
    return whole[(*index, *(looked_up(space, ref, axes, known) for ref in discrete))]


@dataclass(frozen=True, eq=False)
class DiscreteStep:
    """A discrete variable that was summed out.

    Attributes:
        space: The variables.
        name: The variable.
        axes: Its axes.
        others: The variables that it is distributed given.
        table: Unnormalised logarithms: axes, states of the others, its own.
    """

    space: Space
    name: str
    axes: tuple[str, ...]
    others: tuple[Ref, ...]
    table: Array

    @property
    def names(self) -> tuple[str, ...]:
        """The variable, as one of several."""
        return (self.name,)

    @property
    def given(self) -> tuple[Ref, ...]:
        """The variables of tables that it is distributed given."""
        return self.others

    def draw(self, key: Array | None, known: Elements) -> dict[str, Array]:
        """Return the states of the elements."""
        logits = selected(self.space, self.axes, self.others, self.table, known)
        if key is None:
            return {self.name: jnp.argmax(logits, -1)}
        return {self.name: jax.random.categorical(key, logits)}


@dataclass(frozen=True, eq=False)
class GaussianStep:
    """A Gaussian variable that was integrated out.

    Attributes:
        space: The variables.
        name: The variable.
        axes: Its axes.
        given: The variables of tables that it is distributed given.
        others: The Gaussian ones.
        conditional: Its distribution: axes, states of the former, coordinates.
    """

    space: Space
    name: str
    axes: tuple[str, ...]
    given: tuple[Ref, ...]
    others: tuple[Ref, ...]
    conditional: Conditional

    @property
    def names(self) -> tuple[str, ...]:
        """The variable, as one of several."""
        return (self.name,)

    def draw(self, key: Array | None, known: Elements) -> dict[str, Array]:
        """Return the values of the elements."""
        given = Conditional(
            *(selected(self.space, self.axes, self.given, array, known) for array in self.conditional)
        )
        shape = tuple(self.space.lengths[axis] for axis in self.axes)
        rest = [looked_up(self.space, ref, self.axes, known) for ref in self.others]
        vector = jnp.concatenate([*rest, jnp.zeros((*shape, 0), given.offset.dtype)], -1)
        return {self.name: given.mean(vector) if key is None else given.sample(key, vector)}


@dataclass(frozen=True, eq=False)
class ConjugateStep:
    """A conjugate variable that was integrated out.

    Attributes:
        space: The variables.
        name: The variable.
        axes: Its axes.
        given: The variables of tables that it is distributed given.
        table: Logarithm of its density at its points: axes, states of the others, points.
        family: Its family.
        natural: Natural parameters: axes, states of the others, parameters.
    """

    space: Space
    name: str
    axes: tuple[str, ...]
    given: tuple[Ref, ...]
    table: Array
    family: ExponentialFamily
    natural: Array

    @property
    def names(self) -> tuple[str, ...]:
        """The variable, as one of several."""
        return (self.name,)

    def draw(self, key: Array | None, known: Elements) -> dict[str, Array]:
        """Return the values of the elements; without a key their means."""
        natural = selected(self.space, self.axes, self.given, self.natural, known)
        distribution = self.family.distribution(natural)
        value = distribution.mean if key is None else distribution.sample(key)
        shape = tuple(self.space.lengths[axis] for axis in self.axes)
        return {self.name: jnp.reshape(value, (*shape, -1))}
