"""The no-U-turn sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from blackjax.mcmc import nuts
from jaxtyping import Array, Bool, Float, Int

from probdl.inference.mcmc.hamiltonian import Hamiltonian, HamiltonianState
from probdl.inference.mcmc.markov_chain import at_least
from probdl.program.target import Target

_transition = nuts.build_kernel()


class TreeInfo(NamedTuple):
    """What is recorded of each transition: `Info`, and the size of the tree.

    Attributes:
        diverging: Whether the trajectory diverged.
        energy: Energy of the new state, in nats.
        acceptance_rate: Mean acceptance probability over the trajectory.
        tree_depth: Number of doublings of the trajectory.
        reached_max_tree_depth: Whether the trajectory was cut off before it turned back.
        n_steps: Number of gradients.
        step_size: Step size of the integrator.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    diverging: Bool[Array, ""]
    energy: Float[Array, ""]
    acceptance_rate: Float[Array, ""]
    tree_depth: Int[Array, ""]
    reached_max_tree_depth: Bool[Array, ""]
    n_steps: Int[Array, ""]
    step_size: Float[Array, ""]
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class NUTS(Hamiltonian):
    """Hamiltonian Monte Carlo that stops each trajectory before it turns back.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: Steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        target_acceptance: Mean acceptance probability that the warm-up aims at; raise it against divergences.
        max_tree_depth: A trajectory has at most 2 to this power gradients.
        dense_mass: Whether a full mass matrix is learnt: better for correlated posteriors of few latents.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> NUTS(num_samples=500, target_acceptance=0.95).max_tree_depth
        10

    Source:
        Hoffman and Gelman (2014), with the multinomial weights of Betancourt (2017), as in BlackJAX.
    """

    max_tree_depth: int = 10

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("max_tree_depth", self.max_tree_depth, 1)

    def step(self, key: Array, state: HamiltonianState, target: Target) -> tuple[HamiltonianState, TreeInfo]:
        """Return the next state of a chain, and what happened on the way."""
        point, info = _transition(
            key,
            state.phase_point,
            target.log_density,
            state.step_size,  # pyright: ignore[reportArgumentType]
            state.adaptation.inverse_mass_matrix,
            self.max_tree_depth,
        )
        depth = jnp.asarray(info.num_trajectory_expansions)
        cut_off = (depth == self.max_tree_depth) & ~info.is_turning & ~info.is_divergent
        return state.moved_to(point), TreeInfo(
            diverging=jnp.asarray(info.is_divergent),
            energy=jnp.asarray(info.energy),
            acceptance_rate=jnp.asarray(info.acceptance_rate),
            tree_depth=depth,
            reached_max_tree_depth=cut_off,
            n_steps=jnp.asarray(info.num_integration_steps),
            step_size=state.step_size,
            lp=jnp.asarray(point.logdensity),
        )
