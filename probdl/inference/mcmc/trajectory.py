r"""Trajectories that double until they turn back: one leapfrog step at a time.

The tree of a trajectory is never built: subtrees are checked for a turn by checkpoints of momenta, as in
NumPyro, of which there is one a level. All of it is one flat loop whose body has one gradient, few arrays and
no random numbers, so that it compiles once and fast, and chains do not wait for each other's subtrees. The
metric is the identity: scales and correlations are in the map through which the kernel sees the density.

Source:
    Hoffman and Gelman (2014), algorithm 3; Betancourt (2017), appendix A, for multinomial weights; Phan,
    Pradhan and Jankowiak (2019) for the checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

DIVERGENCE = 1000.0
POSITION, GRADIENT, MOMENTUM = 0, 1, 2

LogDensity = Callable[[Float[Array, " dim"]], Float[Array, ""]]


class Point(NamedTuple):
    """A point of phase space.

    Attributes:
        vectors: Position, gradient of the log-density and momentum, in this order.
        log_density: Log-density of the position.
    """

    vectors: Float[Array, "3 dim"]
    log_density: Float[Array, ""]

    @property
    def energy(self) -> Float[Array, ""]:
        """Minus the logarithm of the joint density, in nats."""
        momentum = self.vectors[MOMENTUM]
        return momentum @ momentum / 2 - self.log_density


class Chances(NamedTuple):
    """Uniform numbers of a trajectory, one a level.

    Attributes:
        choose: Which point of a doubling is its proposal.
        join: Whether that becomes the proposal of all.
        turn: In which direction it goes.
    """

    choose: Float[Array, " level"]
    join: Float[Array, " level"]
    turn: Float[Array, " level"]


class Trajectory(NamedTuple):
    """A trajectory that grows.

    Attributes:
        energy: Energy at the start.
        ends: Its first and its last point: position, gradient, momentum.
        proposal: Point that is proposed of all.
        candidate: Point that is proposed of the doubling under way.
        log_weights: Logarithms of the weights of both sets, relative to the start.
        momenta: Sums of the momenta of both.
        checkpoints: For each level the momentum at the beginning of an open subtree, and the sum up to it.
        chance: The uniform number that chooses in the doubling under way.
        forward: Whether it grows at its last point.
        depth: Number of completed doublings.
        leaf: Number of points in the doubling under way.
        size: Number of gradients so far.
        acceptance: Sums over points of min(1, w) and of 2 min(1, w) / (1 + w), with w the weight.
        turning: Whether it turned back.
        diverging: Whether its energy exploded.
    """

    energy: Float[Array, ""]
    ends: Float[Array, "2 3 dim"]
    proposal: Point
    candidate: Point
    log_weights: Float[Array, " 2"]
    momenta: Float[Array, "2 dim"]
    checkpoints: Float[Array, "level 2 dim"]
    chance: Float[Array, ""]
    forward: Bool[Array, ""]
    depth: Int[Array, ""]
    leaf: Int[Array, ""]
    size: Int[Array, ""]
    acceptance: Float[Array, " 2"]
    turning: Bool[Array, ""]
    diverging: Bool[Array, ""]


def begin(start: Point, chances: Chances) -> Trajectory:
    """Return the trajectory of one point."""
    vectors, kind = start.vectors, start.vectors.dtype
    levels, none, no = len(chances.turn), jnp.zeros((), int), jnp.zeros((), bool)
    return Trajectory(
        energy=start.energy,
        ends=jnp.stack([vectors, vectors]),
        proposal=start,
        candidate=start,
        log_weights=jnp.array([0, -jnp.inf], kind),
        momenta=jnp.stack([vectors[MOMENTUM], jnp.zeros_like(vectors[MOMENTUM])]),
        checkpoints=jnp.zeros((levels, 2, vectors.shape[1]), kind),
        chance=chances.choose[0],
        forward=chances.turn[0] < 0.5,
        depth=none,
        leaf=none,
        size=none,
        acceptance=jnp.zeros(2, kind),
        turning=no,
        diverging=no,
    )


def goes_on(t: Trajectory) -> Bool[Array, ""]:
    """Return whether a trajectory, or each of several, has not ended yet."""
    levels = t.checkpoints.shape[-3]
    return ~(t.turning | t.diverging) & (t.depth < levels)


def grow(t: Trajectory, chances: Chances, density: LogDensity, step_size: Float[Array, ""]) -> Trajectory:
    """Add one point; when it completes a doubling, join that, and begin the next.

    A trajectory that has ended idles: what is proposed and counted stays as it is, so that many can grow in
    one loop until the last has ended.

    Args:
        t: The trajectory.
        chances: The uniform numbers of the trajectory.
        density: The log-density.
        step_size: The step size.

    Returns:
        The trajectory.
    """
    forward, active = t.forward, goes_on(t)
    here = jnp.where(forward, t.ends[1], t.ends[0])
    tip = leapfrog(here, jnp.where(forward, step_size, -step_size), density)
    momentum = tip.vectors[MOMENTUM]
    log_weight = t.energy - tip.energy
    log_weight = jnp.where(jnp.isnan(log_weight), -jnp.inf, log_weight)
    diverging = log_weight < -DIVERGENCE
    ends = jnp.where(jnp.stack([~forward, forward])[:, None, None], tip.vectors, t.ends)

    log_sum = jnp.logaddexp(t.log_weights[1], log_weight)
    taken, chance = _decide(t.chance, jnp.exp(log_weight - log_sum))
    candidate = choose(taken, tip, t.candidate)
    momenta = t.momenta[1] + momentum
    checkpoints, turning = _checked(t, momentum, momenta)

    complete = (t.leaf + 1 == 2**t.depth) & ~turning & ~diverging & active
    joined = jnp.log(_at(t.depth, chances.join)) < log_sum - t.log_weights[0]
    everything = t.momenta[0] + momenta
    turning |= complete & is_turning(ends[0, MOMENTUM], ends[1, MOMENTUM], everything)
    depth = t.depth + complete
    together = jnp.array([jnp.logaddexp(t.log_weights[0], log_sum), -jnp.inf])
    return Trajectory(
        energy=t.energy,
        ends=ends,
        proposal=choose(complete & joined, candidate, t.proposal),
        candidate=candidate,
        log_weights=choose(complete, together, jnp.stack([t.log_weights[0], log_sum])),
        momenta=choose(
            complete,
            jnp.stack([everything, jnp.zeros_like(momenta)]),
            jnp.stack([t.momenta[0], momenta]),
        ),
        checkpoints=checkpoints,
        chance=jnp.where(complete, _at(depth, chances.choose), chance),
        forward=jnp.where(complete, _at(depth, chances.turn) < 0.5, forward),
        depth=depth,
        leaf=jnp.where(complete, 0, t.leaf + 1),
        size=t.size + active,
        acceptance=t.acceptance + jnp.where(active, acceptances(log_weight), 0),
        turning=t.turning | (turning & active),
        diverging=t.diverging | (diverging & active),
    )


def leapfrog(vectors: Float[Array, "3 dim"], step_size: Float[Array, ""], density: LogDensity) -> Point:
    """Return the point after one step of the velocity Verlet scheme: one gradient."""
    position, gradient, momentum = vectors
    halfway = momentum + step_size / 2 * gradient
    position = position + step_size * halfway
    log_density, gradient = jax.value_and_grad(density)(position)
    return Point(jnp.stack([position, gradient, halfway + step_size / 2 * gradient]), log_density)


def acceptances(log_weight: Float[Array, ""]) -> Float[Array, " 2"]:
    """Return min(1, w), and 2 min(1, w) / (1 + w), which a large gain of density lowers as much as a loss."""
    loss = jnp.exp(-jnp.abs(log_weight))
    return jnp.stack([jnp.where(log_weight < 0, loss, 1.0), 2 * loss / (1 + loss)])


def is_turning(first: Array, last: Array, momenta: Array) -> Bool[Array, ""]:
    """Return whether a trajectory turned back: whether one of its ends moves against its mean momentum."""
    mean = momenta - (first + last) / 2
    return (first @ mean <= 0) | (last @ mean <= 0)


def choose[T](condition: Bool[Array, ""], yes: T, no: T) -> T:
    """Return one of two trees."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _at(level: Array, numbers: Array) -> Array:
    """Return one of a few numbers; beyond the last, zero. Cheaper than a gather under vmap."""
    return jnp.where(jnp.arange(len(numbers)) == level, numbers, 0.0).sum()


