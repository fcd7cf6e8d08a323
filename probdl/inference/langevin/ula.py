"""The unadjusted Langevin algorithm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.langevin.adjusted import approached, next_step_size
from probdl.inference.langevin.bias import Excess, no_excess
from probdl.inference.langevin.family import MoveInfo, normals_and_uniform, positive
from probdl.inference.langevin.mala import diffused, log_ratio
from probdl.inference.langevin.unadjusted import Unadjusted
from probdl.inference.maps import moved_by
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import choose
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Window
from probdl.program.target import Target

FIRST_STEP_SIZE, NEXT_STEP_SIZE = 0.1, 0.5
WARMUP_ACCEPTANCE = 0.574
MOST_STEP_SIZE = 1.0


class Diffusing(NamedTuple):
    """Where a chain is.

    Attributes:
        position: The position, in the coordinates in which the kernel moves.
        log_density: Log-density there, in nats.
        gradient: Its gradient.
        excess: What was seen of the bias.
    """

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    excess: Excess


@dataclass(frozen=True, kw_only=True)
class ULA(Unadjusted):
    r"""Unadjusted Langevin algorithm: every step is taken, at the price of a bias, which is measured.

    A step is $z' = z + \frac{h^2}{2} \nabla \log p(z) + h \xi$ with $\xi \sim N(0, 1)$, in coordinates that
    all chains share and learn, in which the posterior has unit scale. Of a Gaussian of unit variance it
    draws with the variance $1 / (1 - h^2 / 4)$. The warm-up still accepts and rejects, as `MALA`; at its
    end the step size is set for `target_bias`. The result says how large the bias turned out, as
    `Status.BIASED`.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        step_size: The step size h; None: set for `target_bias`.
        target_bias: The relative error of the standard deviations that is aimed at, to leading order.
        thinning: Every so many moves are one step, of warm-up and sampling: others are not recorded.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> ULA(step_size=0.3, thinning=10).target_bias
        0.02

    Source:
        Bishop & Bishop (2023), §14.3, eq. 14.61; Roberts and Tweedie (1996); Durmus and Moulines (2017).
    """

    target_bias: float = 0.02

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        positive("target_bias", self.target_bias, "target_bias=0.02")

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> Diffusing:
        """Return the state of a chain at a position."""
        del key
        return Diffusing(position, *jax.value_and_grad(target.log_density)(position), no_excess(position))

    def move(
        self, key: Array, state: Diffusing, target: Target, tuning: Tuning
    ) -> tuple[Diffusing, MoveInfo]:
        """Return the state after one move, and what happened."""
        h = tuning.step_size
        noise, uniform = normals_and_uniform(key, state.position.shape[0], state.position.dtype)
        position = diffused(state, noise, h)
        proposal = Evaluated(position, *jax.value_and_grad(target.log_density)(position))
        chance = jnp.exp(jnp.minimum(log_ratio(state, proposal, noise, h), 0))
        sampling = tuning.number >= tuning.own.since
        taken = proposal.is_finite & (sampling | (uniform < chance))
        chosen = choose(taken, proposal, Evaluated(*state[:3]))
        excess = state.excess.added(h**2 / 4 * state.gradient**2, sampling)
        return Diffusing(*chosen, excess), MoveInfo(
            diverging=~proposal.is_finite,
            acceptance_rate=chance,
            n_steps=jnp.ones((), int),
            step_size=h,
            lp=chosen.log_density,
        )

    def untuned(self, dim: int) -> Tuning:
        """Return the identity as a map, and a small step size."""
        return self._searching(super().untuned(dim), FIRST_STEP_SIZE)

    def tune(self, tuning: Tuning, infos: Any) -> Tuning:
        """Return what all chains share after a step: the next step size to try."""
        return tuning if self.step_size is not None else approached(tuning, infos.acceptance_rate)

    def retuned(self, tuning: Tuning, draws: np.ndarray, scores: np.ndarray) -> Tuning:
        """Return the tuning with a new search."""
        del draws, scores
        return self._searching(tuning, next_step_size(tuning, NEXT_STEP_SIZE))

    def tuned(self, tuning: Tuning, window: Window) -> Tuning:
        """Return the tuning with the step size whose bias is as aimed at."""
        _, scores = moved_by(tuning.map, window.draws, window.scores)
        return self.with_step_size(super().tuned(tuning, window), step_size_for(self.target_bias, scores))

    @property
    def kernel(self) -> Self:
        """The method without what matters on the host alone."""
        return replace(super().kernel, target_bias=1.0)

    def _searching(self, tuning: Tuning, first: float) -> Tuning:
        return self.with_step_size(tuning.searching(first, WARMUP_ACCEPTANCE), first)


def step_size_for(bias: float, scores: Float[np.ndarray, "chain draw dim"]) -> float:
    r"""Return the step size of Euler and Maruyama for a relative error of standard deviations.

    That the variance does not change in a step of stationary draws says
    $-E[z_i \partial_i \log p] = 1 + \frac{h^2}{4} E[(\partial_i \log p)^2]$; noise of the gradients counts.

    Args:
        bias: The error, of the coordinate where it is largest.
        scores: Gradients of the log-density, in the coordinates in which the kernel moves.

    Example:
        >>> round(step_size_for(0.02, np.ones((1, 1, 3))), 3)
        0.4
    """
    steepest = float(np.mean(scores**2, axis=(0, 1)).max())
    if not 0 < steepest < np.inf:
        return FIRST_STEP_SIZE
    return min(float(np.sqrt(8 * bias / steepest)), MOST_STEP_SIZE)
