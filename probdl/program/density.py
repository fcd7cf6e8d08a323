"""The density of the latents of a program, or of some of them with the others held."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import biject_to

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.centring import of_centring
from probdl.program.describe import is_abstract, support_of
from probdl.program.handlers import Begin, Expect, Fix, Unconstrain, is_log_det
from probdl.program.layout import Layout, uniform_points
from probdl.program.target import Prior, Sampled, Target, latent_values, log_prob_of, log_probs, total

Values = Mapping[str, Array]
NOTHING: Values = {}


@functools.partial(jax.jit, static_argnums=0)
def log_density(density: Sampled, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
    """Return the log-density of a position.

    A program is traced once for shapes and precision, by whichever compiled function asks first; others,
    and further calls in the same one, take the trace.

    Args:
        density: The static half of the target.
        arrays: The dynamic half.
        position: A position.

    Returns:
        Nats, Jacobian included.
    """
    return density.log_density(arrays, position)


@functools.partial(jax.jit, static_argnums=0)
def _parts(density: Density, arrays: Arrays, position: Array, held: Values) -> tuple[Array, Array]:
    """Return the terms of the latents themselves, and all others; in nats."""
    terms = density.site_log_probs(arrays, position, held)
    own = {name for name in terms if name in density.layout.names or is_log_det(name)}
    prior = {name: term for name, term in terms.items() if name in own}
    rest = {name: term for name, term in terms.items() if name not in own}
    return total(prior, position.dtype), total(rest, position.dtype)


@dataclass(frozen=True)
class Density:
    """The static half of a target: what a compiled step is compiled for.

    Two models of the same program and the same shapes share it, so they share the compilation.

    Attributes:
        bound: The program.
        layout: Where the latents lie in a position; what it lacks has to be held.
        read: The sites whose terms are added up; None for all. Terms that are constant may be left out.
    """

    bound: BoundProgram
    layout: Layout
    read: frozenset[str] | None = None

    def target(self, arrays: Arrays, held: Values = NOTHING) -> Target:
        """Return the target for some data.

        Args:
            arrays: The dynamic half of the model; inside a compiled function these are its arguments.
            held: Values of the latents that the layout lacks.

        Returns:
            The target.
        """
        integers = self.layout.integers if self.layout.spans else None
        return Target(
            lambda position: self._whole(arrays, position, held),
            lambda key: self._init(arrays, key, held),
            lambda position: latent_values(self._trace(arrays, position, held)),
            integers,
            Prior(
                lambda position: _parts(self, arrays, position, held)[0],
                lambda position: _parts(self, arrays, position, held)[1],
                lambda key: self._drawn(arrays, key, held),
                lambda: self._means(arrays, held),
            ),
        )

    def points(self, arrays: Arrays, keys: Array, attempt: int) -> Float[np.ndarray, "chain dim"]:
        """Return a random starting point for each key of a chain.

        Unconstrained coordinates are uniform on (-2, 2); discrete ones come from the program, given these.
        """
        layout = self.layout
        if not layout.own:
            return uniform_points(layout.dim, keys, attempt)
        return np.asarray(_points(self, arrays, jax.vmap(lambda k: jax.random.fold_in(k, attempt))(keys)))

    def site_log_probs(
        self, arrays: Arrays, position: Float[Array, " dim"], held: Values = NOTHING
    ) -> dict[str, Array]:
        """Return the log-probability of each site at a position, unreduced: shape of its batch."""
        trace = self._trace(arrays, position, held)
        terms = log_probs(trace, trusted=True)
        free = self.layout.own - set(self.layout.discrete)  # may be anything
        moving = {name for name in held if name in trace and is_abstract(support_of(trace[name]["fn"]))}
        terms |= {name: log_prob_of(trace[name], trusted=False) for name in sorted(free | moving)}
        if self.read is None:
            return terms
        return {name: term for name, term in terms.items() if name in self.read or is_log_det(name)}

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

    def log_density(
        self, arrays: Arrays, position: Float[Array, " dim"], held: Values = NOTHING
    ) -> Float[Array, ""]:
        """Return the log-density of a position, in nats, Jacobian included."""
        return total(self.site_log_probs(arrays, position, held), position.dtype)

    def values(
        self, arrays: Arrays, position: Float[Array, " dim"], held: Values = NOTHING
    ) -> dict[str, Array]:
        """Return the values of the latents at a position.

        Args:
            arrays: The dynamic half of the model.
            position: The position.
            held: Values of the latents that the layout lacks.

        Returns:
            Arrays by site.
        """
        trace = self._trace(arrays, position, held)
        return {name: jnp.asarray(trace[name]["value"]) for name in self.layout.names}

    def position(self, arrays: Arrays, values: Values, held: Values = NOTHING) -> Float[Array, " dim"]:
        """Return the position at which the latents have some values.

        Args:
            arrays: The dynamic half of the model.
            values: Values of the sites of the layout.
            held: Values of the others.

        Returns:
            The position.
        """
        found = {name: values[name] for name in self.layout.names}
        handler = Fix(None, {**found, **held}, dict(self.layout.scan_of))
        return self._position_of(self.bound.trace(arrays, handler))

    def _whole(self, arrays: Arrays, position: Array, held: Values) -> Array:
        return _given(self, arrays, position, held) if held else log_density(self, arrays, position)

    def _trace(self, arrays: Arrays, position: Array, held: Values) -> dict[str, Any]:
        values = self.layout.typed(self.layout.unravel(position))
        given = self.layout.own | frozenset(held)
        scan_of = dict(self.layout.scan_of)
        scan_of |= of_centring(scan_of, arrays.centring)
        handler = Unconstrain(None, {**values, **held, **arrays.centring}, scan_of, given)
        return self.bound.trace(arrays, handler)

    def _init(self, arrays: Arrays, key: Array, held: Values) -> Float[Array, " dim"]:
        layout = self.layout
        if not layout.own:
            return jax.random.uniform(key, (layout.dim,), minval=-2.0, maxval=2.0)
        names = frozenset(layout.continuous)
        trace = self.bound.trace(arrays, Begin(None, held, dict(layout.scan_of), names=names), key)
        return self._position_of(trace)

    def _drawn(self, arrays: Arrays, key: Array, held: Values) -> Float[Array, " dim"]:
        return self._position_of(self.bound.trace(arrays, Fix(None, held, dict(self.layout.scan_of)), key))

    def _means(self, arrays: Arrays, held: Values) -> Float[Array, " dim"]:
        names = frozenset(self.layout.names)
        return self._position_of(
            self.bound.trace(arrays, Expect(None, held, dict(self.layout.scan_of), names))
        )

    def _position_of(self, trace: Mapping[str, Any]) -> Float[Array, " dim"]:
        found = {name: jnp.asarray(trace[name]["value"]) for name in self.layout.names}
        for name in self.layout.names:
            if name not in self.layout.own:
                found[name] = biject_to(trace[name]["fn"].support).inv(found[name])
        return self.layout.ravel(found)


@functools.partial(jax.jit, static_argnums=0)
def _given(density: Density, arrays: Arrays, position: Array, held: Values) -> Array:
    return density.log_density(arrays, position, held)


@functools.partial(jax.jit, static_argnums=0)
def _points(density: Density, arrays: Arrays, keys: Array) -> Array:
    return jax.vmap(density.target(arrays).init)(keys)
