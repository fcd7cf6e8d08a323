"""The progress bar of a run of Markov chains."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.inference.live import Snapshot, next_look

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain


class Progress:
    """A bar on stderr, or nothing at all.

    Args:
        bar: The bar of tqdm, or None.
        num_chains: Number of chains.
    """

    def __init__(self, bar: Any, num_chains: int) -> None:
        self._bar = bar
        self._shown: dict[str, Any] = {"chains": num_chains}
        self._look = next_look(0)
        self._phase = ""

    @property
    def shown(self) -> bool:
        """Whether there is a bar."""
        return self._bar is not None

    def go_on(self, steps: int) -> None:
        """Begin where a run is gone on with.

        Args:
            steps: How many steps it has done.
        """
        if self._bar is not None:
            self._bar.initial = self._bar.n = steps

    def show(self, snapshot: Snapshot) -> None:
        """Show how far a run is.

        Args:
            snapshot: The run now; its R-hat and ESS are looked at whenever there are a quarter more draws.
        """
        if self._bar is None:
            return
        phase = "warm-up" if snapshot.warming_up else "sampling"
        begins = phase != self._phase
        self._phase = phase
        self._bar.set_description(phase, refresh=False)
        if np.isfinite(snapshot.step_size):
            self._shown["step size"] = f"{snapshot.step_size:.2g}"
        if not snapshot.warming_up:
            self._shown["divergences"] = snapshot.divergences
            self._bar.total = snapshot.steps - snapshot.drawn + snapshot.num_samples
        if snapshot.drawn >= self._look:
            self._look = next_look(snapshot.drawn)
            self._shown |= {"R-hat": f"{snapshot.max_rhat:.3f}", "ESS": f"{snapshot.min_ess:.0f}"}
        self._bar.set_postfix(self._shown, refresh=False)
        self._bar.update(snapshot.steps - self._bar.n)
        if begins:
            self._bar.refresh()  # a phase is seen also where it is over before the bar would be drawn anew


@contextlib.contextmanager
def progress_bar(method: MarkovChain, *, wanted: bool | None) -> Iterator[Progress]:
    """Show a progress bar while a block runs.

    Args:
        method: The method.
        wanted: Whether to show it; None: if stderr is a terminal.

    Yields:
        What to show snapshots on.

    Example:
        >>> from probdl import NUTS
        >>> with progress_bar(NUTS(), wanted=False) as progress:
        ...     print(type(progress).__name__)
        Progress
    """
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield Progress(None, method.num_chains)
        return
    from tqdm import tqdm

    total = method.num_warmup + method.num_samples
    with tqdm(total=total, unit=" steps", file=sys.stderr, dynamic_ncols=True) as bar:
        yield Progress(bar, method.num_chains)
