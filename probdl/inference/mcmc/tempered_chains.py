"""Replicas at several temperatures under way: how they move, swap, and learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.maps import through
from probdl.inference.mcmc.derivative_free import accepted
from probdl.inference.mcmc.infos import SUMS, Infos, labelled, part
from probdl.inference.mcmc.ladder import equal_ladder
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.mcmc.replicas import energy, tempered
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Schedule, Window
from probdl.program.layout import Layout
from probdl.program.target import Target

EACH = "each temperature"
EVEN = 0.2  # rates of swaps that differ by less are equal


class Ladder(NamedTuple):
    """What the replicas of all chains share.

    Attributes:
        betas: Inverse temperatures, from one down.
        inner: What the inner method has learnt at each temperature: the first axis of its arrays.
    """

    betas: Float[Array, " replica"]
    inner: Any


class ReplicaState(NamedTuple):
    """Where the replicas of a chain are.

    Attributes:
        position: Positions of all replicas, one after the other.
        log_density: Log-density of the first one, in nats.
        gradient: Gradients of the tempered log-densities.
        energies: The part of each log-density that is tempered.
        parity: Which pairs of neighbours try to swap next.
    """

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    energies: Float[Array, " replica"]
    parity: Array


@dataclass(frozen=True, kw_only=True)
class TemperedChains(MarkovChain):
    """The chains of parallel tempering on a model.

    Attributes:
        inner: The method that moves replicas.
        ladder: Inverse temperatures before any warm-up.
        moves: Whether the warm-up moves them.
        whole: Whether the whole density is tempered, not the likelihood alone.
        draws_prior: Whether the last replica is drawn from the prior.
    """

    has_gradient: ClassVar[bool] = False

    inner: MarkovChain
    ladder: tuple[float, ...]
    moves: bool = True
    whole: bool = False
    draws_prior: bool = False

    @property
    def kernel(self) -> Self:
        """The method without the lengths of the run, its own and that of its replicas."""
        return replace(super().kernel, inner=self.inner.kernel, ladder=(1.0,) * len(self.ladder), moves=True)

    @property
    def moving(self) -> int:
        """Number of replicas that the inner method moves."""
        return len(self.ladder) - self.draws_prior

    def init(self, key: Array, position: Float[Array, " dim"], target: Any) -> ReplicaState:
        """Return the state of the replicas of a chain at their positions."""
        each = position.reshape(len(self.ladder), -1)
        state = jax.vmap(lambda x: self.inner.init(key, x, target.one))(each)
        log_densities, energies = jax.vmap(self._energy(target.one))(each)
        gradient = state.gradient.reshape(-1)
        return ReplicaState(position, log_densities[0], gradient, energies, jnp.zeros((), int))

    def _energy(self, target: Target) -> Any:
        return lambda position: energy(target, position, whole=self.whole)

    def step(
        self, key: Array, state: ReplicaState, target: Any, tuning: Tuning
    ) -> tuple[ReplicaState, Infos]:
        """Return the next state of the replicas of a chain, and what happened on the way."""
        count, moving, kind = len(self.ladder), self.moving, state.position.dtype
        betas, inner = jnp.asarray(tuning.own.betas, kind), tuning.own.inner
        each = state.position.reshape(count, -1)
        uniforms = jax.random.uniform(jax.random.fold_in(key, 0), (count - 1,), kind)
        order, rates = swaps(betas, state.energies, state.parity, uniforms)

        def move(key: Array, x: Array, beta: Array, tuning: Tuning) -> tuple[Array, Array, Any]:
            seen = through(tempered(target.one, beta, whole=self.whole), tuning.map)
            begun = self.inner.init(jax.random.fold_in(key, 0), tuning.map.moved(x), seen)
            moved, info = self.inner.step(jax.random.fold_in(key, 1), begun, seen, tuning)
            return tuning.map.position(moved.position), tuning.map.score(moved.gradient), info

        keys = jax.random.split(jax.random.fold_in(key, 1), moving)
        each = each[order]
        moved, gradient, info = jax.vmap(move)(keys, each[:moving], betas[:moving], inner)
        if self.draws_prior:
            drawn = target.one.prior.draw(jax.random.fold_in(key, 2)).astype(kind)
            moved = jnp.concatenate([moved, drawn[None]])
            gradient = jnp.concatenate([gradient, jnp.zeros_like(drawn)[None]])
        log_densities, energies = jax.vmap(self._energy(target.one))(moved)
        whole = info._asdict()
        stats = {name: value[0] for name, value in whole.items()}
        stats |= {name: whole[name].sum() for name in SUMS if name in whole}
        stats |= labelled(info, EACH) | {"swap_rate": rates, "lp": log_densities[0]}
        flat = (moved.reshape(-1), log_densities[0], gradient.reshape(-1))
        return ReplicaState(*flat, energies, 1 - state.parity), Infos(stats)

    def tune(self, tuning: Tuning, infos: Infos) -> Tuning:
        """Return what all chains share after a step: at each temperature what the inner method does."""
        seen = Infos(part(infos._asdict(), EACH))
        own = jax.vmap(self.inner.tune, in_axes=(0, 1))(tuning.own.inner, seen)
        return tuning._replace(own=tuning.own._replace(inner=own))

    def schedule(self) -> Schedule:
        """Return the windows of the warm-up: those of the inner method."""
        return self.inner.schedule()

    def untuned(self, dim: int) -> Tuning:
        """Return what all chains share before anything has been learnt: the same at all temperatures."""
        one = self.inner.untuned(dim // len(self.ladder))
        return super().untuned(dim)._replace(own=Ladder(np.array(self.ladder), _stacked([one] * self.moving)))  # pyright: ignore[reportArgumentType]

    def _each(self, tuning: Tuning, *arrays: np.ndarray) -> list[tuple[Any, ...]]:
        """Return for each temperature what has been learnt there, and its part of arrays (..., dim)."""
        parts = [np.split(array, len(self.ladder), axis=-1) for array in arrays]
        own = tuning.own.inner
        learnt = [jax.tree.map(lambda leaf, k=k: np.asarray(leaf)[k], own) for k in range(self.moving)]
        return [(learnt[k], *(array[k] for array in parts)) for k in range(self.moving)]

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return what the inner method has learnt at each temperature, and better temperatures."""
        found, settled = [], True
        stats = part(window.stats, EACH)
        for k, (own, draws, scores) in enumerate(self._each(tuning, window.draws, window.scores)):
            seen = {name: value[..., k] for name, value in stats.items()}
            learnt, done = self.inner.learn(own, window._replace(draws=draws, scores=scores, stats=seen))
            found.append(learnt)
            settled &= done
        betas = np.asarray(tuning.own.betas, float)
        rates = np.asarray(window.stats["swap_rate"], float).mean((0, 1))
        even = not self.moves or bool(np.ptp(rates) < EVEN)
        if self.moves and not window.is_last and not even:
            betas = equal_ladder(betas, rates)
        own = Ladder(betas.astype(self.precision.floating), _stacked(found))  # pyright: ignore[reportArgumentType]
        return tuning._replace(own=own), settled and even

    def check(self, stats: Mapping[str, np.ndarray], layout: Layout) -> None:
        """Let the inner method look at the first replica."""
        seen = {name: value[..., 0] for name, value in part(stats, EACH).items()}
        self.inner.check(seen, layout)


