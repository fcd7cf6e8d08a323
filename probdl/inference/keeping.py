"""Draws and state on their way to disk: after each chunk of steps, as long as that costs next to no time."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator

import numpy as np

from probdl.inference.chains import Chains
from probdl.inference.draws import Draws
from probdl.inference.resuming import Saved
from probdl.inference.underway import Underway

SHARE = 0.05
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Keeper:
    """Writes what a run has come to: first the draws, then the state from which it goes on.

    After a chunk nothing is written if that would take more than a twentieth of the time: a kill then costs
    the steps since the last time, which are done again.

    Args:
        chains: The chains.
        draws: Where draws go.
        folder: Where the state goes; None if it is not kept.
        began: When the run began, in seconds of `time.perf_counter`.
    """

    def __init__(self, chains: Chains, draws: Draws, folder: Saved | None, began: float) -> None:
        self._chains, self._draws, self._folder, self._began = chains, draws, folder, began
        self._before = 0.0
        self._due = began
        self._latest: Underway | None = None
        self._written: Underway | None = None

    def go_on(self, underway: Underway) -> None:
        """Take note of what a run before has written."""
        self._before, self._written = underway.clock.seconds, underway

    @property
    def began(self) -> float:
        """When this part of the run began, in seconds of `time.perf_counter`."""
        return self._began

    @property
    def seconds(self) -> float:
        """How long the run has taken until now, with what was done before it was gone on with."""
        return self._before + time.perf_counter() - self._began

    def keep(self, underway: Underway, *, at_once: bool = False) -> None:
        """Write draws and state, if it is time to.

        Args:
            underway: The chains.
            at_once: Whether to write in any case.

        Raises:
            OSError: If there is no room; what was written before stays valid.
        """
        self._latest = underway
        if underway is self._written:
            return
        processes = self._chains.devices.processes
        due = at_once or time.perf_counter() >= self._due or self._draws.pending
        if bool(processes.shared(np.array(due))):
            begun = time.perf_counter()
            self._write(underway)
            self._written = underway
            now = time.perf_counter()
            self._due = now + (now - begun) / SHARE

    def _write(self, underway: Underway) -> None:
        processes, folder = self._chains.devices.processes, self._folder
        whole = None if folder is None else self._chains.devices.fetch(underway)
        with processes.together(), self._room():
            self._draws.commit()
            if folder is not None and whole is not None and processes.is_first:
                folder.write(whole._replace(clock=underway.clock._replace(seconds=self.seconds)))

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = "room on the disk" if error.errno in NO_ROOM else "to be able to write"
            kept = f"{self._draws.committed} draws of each chain are stored and can be read"
            go_on = "" if self._folder is None else ", then call infer again with resume=True"
            text = (
                f"Expected {what} for {self._draws}; got: {error.strerror or error}. {kept}: mend that{go_on}"
            )
            raise (OSError(text) if error.errno is None else OSError(error.errno, text)) from error

    @contextlib.contextmanager
    def rescuing(self) -> Iterator[None]:
        """Write what has been drawn before an error leaves a block."""
        try:
            yield
        except BaseException:
            if (latest := self._latest) is not None and self._chains.devices.processes.count == 1:
                with contextlib.suppress(OSError):
                    self.keep(latest, at_once=True)
            raise
