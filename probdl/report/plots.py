"""Pictures of results: posteriors over their priors, traces, ranks and pairs."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from probdl.report.figure import DIVERGENCE, FAINT, Plot, blank, look, place, write
from probdl.report.headings import NAME_SIZE, SMALL, posterior_heading, rank_heading, trace_heading
from probdl.report.labels import typeset
from probdl.report.panels import Panel, Selection, most_telling, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from probdl.inference.calibration import Calibration
    from probdl.inference.result import Result

__all__ = ["Plot", "pair_plot", "plot", "posterior_plot", "rank_plot", "trace_plot"]

PANELS = 12
PAIRED = 4
COLUMNS = 4
WIDTH = 11.0
MARGIN = 0.35
HEADER = 0.66
ROW = 0.76
CELL = (2.2, 1.25)
GAP = 0.2

Draw = Callable[[Sequence["Axes"], Selection], None]
Heading = Callable[["Figure", float, Selection], None]


def plot(result: Result | Calibration, *, sites: Iterable[str] | None = None, panels: int = PANELS) -> Plot:
    """Picture a result on one page: posteriors over priors, traces, ranks, and pairs with divergences.

    Each row is one number. Ranks that stray from their zero line betray a chain that is elsewhere than the
    others; ticks below traces and dots among pairs are divergent transitions. Of a calibration, it pictures
    how far the distribution of ranks is from uniform, with the band that all lines together stay in. Of a
    fit, it pictures how the objective rose, the parameters, and what is known of the latents given them.

    Args:
        result: What `infer` or `calibrate` returned; a loaded result has no prior to show.
        sites: Names of sites to show, all by default.
        panels: How many numbers at most; scalars come first, and the figure says what is left out.

    Returns:
        The figure; `.savefig("posterior.png")` writes it.

    Raises:
        TypeError: If it is no result.
        SiteNotFound: If a name is not in the posterior.
        ValueError: If there is nothing to picture.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl import Model, infer
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1, 1))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> plot(infer(Model(coin), key=0))
        Plot(3 panels; .savefig('posterior.png') writes it)
    """
    from probdl.inference.calibration import Calibration
    from probdl.report.strips import draw_posteriors, draw_ranks, draw_traces

    if isinstance(result, Calibration):
        from probdl.report.calibration_plot import calibration_plot

        return calibration_plot(result, sites=sites, panels=panels)
    if getattr(result, "parameters", None):
        from probdl.report.fit_plot import fit_plot

        return fit_plot(result, sites=sites, panels=panels)
    selection = _selected(result, sites, panels, prior=True)
    paired = most_telling(selection, PAIRED)
    left = MARGIN + 0.25 + _name_width((*selection.panels, *paired.panels))
    free = WIDTH - left - MARGIN
    columns = ((left, 0.29 * free), (left + 0.36 * free, 0.37 * free), (left + 0.77 * free, 0.23 * free))
    bottom = HEADER + len(selection.panels) * ROW
    lines = _wrapped(selection.note, 110)
    with look():
        figure = blank(WIDTH, bottom + 0.15 + _pairs_height(paired, CELL[1]) + 0.2 * len(lines) + 0.1)
        for (x, width), draw in zip(columns, (draw_posteriors, draw_traces, draw_ranks), strict=True):
            tops = [HEADER + row * ROW for row in range(len(selection.panels))]
            axes = [place(figure, x, top, width, ROW - 0.33) for top in tops]
            draw(axes, selection)
            if draw is draw_traces:
                for one in axes[:-1]:
                    one.tick_params(labelbottom=False)
        for row, panel in enumerate(selection.panels):
            middle = HEADER + row * ROW + 0.22
            write(figure, left - 0.15, middle, panel.title, ha="right", va="center", size=NAME_SIZE)
        for (x, _), heading in zip(columns, (posterior_heading, trace_heading, rank_heading), strict=True):
            heading(figure, x, selection)
        _pairs(figure, paired, left, bottom + 0.45, ((free - 2 * GAP) / 3, CELL[1]))
        _footnote(figure, lines)
    return Plot(figure)


def posterior_plot(result: Result, *, sites: Iterable[str] | None = None, panels: int = PANELS) -> Plot:
    """Picture the posterior density of each number, with mean and 89 % interval, over its prior.

    Args:
        result: What `infer` returned; a loaded result has no prior to show.
        sites: Names of sites to show, all by default.
        panels: How many numbers at most.

    Returns:
        The figure.

    Example:
        >>> from probdl import Result
        >>> result = Result.load("eight_schools.nc")  # doctest: +SKIP
        >>> posterior_plot(result, sites=["mu", "tau"]).savefig("posterior.png")  # doctest: +SKIP
    """
    from probdl.report.strips import draw_posteriors

    return _grid(_selected(result, sites, panels, prior=True), draw_posteriors, posterior_heading)


def trace_plot(result: Result, *, sites: Iterable[str] | None = None, panels: int = PANELS) -> Plot:
    """Picture the draws of each chain in order, divergent transitions as ticks below.

    Args:
        result: What `infer` returned.
        sites: Names of sites to show, all by default.
        panels: How many numbers at most.

    Returns:
        The figure.

    Example:
        >>> from probdl import Result
        >>> result = Result.load("eight_schools.nc")  # doctest: +SKIP
        >>> trace_plot(result, sites=["mu", "tau"]).savefig("trace.png")  # doctest: +SKIP
    """
    from probdl.report.strips import draw_traces

    return _grid(_selected(result, sites, panels), draw_traces, trace_heading, columns=2)


def rank_plot(result: Result, *, sites: Iterable[str] | None = None, panels: int = PANELS) -> Plot:
    """Picture how far the distribution of each chain's ranks is from uniform: near zero when chains agree.

    Args:
        result: What `infer` returned.
        sites: Names of sites to show, all by default.
        panels: How many numbers at most.

    Returns:
        The figure.

    Example:
        >>> from probdl import Result
        >>> result = Result.load("eight_schools.nc")  # doctest: +SKIP
        >>> rank_plot(result, sites=["mu", "tau"]).savefig("rank.png")  # doctest: +SKIP
    """
    from probdl.report.strips import draw_ranks

    return _grid(_selected(result, sites, panels), draw_ranks, rank_heading)


def pair_plot(result: Result, *, sites: Iterable[str] | None = None, panels: int = PAIRED) -> Plot:
    """Picture numbers against each other, with the divergent transitions on top.

    Where there are more than `panels`, those are shown that are most correlated or diverge most.

    Args:
        result: What `infer` returned.
        sites: Names of sites to show, all by default.
        panels: How many numbers at most.

    Returns:
        The figure.

    Raises:
        ValueError: If there are fewer than two numbers.

    Example:
        >>> from probdl import Result
        >>> result = Result.load("eight_schools.nc")  # doctest: +SKIP
        >>> pair_plot(result, sites=["mu", "tau"]).savefig("pair.png")  # doctest: +SKIP
    """
    selection = most_telling(_selected(result, sites, max(panels, PANELS)), panels)
    if len(selection.panels) < 2:
        raise ValueError(
            f"Expected two numbers or more to pair; got {len(selection.panels)}. Name more sites."
        )
    side = len(selection.panels) - 1
    left, cell = MARGIN + 0.5 + _name_width(selection.panels), (1.2 + 3.6 / side, 0.8 + 2.2 / side)
    lines = _wrapped(selection.note, 20 + 20 * side)
    with look():
        width = left + side * (cell[0] + GAP) + MARGIN
        figure = blank(width, MARGIN + _pairs_height(selection, cell[1]) + 0.2 * len(lines))
        _pairs(figure, selection, left, MARGIN + 0.2, cell)
        _footnote(figure, lines)
    return Plot(figure)


def _selected(result: Result, sites: Iterable[str] | None, panels: int, *, prior: bool = False) -> Selection:
    from probdl.inference.result import Result

    if not isinstance(result, Result):
        raise TypeError(
            f"Expected a Result; got {type(result).__name__}. Pass what infer(model, key=0) returned."
        )
    if isinstance(sites, str):
        raise TypeError(f"Expected names of sites; got the string '{sites}'. Write sites=['{sites}'].")
    return select(result, sites, panels, prior=prior)


def _grid(selection: Selection, draw: Draw, heading: Heading, *, columns: int = COLUMNS) -> Plot:
    """Draw panels side by side, each under its name."""
    count = len(selection.panels)
    columns = min(columns, max(count, 2))
    gap = 0.3 if columns == COLUMNS else 0.6
    width = (WIDTH - 2 * MARGIN - (columns - 1) * gap) / columns
    row = CELL[1] + 0.75
    lines = _wrapped(selection.note, 110)
    with look():
        figure = blank(WIDTH, 0.55 + -(-count // columns) * row + 0.2 * len(lines) + 0.1)
        corners = [(MARGIN + (i % columns) * (width + gap), 0.5 + (i // columns) * row) for i in range(count)]
        draw([place(figure, x, y + 0.35, width, CELL[1]) for x, y in corners], selection)
        for (x, y), panel in zip(corners, selection.panels, strict=True):
            write(figure, x + width / 2, y + 0.25, panel.title, ha="center", va="baseline", size=NAME_SIZE)
        heading(figure, MARGIN, selection)
        _footnote(figure, lines)
    return Plot(figure)


def _pairs_height(paired: Selection, height: float) -> float:
    side = len(paired.panels) - 1
    return 1.0 + side * (height + GAP) if side else 0.0


def _pairs(figure: Figure, paired: Selection, left: float, top: float, cell: tuple[float, float]) -> None:
    """Draw the lower triangle of pairs, and say how many transitions diverged."""
    from probdl.report.strips import draw_pair

    width, height = cell
    side = len(paired.panels) - 1
    for row in range(side):
        y = top + row * (height + GAP)
        name = paired.panels[row + 1].title
        write(figure, left - 0.5, y + height / 2, name, ha="right", va="center", size=NAME_SIZE)
        for column in range(row + 1):
            axes = place(figure, left + column * (width + GAP), y, width, height)
            draw_pair(axes, paired.panels[column], paired.panels[row + 1], paired.diverging)
            axes.tick_params(labelbottom=row == side - 1, labelleft=column == 0)
            if row == side - 1:
                axes.set_xlabel(paired.panels[column].title, size=NAME_SIZE)
    if side:
        count, total = int(paired.diverging.sum()), paired.diverging.size
        text = f"{count} of {total} transitions diverged" if count else "no transition diverged"
        write(figure, left, top - 0.1, text, color=DIVERGENCE if count else FAINT, va="bottom", size=SMALL)


def _footnote(figure: Figure, lines: Sequence[str]) -> None:
    if lines:
        bottom = figure.get_size_inches()[1] - 0.15
        write(figure, MARGIN, bottom, "\n".join(lines), color=FAINT, size=SMALL, va="bottom")


def _wrapped(note: str, width: int) -> list[str]:
    return textwrap.wrap(note, width)


def _name_width(panels: Sequence[Panel]) -> float:
    return max(typeset(panel.name).width(NAME_SIZE) for panel in panels) / 72.0
