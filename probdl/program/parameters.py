"""What is estimated of a program: params, and latent sites, as one unconstrained vector."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import biject_to, constraints

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Everywhere, Fix, Message
from probdl.program.layout import Layout
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.states import base


class _Place(Everywhere):
    """Run the program at unconstrained values of params and latent sites.

    Args:
        program: The program.
        values: The values; those that are missing stay as the program makes them.
        scan_of: The scan that each scanned one is in.
    """

    def visit(self, msg: Message) -> None:
        """Map a value through the bijection onto the support."""
        if msg["type"] in ("sample", "param") and msg["name"] in self.values:
            msg["value"] = biject_to(support_of(msg))(self.value(msg["name"]))


def support_of(msg: Message) -> Any:
    """Return the values that a param or a sample site can have."""
    if msg["type"] == "param":
        return msg["kwargs"].get("constraint", constraints.real)
    return msg["fn"].support


@dataclass(frozen=True)
class Parameters:
    """What is estimated of a program. Static: what is compiled is compiled for it.

    Attributes:
        bound: The program.
        layout: Where the sites lie in a position.
    """

    bound: BoundProgram
    layout: Layout

    @classmethod
    def of(cls, model: Model, names: Iterable[str]) -> Parameters:
        """Return the parameters of a model.

        Args:
            model: The model.
            names: Params and latent sites, each with one support whatever the others are.
        """
        names = tuple(names)
        scans = model.declarations.scan_of(names)
        with Precision.DOUBLE.active():
            begin = functools.partial(_start, model.bound[0], names)
            raw = jax.eval_shape(begin, model.arrays(Precision.DOUBLE), jax.random.key(0))
        return cls(model.bound[0], Layout(names, tuple(raw[name].shape for name in names), scans))

    def start(self, arrays: Arrays, key: Array) -> Float[Array, " dim"]:
        """Return where the program has them: params at their initial values, sites drawn from their priors.

        Args:
            arrays: The data.
            key: A key.
        """
        return self.layout.ravel(_start(self.bound, self.layout.names, arrays, key))

    def values(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the values of the sites at a position.

        Args:
            arrays: The data.
            position: The position.
        """
        placed = _Place(None, self.layout.unravel(position), dict(self.layout.scan_of))
        trace = self.bound.trace(arrays, placed)
        return {name: jnp.asarray(trace[name]["value"]) for name in self.layout.names}

    def position(self, arrays: Arrays, values: Mapping[str, Array]) -> Float[Array, " dim"]:
        """Return where sites have values.

        Args:
            arrays: The data.
            values: The values; on the edge of what is possible they are moved inside, if that can be.
        """
        trace = self.bound.trace(arrays, Fix(None, values, dict(self.layout.scan_of)))
        supports = {name: support_of(trace[name]) for name in self.layout.names}
        inside = {name: _inside(support, values[name]) for name, support in supports.items()}
        return self.layout.ravel({n: biject_to(s).inv(inside[n]) for n, s in supports.items()})


def _inside(support: Any, value: Array) -> Array:
    """Return probabilities that are not zero, nor one."""
    if base(support) is base(constraints.simplex):
        return jnp.maximum(value, jnp.finfo(value.dtype).tiny)
    if base(support) is base(constraints.unit_interval):
        return jnp.clip(value, jnp.finfo(value.dtype).tiny, 1 - jnp.finfo(value.dtype).epsneg)
    return value


def _start(bound: BoundProgram, names: tuple[str, ...], arrays: Arrays, key: Array) -> dict[str, Array]:
    trace = bound.trace(arrays, _Place(), key)
    return {name: biject_to(support_of(trace[name])).inv(trace[name]["value"]) for name in names}
