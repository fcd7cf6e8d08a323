"""What Langevin methods share that accept or reject: a step size for a mean acceptance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.langevin.family import FIRST_STEP_SIZE, Langevin, MoveInfo
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import choose
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Window

NEXT_STEP_SIZE = 0.5
GAIN, DECAY, FORGETTING = 2.5, 0.6, 0.75


@dataclass(frozen=True, kw_only=True)
class Adjusted(Langevin):
    """Langevin chains with a test of Metropolis: they leave the posterior as it is, whatever the step size.

    Attributes:
        target_acceptance: Mean acceptance that the warm-up aims at, in (0, 1).
    """

    target_acceptance: float = 0.574

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        if not 0 < self.target_acceptance < 1:
            raise ValueError(
                f"Expected target_acceptance between 0 and 1; got {self.target_acceptance!r}. "
                f"Pass for instance target_acceptance=0.6."
            )

    def untuned(self, dim: int) -> Tuning:
        """Return the identity as a map, and a small step size."""
        return self._searching(super().untuned(dim), FIRST_STEP_SIZE * self.length(dim))

    def tune(self, tuning: Tuning, infos: Any) -> Tuning:
        """Return what all chains share after a step: the next step size to try."""
        return tuning if self.step_size is not None else approached(tuning, infos.acceptance_rate)

    def retuned(self, tuning: Tuning, draws: np.ndarray, scores: np.ndarray) -> Tuning:
        """Return the tuning with a new search."""
        del scores
        return self._searching(tuning, next_step_size(tuning, NEXT_STEP_SIZE * self.length(draws.shape[-1])))

    def tuned(self, tuning: Tuning, window: Window) -> Tuning:
        """Return the tuning with the step size that was found."""
        del window
        return self.with_step_size(tuning, tuning.found)

    @property
    def kernel(self) -> Self:
        """The method without what matters on the host alone."""
        return replace(super().kernel, target_acceptance=0.5)

    def _searching(self, tuning: Tuning, first: float) -> Tuning:
        return self.with_step_size(tuning.searching(first, self.target_acceptance), first)


def tested(
    state: Evaluated,
    proposal: Evaluated,
    log_ratio: Float[Array, ""],
    uniform: Float[Array, ""],
    step_size: Float[Array, ""],
) -> tuple[Evaluated, MoveInfo]:
    """Return the proposal, or the state if it is rejected, and what happened, of a move of one gradient.

    Args:
        state: Where the move began.
        proposal: Where it would lead to.
        log_ratio: Logarithm of the ratio of Metropolis and Hastings; minus infinity: it is rejected.
        uniform: Uniform on (0, 1).
        step_size: The step size of the move.
    """
    chance = jnp.exp(jnp.minimum(log_ratio, 0))
    accepted = choose(uniform < chance, proposal, state)
    return accepted, MoveInfo(
        diverging=~proposal.is_finite,
        acceptance_rate=chance,
        n_steps=jnp.ones((), int),
        step_size=step_size,
        lp=accepted.log_density,
    )


def approached(tuning: Tuning, acceptance: Float[Array, " chain"]) -> Tuning:
    r"""Return the tuning after one more step of all chains: the step size goes towards its acceptance.

    $\log h_t = \log h_{t-1} + \gamma_t \frac{\bar a_t - a}{4 a (1 - a)}$ with gains that fall. Dual
    averaging moves more, which suits the mean acceptance of a trajectory; that of one move is noisier, and
    its mean over a wide range of step sizes is not that of their mean.

    Args:
        tuning: What it was before.
        acceptance: Acceptance of the step in each chain.

    Source:
        Robbins and Monro (1951); Andrieu and Thoms (2008), §5.1.2; the mean over chains is ours.
    """
    mean = jnp.where(jnp.isfinite(acceptance), acceptance, 0.0).mean()
    number = tuning.search.number + 1
    target = tuning.target_acceptance
    missed = (mean - target) / (4 * target * (1 - target))
    log = jnp.log(tuning.step_size) + GAIN * number**-DECAY * missed
    weight = number**-FORGETTING
    average = weight * log + (1 - weight) * tuning.search.log_average
    search = tuning.search._replace(log_average=average, number=number)
    return tuning._replace(step_size=jnp.exp(log), search=search)


def next_step_size(tuning: Tuning, otherwise: float) -> float:
    """Return the step size at which a search begins: where the last one ended, unless the map changed a lot.

    Args:
        tuning: What the chains share, with the last search; one that has not begun, if the map changed a lot.
        otherwise: The step size to begin with then.
    """
    return tuning.found if tuning.search.number > 0 else otherwise
