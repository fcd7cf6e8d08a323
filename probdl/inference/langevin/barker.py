"""Barker's proposal."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.inference.langevin.adjusted import Adjusted, tested
from probdl.inference.langevin.family import MoveInfo
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.tuning import Tuning
from probdl.program.target import Target


@dataclass(frozen=True, kw_only=True)
class Barker(Adjusted):
    r"""Barker's proposal: a random walk whose sign the gradient biases. One gradient a step, and no bias.

    Each coordinate moves by $b_i h \xi_i$ with $\xi_i \sim N(0, 1)$, where $b_i$ is 1 with probability
    $1 / (1 + e^{-h \xi_i \partial_i \log p})$, and -1 otherwise. A large gradient makes no large step: where
    `MALA` needs a tiny step size, or none is right everywhere, it goes on.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        step_size: The step size h; None: tuned in the warm-up to `target_acceptance`.
        target_acceptance: Mean acceptance that the warm-up aims at, in (0, 1).
        thinning: Every so many moves are one step, of warm-up and sampling: others are not recorded.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> Barker(step_size=1.2).target_acceptance
        0.4

    Source:
        Livingstone and Zanella (2022), The Barker proposal; Vogrinc, Livingstone and Zanella (2023) for the
        acceptance.
    """

    target_acceptance: float = 0.4

    def move(
        self, key: Array, state: Evaluated, target: Target, tuning: Tuning
    ) -> tuple[Evaluated, MoveInfo]:
        """Return the state after one move, and what happened."""
        h, dim, kind = tuning.step_size, state.position.shape[0], state.position.dtype
        noise = jax.random.normal(jax.random.fold_in(key, 0), (dim,), kind)
        uniform = jax.random.uniform(jax.random.fold_in(key, 1), (dim + 1,), kind)
        forward = uniform[:dim] < jax.nn.sigmoid(h * noise * state.gradient)
        jump = jnp.where(forward, h, -h) * noise
        position = state.position + jump
        proposal = Evaluated(position, *jax.value_and_grad(target.log_density)(position))
        there, back = (jax.nn.softplus(-jump * state.gradient), jax.nn.softplus(jump * proposal.gradient))
        ratio = proposal.log_density - state.log_density + (there - back).sum()
        ratio = jnp.where(proposal.is_finite & ~jnp.isnan(ratio), ratio, -jnp.inf)
        return tested(state, proposal, ratio, uniform[dim], h)
