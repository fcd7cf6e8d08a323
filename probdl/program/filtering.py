"""A program with a scan, run by many particles that are resampled between its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, override

import jax
import jax.numpy as jnp
import numpyro
from blackjax.smc.resampling import systematic
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int
from numpyro import handlers

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Everywhere, Message
from probdl.program.target import latent_values
from probdl.program.weighing import log_weight, log_weight_of

AXIS = "particles of a filter"
ANCESTOR, WEIGHT, CARRY = "ancestor in the filter", "log weight in the filter", "carry in the filter "


class Filtered(NamedTuple):
    """What a filter leaves of each step.

    Attributes:
        scanned: Values of the latents of the scan as they were drawn: (particle, step, ...).
        before: Values of the other latents: (particle, ...).
        log_weights: Logarithms of the weights before the first step, and after each: (particle, step + 1).
        ancestors: Which particle of a step the next step goes on from: (particle, step).
        late: What the sites after the scan add to the log weight of a particle, by where it began.
        carries: What each particle carries before the first step, and after each: (particle, step + 1, ...).
    """

    scanned: dict[str, Array]
    before: dict[str, Array]
    log_weights: Float[Array, "particle steps"]
    ancestors: Int[Array, "particle step"]
    late: Float[Array, " particle"]
    carries: tuple[Array, ...]


class _Resample(Everywhere):
    """Let the particles of a mapped axis go through the scan together.

    Args:
        key: The key of the resampling: one for all particles.
        num_particles: How many particles there are.
        least: The effective number of particles below which they are resampled.
    """

    def __init__(self, key: Array, num_particles: int, least: float) -> None:
        super().__init__()
        self.key, self.num_particles, self.least = key, num_particles, least
        self.early, self.late = jnp.zeros(()), jnp.zeros(())
        self.first: tuple[Array, ...] = ()
        self.steps = 0

    @override
    def process_message(self, msg: Message) -> None:
        """Put resampling behind each step of a scan."""
        if is_scan(msg):
            body, init, xs, length, *rest = msg["args"]
            self.steps = int(jnp.shape(jax.tree.leaves(xs)[0])[0]) if length is None else length
            init = jax.tree.map(jnp.asarray, init)
            self.first = tuple(jax.tree.leaves(init))
            start = (init, self.early, jnp.zeros((), int))
            msg["args"] = (self._with_resampling(body), start, xs, length, *rest)

    @override
    def postprocess_message(self, msg: Message) -> None:
        """Hand the program its own carry back; weigh the sites outside the scan."""
        if is_scan(msg):
            (length, key, (carry, _, _)), rest = msg["value"]
            msg["value"] = ((length, key, carry), rest)
        elif msg["type"] == "sample" and not msg.get("_control_flow_done", False):
            if self.steps:
                self.late = self.late + log_weight_of(msg)
            else:
                self.early = self.early + log_weight_of(msg)

    def _with_resampling(self, body: Callable) -> Callable:
        def step(state: tuple[Any, Array, Array], x: Any) -> tuple[tuple[Any, Array, Array], Any]:
            carry, weight, number = state
            with handlers.trace() as trace:
                carry, out = body(carry, x)
            weight = weight + log_weight(trace)
            weight = jnp.where(jnp.isnan(weight), -jnp.inf, weight)
            weights = jax.lax.all_gather(weight, AXIS)
            ancestor, resampled = self._ancestor(weights, number)
            numpyro.deterministic(WEIGHT, weight)
            numpyro.deterministic(ANCESTOR, ancestor)
            for i, leaf in enumerate(jax.tree.leaves(carry)):
                numpyro.deterministic(f"{CARRY}{i}", jnp.asarray(leaf))
            carry = jax.tree.map(lambda leaf: jax.lax.all_gather(leaf, AXIS)[ancestor], carry)
            mean = logsumexp(weights) - jnp.log(self.num_particles)
            return (carry, jnp.where(resampled, mean, weight), number + 1), out

        return step

    def _ancestor(self, weights: Float[Array, " particle"], number: Array) -> tuple[Array, Array]:
        """Return where a particle goes on from, and whether there was a choice: not after the last step."""
        share = jax.nn.softmax(jnp.where(jnp.isneginf(weights).all(), 0.0, weights))
        chosen = systematic(jax.random.fold_in(self.key, number), share, self.num_particles)
        few = 1 / jnp.sum(share**2) < self.least
        resampled = few & (number + 1 < self.steps)
        own = jax.lax.axis_index(AXIS)
        return jnp.where(resampled, chosen[own], own).astype(int), resampled


def is_scan(msg: Message) -> bool:
    """Whether a message is that of a loop."""
    return msg["type"] == "control_flow" and msg["fn"].__name__ != "cond_wrapper"


def run_filter(
    bound: BoundProgram,
    before: tuple[str, ...],
    scanned: tuple[str, ...],
    num_particles: int,
    least: float,
    arrays: Arrays,
    key: Array,
) -> Filtered:
    """Run a bootstrap filter: particles move as the program says, and are weighed by what is observed.

    Args:
        bound: A program with one scan.
        before: The latents outside it on which it depends.
        scanned: The latents inside.
        num_particles: How many particles there are.
        least: The effective number of particles below which they are resampled.
        arrays: The data of the program.
        key: The key.

    Returns:
        All that is needed to draw trajectories and to estimate the evidence.

    Source:
        Gordon, Salmond & Smith (1993), doi:10.1049/ip-f-2.1993.0015.
    """

    def particle(own: Array) -> Filtered:
        handler = _Resample(key, num_particles, least)
        trace = bound.trace(arrays, handler, own)
        values = latent_values({name: trace[name] for name in (*before, *scanned)})
        carries = tuple(
            jnp.concatenate([leaf[None], trace[f"{CARRY}{i}"]["value"].astype(leaf.dtype)])
            for i, leaf in enumerate(handler.first)
        )
        return Filtered(
            {name: values[name] for name in scanned},
            {name: values[name] for name in before},
            jnp.concatenate([handler.early[None], trace[WEIGHT]["value"]]),
            trace[ANCESTOR]["value"],
            handler.late,
            carries,
        )

    first = jax.random.fold_in(key, 2**32 - 1)  # the numbers of steps stay below
    keys = jax.vmap(jax.random.fold_in, (None, 0))(first, jnp.arange(num_particles))
    return jax.vmap(particle, axis_name=AXIS)(keys)
