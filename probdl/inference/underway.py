"""Chains under way: all that a checkpoint holds of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float

from probdl.inference.chunks import Moving
from probdl.inference.warmup import Clock, Window


class Underway(NamedTuple):
    """All that is needed to go on.

    Attributes:
        moving: The chains.
        restart: Whether their states are to be made anew from their positions.
        clock: Where the run is.
        draws: Positions seen in the window under way, (chain, draw, dim); none while sampling, or if the
            method does not learn from them.
        scores: Gradients there.
        stats: Statistics of these steps, (chain, draw).
    """

    moving: Moving
    restart: Any
    clock: Clock
    draws: np.ndarray
    scores: np.ndarray
    stats: dict[str, np.ndarray]

    def seen(self, draws: np.ndarray, scores: np.ndarray, stats: dict[str, np.ndarray]) -> Underway:
        """Return the chains with more steps of the window, (chain, draw, ...).

        Arrays are contiguous, so that a sum over them has one order whatever the chunks were.
        """

        def joined(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(np.concatenate([old, new], axis=1))

        every = {
            name: joined(self.stats[name] if self.stats else new[:, :0], new) for name, new in stats.items()
        }
        return self._replace(draws=joined(self.draws, draws), scores=joined(self.scores, scores), stats=every)

    def window(self, *, is_last: bool) -> Window:
        """Return what was seen in the window."""
        return Window(int(self.clock.window), is_last, self.draws, self.scores, self.stats)


class Chunk(NamedTuple):
    """Some steps of all chains, on the host.

    Attributes:
        positions: Positions of the program, as compiled code returns them: (length, chain, dim).
        begin: Number of the first step.
        steps: How many of them are meaningful.
        warming_up: Whether they belong to the warm-up.
        stats: Statistics of the steps, (chain, step).
    """

    positions: Float[Array, "length chain dim"]
    begin: int
    steps: int
    warming_up: bool
    stats: dict[str, np.ndarray]


def nothing_seen(num_chains: int, dim: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return the draws, scores and statistics of a window that has just begun."""
    empty = np.zeros((num_chains, 0, dim))
    return empty, empty, {}
