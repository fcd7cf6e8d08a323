"""Picture of a fit: how the objective rose, the parameters, and what is known of the latents given them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from probdl.errors import SiteNotFound
from probdl.inference.summary import standard_errors_of
from probdl.report.figure import CHAINS, FAINT, POSTERIOR, Plot, blank, calm, look, mathtext, place, write
from probdl.report.fit_latents import Latent, latents_of
from probdl.report.headings import NAME_SIZE, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from probdl.inference.result import Result

WIDTH, MARGIN, LEFT = 11.0, 0.35, 0.75
COLUMNS, GAP, CELL, ROW = 3, 0.75, 1.5, 2.25
LATENT, TOP = 1.4, 0.75
MOST_WRITTEN, MOST_LINES, MOST_LATENTS = 36, 4, 6
LEAST = 1e-12  # of the objective


def fit_plot(result: Result, *, sites: Iterable[str] | None, panels: int) -> Plot:
    """Picture a fit on one page.

    Args:
        result: What `infer(model, EM())` returned.
        sites: Names of parameters and latents to show; None: all.
        panels: How many parameters at most.

    Returns:
        The figure.

    Raises:
        SiteNotFound: If a name is neither.
    """
    parameters, latents = dict(result.parameters), latents_of(result)
    errors = standard_errors_of(result.data)
    if sites is not None:
        wanted = list(sites)
        for name in wanted:
            known = [*parameters, *(latent.name for latent in latents)]
            if name not in known:
                raise SiteNotFound(name, known, "the fit")
        parameters = {name: parameters[name] for name in wanted if name in parameters}
        latents = [latent for latent in latents if latent.name in wanted]
    shown = dict(list(parameters.items())[:panels])
    left_out = [*list(parameters)[panels:], *(latent.name for latent in latents[MOST_LATENTS:])]
    latents = latents[:MOST_LATENTS]
    width = (WIDTH - 2 * LEFT - (COLUMNS - 1) * GAP) / COLUMNS
    rows = -(-(len(shown) + 1) // COLUMNS)
    height = TOP + rows * ROW + len(latents) * (LATENT + 0.75) + (0.3 if left_out else 0.0) + 0.1
    with look():
        figure = blank(WIDTH, height)
        corners = [
            (LEFT + (i % COLUMNS) * (width + GAP), TOP + (i // COLUMNS) * ROW) for i in range(len(shown) + 1)
        ]
        x, y = corners[0]
        write(figure, x, y - 0.15, _heading(result), va="baseline", size=SMALL, color=FAINT)
        _objective(place(figure, x, y, width, CELL), result.objective)
        for (x, y), (name, value) in zip(corners[1:], shown.items(), strict=True):
            write(figure, x, y - 0.15, mathtext(name), va="baseline", size=NAME_SIZE, color=POSTERIOR)
            _parameter(place(figure, x, y, width, CELL), np.asarray(value, float), errors.get(name))
        for number, latent in enumerate(latents):
            y = TOP + rows * ROW + number * (LATENT + 0.75)
            what = "probabilities of states" if latent.states is not None else "mean, and two deviations"
            what += "" if latent.steps else "; places in order"
            write(figure, LEFT, y - 0.15, mathtext(latent.name), va="baseline", size=NAME_SIZE)
            write(figure, WIDTH - LEFT, y - 0.15, what, va="baseline", ha="right", size=SMALL, color=FAINT)
            _latent(place(figure, LEFT, y, WIDTH - 2 * LEFT, LATENT), latent)
        if left_out:
            text = f"Not shown: {', '.join(left_out)}."
            write(figure, MARGIN, height - 0.15, text, color=FAINT, size=SMALL, va="bottom")
    return Plot(figure)


def _heading(result: Result) -> str:
    attributes = result.data.attrs
    return f"objective {attributes['objective']:.6g} nats, {attributes['num_steps']} steps"


def _objective(axes: Axes, trace: np.ndarray | None) -> None:
    """Draw by how much the objective was below its end."""
    if trace is None or len(trace) < 2:
        axes.set_axis_off()
        return
    gap = np.maximum(trace[-1] - trace[:-1], LEAST * (1 + abs(trace[-1])))
    axes.semilogy(gap, color=POSTERIOR, linewidth=1.3)
    axes.set_ylabel("below the end", size=SMALL)
    calm(axes, x=4, y=3)


def _parameter(axes: Axes, value: np.ndarray, errors: np.ndarray | None) -> None:
    """Draw a parameter: numbers as dots, with two standard errors; matrices as tables of colours."""
    if value.ndim > 1 and value.size > max(value.shape):
        _matrix(axes, _table(value))
        return
    numbers, at = np.ravel(value), np.arange(value.size)
    if errors is not None:
        axes.errorbar(at, numbers, 2 * np.ravel(errors), fmt="none", color=POSTERIOR, linewidth=1.2)
    axes.plot(at, numbers, "o", color=POSTERIOR, markersize=5)
    if value.size <= MOST_LINES:
        for place_, number in zip(at, numbers, strict=True):
            axes.annotate(f"{number:.4g}", (place_, number), (6, 4), textcoords="offset points", size=SMALL)
    axes.set_xlim(-0.6, value.size - 0.1 if value.size <= MOST_LINES else value.size - 0.4)
    axes.margins(y=0.25)
    calm(axes, x=0 if value.ndim == 0 else 4, y=3)
    _whole(axes.xaxis)


def _table(value: np.ndarray) -> np.ndarray:
    """Return an array of two axes or more as a table."""
    lengths = [length for length in value.shape if length > 1]
    return value.reshape(-1, lengths[-1])


def _matrix(axes: Axes, table: np.ndarray) -> None:
    signed = bool((table < 0).any())
    most = float(np.nanmax(np.abs(table))) or 1.0
    axes.imshow(
        table,
        aspect="auto",
        cmap="RdBu" if signed else "Blues",
        vmin=-1.25 * most if signed else 0.0,
        vmax=1.25 * most,
        interpolation="nearest",
    )
    if table.size <= MOST_WRITTEN:
        for (row, column), number in np.ndenumerate(table):
            light = abs(number) > 0.7 * most
            ink = "white" if light else "black"
            axes.text(column, row, f"{number:.2g}", ha="center", va="center", size=8.5, color=ink)
    calm(axes, x=5, y=4)
    _whole(axes.xaxis)
    _whole(axes.yaxis)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _latent(axes: Axes, latent: Latent) -> None:
    if latent.states is not None:
        _states(axes, latent.states, latent.labels, ordered=latent.steps)
    elif latent.mean is not None and latent.spread is not None:
        _means(axes, latent.mean, latent.spread, ordered=latent.steps)


def _states(axes: Axes, states: np.ndarray, labels: Sequence, *, ordered: bool) -> None:
    """Stack probabilities of states; places without an order are put in that of their states."""
    if not ordered:
        best = states.argmax(0)
        states = states[:, np.lexsort((-states.max(0), best))]
    count, length = states.shape
    at = np.arange(length + 1)
    below = np.zeros(length)
    colours = _colours(count)
    for state, row in enumerate(states):
        low, high = (np.append(x, x[-1:]) for x in (below, below + row))
        axes.fill_between(
            at, low, high, step="post", color=colours[state], linewidth=0, label=str(labels[state])
        )
        below = below + row
    axes.set(xlim=(0, length), ylim=(0, 1))
    if count <= len(CHAINS):
        axes.legend(
            ncols=1,
            frameon=False,
            fontsize=8.5,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            handlelength=0.8,
        )
    calm(axes, x=5, y=2)
    _whole(axes.xaxis)


def _means(axes: Axes, mean: np.ndarray, spread: np.ndarray, *, ordered: bool) -> None:
    """Draw means with bands; places without an order are put in that of the first coordinate."""
    order = np.arange(len(mean)) if ordered else np.argsort(mean[:, 0], kind="stable")
    at = np.arange(len(mean))
    if len(mean) == 1:  # all coordinates of the one place, side by side
        axes.errorbar(np.arange(mean.shape[1]), mean[0], 2 * spread[0], fmt="o", color=POSTERIOR)
        calm(axes, x=5, y=3)
        _whole(axes.xaxis)
        return
    for k, colour in zip(range(min(mean.shape[1], MOST_LINES)), CHAINS, strict=False):
        middle, wide = mean[order, k], 2 * spread[order, k]
        axes.plot(at, middle, color=colour, linewidth=1.1, label=str(k))
        axes.fill_between(at, middle - wide, middle + wide, color=colour, alpha=0.18, linewidth=0)
    if mean.shape[1] > 1:
        axes.legend(
            frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=0.8
        )
    axes.set_xlim(0, max(len(mean) - 1, 1))
    calm(axes, x=5, y=3)
    _whole(axes.xaxis)


def _whole(axis: Axis) -> None:
    """Leave ticks at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator, NullLocator

    if not isinstance(axis.get_major_locator(), NullLocator):
        axis.set_major_locator(MaxNLocator(4, integer=True))


def _colours(count: int) -> Sequence:
    if count <= len(CHAINS):
        return CHAINS
    import matplotlib as mpl

    return [mpl.colormaps["viridis"](k / (count - 1)) for k in range(count)]
