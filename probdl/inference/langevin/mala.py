"""The Metropolis-adjusted Langevin algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.inference.langevin.adjusted import Adjusted, tested
from probdl.inference.langevin.family import MoveInfo, normals_and_uniform
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.tuning import Tuning
from probdl.program.target import Target


@dataclass(frozen=True, kw_only=True)
class MALA(Adjusted):
    r"""Metropolis-adjusted Langevin algorithm: one gradient a step, and no bias.

    It proposes $z' = z + \frac{h^2}{2} \nabla \log p(z) + h \xi$ with $\xi \sim N(0, 1)$, and accepts or
    rejects; h is the step size, in coordinates that all chains share and learn, in which the posterior has
    unit scale.

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
        >>> MALA(num_samples=2000, thinning=5).target_acceptance
        0.574

    Source:
        Bishop & Bishop (2023), §14.3; Roberts and Tweedie (1996); Roberts and Rosenthal (1998) for the
        acceptance.
    """

    def move(
        self, key: Array, state: Evaluated, target: Target, tuning: Tuning
    ) -> tuple[Evaluated, MoveInfo]:
        """Return the state after one move, and what happened."""
        h = tuning.step_size
        noise, uniform = normals_and_uniform(key, state.position.shape[0], state.position.dtype)
        position = diffused(state, noise, h)
        proposal = Evaluated(position, *jax.value_and_grad(target.log_density)(position))
        return tested(state, proposal, log_ratio(state, proposal, noise, h), uniform, h)


def diffused(state: Any, noise: Float[Array, " dim"], step_size: Float[Array, ""]) -> Float[Array, " dim"]:
    """Return the position after one step of the Euler-Maruyama scheme.

    Args:
        state: A position with its gradient.
        noise: Standard normal numbers.
        step_size: The standard deviation h of the noise that is added; the drift is h^2 / 2.
    """
    return state.position + step_size**2 / 2 * state.gradient + step_size * noise


def log_ratio(
    state: Any, proposal: Evaluated, noise: Float[Array, " dim"], step_size: Float[Array, ""]
) -> Float[Array, ""]:
    """Return the logarithm of the ratio of Metropolis and Hastings for a step of Euler and Maruyama.

    Args:
        state: Where the step began.
        proposal: Where it led to.
        noise: Its standard normal numbers.
        step_size: Its step size.

    Returns:
        Nats; minus infinity where the density or its gradient is no number.
    """
    back = noise + step_size / 2 * (state.gradient + proposal.gradient)
    ratio = proposal.log_density - state.log_density - (back @ back - noise @ noise) / 2
    return jnp.where(proposal.is_finite & ~jnp.isnan(ratio), ratio, -jnp.inf)
