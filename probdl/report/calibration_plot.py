"""Picture of a calibration: how far the distribution of ranks is from uniform, and how far it may be."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from probdl.errors import SiteNotFound
from probdl.inference.calibration import Calibration
from probdl.inference.calibration_bands import band, counts_below
from probdl.program.datatree import site_variables
from probdl.report.figure import (
    DIVERGENCE,
    FAINT,
    INK,
    POSTERIOR,
    RULE,
    Plot,
    blank,
    calm,
    look,
    mathtext,
    place,
    write,
)
from probdl.report.headings import NAME_SIZE, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = 12
COLUMNS = 4
WIDTH, MARGIN = 11.0, 0.35
CELL, GAP, ROW = (2.2, 1.45), 0.42, 2.1
TOP = 0.95
LINE, HEAD = 0.2, 0.24
LONGEST = 110
MOST_CURVES = 64
FAILS, HOLDS = DIVERGENCE, POSTERIOR


@dataclass(frozen=True, eq=False)
class _Panel:
    """The quantities of one site.

    Attributes:
        name: The site, or the log-likelihood.
        title: The name as matplotlib typesets it.
        curves: The shares of ranks below each grid point, less the grid point, of each element.
        failing: Which elements fail.
    """

    name: str
    title: str
    curves: Float[np.ndarray, "element point"]
    failing: Bool[np.ndarray, " element"]


def calibration_plot(
    calibration: Calibration, *, sites: Iterable[str] | None = None, panels: int = PANELS
) -> Plot:
    """Picture how far the distribution of ranks is from uniform, site by site.

    Each line is one number: the empirical distribution of its ranks, less the uniform one. A right method has
    all lines of all panels in the band, but for the stated probability; a line that leaves it is orange.
    A line that is first above and then below zero tells of a posterior that is too narrow, the reverse of
    one that is too wide; one that is all above, of one that is too high.

    Args:
        calibration: What `calibrate` returned.
        sites: Names of sites to show, all by default; "log_likelihood" is one of them.
        panels: How many sites at most: those that fail come first.

    Returns:
        The figure; `.savefig("calibration.png")` writes it.

    Raises:
        TypeError: If `sites` is a string.
        SiteNotFound: If a name was not ranked.
        ValueError: If no site is left.

    Example:
        >>> from probdl import NUTS, calibrate
        >>> calibration = calibrate(model, NUTS(), key=0)  # doctest: +SKIP
        >>> calibration_plot(calibration).savefig("calibration.png")  # doctest: +SKIP
    """
    chosen = _panels(calibration, sites)
    shown = _worst(chosen, max(panels, 1))
    bounds = band(
        calibration.false_alarm_rate / len(calibration.table),
        calibration.num_simulations,
        calibration.num_draws + 1,
    )
    lower, upper = bounds.lower - bounds.grid, bounds.upper - bounds.grid
    reach = 1.1 * max(np.abs(panel.curves).max(initial=0.0) for panel in shown)
    reach = max(reach, 1.25 * float(np.abs([lower, upper]).max()))
    notes = _notes(calibration, chosen, shown)
    columns = min(COLUMNS, max(len(shown), 2))
    width = (WIDTH - 2 * MARGIN - 0.25 - (columns - 1) * GAP) / columns
    rows = -(-len(shown) // columns)
    headline = textwrap.wrap(calibration.headline, LONGEST)
    top = TOP + HEAD * (len(headline) - 1)
    bottom = top + rows * ROW
    with look():
        figure = blank(WIDTH, bottom + LINE * len(notes) + 0.15)
        for i, line in enumerate(headline):
            text = line.replace("$", r"\$")
            write(figure, MARGIN, 0.38 + HEAD * i, text, size=NAME_SIZE, va="baseline")
        hint = f"Share of ranks below, less the uniform share. {calibration.promise}"
        write(figure, MARGIN, top - 0.33, hint, color=FAINT, size=SMALL, va="baseline")
        for i, panel in enumerate(shown):
            x, y = MARGIN + 0.25 + (i % columns) * (width + GAP), top + (i // columns) * ROW
            axes = place(figure, x, y + 0.15, width, CELL[1])
            _draw(axes, panel, bounds.grid, lower, upper)
            axes.set_ylim(-reach, reach)
            axes.tick_params(labelleft=i % columns == 0)
            color = FAILS if panel.failing.any() else INK
            write(figure, x + width / 2, y + 0.05, _title(panel), ha="center", size=NAME_SIZE, color=color)
        for i, note in enumerate(notes):
            write(figure, MARGIN, bottom + LINE * (i + 0.5), note, color=FAINT, size=SMALL, va="baseline")
    return Plot(figure)


def _panels(calibration: Calibration, sites: Iterable[str] | None) -> list[_Panel]:
    if isinstance(sites, str):
        raise TypeError(f"Expected names of sites; got the string '{sites}'. Write sites=['{sites}'].")
    cells = calibration.num_draws + 1
    grid = np.arange(1, cells) / cells
    ranks, truth = (dict(site_variables(calibration.data.children[group])) for group in ("pit", "prior"))
    quantities = calibration.table["quantity"].to_list()
    fails = calibration.table["adjusted"].to_numpy() <= calibration.false_alarm_rate
    found = []
    for name in ranks if sites is None else sites:
        if name not in ranks:
            raise SiteNotFound(name, ranks, "sites", "a site that was ranked")
        values = ranks[name].to_numpy().reshape(calibration.num_simulations, -1)
        if name in truth:
            values = values[:, np.ptp(truth[name].to_numpy(), axis=0).ravel() > 0]
        rows = [i for i, quantity in enumerate(quantities) if quantity.removeprefix(name)[:1] in ("", "[")]
        if rows:
            title = mathtext(name) if name in truth else "log-likelihood"
            found.append(_Panel(name, title, counts_below(values, cells) / len(values) - grid, fails[rows]))
    if not found:
        raise ValueError("Expected sites whose values differ between simulations; got none. Name others.")
    return found


def _worst(panels: Sequence[_Panel], most: int) -> list[_Panel]:
    """Return as many panels as are shown, in their order: those that fail come before others."""
    kept = sorted(range(len(panels)), key=lambda i: (not panels[i].failing.any(), i))[:most]
    return [panels[i] for i in sorted(kept)]


def _draw(axes: Axes, panel: _Panel, grid: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
    axes.fill_between(grid, lower, upper, color=RULE, alpha=0.45, linewidth=0, zorder=0, step=None)
    axes.axhline(0.0, color=FAINT, linewidth=0.6, zorder=0)
    quiet = np.flatnonzero(~panel.failing)
    quiet = quiet[np.unique(np.linspace(0, len(quiet) - 1, min(len(quiet), MOST_CURVES)).astype(int))]
    alpha = float(np.clip(4.0 / max(len(quiet), 1), 0.25, 1.0))
    x = np.concatenate([[0.0], grid, [1.0]])
    for rows, color, opacity in ((quiet, HOLDS, alpha), (np.flatnonzero(panel.failing), FAILS, 1.0)):
        for curve in panel.curves[rows]:
            line = np.concatenate([[0.0], curve, [0.0]])
            axes.plot(x, line, color=color, alpha=opacity, linewidth=1.1)
    axes.set_xlim(0.0, 1.0)
    calm(axes, x=2, y=3)


def _title(panel: _Panel) -> str:
    count, fails = len(panel.failing), int(panel.failing.sum())
    if count == 1:
        return panel.title
    return f"{panel.title} ({count})" if not fails else f"{panel.title} ({fails} of {count})"


def _notes(calibration: Calibration, chosen: Sequence[_Panel], shown: Sequence[_Panel]) -> list[str]:
    left = [panel.name for panel in chosen if panel not in shown]
    notes = [f"Not shown: {', '.join(left)}."] if left else []
    return [line for note in (*notes, *calibration.notes) for line in textwrap.wrap(note, 130)]
