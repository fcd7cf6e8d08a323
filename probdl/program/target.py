"""A model as an iterative method sees it: a log-density over unconstrained positions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro import validation_enabled
from numpyro.distributions import constraints

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Unconstrain, bare, is_factor, is_log_det
from probdl.program.states import base


class Target(NamedTuple):
    """All that an iterative method ever sees of a model.

    Attributes:
        log_density: Position (dim,) -> unnormalised log-density in nats, Jacobian included.
        init: Key -> a starting position (dim,), uniform on (-2, 2) in each coordinate.
        constrain: Position (dim,) -> values of the latent and deterministic sites.
    """

    log_density: Callable[[Float[Array, " dim"]], Float[Array, ""]]
    init: Callable[[Array], Float[Array, " dim"]]
    constrain: Callable[[Float[Array, " dim"]], dict[str, Array]]


@dataclass(frozen=True)
class Layout:
    """Where each latent site lies in a flat position.

    Attributes:
        names: The latent sites, in order.
        shapes: Shapes of their unconstrained values.
        scan_of: The scan that each scanned one is in.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    scan_of: tuple[tuple[str, str], ...] = ()

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""
        return sum(math.prod(shape) for shape in self.shapes)

    def unravel(self, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Split a position into the unconstrained values of the sites.

        Args:
            position: Shape (dim,).

        Returns:
            One array a site.

        Example:
            >>> layout = Layout(("a", "b"), ((), (2,)))
            >>> {k: v.shape for k, v in layout.unravel(jnp.arange(3.0)).items()}
            {'a': (), 'b': (2,)}
        """
        values, start = {}, 0
        for name, shape in zip(self.names, self.shapes, strict=True):
            stop = start + math.prod(shape)
            values[name] = position[start:stop].reshape(shape)
            start = stop
        return values


class Sampled(Protocol):
    """What a sampler compiles for: the static half of a target, over all latents or over some of them."""

    @property
    def layout(self) -> Layout:
        """Where the latents that are sampled lie in a position."""
        ...

    def target(self, arrays: Arrays) -> Target:
        """Return the target for some data."""
        ...

    def log_density(self, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-density of a position, Jacobian included."""
        ...

    def site_log_probs(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the log-probability of each site at a position."""
        ...

    def complete(self, arrays: Arrays, keys: Array, positions: Float[Array, "*draw dim"]) -> dict[str, Array]:
        """Return the values of all latent and deterministic sites at positions."""
        ...


@functools.partial(jax.jit, static_argnums=0)
def log_density(density: Sampled, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
    """Return the log-density of a position.

    A program is traced once for shapes and precision, by whichever compiled function asks first; others,
    and further calls in the same one, take the trace.

    Args:
        density: The static half of the target.
        arrays: The dynamic half.
        position: An unconstrained position.

    Returns:
        Nats, Jacobian included.
    """
    return density.log_density(arrays, position)


@dataclass(frozen=True)
class Density:
    """The static half of a target: what a compiled step is compiled for.

    Two models of the same program and the same shapes share it, so they share the compilation.
    """

    bound: BoundProgram
    layout: Layout

    def target(self, arrays: Arrays) -> Target:
        """Return the target for some data.

        Args:
            arrays: The dynamic half of the model; inside a compiled function these are its arguments.

        Returns:
            The target.
        """
        return Target(
            functools.partial(log_density, self, arrays),
            self._init,
            functools.partial(self._constrain, arrays),
        )

    def site_log_probs(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the log-probability of each site at a position, unreduced: shape of its batch."""
        return log_probs(self._trace(arrays, position), trusted=True)

    def complete(self, arrays: Arrays, keys: Array, positions: Float[Array, "*draw dim"]) -> dict[str, Array]:
        """Return the values of all latent and deterministic sites at positions.

        Args:
            arrays: The dynamic half of the model.
            keys: One key a position, for what is left to be drawn: nothing is, here.
            positions: Positions, with any leading axes.

        Returns:
            Arrays by site, with the leading axes.
        """
        del keys
        run = self.target(arrays).constrain
        for _ in positions.shape[:-1]:
            run = jax.vmap(run)
        return run(positions)

    def _trace(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Any]:
        handler = Unconstrain(None, self.layout.unravel(position), dict(self.layout.scan_of))
        return self.bound.trace(arrays, handler)

    def log_density(self, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-density of a position, in nats, Jacobian included."""
        return total(self.site_log_probs(arrays, position), position.dtype)

    def _init(self, key: Array) -> Float[Array, " dim"]:
        return jax.random.uniform(key, (self.layout.dim,), minval=-2.0, maxval=2.0)

    def _constrain(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        return latent_values(self._trace(arrays, position))


def log_probs(trace: Mapping[str, Any], *, trusted: bool = False) -> dict[str, Array]:
    """Return the scaled log-probability of each sample site of a trace, in nats.

    It is minus infinity outside the support, whether or not the user has NumPyro's validation enabled:
    without it, NumPyro gives some distributions a density everywhere. A Jacobian is a change of variables:
    no mask or scale of the program applies to it.

    Args:
        trace: A trace of NumPyro.
        trusted: Whether the values of continuous latents lie in their supports, as a bijection's values do.

    Returns:
        Arrays of the shapes of the batches.
    """
    found = {}
    for name, msg in trace.items():
        if msg["type"] != "sample":
            continue
        if is_log_det(name) and is_factor(msg):
            found[name] = bare(msg["fn"]).log_factor
            continue
        found[name] = log_prob_of(msg, trusted=trusted)
    return found


def log_prob_of(msg: dict[str, Any], *, trusted: bool) -> Array:
    """Return the scaled log-probability of one sample site at its value, in nats.

    Args:
        msg: A message of NumPyro.
        trusted: Whether the value of a continuous latent lies in its support.

    Returns:
        An array of the shape of the batch.
    """
    support = msg["fn"].support
    unbounded = base(support) is base(constraints.real)  # all numbers: missing ones are found beforehand
    checked = (msg["is_observed"] and not unbounded) or not trusted or getattr(support, "is_discrete", False)
    with validation_enabled(is_validate=checked and not is_factor(msg)):
        log_prob = msg["fn"].log_prob(jnp.asarray(msg["value"]))
    return log_prob if msg["scale"] is None else msg["scale"] * log_prob


def total(by_site: Mapping[str, Array], dtype: Any) -> Float[Array, ""]:
    """Add up log-probabilities."""
    return sum((jnp.sum(term) for term in by_site.values()), jnp.zeros((), dtype))


def latent_values(trace: Mapping[str, Any]) -> dict[str, Array]:
    """Return the values of the latent and deterministic sites of a trace."""
    return {
        name: jnp.asarray(msg["value"])
        for name, msg in trace.items()
        if (msg["type"] == "sample" and not msg["is_observed"] and not is_factor(msg))
        or (msg["type"] == "deterministic" and not msg.get("intervened", False))
    }