def _stacked(tunings: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *tunings)


def swaps(
    betas: Float[Array, " replica"],
    energies: Float[Array, " replica"],
    parity: Array,
    uniforms: Float[Array, " pairs"],
) -> tuple[Array, Float[Array, " pairs"]]:
    r"""Return which replica goes to which temperature, and how likely each pair of neighbours is to swap.

    A swap is accepted with probability $\min(1, e^{(\beta_t - \beta_{t+1})(E_{t+1} - E_t)})$. Even and odd
    pairs take turns, so that states are carried on instead of back.

    Args:
        betas: Inverse temperatures.
        energies: The part of each log-density that is tempered, in nats.
        parity: 0 for even pairs, 1 for odd ones.
        uniforms: Numbers uniform on [0, 1), one a pair.

    Returns:
        Numbers of replicas by temperature, and the acceptance probabilities of all pairs.

    Example:
        >>> betas, energies = jnp.array([1.0, 0.5, 0.0]), jnp.array([-4.0, -1.0, -9.0])
        >>> swaps(betas, energies, jnp.array(0), jnp.full(2, 0.5))[0].tolist()
        [1, 0, 2]
    """
    gains = (betas[:-1] - betas[1:]) * (energies[1:] - energies[:-1])
    accept, rates = jax.vmap(accepted)(gains, uniforms)
    number = jnp.arange(len(betas))
    accept &= number[:-1] % 2 == parity
    up = jnp.append(accept, jnp.zeros((), bool))
    down = jnp.concatenate([jnp.zeros(1, bool), accept])
    return number + up.astype(number.dtype) - down.astype(number.dtype), rates
