"""How a block of latents is drawn given all others, where that can be done exactly."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.exact.conjugacy.conjugate import Interpolation, interpolation, solve
from probdl.exact.conjugacy.conjugate_integral import TOLERANCE
from probdl.exact.conjugacy.probes import can_be_scaled
from probdl.exact.programs.integral import Integral
from probdl.program.bound import Arrays
from probdl.program.density import Density

SMALLEST = 1e-150  # unit of a conjugate value: its square is still a number

Values = Mapping[str, Array]


class ExactBlock(Protocol):
    """Latents whose distribution given all others is known. Static and hashable."""

    @property
    def names(self) -> tuple[str, ...]:
        """The latents."""
        ...

    def draw(self, key: Array, arrays: Arrays, values: Values) -> dict[str, Array]:
        """Draw the block.

        Args:
            key: A key.
            arrays: The data.
            values: Values of all latents, as they are now.

        Returns:
            New values of the block; no numbers where its distribution is none.
        """
        ...


@dataclass(frozen=True)
class JointBlock:
    """Latents that are summed out, or integrated, together: all of them are drawn at once.

    Attributes:
        integral: The integral over them.
    """

    integral: Integral

    @property
    def names(self) -> tuple[str, ...]:
        """The latents."""
        return tuple(variable.name for variable in self.integral.variables)

    def draw(self, key: Array, arrays: Arrays, values: Values) -> dict[str, Array]:
        """Draw the block."""
        return self.integral.draw(key, arrays, without(values, self.names))


@dataclass(frozen=True)
class EnumeratedBlock:
    """A discrete latent whose entries are drawn one after the other: each from all of its values.

    Attributes:
        name: The latent.
        values: All values of an entry.
        density: Its density given all others.
    """

    name: str
    values: range
    density: Density

    @property
    def names(self) -> tuple[str, ...]:
        """The latent, as one of several."""
        return (self.name,)

    def draw(self, key: Array, arrays: Arrays, values: Values) -> dict[str, Array]:
        """Draw the block."""
        target = self.density.target(arrays, without(values, self.names))
        position = self.density.layout.ravel(values)
        states = jnp.arange(self.values.start, self.values.stop).astype(position.dtype)

        def turn(i: Array, position: Array) -> Array:
            logits = jax.vmap(lambda state: target.log_density(position.at[i].set(state)))(states)
            logits = jnp.where(jnp.isnan(logits), -jnp.inf, logits)
            state = jax.random.categorical(jax.random.fold_in(key, i), logits)
            return position.at[i].set(states[state])

        position = jax.lax.fori_loop(0, self.density.layout.dim, turn, position)
        return self.density.layout.typed(self.density.layout.unravel(position))


@dataclass(frozen=True)
class ConjugateBlock:
    """A latent whose elements are drawn one after the other, each from the family that it is conjugate in.

    The log-density of an element at a few points gives its natural parameters, in units of the element as it
    is now; at more points than there are parameters, so that another form is found out.

    Attributes:
        name: The latent.
        family: The family of each element.
        density: The density of the latent given all others.
    """

    name: str
    family: ExponentialFamily
    density: Density

    @property
    def names(self) -> tuple[str, ...]:
        """The latent, as one of several."""
        return (self.name,)

    @property
    def size(self) -> int:
        """Number of its elements."""
        return self.density.layout.dim // max(math.prod(self.family.event_shape), 1)

    def draw(self, key: Array, arrays: Arrays, values: Values) -> dict[str, Array]:
        """Draw the block."""
        shape = self.density.layout.shapes[0]
        points = _points(self.family)
        units = jnp.asarray(points.points)

        def turn(i: Array, elements: Array) -> Array:
            now = elements[i]
            unit = jnp.ones((), elements.dtype)
            if can_be_scaled(self.family):
                unit = jnp.maximum(jnp.abs(now).mean(), SMALLEST)
            table = jax.vmap(lambda x: self.log_density(arrays, values, elements, i, x))(unit * units)
            found = solve(points, table)
            spread = jnp.abs(table - table[0]).max()
            fits = (found.residual <= TOLERANCE * (1 + spread)) & self.family.is_proper(found.natural)
            new = self.family.distribution(found.natural).sample(jax.random.fold_in(key, i))
            return elements.at[i].set(jnp.where(fits, unit * new, jnp.nan))

        elements = jax.lax.fori_loop(0, self.size, turn, self.elements(values[self.name]))
        return {self.name: elements.reshape(shape)}

    def elements(self, value: Array) -> Array:
        """Return the elements of a value, the first axis that of the elements."""
        return jnp.reshape(value, (self.size, *self.family.event_shape))

    def log_density(self, arrays: Arrays, values: Values, elements: Array, i: Array, x: Array) -> Array:
        """Return the log-density of one element given all others.

        Args:
            arrays: The data.
            values: Values of all latents.
            elements: Those of this one.
            i: The number of the element.
            x: Its value.

        Returns:
            Nats.
        """
        target = self.density.target(arrays, without(values, self.names))
        return target.log_density(elements.at[i].set(x).reshape(-1))


@functools.lru_cache(maxsize=64)
def _points(family: ExponentialFamily) -> Interpolation:
    with jax.ensure_compile_time_eval():
        return interpolation(family)


def without(values: Values, names: tuple[str, ...]) -> dict[str, Array]:
    """Return the values of all other latents."""
    return {name: value for name, value in values.items() if name not in names}
