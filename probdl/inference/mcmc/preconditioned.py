"""What chains share that move in coordinates that are learnt."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from probdl.inference.maps import moved_by
from probdl.inference.mcmc.gaussianity import split_rhat
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.preconditioning import Preconditioner, first_scale, preconditioner_for
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import SHORTEST_MAP, Schedule, Window, windows

MOST_CHANGE = 1.5
HIGHEST_RHAT = 1.1
FEWEST_STEPS = 3
NEXT_STEP_SIZE = 0.5


@dataclass(frozen=True, kw_only=True)
class Preconditioned(MarkovChain):
    """Chains that share an affine map, learnt from the draws and the scores of all of them.

    A method says what to search after the map has changed (`retuned`), and what the search has found when
    the warm-up ends (`tuned`).

    Attributes:
        preconditioner: The family of maps; None: by the dimension.
    """

    preconditioner: Preconditioner | None = None

    @abc.abstractmethod
    def retuned(self, tuning: Tuning, draws: Float[np.ndarray, "chain draw dim"], scores: Any) -> Tuning:
        """Return the tuning with which a window begins, after the one before has taught a map.

        Args:
            tuning: What the chains share, with the new map; its search has found a step size that suits it.
            draws: What was drawn, in the coordinates of the new map.
            scores: Gradients of the log-density there.
        """

    @abc.abstractmethod
    def tuned(self, tuning: Tuning, window: Window) -> Tuning:
        """Return the tuning with which to sample, after the last window.

        Args:
            tuning: What the chains share.
            window: The last window.
        """

    def schedule(self) -> Schedule:
        """Return the windows of the warm-up."""
        return windows(self.num_warmup)

    def untuned(self, dim: int) -> Tuning:
        """Return the identity as a map of the family."""
        return super().untuned(dim)._replace(map=self._family(dim).scaled(np.ones(dim)))

    @property
    def climbs(self) -> bool:
        """Whether chains first climb to where the mass is: if there is a warm-up that learns."""
        return self.num_warmup >= SHORTEST_MAP

    def started(self, tuning: Tuning, steps: np.ndarray, changes: np.ndarray) -> Tuning:
        """Return the map whose scales the first steps suggest."""
        if len(steps) < FEWEST_STEPS:
            return tuning
        return tuning._replace(map=self._family(steps.shape[1]).scaled(first_scale(steps, changes)))

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return the map of least Fisher divergence of a window, and whether all has settled."""
        if window.is_last:
            return self.tuned(tuning, window), True
        begin = window.draws.shape[1] // 3 if window.number == 0 else 0
        draws, scores = window.draws[:, begin:], window.scores[:, begin:]
        map_, change = self._family(draws.shape[-1]).learn(tuning.map, draws, scores)
        moved = moved_by(map_, draws, scores)
        rhat = split_rhat(np.dstack([moved[0], window.stats["lp"][:, begin:]]))
        settled = change < MOST_CHANGE and rhat < HIGHEST_RHAT
        if change >= MOST_CHANGE:
            tuning = tuning.searching(NEXT_STEP_SIZE, float(tuning.target_acceptance))
        return self.retuned(tuning._replace(map=map_), *moved), settled

    def _family(self, dim: int) -> Preconditioner:
        return self.preconditioner or preconditioner_for(dim)
