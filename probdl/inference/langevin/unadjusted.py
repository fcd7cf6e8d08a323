"""What Langevin methods share that accept every move: they measure their own bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from probdl.inference.langevin.bias import measured
from probdl.inference.langevin.family import Langevin
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Window
from probdl.program.layout import Layout

NEVER = np.iinfo(np.int32).max


class Own(NamedTuple):
    """What chains share beyond a map and a step size.

    Attributes:
        since: Number of the first move of sampling; the largest number before it is known.
        search: A search for the step size, if the method has its own.
        chain: Number of the chain, while its step is under way.
    """

    since: Any
    search: Any = ()
    chain: Any = 0


@dataclass(frozen=True, kw_only=True)
class Unadjusted(Langevin):
    """Langevin chains without a test of Metropolis: their step size biases what they draw."""

    @property
    def only_alone(self) -> str:
        """Why no other method can move latents by this one."""
        return "nothing would tell how large its bias is"

    def untuned(self, dim: int) -> Tuning:
        """Return the identity as a map, and a small step size."""
        since = NEVER if self.num_warmup else 0
        return super().untuned(dim)._replace(own=Own(np.int32(since)))

    def tuned(self, tuning: Tuning, window: Window) -> Tuning:
        """Return the tuning with which to sample: what it measures counts from now on."""
        del window
        return tuning._replace(own=tuning.own._replace(since=np.int32((tuning.number + 1) * self.thinning)))

    def ending(self, states: Any, tuning: Tuning, layout: Layout) -> dict[str, Any]:
        """Return what was measured of the bias."""
        return measured(states.excess, tuning.map, layout)
