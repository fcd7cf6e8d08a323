"""Stochastic gradient Langevin dynamics."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.langevin.bias import no_excess
from probdl.inference.langevin.family import MoveInfo, normals_and_uniform
from probdl.inference.langevin.mala import diffused
from probdl.inference.langevin.minibatches import Turn
from probdl.inference.langevin.stochastic import StochasticGradient
from probdl.inference.langevin.ula import Diffusing, step_size_for
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import choose
from probdl.inference.tuning import Tuning
from probdl.program.target import Target


@dataclass(frozen=True, kw_only=True)
class SGLD(StochasticGradient):
    r"""Stochastic gradient Langevin dynamics: steps of `ULA` with the gradient of a minibatch.

    Each move of each chain draws rows of its own for every `plate(subsample_size=...)` of the program,
    which NumPyro scales so that the gradient is unbiased. Before, the mode and the shape around it are
    found: chains start there, in coordinates in which the posterior is about a standard normal, and
    gradients are corrected by that at the mode, so that little of their noise is left. Noise and step size
    bias the draws: the result says how much, as `Status.BIASED`. The result is about the model on all rows;
    it has no deterministic sites inside of subsampled plates. Models without subsampling are treated, too.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        step_size: The step size h, the standard deviation of the noise; `Constant` or `PolynomialDecay`;
            None: set for `target_bias`.
        target_bias: The relative error of the standard deviations that is aimed at, to leading order.
        control_variate: Whether, and how, gradients are corrected by those at the mode (`ControlVariate`).
        stream: Where minibatches come from, if not from the arguments of the program (`Stream`).
        thinning: Every so many moves are one step, of warm-up and sampling: others are not recorded.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        precision: Precision of all arithmetic.

    Raises:
        TypeError: If `control_variate` or `stream` is something else.
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> SGLD(thinning=10, control_variate=False).target_bias
        0.02

    Source:
        Welling and Teh (2011); Baker et al. (2019) for the control variates; Bishop & Bishop (2023), §14.3.
    """

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> Diffusing:
        """Return the state of a chain at a position."""
        return Diffusing(position, *self.evaluated(Turn(key), position, target), no_excess(position))

    def move(
        self, key: Array, state: Diffusing, target: Target, tuning: Tuning
    ) -> tuple[Diffusing, MoveInfo]:
        """Return the state after one move, and what happened."""
        h = self.step_size_of(tuning)
        noise, _ = normals_and_uniform(key, state.position.shape[0], state.position.dtype)
        position = diffused(state, noise, h)
        proposal = Evaluated(position, *self.evaluated(self.turn(key, tuning), position, target))
        chosen = choose(proposal.is_finite, proposal, Evaluated(*state[:3]))
        counts = tuning.number >= tuning.own.since
        excess = state.excess.added(h**2 / 4 * state.gradient**2, counts)
        return Diffusing(*chosen, excess), MoveInfo(
            diverging=~proposal.is_finite,
            acceptance_rate=jnp.where(proposal.is_finite, 1.0, 0.0).astype(h.dtype),
            n_steps=jnp.ones((), int),
            step_size=h,
            lp=chosen.log_density,
        )

    def retuned(self, tuning: Tuning, draws: np.ndarray, scores: np.ndarray) -> Tuning:
        """Return the tuning with the step size whose bias is as aimed at."""
        del draws
        return self.with_step_size(tuning, step_size_for(self.target_bias, scores))
