"""What the chains of a run share and learn in the warm-up: a map, a step size, a target of acceptance."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.maps import Map

SHRINKAGE, DELAY, FORGETTING = 0.05, 10.0, 0.75


class StepSizeSearch(NamedTuple):
    r"""Dual averaging: $\log \epsilon_t = \mu - \frac{\sqrt t}{\gamma} \bar H_t$, and its average.

    Attributes:
        shrunk_to: The logarithm that it is drawn to, mu.
        log_average: Weighted average of the logarithms: the answer.
        error: Running mean of the missing acceptance, H.
        number: Number of steps so far.
    """

    shrunk_to: Float[Array, ""]
    log_average: Float[Array, ""]
    error: Float[Array, ""]
    number: Float[Array, ""]


class Tuning(NamedTuple):
    """What all chains share. It is an argument of the compiled step, so that learning never compiles.

    Attributes:
        map: The map from the positions in which the kernel moves to those of the program.
        step_size: The step size.
        target_acceptance: The mean acceptance that the step size aims at.
        search: The search for the step size.
        own: What else the method has.
        number: Number of the step under way, from 0 at the first of the warm-up.
    """

    map: Map
    step_size: Float[Array, ""]
    target_acceptance: Float[Array, ""]
    search: StepSizeSearch
    own: Any = ()
    number: Any = 0

    def searching(self, step_size: float, target_acceptance: float, reach: float = 10.0) -> Tuning:
        """Return the tuning with a new search; on the host.

        Args:
            step_size: The step size at which it begins.
            target_acceptance: The mean acceptance to aim at.
            reach: By what factor larger ones are tried first.
        """
        kind = np.asarray(self.step_size).dtype.type
        log = kind(np.log(step_size))
        search = StepSizeSearch(kind(np.log(reach) + log), log, kind(0), kind(0))
        return self._replace(
            step_size=kind(step_size), target_acceptance=kind(target_acceptance), search=search
        )

    def searched(self, acceptance: Float[Array, " chain"]) -> Tuning:
        """Return the tuning after one more step of all chains.

        Args:
            acceptance: Acceptance of the step in each chain; what is no number counts as zero.

        Returns:
            The tuning with the next step size to try.

        Source:
            Hoffman and Gelman (2014), equation 6; the mean over chains is ours.
        """
        mean = jnp.where(jnp.isfinite(acceptance), acceptance, 0.0).mean()
        _, average, error, count = self.search
        count = count + 1
        error = error + (self.target_acceptance - mean - error) / (count + DELAY)
        log = self.search.shrunk_to - jnp.sqrt(count) / SHRINKAGE * error
        weight = count**-FORGETTING
        search = StepSizeSearch(self.search.shrunk_to, weight * log + (1 - weight) * average, error, count)
        return self._replace(step_size=jnp.exp(log), search=search)

    @property
    def found(self) -> float:
        """The step size that the search has found; on the host."""
        return float(np.exp(self.search.log_average))
