"""Who watches a run: how fast it is, how far, whether it may stop."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np

from probdl.inference.chains import Chains
from probdl.inference.draws import Draws
from probdl.inference.interruption import Interruption
from probdl.inference.live import Snapshot, Thinned, kept_for, next_look
from probdl.inference.method import Options
from probdl.inference.processes import Processes
from probdl.inference.progress import Progress
from probdl.inference.status import Ended
from probdl.inference.underway import Chunk, Underway
from probdl.inference.warmup import Clock


class Watch:
    """What is known of a run beyond its chains.

    Args:
        chains: The chains.
        options: When to stop, and whom to tell.
        clock: Where the run is now.
        began: When it began, in seconds of `time.perf_counter`.
        progress: Where it is shown.
    """

    def __init__(
        self, chains: Chains, options: Options, clock: Clock, began: float, progress: Progress
    ) -> None:
        self._method, self._schedule, self._options = chains.method, chains.schedule, options
        self._progress, self._began, self._first = progress, began, time.perf_counter()
        self._resumed_at = clock.steps
        least = 0.0 if options.until is None else options.until.min_ess
        self._thinned = Thinned(kept_for(least, chains.method.num_chains))
        self._divergences = 0
        watched = progress.shown or options.until is not None or options.callback is not None
        self._looks = watched and chains.devices.processes.is_first
        progress.go_on(clock.steps)

    def recall(self, draws: Draws) -> None:
        """Look at the draws of a run that is gone on with."""
        if self._looks and draws.count:
            for values, stats in draws.so_far():
                self.add(values, stats)

    def room(self, clock: Clock) -> int:
        """Return how many steps may be done before the run has to be looked at."""
        if clock.warming_up(self._schedule):
            return clock.left(self._schedule)
        room = self._method.num_samples - clock.drawn
        return room if self._options.until is None else min(room, next_look(clock.drawn) - clock.drawn)

    def add(self, values: Mapping[str, np.ndarray], stats: Mapping[str, np.ndarray]) -> None:
        """Add draws (chain, draw, ...) by site, and what was recorded of their transitions."""
        if not self._looks:
            return
        self._thinned.add(values)
        if "diverging" in stats:
            self._divergences += int(stats["diverging"].sum())

    def _snapshot(self, clock: Clock, *, warming_up: bool, step_size: float) -> Snapshot:
        now = time.perf_counter()
        done = clock.steps - self._resumed_at
        left = self._method.num_samples - clock.drawn
        if clock.warming_up(self._schedule):
            left += sum(self._schedule.lengths[clock.window :]) - clock.within
        return Snapshot(
            warming_up=warming_up,
            steps=clock.steps,
            drawn=clock.drawn,
            num_samples=self._method.num_samples,
            divergences=self._divergences,
            step_size=step_size,
            seconds=now - self._began,
            seconds_left=left * (now - self._first) / done if done else math.nan,
            samples=self._thinned.samples,
        )

    def enough(self, clock: Clock) -> Ended | None:
        """Return whether a run that is gone on with had stopped, since its condition was met."""
        if self._options.until is None:
            return None
        return self._met(self._snapshot(clock, warming_up=False, step_size=math.nan))

    def ended(self, underway: Underway, chunk: Chunk) -> Ended | None:
        """Show and tell how far the run is; return why it ends here, or None if it goes on."""
        if not self._looks:
            return None
        sizes = chunk.stats.get("step_size")
        step_size = math.nan if sizes is None else float(sizes[:, -1].mean())
        snapshot = self._snapshot(underway.clock, warming_up=chunk.warming_up, step_size=step_size)
        self._progress.show(snapshot)
        if self._options.callback is not None and self._options.callback(snapshot) is True:
            return Ended.CALLBACK
        return self._met(snapshot)

    def _met(self, snapshot: Snapshot) -> Ended | None:
        until, drawn = self._options.until, snapshot.drawn
        if until is not None and drawn and drawn == next_look(drawn - 1) and until.met(snapshot):
            return Ended.UNTIL
        return None


REASONS = (None, *Ended)


def agreed(processes: Processes, ended: Ended | None, interruption: Interruption) -> Ended | None:
    """Return why the run ends here in all processes, or None if it goes on.

    Args:
        processes: The processes of the run; all of them have to ask.
        ended: Why this one would end it: that of the first one counts.
        interruption: Whether the user stops it, in any of them.
    """
    reason = REASONS[int(processes.shared(np.array(REASONS.index(ended))))]
    interrupted = processes.any(interruption.requested)
    return Ended.INTERRUPTED if interrupted and reason is None else reason
