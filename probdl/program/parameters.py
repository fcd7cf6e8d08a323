"""What is estimated of a program: params, and latent sites, as one unconstrained vector."""

from __future__ import annotations

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
        bent: Those of them whose coordinates are no values: logarithms, logits and such.
    """

    bound: BoundProgram
    layout: Layout
    bent: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: Model, names: Iterable[str]) -> Parameters:
        """Return the parameters of a model.

        Args:
            model: The model.
            names: Params and latent sites, each with one support whatever the others are.
        """
        names = tuple(names)
        scans = model.declarations.scan_of(names)
        bent: list[str] = []

        def begin(arrays: Arrays, key: Array) -> dict[str, Array]:
            trace = model.bound[0].trace(arrays, _Place(), key)
            bent[:] = (n for n in names if base(support_of(trace[n])) is not base(constraints.real))
            return _coordinates(trace, names)

        with Precision.DOUBLE.active():
            raw = jax.eval_shape(begin, model.arrays(Precision.DOUBLE), jax.random.key(0))
        shapes = tuple(raw[name].shape for name in names)
        return cls(model.bound[0], Layout(names, shapes, scans), tuple(bent))

    def start(self, arrays: Arrays, key: Array) -> Float[Array, " dim"]:
        """Return where the program has them: params at their initial values, sites drawn from their priors.

        Args:
            arrays: The data.
            key: A key.
        """
        return self.layout.ravel(_coordinates(self.bound.trace(arrays, _Place(), key), self.layout.names))

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
        return self.layout.ravel({n: _placed(s, values[n]) for n, s in supports.items()})


def _placed(support: Any, value: Array) -> Array:
    """Return unconstrained values; probabilities of zero and one are moved inside."""
    if base(support) is constraints.simplex:
        return _logits_of_sticks(jnp.maximum(value, _least(value)))
    return biject_to(support).inv(_inside(support, value))


def _logits_of_sticks(value: Array) -> Array:
    """Return the inverse of NumPyro's stick breaking, of probabilities that may be tiny, at the end too."""
    rest = jnp.cumsum(value[..., ::-1], -1)[..., ::-1]  # what is left of the stick: never rounded to nothing
    return jnp.log(value[..., :-1]) - jnp.log(rest[..., 1:]) + jnp.log(jnp.arange(value.shape[-1] - 1, 0, -1))


def _least(value: Array) -> float:
    """Return a probability that is as good as zero, and far from underflow: also if it is rounded twice."""
    return float(jnp.finfo(value.dtype).tiny) ** 0.5


def _inside(support: Any, value: Array) -> Array:
    """Return probabilities that are not zero, nor one."""
    if base(support) is base(constraints.unit_interval):
        return jnp.clip(value, _least(value), 1 - jnp.finfo(value.dtype).epsneg)
    return value


def _coordinates(trace: Mapping[str, Message], names: Iterable[str]) -> dict[str, Array]:
    """Return unconstrained values of sites."""
    return {name: biject_to(support_of(trace[name])).inv(trace[name]["value"]) for name in names}
