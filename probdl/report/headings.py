"""What stands above densities, traces and ranks: their names and, in colour, their legends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probdl.report.figure import CHAINS, FAINT, POSTERIOR, PRIOR, write
from probdl.report.panels import Selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME_SIZE = 13.0
SMALL = 10.0


def posterior_heading(figure: Figure, x: float, selection: Selection) -> None:
    """Write what the densities are; the colours of the words are the legend.

    Args:
        figure: The figure.
        x: Where to, in inches from the left edge.
        selection: What is drawn below.
    """
    write(figure, x, 0.4, "posterior", color=POSTERIOR, size=NAME_SIZE, va="baseline")
    if any(panel.prior is not None for panel in selection.panels):
        write(figure, x + 0.78, 0.4, "over prior", color=PRIOR, size=NAME_SIZE, va="baseline")


def trace_heading(figure: Figure, x: float, selection: Selection) -> None:
    """Write which colour is which chain.

    Args:
        figure: The figure.
        x: Where to, in inches from the left edge.
        selection: What is drawn below.
    """
    write(figure, x, 0.4, "trace", size=NAME_SIZE, va="baseline")
    write(figure, x + 0.5, 0.4, "chains", color=FAINT, size=SMALL, va="baseline")
    for chain, color in zip(range(len(selection.diverging)), CHAINS, strict=False):
        write(figure, x + 0.95 + 0.17 * chain, 0.4, str(chain), color=color, size=SMALL, va="baseline")


def rank_heading(figure: Figure, x: float, selection: Selection) -> None:
    """Write how ranks are read.

    Args:
        figure: The figure.
        x: Where to, in inches from the left edge.
        selection: What is drawn below.
    """
    write(figure, x, 0.4, "ranks", size=NAME_SIZE, va="baseline")
    hint = "in the band: chains agree" if len(selection.diverging) > 1 else "of one chain say nothing"
    write(figure, x + 0.52, 0.4, hint, color=FAINT, size=SMALL, va="baseline")
