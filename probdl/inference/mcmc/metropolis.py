"""Random-walk Metropolis, for continuous and discrete latents."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.mcmc.derivative_free import DerivativeFree, PlainState, accepted
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Window
from probdl.program.layout import Integers
from probdl.program.model import Model
from probdl.program.target import Sampled, Target

MANY, ONE = 0.234, 0.44  # the best acceptance of a walk in many dimensions, and in one
BEST_STEP = 2.38  # over the square root of the dimension
FEW_VALUES = 8
PASSED_OVER = 0.25
JUMP = 1.5  # mean length of the jumps of an unbounded integer, in units of its spread


class WalkInfo(NamedTuple):
    """What is recorded of each draw.

    Attributes:
        acceptance_rate: Mean acceptance probability of the moves of the continuous latents; of all moves if
            there are none.
        discrete_acceptance_rate: Mean acceptance probability of the moves of the discrete latents; of all
            moves if there are none.
        n_evaluations: Number of log-densities.
        step_size: Step size of the walk.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    acceptance_rate: Float[Array, ""]
    discrete_acceptance_rate: Float[Array, ""]
    n_evaluations: Array
    step_size: Float[Array, ""]
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class Metropolis(DerivativeFree):
    r"""Random walk that needs no gradient, on continuous and discrete latents.

    All continuous latents move at once, by Gaussian steps in coordinates that are learnt in the warm-up: unit
    scales and no correlations, from draws of all chains. Then each entry of the discrete latents has its
    turn, in random order: to another of its values, all equally likely; where they are many or unbounded, up
    or down by a random number, too. One turn in four is passed over: else a fair coin would be turned each
    time, and be back after each second. A move is accepted with probability $\min(1, p(x') / p(x))$.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        step_size: Standard deviation of a step, in units of the posterior's scale; None: tuned to an
            acceptance of 0.44 in one dimension and 0.234 in many.
        thinning: Moves for each draw that is kept.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> Metropolis(num_samples=500).thinning
        10

    Source:
        Bishop & Bishop (2023), §14.2.1; Roberts, Gelman and Gilks (1997) for the acceptance.
    """

    takes_discrete: ClassVar[bool] = True

    step_size: float | None = None
    thinning: int = 10

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("thinning", self.thinning, 1)
        if self.step_size is not None and not 0 < self.step_size < float("inf"):
            raise ValueError(
                f"Expected a positive step_size; got {self.step_size!r}. Pass for instance step_size=0.5, or "
                f"leave it out: it is tuned."
            )

    @property
    def instead(self) -> str:
        """What to do with a model that it cannot treat."""
        return "Observe the site, or sum it out with Marginalized(); drop the subsample_size of a plate."

    def prepared(self, model: Model, density: Sampled | None = None) -> tuple[MarkovChain, Sampled]:
        """Return the walk that knows how many coordinates are integers."""
        density = model.density if density is None else density
        count = density.layout.integers.size
        if not count:
            return self, density
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return MixedMetropolis(**own, integers=count), density

    def step(
        self, key: Array, state: PlainState, target: Target, tuning: Tuning
    ) -> tuple[PlainState, WalkInfo]:
        """Return the next state of a chain, and what happened on the way."""
        integers = target.integers
        walks = state.position.shape[0] > self.num_integers
        kind = state.position.dtype

        def move(number: Array, carry: tuple[PlainState, Array]) -> tuple[PlainState, Array]:
            state, sums = carry
            own = jax.random.fold_in(key, number)
            zero = jnp.zeros((), kind)
            continuous = discrete = zero
            if walks:
                state, continuous = self._walk(jax.random.fold_in(own, 0), state, target, tuning.step_size)
            if integers is not None and integers.size:
                state, discrete = _jumps(jax.random.fold_in(own, 1), state, target, integers, tuning.own)
            rates = (continuous if walks else discrete, discrete if self.num_integers else continuous)
            return state, sums + jnp.stack(rates)

        state, sums = jax.lax.fori_loop(0, self.thinning, move, (state, jnp.zeros(2, kind)))
        means = sums / self.thinning
        return state, WalkInfo(
            acceptance_rate=means[0],
            discrete_acceptance_rate=means[1],
            n_evaluations=jnp.asarray(self.thinning * (walks + self.num_integers)),
            step_size=tuning.step_size,
            lp=state.log_density,
        )

    def _walk(
        self, key: Array, state: PlainState, target: Target, step_size: Array
    ) -> tuple[PlainState, Array]:
        kind, dim = state.position.dtype, state.position.shape[0]
        count = dim - self.num_integers
        noise = jax.random.normal(jax.random.fold_in(key, 0), (count,), kind)
        position = state.position + step_size * jnp.pad(noise, (0, dim - count))
        uniform = jax.random.uniform(jax.random.fold_in(key, 1), (), kind)
        return _chosen(state, position, target, uniform)

    def tune(self, tuning: Tuning, infos: Any) -> Tuning:
        """Return what all chains share after a step: the next step size to try."""
        return tuning if self.step_size is not None else tuning.searched(infos.acceptance_rate)

    def untuned(self, dim: int) -> Tuning:
        """Return the map that changes nothing, and the step size that is best for a unit Gaussian."""
        count = max(dim - self.num_integers, 1)
        first = BEST_STEP / np.sqrt(count) if self.step_size is None else self.step_size
        return super().untuned(dim).searching(first, MANY + (ONE - MANY) / count)

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return the map of unit covariance, and whether there is nothing left to learn."""
        if window.is_last:
            found = tuning.found if self.step_size is None else self.step_size
            return tuning._replace(step_size=self.precision.floating.type(found)), True
        tuning, settled = self.mapped(tuning, window)
        first = self.untuned(window.draws.shape[-1])
        return tuning._replace(step_size=first.step_size, search=first.search), settled


@dataclass(frozen=True, kw_only=True)
class MixedMetropolis(Metropolis):
    """The walk of a model with discrete latents.

    Attributes:
        integers: How many coordinates, the last ones, are integers.
    """

    integers: int = 0

    @property
    def num_integers(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many coordinates, the last ones, are integers."""
        return self.integers

    def untuned(self, dim: int) -> Tuning:
        """Return what all chains share before anything has been learnt: integers jump by one."""
        return super().untuned(dim)._replace(own=np.zeros(self.integers))

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return the tuning with jumps as long as the integers are spread."""
        tuning, settled = super().learn(tuning, window)
        drawn = window.draws[..., -self.integers :]
        spread = (drawn - drawn.mean(1, keepdims=True)).std((0, 1))
        return (tuning if window.is_last else tuning._replace(own=JUMP * spread)), settled


def _chosen(state: PlainState, position: Array, target: Target, uniform: Array) -> tuple[PlainState, Array]:
    """Return the state after a symmetric proposal, and its acceptance probability."""
    log_density = target.log_density(position)
    accept, probability = accepted(log_density - state.log_density, uniform)
    new = PlainState(position, log_density, state.gradient)
    return jax.tree.map(lambda a, b: jnp.where(accept, a, b), new, state), probability


def _jumps(
    key: Array, state: PlainState, target: Target, integers: Integers, jumps: Float[Array, " integers"]
) -> tuple[PlainState, Array]:
    """Give each integer its turn, in random order; return the mean acceptance probability."""
    kind = state.position.dtype
    low, high, jumps = (jnp.asarray(x, kind) for x in (integers.low, integers.high, jumps))
    order = jax.random.permutation(jax.random.fold_in(key, 0), integers.size)
    numbers = jax.random.uniform(jax.random.fold_in(key, 1), (integers.size, 5), kind)

    def turn(n: Array, carry: tuple[PlainState, Array]) -> tuple[PlainState, Array]:
        state, total = carry
        i = order[n]
        place = integers.start + i
        value = other(state.position[place], low[i], high[i], jumps[i], numbers[n, :3])
        position = state.position.at[place].set(value)
        moved, probability = _chosen(state, position, target, numbers[n, 3])
        stays = numbers[n, 4] < PASSED_OVER
        return jax.tree.map(lambda a, b: jnp.where(stays, a, b), state, moved), total + probability

    state, total = jax.lax.fori_loop(0, integers.size, turn, (state, jnp.zeros((), kind)))
    return state, total / integers.size


def other(value: Array, low: Array, high: Array, jump: Array, uniforms: Float[Array, 3]) -> Array:
    """Propose another value of an integer: from any to any other as likely as back.

    Args:
        value: The value.
        low: The least value it can have; minus infinity if that is not known.
        high: The greatest.
        jump: Mean length of a jump, about.
        uniforms: Three numbers, uniform on [0, 1).

    Returns:
        One of the other values, all equally likely; or with more than eight of them, every other time, the
        value more or less a random number, which may lead out of the bounds.

    Example:
        >>> float(other(jnp.array(0.0), 0.0, 1.0, 3.0, jnp.array([0.9, 0.5, 0.5])))
        1.0
    """
    choice, size, sign = uniforms
    count = high - low  # of other values
    bounded = jnp.isfinite(count)
    steps = 1 + jnp.floor(size * jnp.where(bounded, count, 1))
    turned = low + jnp.mod(value - low + steps, jnp.where(bounded, count, 1) + 1)
    jumped = value + jnp.where(sign < 0.5, -1, 1) * (1 + jnp.floor(-jnp.log1p(-size) * jump))
    jumps = ~bounded | ((count > FEW_VALUES) & (choice < 0.5))
    return jnp.where(jumps, jumped, turned)
