"""Hamiltonian Monte Carlo with trajectories of random length."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from probdl.inference.mcmc.hamiltonian import Hamiltonian
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import DIVERGENCE, Point, acceptances, choose, leapfrog
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.program.target import Target


class EndInfo(NamedTuple):
    """What is recorded of each transition: `Info`, and another acceptance.

    Attributes:
        diverging: Whether the trajectory diverged.
        energy: Energy of the new state, in nats.
        acceptance_rate: Acceptance probability of the end of the trajectory.
        symmetric_acceptance: The same, which too large a gain of density lowers, too: 2 min(1, w) / (1 + w).
        n_steps: Number of gradients.
        step_size: Step size of the integrator.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    diverging: Bool[Array, ""]
    energy: Float[Array, ""]
    acceptance_rate: Float[Array, ""]
    symmetric_acceptance: Float[Array, ""]
    n_steps: Int[Array, ""]
    step_size: Float[Array, ""]
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class HMC(Hamiltonian):
    r"""Hamiltonian Monte Carlo whose trajectories have a given mean length.

    The length of each trajectory is uniform on $(0, 2L)$: a fixed one resonates with the posterior and
    leaves some directions unexplored. In the coordinates that the warm-up learns, $L = \pi/2$ makes
    successive draws from a Gaussian uncorrelated.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        target_acceptance: Mean acceptance that the warm-up aims at, in (0, 1); None: by the posterior.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        jitter: By what fraction step sizes vary.
        trajectory_length: Mean length L of a trajectory, in units of the posterior's scale.
        max_num_steps: A trajectory has at most that many gradients.
        reparametrize: In which coordinates hierarchical sites are sampled: "auto", a `Reparametrization`, or
            None for those of the program.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> HMC(trajectory_length=2.0).num_chains
        4

    Source:
        Neal (2011), section 3.2 on random lengths.
    """

    trajectory_length: float = pi / 2
    max_num_steps: int = 1024

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("max_num_steps", self.max_num_steps, 1)
        if not 0 < self.trajectory_length < float("inf"):
            raise ValueError(
                f"Expected a positive trajectory_length; got {self.trajectory_length!r}. "
                f"Pass for instance trajectory_length=1.5."
            )

    def step(self, key: Array, state: Evaluated, target: Target, tuning: Tuning) -> tuple[Evaluated, EndInfo]:
        """Return the next state of a chain, and what happened on the way."""
        kind = state.position.dtype
        momentum = jax.random.normal(jax.random.fold_in(key, 0), state.position.shape, kind)
        length, accept, jitter = jax.random.uniform(jax.random.fold_in(key, 1), (3,), kind)
        step_size = self.jittered(tuning.step_size, jitter)
        num_steps = jnp.ceil(2 * self.trajectory_length * length / step_size)
        num_steps = jnp.clip(num_steps, 1, self.max_num_steps).astype(int)
        start = Point(jnp.stack([state.position, state.gradient, momentum]), state.log_density)
        end = jax.lax.fori_loop(
            0, num_steps, lambda _, point: leapfrog(point.vectors, step_size, target.log_density), start
        )
        gain = start.energy - end.energy
        gain = jnp.where(jnp.isnan(gain), -jnp.inf, gain)
        acceptance = acceptances(gain)
        point = choose(jnp.log(accept) < gain, end, start)
        position, gradient, _ = point.vectors
        return Evaluated(position, point.log_density, gradient), EndInfo(
            diverging=gain < -DIVERGENCE,
            energy=point.energy,
            acceptance_rate=acceptance[0],
            symmetric_acceptance=acceptance[1],
            n_steps=num_steps,
            step_size=step_size,
            lp=point.log_density,
        )
