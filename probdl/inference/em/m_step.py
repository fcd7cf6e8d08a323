"""The M-step: in closed form where there is one, by Newton steps for the rest."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.em.ascent import Ascent, ascend
from probdl.inference.em.closed import Closed
from probdl.inference.em.expected import Bound, Expected, Seen


def m_step(
    expected: Expected,
    rule: Closed,
    num_newton_steps: int,
    seen: Seen,
    position: Float[Array, " dim"],
    found: Bound,
) -> Ascent:
    """Return a position at which the bound is no lower, and what is gained there.

    Args:
        expected: The program with its latents integrated.
        rule: The params that have a maximum in closed form.
        num_newton_steps: The most Newton steps for all others.
        seen: The data.
        position: The position of the E-step.
        found: What the E-step left.
    """
    inside = functools.partial(expected.bound, seen, weights=found.weights)
    if not rule.names:
        return ascend(inside, position, num_newton_steps)
    layout, parameters = expected.parameters.layout, expected.parameters
    own = layout.places(rule.names)
    values = parameters.values(seen.arrays, position)
    moved = parameters.position(seen.arrays, rule.updated(values, found.weights, seen))
    point = position.at[own].set(moved[own])
    gain = inside(point) - inside(position)
    rest = np.setdiff1d(np.arange(layout.dim), own)
    if not rest.size:
        return Ascent(point, jnp.where(jnp.isnan(gain), jnp.inf, gain))
    further = ascend(lambda x: inside(point.at[rest].set(x)), position[rest], num_newton_steps)
    return Ascent(point.at[rest].set(further.point), gain + further.promise)
