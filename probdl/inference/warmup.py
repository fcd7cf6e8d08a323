"""The windows of a warm-up, and where a run is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

FIRST, GROWTH, LAST = (30, 40, 60, 90), 1.5, 80
SHORTEST_MAP = 20


@dataclass(frozen=True)
class Schedule:
    """Windows of a warm-up: after each, what was seen in it is learnt from; the last one comes in any case.

    Attributes:
        lengths: Lengths of the windows, in steps.
        fewest: How many are done before the last one, however soon all has settled.
    """

    lengths: tuple[int, ...] = ()
    fewest: int = 0


def windows(num_warmup: int) -> Schedule:
    """Return windows that grow, and a last one for the step size alone.

    Args:
        num_warmup: The most steps of the warm-up.

    Returns:
        The windows.

    Example:
        >>> windows(1000).lengths
        (30, 40, 60, 90, 135, 202, 363, 80)
        >>> windows(100).lengths, windows(10).lengths
        ((15, 20, 45, 20), (10,))
    """
    if num_warmup < SHORTEST_MAP:
        return Schedule((num_warmup,) if num_warmup else ())
    last = min(LAST, num_warmup // 5)
    left, lengths, number = num_warmup - last, [], 0
    scale = min(1.0, num_warmup / (2 * LAST + sum(FIRST[:2]) / 2))
    while left > 0:
        usual = FIRST[number] if number < len(FIRST) else int(FIRST[-1] * GROWTH ** (number - len(FIRST) + 1))
        length = max(1, int(usual * scale))
        if left < length * (1 + GROWTH):
            length = left
        lengths.append(length)
        left -= length
        number += 1
    return Schedule((*lengths, last), min(len(FIRST), len(lengths)))


class Window(NamedTuple):
    """What was seen in a window of the warm-up.

    Attributes:
        number: Which window it is, from 0.
        is_last: Whether sampling follows.
        draws: Positions of the program (chain, draw, dim).
        scores: Gradients of the log-density there.
        stats: Statistics of the steps, (chain, draw).
    """

    number: int
    is_last: bool
    draws: Float[np.ndarray, "chain draw dim"]
    scores: Float[np.ndarray, "chain draw dim"]
    stats: Mapping[str, np.ndarray]


class Clock(NamedTuple):
    """Where a run is.

    Attributes:
        steps: Steps done, of warm-up and sampling.
        window: The window of the warm-up that is under way; as many as there are: sampling.
        within: Steps done in it.
        drawn: Draws kept.
        warmup_steps: Steps of the warm-up done.
        warmup_gradients: Gradients of these steps, in all chains; 0 if the method counts none.
        relocated: How often a chain was lost and put elsewhere.
        seconds: How long the run had taken when it was last written to disk.
    """

    steps: int = 0
    window: int = 0
    within: int = 0
    drawn: int = 0
    warmup_steps: int = 0
    warmup_gradients: int = 0
    relocated: int = 0
    seconds: float = 0.0

    def warming_up(self, schedule: Schedule) -> bool:
        """Whether the warm-up goes on."""
        return self.window < len(schedule.lengths)

    def left(self, schedule: Schedule) -> int:
        """Return the steps that are left in the window."""
        return schedule.lengths[self.window] - self.within

    def after(self, count: int, gradients: int, schedule: Schedule) -> Clock:
        """Return the clock after some more steps of the same window, or of sampling."""
        steps = self.steps + count
        if not self.warming_up(schedule):
            return self._replace(steps=steps, drawn=self.drawn + count)
        return self._replace(
            steps=steps,
            within=self.within + count,
            warmup_steps=self.warmup_steps + count,
            warmup_gradients=self.warmup_gradients + gradients,
        )

    def next_window(self, schedule: Schedule, *, settled: bool, num_warmup: int) -> Clock:
        """Return the clock at the beginning of the next window.

        Args:
            schedule: The windows.
            settled: Whether there is nothing more to learn: then it is the last one; if that has not settled
                anything, it is done again.
            num_warmup: The most steps of the warm-up.
        """
        last = len(schedule.lengths) - 1
        if self.window == last and not settled and self.steps + schedule.lengths[last] <= num_warmup:
            return self._replace(within=0)
        jump = settled and self.window + 1 >= schedule.fewest and self.window < last
        return self._replace(window=last if jump else self.window + 1, within=0)
