"""What Hamiltonian methods share: their state, and their warm-up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.mcmc.gaussianity import departure
from probdl.inference.mcmc.preconditioned import Preconditioned
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.reparametrization import Reparametrization
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Window
from probdl.program.bound import Arrays
from probdl.program.model import Model
from probdl.program.target import Sampled, Target

FIRST_STEP_SIZE = 0.1
NEXT_REACH = 3.0
LEAST_TARGET, MOST_TARGET, RAISE = 0.6, 0.95, 0.1
EARLY_TARGET = 0.8
LINEAR, SLOPE, FALL, HIGHEST = 0.2, 0.8, 0.1, 0.9


@dataclass(frozen=True, kw_only=True)
class Hamiltonian(Preconditioned):
    """Chains that follow the gradient, in coordinates that are learnt.

    Attributes:
        target_acceptance: Mean acceptance that the warm-up aims at, in (0, 1); None: by the posterior.
        jitter: By what fraction step sizes vary.
        reparametrize: In which coordinates hierarchical sites are sampled; "auto" is `Reparametrization()`.
    """

    target_acceptance: float | None = None
    jitter: float = 0.0
    reparametrize: Reparametrization | Literal["auto"] | None = None

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        if self.reparametrize == "auto":
            object.__setattr__(self, "reparametrize", Reparametrization())
        elif not isinstance(self.reparametrize, Reparametrization | None):
            raise TypeError(
                f"Expected reparametrize to be 'auto' or a Reparametrization; got {self.reparametrize!r}. "
                f"Pass 'auto' to have the coordinates of hierarchical sites chosen."
            )
        if self.target_acceptance is not None and not 0 < self.target_acceptance < 1:
            raise ValueError(
                f"Expected target_acceptance between 0 and 1; got {self.target_acceptance!r}. "
                f"Pass for instance target_acceptance=0.9."
            )
        if not 0 <= self.jitter < 1:
            raise ValueError(
                f"Expected jitter of at least 0 and below 1; got {self.jitter!r}. Pass jitter=0.1, say."
            )

    @property
    def only_alone(self) -> str | None:
        """Why no other method can move latents by this one, if so."""
        if self.reparametrize is None:
            return None
        return "its reparametrize chooses the coordinates of all sites at once"

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> Evaluated:
        """Return the state of a chain at a position."""
        del key
        return Evaluated(position, *jax.value_and_grad(target.log_density)(position))

    def in_coordinates(self, key: Array, model: Model, density: Sampled, arrays: Arrays) -> Arrays:
        """Return the arrays with the coordinates of hierarchical sites chosen."""
        if not isinstance(self.reparametrize, Reparametrization):
            return arrays
        return self.reparametrize.chosen(key, model, density, arrays)

    def jittered(self, step_size: Float[Array, ""], uniform: Float[Array, ""]) -> Float[Array, ""]:
        """Return the step size of one trajectory."""
        return step_size * (1 + self.jitter * (2 * uniform - 1))

    def tune(self, tuning: Tuning, infos: Any) -> Tuning:
        """Return what all chains share after a step: the next step size to try."""
        return tuning.searched(infos.symmetric_acceptance)

    def untuned(self, dim: int) -> Tuning:
        """Return the identity as a map of the family, and a small step size."""
        first = self.target_acceptance or EARLY_TARGET
        return super().untuned(dim).searching(FIRST_STEP_SIZE, first)

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Learn from a window; while trajectories diverge in the last one, aim at a higher acceptance."""
        target = float(tuning.target_acceptance)
        if window.is_last and self.target_acceptance is None and target < MOST_TARGET:
            half = window.stats["diverging"].shape[1] // 2
            if window.stats["diverging"][:, half:].any():
                higher = min(target + RAISE, MOST_TARGET)
                return tuning.searching(tuning.found, higher, NEXT_REACH), False
        return super().learn(tuning, window)

    def retuned(self, tuning: Tuning, draws: np.ndarray, scores: np.ndarray) -> Tuning:
        """Return the tuning with a new search, for the acceptance that suits draws so far from Gaussian."""
        target = self.target_acceptance or _target(departure(draws, scores), draws.shape[-1])
        return tuning.searching(tuning.found, target, NEXT_REACH)

    def tuned(self, tuning: Tuning, window: Window) -> Tuning:
        """Return the tuning with the step size that was found."""
        del window
        return tuning._replace(step_size=self.precision.floating.type(tuning.found))


def _target(gap: float, dim: int) -> float:
    """Return the acceptance to aim at, given how far from Gaussian: fitted to those of benchmarks/.

    In few dimensions a step near the limit of stability would still be accepted as often as in many.
    """
    least = max(LEAST_TARGET, HIGHEST - FALL * math.log2(dim))
    return min(least + SLOPE * max(gap - LINEAR, 0), HIGHEST)
