"""Ctrl-C that lets a run keep what it has."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interruption:
    """Whether the user has asked a run to stop."""

    def __init__(self) -> None:
        self.requested = False


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Note the first Ctrl-C instead of raising it, so that no draw is lost; the second one raises.

    Outside the main thread, and where the program ignores Ctrl-C, nothing changes.

    Yields:
        What to look at between two pieces of work.

    Example:
        >>> with interruptible() as interruption:
        ...     interruption.requested
        False
    """
    interruption = Interruption()
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield interruption
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interruption.requested:
            previous(number, frame)
        interruption.requested = True

    signal.signal(signal.SIGINT, note)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, previous)
