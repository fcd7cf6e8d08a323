"""Particles that move from the prior to the posterior: the compiled part of sequential Monte Carlo."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, Int

from probdl.inference.monte_carlo.tempering import Tempering
from probdl.inference.preconditioning import MOST_DENSE
from probdl.program.bound import Arrays

BISECTIONS = 60
MOST_GRADIENTS = 32
FEWEST_MOVES = 2
LEARNING = 0.7
SMALLEST_STEP, LARGEST_STEP = 1e-4, 2.0
START = 2**32 - 1


@dataclass(frozen=True)
class Kernel:
    """How particles move: what a stage is compiled for.

    Attributes:
        target_ess: The part of the particles that weights leave effective from one temperature to the next.
        target_acceptance: Mean acceptance probability that the step size aims at.
        max_moves: The most moves at a temperature.
        max_correlation: Correlation with where they were below which particles have moved enough.
    """

    target_ess: float
    target_acceptance: float
    max_moves: int
    max_correlation: float


class Cloud(NamedTuple):
    """A group of particles.

    Attributes:
        positions: Unconstrained positions.
        log_start: Log-density of each in the prior, in nats.
        log_ratio: Log joint density minus that.
        temperature: From 0, the prior, to 1, the posterior.
        step_size: Step size of the moves, in units of the spread of the particles.
        log_evidence: Of the density at the temperature.
        variance: Of the log evidence, as far as the weights tell.
        stage: How many temperatures there have been.
    """

    positions: Float[Array, "particle dim"]
    log_start: Float[Array, " particle"]
    log_ratio: Float[Array, " particle"]
    temperature: Float[Array, ""]
    step_size: Float[Array, ""]
    log_evidence: Float[Array, ""]
    variance: Float[Array, ""]
    stage: Int[Array, ""]


class StageInfo(NamedTuple):
    """What happened at a temperature.

    Attributes:
        temperature: The temperature.
        acceptance_rate: Mean acceptance probability of the last move.
        step_size: Step size of the last move.
        num_moves: How often each particle moved.
        correlation: The largest correlation of a coordinate with what it was before the moves.
        num_gradients: How many gradients each particle took.
    """

    temperature: Float[Array, ""]
    acceptance_rate: Float[Array, ""]
    step_size: Float[Array, ""]
    num_moves: Int[Array, ""]
    correlation: Float[Array, ""]
    num_gradients: Int[Array, ""]


@functools.partial(jax.jit, static_argnames=("tempering", "num_particles"))
def begin(tempering: Tempering, num_particles: int, arrays: Arrays, groups: Array) -> Cloud:
    """Draw groups of particles from the prior.

    Args:
        tempering: The static half of the densities.
        num_particles: How many particles a group has.
        arrays: The dynamic half.
        groups: Keys of the groups.

    Returns:
        The particles, groups first.
    """

    def one(group: Array) -> Cloud:
        keys = jax.random.split(jax.random.fold_in(group, START), num_particles)
        positions = jax.vmap(functools.partial(tempering.start, arrays))(keys)
        start, ratio = _parts(tempering, arrays, positions)
        step_size = jnp.asarray(positions.shape[1] ** -0.25, positions.dtype)
        zero = jnp.zeros((), positions.dtype)
        return Cloud(positions, start, ratio, zero, step_size, zero, zero, jnp.zeros((), int))

    return jax.vmap(one)(groups)


@functools.partial(jax.jit, static_argnames=("kernel", "tempering"))
def advance(
    kernel: Kernel, tempering: Tempering, arrays: Arrays, groups: Array, clouds: Cloud
) -> tuple[Cloud, StageInfo]:
    """Take each group to its next temperature; one that has arrived stays as it is.

    Args:
        kernel: How particles move.
        tempering: The static half of the densities.
        arrays: The dynamic half.
        groups: Keys of the groups.
        clouds: The particles, groups first.

    Returns:
        The particles, and what happened.
    """

    def one(group: Array, cloud: Cloud) -> tuple[Cloud, StageInfo]:
        key = jax.random.fold_in(group, cloud.stage)
        moved, info = _stage(kernel, tempering, arrays, key, cloud)
        arrived = cloud.temperature >= 1
        return jax.tree.map(lambda old, new: jnp.where(arrived, old, new), cloud, moved), info

    return jax.vmap(one)(groups, clouds)


def _stage(
    kernel: Kernel, tempering: Tempering, arrays: Arrays, key: Array, cloud: Cloud
) -> tuple[Cloud, StageInfo]:
    from blackjax.mcmc import hmc  # here, since it starts the devices: `jax.distributed` goes before that
    from blackjax.smc.resampling import systematic

    transition = hmc.build_kernel()
    count, dim = cloud.positions.shape
    temperature = next_temperature(cloud.log_ratio, cloud.temperature, kernel.target_ess)
    weights = (temperature - cloud.temperature) * cloud.log_ratio
    share = jax.nn.softmax(weights)
    resampling, moving = jax.random.split(key)
    picked = systematic(resampling, share, count)
    scale = _scale(cloud.positions, share)
    before = cloud.positions[picked]

    def log_density(position: Float[Array, " dim"]) -> Float[Array, ""]:
        start, ratio = tempering.parts(arrays, position)
        return start + temperature * ratio

    def go_on(carry: tuple) -> Bool[Array, ""]:
        _, _, number, correlation, _, _ = carry
        enough = (correlation < kernel.max_correlation) & (number >= FEWEST_MOVES)
        return ~enough & (number < kernel.max_moves)

    def move(carry: tuple) -> tuple:
        states, step_size, number, _, _, gradients = carry
        own = jax.random.fold_in(moving, number)
        length, turning = jax.random.split(own)
        steps = jnp.ceil(jax.random.uniform(turning) * jnp.pi / step_size).astype(int)
        steps = jnp.clip(steps, 1, MOST_GRADIENTS)
        keys = jax.random.split(length, count)

        def once(own: Array, state: Any) -> tuple[Any, Any]:
            state, info = transition(own, state, log_density, step_size, scale, steps)  # pyright: ignore[reportArgumentType]
            return state, info.acceptance_rate

        states, rates = jax.vmap(once)(keys, states)
        rate = jnp.mean(jnp.where(jnp.isnan(rates), 0.0, rates))
        grown = step_size * jnp.exp(LEARNING * (rate - kernel.target_acceptance))
        grown = jnp.clip(grown, SMALLEST_STEP, LARGEST_STEP)
        return states, grown, number + 1, _correlation(before, states.position), rate, gradients + steps

    states = jax.vmap(lambda z: hmc.init(z, log_density))(before)
    zero = jnp.zeros((), cloud.positions.dtype)
    first = (states, cloud.step_size, jnp.zeros((), int), zero + 1, zero, jnp.zeros((), int))
    states, step_size, number, correlation, rate, gradients = jax.lax.while_loop(go_on, move, first)
    positions = jnp.asarray(states.position)
    start, ratio = _parts(tempering, arrays, positions)
    stage = StageInfo(temperature, rate, step_size, number, correlation, gradients)
    mean = logsumexp(weights) - jnp.log(count)
    spread = count * jnp.sum(share**2) - 1
    moved = Cloud(
        positions,
        start,
        ratio,
        temperature,
        step_size,
        cloud.log_evidence + mean,
        cloud.variance + spread / count,
        cloud.stage + 1,
    )
    return moved, stage


def _parts(tempering: Tempering, arrays: Arrays, positions: Array) -> tuple[Array, Array]:
    start, ratio = jax.vmap(functools.partial(tempering.parts, arrays))(positions)
    return start, jnp.where(jnp.isnan(ratio), -jnp.inf, ratio)


def next_temperature(
    log_ratio: Float[Array, " particle"], temperature: Float[Array, ""], target: float
) -> Float[Array, ""]:
    """Return the temperature to which weights leave the wanted part of the particles effective.

    Particles at which the data are impossible do not count: no step, however small, keeps them.

    Args:
        log_ratio: Log joint density minus log-density of the prior, in nats.
        temperature: The temperature so far.
        target: The part of the particles.

    Returns:
        At most 1.

    Example:
        >>> found = next_temperature(jnp.array([0.0, 0.0, -1.0]), jnp.array(0.0), 0.5)
        >>> float(found)
        1.0
    """
    possible = jnp.sum(jnp.isfinite(log_ratio))

    def is_short(step: Array) -> Bool[Array, ""]:
        share = jax.nn.softmax(step * log_ratio)
        return 1 / jnp.sum(share**2) >= target * possible

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        short = is_short(middle)
        return jnp.where(short, middle, low), jnp.where(short, high, middle)

    rest = 1 - temperature
    low, high = jax.lax.fori_loop(0, BISECTIONS, halve, (jnp.zeros_like(rest), rest))
    step = jnp.where(low > 0, low, high)
    return jnp.where(is_short(rest), 1.0, temperature + step)


def _scale(positions: Float[Array, "particle dim"], share: Float[Array, " particle"]) -> Array:
    """Return the covariance of weighted particles, shrunk towards its diagonal; above 200 dimensions that."""
    centred = positions - share @ positions
    variances = jnp.maximum(share @ centred**2, 1e-20)
    dim = positions.shape[1]
    if dim > MOST_DENSE:
        return variances
    size = 1 / jnp.sum(share**2)
    kept = size / (size + dim)
    whole = (share[:, None] * centred).T @ centred
    return kept * whole + (1 - kept) * jnp.diag(variances) + 1e-10 * jnp.diag(variances)


def _correlation(
    first: Float[Array, "particle dim"], second: Float[Array, "particle dim"]
) -> Float[Array, ""]:
    """Return the largest correlation of a coordinate between two times; none without coordinates."""
    a, b = first - first.mean(0), second - second.mean(0)
    scale = jnp.sqrt((a**2).sum(0) * (b**2).sum(0))
    return jnp.max(jnp.where(scale > 0, (a * b).sum(0) / jnp.where(scale > 0, scale, 1.0), 1.0), initial=-1.0)
