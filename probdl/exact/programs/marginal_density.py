"""The density of some latents with the others integrated out, for samplers."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.exact.programs.integral import Integral
from probdl.program.bound import Arrays
from probdl.program.centring import of_centring
from probdl.program.density import log_density
from probdl.program.handlers import LOG_DET, Fix, Unconstrain
from probdl.program.layout import Layout, uniform_points
from probdl.program.target import Target, latent_values, log_probs


@dataclass(frozen=True)
class MarginalDensity:
    """The static half of a target over the latents that an integral leaves.

    Attributes:
        integral: The integral.
        layout: Where the other latents lie in a position.
    """

    integral: Integral
    layout: Layout

    def target(self, arrays: Arrays) -> Target:
        """Return the target for some data."""
        return Target(
            functools.partial(log_density, self, arrays),
            lambda key: jax.random.uniform(key, (self.layout.dim,), minval=-2.0, maxval=2.0),
            lambda position: self.complete(arrays, jax.random.key(0), position),
        )

    def points(self, arrays: Arrays, keys: Array, attempt: int) -> Float[np.ndarray, "chain dim"]:
        """Return a random starting point for each key of a chain."""
        del arrays
        return uniform_points(self.layout.dim, keys, attempt)

    def values(self, arrays: Arrays, position: Float[Array, " dim"]) -> tuple[dict[str, Array], Array]:
        """Return the values of the latents at a position, and the logarithm of the Jacobian."""
        nothing = {v.name: v.nothing for v in self.integral.variables}
        held = {**self.layout.unravel(position), **nothing, **arrays.centring}
        scan_of = dict(self.integral.scan_of)
        scan_of |= of_centring(scan_of, arrays.centring)
        handler = Unconstrain(None, held, scan_of, frozenset(nothing))
        trace = self.integral.bound.trace(arrays, handler)
        found = latent_values({name: trace[name] for name in self.layout.names})
        jacobians = log_probs({name: msg for name, msg in trace.items() if LOG_DET in name}, trusted=True)
        return found, sum((jnp.sum(term) for term in jacobians.values()), jnp.zeros((), position.dtype))

    def site_log_probs(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the log-probability of each site at a position; integrated ones at zero."""
        nothing = {v.name: v.nothing for v in self.integral.variables}
        held = {**self.values(arrays, position)[0], **nothing}
        return log_probs(self.integral.bound.trace(arrays, Fix(None, held, dict(self.integral.scan_of))))

    def log_density(self, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-density of a position, in nats, Jacobian included."""
        values, jacobian = self.values(arrays, position)
        return self.integral.log_density(arrays, values) + jacobian

    def complete(self, arrays: Arrays, keys: Array, positions: Float[Array, "*draw dim"]) -> dict[str, Array]:
        """Return the values of all latent and deterministic sites at positions.

        Args:
            arrays: The dynamic half of the model.
            keys: One key a position: what is integrated is drawn given the rest.
            positions: Positions, with any leading axes.

        Returns:
            Arrays by site, with the leading axes.
        """
        lead = positions.shape[:-1]
        flat = (keys.reshape(-1), positions.reshape(-1, positions.shape[-1]))
        found = jax.lax.map(lambda item: self._once(arrays, *item), flat)
        return {name: value.reshape(*lead, *value.shape[1:]) for name, value in found.items()}

    def _once(self, arrays: Arrays, key: Array, position: Float[Array, " dim"]) -> dict[str, Array]:
        values, _ = self.values(arrays, position)
        whole = {**values, **self.integral.draw(key, arrays, values)}
        return latent_values(self.integral.bound.trace(arrays, Fix(None, whole, dict(self.integral.scan_of))))
