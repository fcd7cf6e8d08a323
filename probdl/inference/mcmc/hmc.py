"""Hamiltonian Monte Carlo with trajectories of random length."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import jax
import jax.numpy as jnp
from blackjax.mcmc import hmc
from blackjax.mcmc.metrics import default_metric
from jaxtyping import Array

from probdl.inference.mcmc.hamiltonian import Hamiltonian, HamiltonianState
from probdl.inference.mcmc.markov_chain import Info, at_least
from probdl.program.target import Target

_transition = hmc.build_kernel()


@dataclass(frozen=True, kw_only=True)
class HMC(Hamiltonian):
    r"""Hamiltonian Monte Carlo whose trajectories have a given mean length.

    The length of each trajectory is uniform on $(0, 2L)$: a fixed one resonates with the posterior and
    leaves some directions unexplored. With the mass matrix adapted, $L = \pi/2$ makes successive draws from a
    Gaussian uncorrelated.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: Steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        target_acceptance: Mean acceptance probability that the warm-up aims at.
        trajectory_length: Mean length L of a trajectory, in units of the posterior's scale.
        max_num_steps: A trajectory has at most that many gradients.
        dense_mass: Whether a full mass matrix is learnt.
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

    def step(self, key: Array, state: HamiltonianState, target: Target) -> tuple[HamiltonianState, Info]:
        """Return the next state of a chain, and what happened on the way."""
        length_key, transition_key = jax.random.split(key)
        length = 2 * self.trajectory_length * jax.random.uniform(length_key, dtype=state.position.dtype)
        num_steps = jnp.clip(jnp.ceil(length / state.step_size), 1, self.max_num_steps).astype(int)
        metric = default_metric(state.adaptation.inverse_mass_matrix)
        point, info = _transition(
            transition_key,
            state.phase_point,
            target.log_density,
            state.step_size,  # pyright: ignore[reportArgumentType]
            metric,
            num_steps,  # pyright: ignore[reportArgumentType]
        )
        before = metric.kinetic_energy(info.momentum) - state.log_density
        return state.moved_to(point), Info(
            diverging=jnp.asarray(info.is_divergent),
            energy=jnp.where(info.is_accepted, info.energy, before),
            acceptance_rate=jnp.asarray(info.acceptance_rate),
            n_steps=num_steps,
            step_size=state.step_size,
            lp=jnp.asarray(point.logdensity),
        )
