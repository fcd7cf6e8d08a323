"""Trajectories through the particles of a filter, drawn backwards from its last step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, override

import jax
import jax.numpy as jnp
from blackjax.smc.resampling import systematic
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int
from numpyro import handlers

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.filtering import Filtered, is_scan
from probdl.program.handlers import Everywhere, Fix, Message
from probdl.program.target import log_probs, total


class Smoothed(NamedTuple):
    """Trajectories, and what they came from.

    Attributes:
        scanned: Values of the latents of the scan: (draw, step, ...).
        before: Values of the others: (draw, ...).
        log_evidence: Log-probability of the observations, in nats.
    """

    scanned: dict[str, Array]
    before: dict[str, Array]
    log_evidence: Float[Array, ""]


def ancestries(filtered: Filtered, last: Int[Array, " draw"]) -> Int[Array, "step draw"]:
    """Return the particles at each step from which those of the last step come.

    Args:
        filtered: What the filter left.
        last: Particles of the last step.

    Returns:
        Their numbers.
    """

    def earlier(at: Array, step: Array) -> tuple[Array, Array]:
        return step[at], step[at]

    steps = jnp.moveaxis(filtered.ancestors, 1, 0)[:-1]
    _, path = jax.lax.scan(earlier, last, steps, reverse=True)
    return jnp.concatenate([path, last[None]])


class _Found(Exception):  # noqa: N818
    """The program need not run further."""


class _Backward(Everywhere):
    """Go through the scan backwards: at each step choose what the step may have come from.

    Args:
        filtered: What the filter left.
        last: The particle of the last step.
        key: The key.
    """

    def __init__(self, filtered: Filtered, last: Array, key: Array) -> None:
        super().__init__()
        self.filtered, self.last, self.key = filtered, last, key
        self.path: Any = None

    @override
    def process_message(self, msg: Message) -> None:
        """Choose the path, then leave the program."""
        if not is_scan(msg):
            return
        body, init, xs, *_ = msg["args"]
        structure = jax.tree.structure(init)
        known = (self.filtered.scanned, self.filtered.carries, self.filtered.log_weights)
        latents, carries, weights = jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0), known)
        numbers = jnp.arange(len(weights) - 1)
        inputs = (xs, latents, [leaf[:-1] for leaf in carries], weights[:-1], numbers)

        def choose(at: Array, inputs: tuple) -> tuple[Array, Array]:
            x, latents, carries, weights, number = inputs
            own = {name: value[at] for name, value in latents.items()}

            def log_prob(*leaves: Array) -> Array:
                return _step_log_prob(body, jax.tree.unflatten(structure, leaves), x, own)

            terms = weights + jax.vmap(log_prob)(*carries)
            terms = jnp.where(jnp.isnan(terms), -jnp.inf, terms)
            before = jax.random.categorical(jax.random.fold_in(self.key, number), terms).astype(int)
            return before, at

        self.path = jax.lax.scan(choose, self.last, inputs, reverse=True)
        raise _Found


def _step_log_prob(body: Callable, carry: Any, x: Any, own: dict[str, Array]) -> Array:
    """Return the log-probability of one step, its observations included, from another one."""
    with handlers.block(), handlers.seed(rng_seed=0), handlers.trace() as trace, Fix(None, own):
        body(carry, x)
    return total(log_probs(trace), jnp.result_type(float))


def smooth(
    bound: BoundProgram,
    filtered: Filtered,
    num_samples: int,
    arrays: Arrays,
    key: Array,
    *,
    backward: bool,
) -> Smoothed:
    """Draw trajectories.

    Backwards, each state is drawn anew from all particles of its step, given the state after it. That needs
    a scan whose carry is made of the latents of the last step alone; else ancestors are traced, which leaves
    few different states at early steps.

    Args:
        bound: The program.
        filtered: What the filter left.
        num_samples: How many trajectories.
        arrays: The data of the program.
        key: The key.
        backward: Whether states are drawn anew.

    Returns:
        The trajectories.

    Source:
        Godsill, Doucet & West (2004), doi:10.1198/016214504000000151.
    """
    count = filtered.late.shape[0]
    roots = ancestries(filtered, jnp.arange(count))[0]
    final = filtered.log_weights[:, -1] + filtered.late[roots]
    chosen, drawing = jax.random.split(key)
    last = systematic(chosen, jax.nn.softmax(final), num_samples).astype(int)
    if backward:

        def one(at: Array, own: Array) -> tuple[Array, Array]:
            handler = _Backward(filtered, at, own)
            with suppress(_Found):
                bound.trace(arrays, handler, own)
            return handler.path

        first, paths = jax.vmap(one)(last, jax.random.split(drawing, num_samples))
        paths = paths.T
    else:
        paths = ancestries(filtered, last)
        first = paths[0]
    steps = jnp.arange(len(paths))[:, None]
    return Smoothed(
        {name: jnp.moveaxis(value[paths, steps], 1, 0) for name, value in filtered.scanned.items()},
        {name: value[first] for name, value in filtered.before.items()},
        logsumexp(final) - jnp.log(count),
    )
