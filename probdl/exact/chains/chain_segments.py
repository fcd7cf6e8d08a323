"""A chain of discrete states between some of its steps: all others are summed out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from probdl.exact.chains.logarithms import log_sum

Carry = tuple[Array, Array]


class Ends(NamedTuple):
    """Where the segments of a chain that are asked for begin and end.

    Attributes:
        before: The step before each, or -1 if it begins with the chain.
        step: Its last step.
        last: Whether no later step is asked for, so that it goes to the end of the chain.
    """

    before: Int[Array | np.ndarray, ...]
    step: Int[Array | np.ndarray, ...]
    last: Array | np.ndarray


def ends_of(chains: Int[np.ndarray, " row"], steps: Int[np.ndarray, " row"]) -> Ends:
    """Return the segments that end at some steps of some chains.

    Args:
        chains: The number of the chain of each.
        steps: The steps.

    Returns:
        The segments, in the same order.

    Example:
        >>> [x.tolist() for x in ends_of(np.array([0, 0, 1]), np.array([5, 2, 3]))]
        [[2, -1, -1], [5, 2, 3], [True, False, True]]
    """
    same = chains[:, None] == chains
    earlier, later = same & (steps < steps[:, None]), same & (steps > steps[:, None])
    return Ends(np.where(earlier, steps, -1).max(1), steps, ~later.any(1))


def segment(
    transitions: Float[Array, "*batch step state state"],
    emissions: Float[Array, "*batch time state"],
    ends: Ends,
) -> Float[Array, "*batch state state"]:
    r"""Return the logarithm of the sum over all paths through a segment, by the states at both of its ends.

    $\sum \exp\bigl(\sum_{t=a+1}^{b} B_t(z_{t-1}, z_t) + e_t(z_t)\bigr)$ over the states strictly between the
    steps $a$ and $b$; and over those after $b$, if no later step is asked for.

    Args:
        transitions: Logarithms [step, from, to], one a step or one for all.
        emissions: Logarithms of the state at each step.
        ends: One segment.

    Returns:
        States at the step before, states at its last step; the same for all of the former where it begins
        with the chain. Up to a number that is the same for the whole batch, so that no digits are lost.

    Example:
        >>> ends = Ends(jnp.array(-1), jnp.array(0), jnp.array(True))
        >>> found = segment(jnp.zeros((1, 2, 2)), jnp.zeros((3, 2)), ends)
        >>> (found - found.max()).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """
    states, length = emissions.shape[-1], emissions.shape[-2]
    batch = jnp.broadcast_shapes(transitions.shape[:-3], emissions.shape[:-2])
    begins = ends.before < 0

    def seen(time: Array) -> Array:
        return lax.dynamic_index_in_dim(emissions, time, -2, keepdims=False)

    def into(time: Array) -> Array:
        shared = transitions.shape[-3] == 1
        return lax.dynamic_index_in_dim(transitions, jnp.where(shared, 0, time - 1), -3, keepdims=False)

    def onward(time: Array, rows: Array) -> Array:
        return log_sum(rows[..., None] + into(time)[..., None, :, :], -2) + seen(time)[..., None, :]

    def backward(number: Array, later: Array) -> Array:
        time = length - 1 - number
        return log_sum(into(time) + (seen(time) + later)[..., None, :], -1)

    start = jnp.broadcast_to(seen(jnp.zeros((), int)), (*batch, states))[..., None, :]
    if transitions.shape[-3] == 0:
        return jnp.broadcast_to(start, (*batch, states, states))
    same = jnp.broadcast_to(jnp.where(jnp.eye(states) > 0, 0.0, -jnp.inf), (*batch, states, states))
    from_start = _loop(1, jnp.where(begins, ends.step + 1, 1), onward, start, 2)
    between = _loop(ends.before + 1, jnp.where(begins, 0, ends.step + 1), onward, same, 2)
    after = jnp.where(ends.last, length - 1 - ends.step, 0)
    tail = _loop(0, after, backward, jnp.zeros((*batch, states), emissions.dtype), 1)
    logs = jnp.where(begins, from_start[0], between[0]) + tail[0][..., None, :]
    common = jnp.where(begins, from_start[1], between[1]) + tail[1][..., None]
    return logs + (common - common.max())


def _loop(
    start: Array | np.ndarray | int, end: Array, step: Callable[[Array, Array], Array], logs: Array, rank: int
) -> Carry:
    """Repeat a step on logarithms; what they have in common is kept apart, so that they keep their digits."""
    axes = tuple(range(-rank, 0))

    def body(number: Array, carry: Carry) -> Carry:
        found = step(number, carry[0])
        peak = found.max(axes, keepdims=True)
        peak = jnp.where(jnp.isneginf(peak), 0, peak)
        return found - peak, carry[1] + peak

    nothing = jnp.zeros((*logs.shape[: logs.ndim - rank], *(1,) * rank), logs.dtype)
    return lax.fori_loop(start, end, body, (logs, nothing))
