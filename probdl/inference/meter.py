"""How far a run is, on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Report = Callable[[float, str], None]


@contextlib.contextmanager
def meter(what: str, *, wanted: bool | None) -> Iterator[Report]:
    """Show how far a run is while a block runs.

    Args:
        what: What is done.
        wanted: Whether to show it; None: if stderr is a terminal.

    Yields:
        A function of the fraction that is done, and of a note.

    Example:
        >>> with meter("drawing", wanted=False) as report:
        ...     report(0.5, "half of it")
    """
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield lambda fraction, note: None
        return
    from tqdm import tqdm

    form = "{l_bar}{bar}| [{elapsed}<{remaining}{postfix}]"
    with tqdm(total=1.0, desc=what, file=sys.stderr, dynamic_ncols=True, bar_format=form) as bar:

        def report(fraction: float, note: str) -> None:
            bar.set_postfix_str(note, refresh=False)
            bar.update(min(fraction, 1.0) - bar.n)

        yield report
