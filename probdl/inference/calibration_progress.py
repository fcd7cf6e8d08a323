"""The progress bar of runs on many data sets."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


class Meter:
    """A bar on stderr, or nothing at all.

    Args:
        bar: The bar of tqdm, or None.
    """

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def add(self, simulations: float) -> None:
        """Show that more has been done, in parts of a simulation."""
        if self._bar is not None:
            self._bar.update(simulations)

    def reach(self, simulations: float) -> None:
        """Show how much has been done in all."""
        if self._bar is not None:
            self._bar.update(simulations - self._bar.n)


@contextlib.contextmanager
def metered(total: int, what: str, *, wanted: bool | None) -> Iterator[Meter]:
    """Show a progress bar while a block runs.

    Args:
        total: How many simulations there are.
        what: What is done.
        wanted: Whether to show it; None: if stderr is a terminal.

    Yields:
        What is told of the progress.

    Example:
        >>> with metered(10, "calibrating", wanted=False) as meter:
        ...     meter.reach(10)
    """
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield Meter(None)
        return
    from tqdm import tqdm

    form = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total_fmt} simulations [{elapsed}<{remaining}]"
    with tqdm(total=total, desc=what, bar_format=form, file=sys.stderr, dynamic_ncols=True) as bar:
        yield Meter(bar)
