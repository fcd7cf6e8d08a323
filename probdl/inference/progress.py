"""The progress bar of a run of Markov chains."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


class Progress:
    """A bar on stderr, or nothing at all.

    Args:
        bar: The bar of tqdm, or None.
        num_chains: Number of chains.
    """

    def __init__(self, bar: Any, num_chains: int) -> None:
        self._bar = bar
        self._num_chains = num_chains
        self._divergences = 0

    def advance(self, stats: Mapping[str, np.ndarray], warming_up: int) -> None:
        """Show that steps have been done.

        Args:
            stats: Statistics of the steps, (chain, step).
            warming_up: How many of them belong to the warm-up.
        """
        if self._bar is None:
            return
        steps = next(iter(stats.values())).shape[1]
        self._bar.set_description("warm-up" if warming_up == steps else "sampling", refresh=False)
        shown: dict[str, Any] = {"chains": self._num_chains}
        if "diverging" in stats:
            self._divergences += int(stats["diverging"][:, warming_up:].sum())
            shown["divergences"] = self._divergences
        if "step_size" in stats:
            shown["step size"] = f"{np.exp(np.log(stats['step_size'][:, -1]).mean()):.2g}"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(steps)


@contextlib.contextmanager
def progress_bar(total: int, num_chains: int, *, wanted: bool | None) -> Iterator[Progress]:
    """Show a progress bar while a block runs.

    Args:
        total: Number of steps of a chain.
        num_chains: Number of chains.
        wanted: Whether to show it; None: if stderr is a terminal.

    Yields:
        What to advance.

    Example:
        >>> with progress_bar(100, 4, wanted=False) as progress:
        ...     progress.advance({"step_size": np.ones((4, 10))}, warming_up=10)
    """
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield Progress(None, num_chains)
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=" steps", file=sys.stderr, dynamic_ncols=True) as bar:
        yield Progress(bar, num_chains)
