"""The loop of EM: restarts side by side, each until nothing is left to gain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

if TYPE_CHECKING:
    from probdl.inference.em.em import EM

ROUNDING, FALL = 1e-13, 1e-6

Positions = Float[np.ndarray, "restart dim"]
Each = Float[np.ndarray, " restart"]
Step = Callable[[Positions, Bool[np.ndarray, " restart"]], tuple[Positions, Each, Each]]


class Fit(NamedTuple):
    """Where a run of EM came to.

    Attributes:
        start: The position that the best restart began at.
        position: Its last position.
        trace: Its objective before each step and at the end, in nats; before each third one if accelerated.
        objectives: The last objective of each restart; NaN where it was none at the start.
        steps: How many steps were taken.
        converged: Whether no more than the tolerance was left to gain.
        unbounded: Whether the objective ceased to be a number.
        without_slope: Whether its slope was no number.
        interrupted: Whether the user stopped it.
        unordered: Whether components that should be in an order are not.
    """

    start: Float[np.ndarray, " dim"]
    position: Float[np.ndarray, " dim"]
    trace: Float[np.ndarray, " step"]
    objectives: Float[np.ndarray, " restart"]
    steps: int
    converged: bool
    unbounded: bool
    without_slope: bool
    interrupted: bool
    unordered: bool = False


class Fall(ArithmeticError):
    """A step that lowered the objective.

    Args:
        before: The position before it.
        after: The position after it.
        objectives: The objectives there, in nats.
    """

    def __init__(self, before: np.ndarray, after: np.ndarray, objectives: tuple[float, float]) -> None:
        super().__init__()
        self.before, self.after, self.objectives = before, after, objectives


class Climb:
    """Restarts of EM under way.

    Args:
        method: The method.
        step: Takes a step from positions, of those restarts that go on; also returns the objectives before
            it, and what Newton's method expects to gain in it.
        starts: Where they begin.
    """

    def __init__(self, method: EM, step: Step, starts: Positions) -> None:
        self._method, self._step = method, step
        self._starts = self._positions = self._before = starts
        count = len(starts)
        self._traces: list[list[float]] = [[] for _ in range(count)]
        self._going = np.ones(count, bool)
        self._converged, self._unbounded, self._without_slope = np.zeros((3, count), bool)
        self.steps = 0

    @property
    def is_done(self) -> bool:
        """Whether no restart goes on."""
        return self.steps >= self._method.max_steps or not self._going.any()

    @property
    def best(self) -> float:
        """The highest objective so far."""
        return max((trace[-1] for trace in self._traces if trace), default=np.nan)

    def advance(self) -> None:
        """Take a step, or three if they are extrapolated."""
        first = self._positions
        after = self._stepped(first, recorded=True)[0]
        accelerate = self._method.accelerate
        if accelerate is not None and self._going.any():
            third, middle = self._stepped(after)
            far = np.stack([accelerate.extrapolated(*ends) for ends in zip(first, after, third, strict=True)])
            reached, objective = self._stepped(far)
            accepted = objective >= middle  # not where it is no number
            after = np.where(accepted[:, None], reached, third)
        self._before = first
        self._positions = np.where(self._going[:, None], after, self._positions)

    def finished(
        self, degenerate: Callable[[Float[np.ndarray, " dim"]], bool], *, interrupted: bool
    ) -> Fit | None:
        """Return the best restart; None if the objective was finite at no start.

        One that has shrunk to a point is taken if all have.

        Args:
            degenerate: Whether a position is such a one.
            interrupted: Whether the user stopped it.

        Raises:
            KeyboardInterrupt: If the user stopped it before the first objective was known.
        """
        if interrupted:  # what came after the last objective that is known has not been looked at
            self._positions = np.where(self._going[:, None], self._before, self._positions)
        elif self._going.any():
            self._stepped(self._positions, recorded=True)
            self.steps -= 1
        last = np.array([trace[-1] if trace else np.nan for trace in self._traces])
        if np.isnan(last).all():
            if interrupted:
                raise KeyboardInterrupt
            return None
        spoiled = self._unbounded.copy()
        if len(last) > 1:
            spoiled |= [
                bool(np.isfinite(x)) and degenerate(p) for x, p in zip(last, self._positions, strict=True)
            ]
        sound = np.where(spoiled, np.nan, last)
        best = int(np.nanargmax(last if np.isnan(sound).all() else sound))
        return Fit(
            self._starts[best],
            self._positions[best],
            np.array(self._traces[best]),
            last,
            self.steps,
            bool(self._converged[best]),
            bool(self._unbounded[best]),
            bool(self._without_slope[best]),
            interrupted,
        )

    def _stepped(self, positions: Positions, *, recorded: bool = False) -> tuple[Positions, np.ndarray]:
        after, objectives, promises = (np.asarray(found) for found in self._step(positions, self._going))
        self.steps += 1
        for i in np.flatnonzero(self._going) if recorded else ():
            self._record(int(i), float(objectives[i]), float(promises[i]))
        return after, objectives

    def _record(self, i: int, objective: float, promise: float) -> None:
        trace = self._traces[i]
        if not np.isfinite(objective):
            self._going[i] = False
            if trace:
                self._unbounded[i] = True
                self._positions = self._positions.copy()
                self._positions[i] = self._before[i]
            return
        if trace and objective < trace[-1] - FALL * (1 + abs(trace[-1])):
            raise Fall(self._before[i], self._positions[i], (trace[-1], objective))
        self._without_slope[i] = np.isnan(promise)
        rounding = ROUNDING * (1 + abs(objective))
        stalls = bool(trace) and objective <= trace[-1] + rounding
        if trace and objective < trace[-1]:
            self._positions = self._positions.copy()
            self._positions[i] = self._before[i]
        else:
            trace.append(objective)
        is_settled = stalls or left_to_gain(trace) < self._method.tolerance
        self._converged[i] = is_settled and promise < max(self._method.tolerance, 1000 * rounding)
        self._going[i] = not (self._converged[i] or self._without_slope[i] or stalls)


def left_to_gain(trace: Sequence[float]) -> float:
    """Return by how much an objective will still rise, if its steps shrink as the last two did.

    Args:
        trace: The objective so far.

    Returns:
        Nats; infinite where steps do not shrink, or are too few to tell.

    Example:
        >>> left_to_gain([0.0, 1.0, 1.5])
        0.5

    Source:
        Böhning, Dietz, Schaub, Schlattmann & Lindsay (1994).
    """
    if len(trace) < 3:
        return np.inf
    before, gain = trace[-2] - trace[-3], trace[-1] - trace[-2]
    return gain * gain / (before - gain) if gain < before else np.inf
