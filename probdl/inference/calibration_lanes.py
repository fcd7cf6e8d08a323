"""Chains on many data sets, each driven as in a run of its own, that do their compiled steps together.

What the driver does on the host between compiled steps (starts, windows, what is learnt) is written for one
data set. Here each data set has a thread that does just that; all but one of them wait at any time. Where
the driver would call compiled code, the thread asks for the steps and waits; when all wait, the steps that
all have asked for are done by one call.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, override

import jax
import numpy as np

from probdl.inference.chains import Chains
from probdl.inference.chunks import Moving, Record

T = TypeVar("T")


@dataclass(eq=False)
class Request:
    """Steps that a lane asks for.

    Attributes:
        moving: Its chains.
        begin: Number of the first step.
        count: How many are left to do; none, if only the states are asked for.
        warming_up: Whether they tune.
        restart: Whether the states are made anew first.
        records: What was seen in those that are done.
    """

    moving: Moving
    begin: int
    count: int
    warming_up: bool
    restart: bool
    records: list[Record] = field(default_factory=list)

    @property
    def answer(self) -> tuple[Moving, Record]:
        """The chains after all steps, and what was seen."""
        return self.moving, jax.tree.map(lambda *parts: np.concatenate(parts), *self.records)


class _Ended(NamedTuple):
    """What became of a lane."""

    result: Any = None
    error: BaseException | None = None


class _Closed(BaseException):
    """The other lanes are given up."""


Step = Callable[[Mapping[int, Request], int], None]


class Meeting:
    """Where lanes wait for each other.

    Args:
        length: The most steps of one call.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._time = 0
        self._turn = threading.Lock()
        self._inbox: queue.SimpleQueue[tuple[int, Request | _Ended]] = queue.SimpleQueue()
        self._answers: dict[int, queue.SimpleQueue[BaseException | None]] = {}

    @property
    def room(self) -> int:
        """How many steps a lane should ask for, so that lanes that have come apart meet again."""
        return self.length - self._time % self.length

    def ask(self, row: int, request: Request) -> tuple[Moving, Record]:
        """Wait until steps have been done; called by the lane whose turn it is.

        Args:
            row: The number of the lane.
            request: The steps.

        Returns:
            The chains after it, and what was seen: arrays (step, chain, ...).
        """
        self._inbox.put((row, request))
        self._turn.release()
        error = self._answers[row].get()
        self._turn.acquire()
        if error is not None:
            raise error
        return request.answer

    def run(self, lanes: Sequence[Callable[[], T]], step: Step) -> list[T]:
        """Run lanes to their ends.

        Args:
            lanes: What each does; it calls `ask`.
            step: Does some steps of those that wait, and updates their requests.

        Returns:
            What each returns.

        Raises:
            BaseException: The first error of a lane.
        """
        self._answers = {row: queue.SimpleQueue() for row in range(len(lanes))}
        threads = [threading.Thread(target=self._live, args=item, daemon=True) for item in enumerate(lanes)]
        ended: dict[int, _Ended] = {}
        waiting: dict[int, Request] = {}
        try:
            for thread in threads:
                thread.start()
            while len(ended) < len(lanes):
                while len(ended) + len(waiting) < len(lanes):
                    row, message = self._inbox.get()
                    if isinstance(message, _Ended):
                        if message.error is not None:
                            raise message.error
                        ended[row] = message
                    else:
                        waiting[row] = message
                if waiting:
                    self._serve(waiting, step)
        finally:
            for row in self._answers:
                self._answers[row].put(_Closed())
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        return [ended[row].result for row in range(len(lanes))]

    def _serve(self, waiting: dict[int, Request], step: Step) -> None:
        count, error = min(request.count for request in waiting.values()), None
        try:
            step(waiting, count)
        except Exception as failure:  # which a lane may know the reason of
            error = failure
        self._time += count
        for row in [row for row, request in waiting.items() if error is not None or not request.count]:
            del waiting[row]
            self._answers[row].put(error)

    def _live(self, row: int, lane: Callable[[], Any]) -> None:
        with self._turn:
            try:
                end = _Ended(result=lane())
            except BaseException as error:  # it is raised where all lanes are run
                end = _Ended(error=error)
            self._inbox.put((row, end))


@dataclass(frozen=True, eq=False)
class Lane(Chains):
    """Chains on one of many data sets.

    Attributes:
        meeting: Where it waits for the others.
        row: Its number there.
        nowhere: States of chains that have none yet.
    """

    meeting: Meeting
    row: int
    nowhere: Any

    @property
    @override
    def length(self) -> int:
        """How many steps it should ask for."""
        return self.meeting.room

    @override
    def _unborn(self, tuning: Any, positions: Any) -> Moving:
        return Moving(self.nowhere, tuning, positions)

    @override
    def _run(
        self, moving: Moving, begin: int, count: int, *, warming_up: bool, restart: bool
    ) -> tuple[Moving, Record]:
        return self.meeting.ask(self.row, Request(moving, begin, count, warming_up, restart))