def _decide(uniform: Array, probability: Array) -> tuple[Array, Array]:
    """Decide with a probability; given the outcome, what is left of the number is uniform again."""
    yes = uniform < probability
    low, high = jnp.where(yes, 0.0, probability), jnp.where(yes, probability, 1.0)
    width = high - low
    return yes, jnp.clip((uniform - low) / jnp.where(width > 0, width, 1.0), 0, 1)


def _checked(t: Trajectory, momentum: Array, momenta: Array) -> tuple[Array, Bool[Array, ""]]:
    """Keep a checkpoint at an even leaf; at an odd one look for a turn in each subtree that it completes."""
    top = jax.lax.population_count(t.leaf >> 1)
    level = jnp.arange(len(t.checkpoints))
    kept = (level == top) & (t.leaf % 2 == 0)
    checkpoints = jnp.where(kept[:, None, None], jnp.stack([momentum, momenta]), t.checkpoints)
    ended = jax.lax.population_count(t.leaf & ~(t.leaf + 1))  # ones at the end of the number: subtrees
    complete = (level <= top) & (level > top - ended)
    first = checkpoints[:, 0]
    mean = momenta - checkpoints[:, 1] + first - (first + momentum) / 2
    turned = ((first * mean).sum(1) <= 0) | (mean @ momentum <= 0)
    return checkpoints, (complete & turned).any()
