"""Microcanonical Hamiltonian Monte Carlo with a test of Metropolis."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any

import jax
import jax.numpy as jnp
from blackjax.mcmc.integrators import IntegratorState, isokinetic_mclachlan
from jaxtyping import Array

from probdl.inference.langevin.adjusted import Adjusted
from probdl.inference.langevin.family import MoveInfo, positive
from probdl.inference.langevin.mclmc import GRADIENTS, beside_normal, direction, missing, radius
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import DIVERGENCE, choose
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.program.target import Target

_state: Any = IntegratorState  # BlackJAX types arrays as trees
_integrator: Any = isokinetic_mclachlan


@dataclass(frozen=True, kw_only=True)
class AdjustedMCLMC(Adjusted):
    r"""Microcanonical Monte Carlo without bias: motion at constant speed along trajectories that are tested.

    A move begins in a random direction, follows the microcanonical dynamics over a random length, uniform on
    $(0, 2L)$, and accepts its end or stays. All chains share and learn coordinates in which the posterior has
    unit scale: there its mass lies about $\sqrt{d}$ from the middle, and $L = \frac{\pi}{2} \sqrt{d}$ is a
    quarter of the way round.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        step_size: The step size, a length of path; None: tuned to `target_acceptance`.
        target_acceptance: Mean acceptance that the warm-up aims at, in (0, 1).
        trajectory_length: Mean length L of a trajectory; None: a quarter of the way round.
        max_num_steps: A trajectory has at most that many steps, of two gradients each.
        thinning: Every so many moves are one step, of warm-up and sampling: others are not recorded.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> AdjustedMCLMC().target_acceptance
        0.9

    Source:
        Robnik, Cohn-Gordon and Seljak (2025), Metropolis adjusted microcanonical Hamiltonian Monte Carlo,
        arXiv:2503.01707. The integrator is BlackJAX's, of McLachlan's scheme; the lengths are as in `HMC`.
    """

    target_acceptance: float = 0.9
    trajectory_length: float | None = None
    max_num_steps: int = 256

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("max_num_steps", self.max_num_steps, 1)
        if self.trajectory_length is not None:
            positive("trajectory_length", self.trajectory_length, "trajectory_length=3.0")

    def move(
        self, key: Array, state: Evaluated, target: Target, tuning: Tuning
    ) -> tuple[Evaluated, MoveInfo]:
        """Return the state after one move, and what happened."""
        dim, kind = state.position.shape[0], state.position.dtype
        beside = jax.random.normal(jax.random.fold_in(key, 0), (missing(state.position),), kind)
        length, uniform = jax.random.uniform(jax.random.fold_in(key, 1), (2,), kind)
        longest = 2 * (pi / 2 * radius(dim) if self.trajectory_length is None else self.trajectory_length)
        num_steps = jnp.ceil(longest * length / tuning.step_size)
        num_steps = jnp.clip(num_steps, 1, self.max_num_steps).astype(int)
        advance = _integrator(beside_normal(target.log_density, dim), 1.0)
        start: Any = _state(
            jnp.concatenate([state.position, beside]),
            direction(jax.random.fold_in(key, 2), state.position),
            state.log_density - beside @ beside / 2,
            jnp.concatenate([state.gradient, -beside]),
        )

        def body(_: int, carry: tuple[Any, Array]) -> tuple[Any, Array]:
            moving, kinetic = carry
            moving, change = advance(moving, tuning.step_size)
            return moving, kinetic + change

        end, kinetic = jax.lax.fori_loop(0, num_steps, body, (start, jnp.zeros((), kind)))
        gain = end.logdensity - start.logdensity - kinetic
        there = end.position[dim:]
        log_density = end.logdensity + there @ there / 2
        proposal = Evaluated(end.position[:dim], log_density, end.logdensity_grad[:dim])
        gain = jnp.where(proposal.is_finite & ~jnp.isnan(gain), gain, -jnp.inf)
        accepted = choose(jnp.log(uniform) < gain, proposal, state)
        return accepted, MoveInfo(
            diverging=gain < -DIVERGENCE,
            acceptance_rate=jnp.exp(jnp.minimum(gain, 0)),
            n_steps=GRADIENTS * num_steps,
            step_size=tuning.step_size,
            lp=accepted.log_density,
        )

    def length(self, dim: int) -> float:
        """Return how large a step is that crosses the posterior: the radius at which its mass lies."""
        return radius(dim)
