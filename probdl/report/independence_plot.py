"""Picture of which independencies of a graph the data contradict."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from probdl.graphs.filter import IndependenceReport, p_text
from probdl.graphs.independence import Independence
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
from probdl.report.labels import Run, line_width, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = 16
LEAST_RANKED = 5
MARGIN = 0.35
TOP = 1.05
ROW = 0.29
EFFECT = 2.4
P_VALUE = 0.85
RANKS = (3.0, 2.4)
GAP = 0.95
LINE = 0.2
SIZE = 11.0
LONGEST = 24
MOST_NAMES = 4
LEAST_P = 1e-16
FAILS, HOLDS = DIVERGENCE, POSTERIOR


def independence_plot(report: IndependenceReport, *, rows: int = ROWS) -> Plot:
    """Picture which independencies of a graph the data contradict.

    Each row is a statement with the strength of the dependence that was seen, the least probable first; what
    fails is orange. On the right are all p-values in order. Those of statements that hold lie about the
    dashed line or above it; a statement fails if its p-value or a later one is below the solid line.

    Args:
        report: What `check_independencies` returned.
        rows: How many statements are named at most.

    Returns:
        The figure; `.savefig("independencies.png")` writes it.

    Raises:
        ValueError: If no statement was tested.

    Example:
        >>> import networkx as nx
        >>> from probdl.graphs.filter import check_independencies
        >>> x, y = np.random.default_rng(0).normal(size=(2, 500))
        >>> chain = nx.DiGraph([("x", "z"), ("z", "y")])
        >>> independence_plot(check_independencies(chain, {"x": x, "y": y, "z": x + y}))
        Plot(1 panels; .savefig('posterior.png') writes it)
    """
    table, count = report.table, len(report.table)
    if not count:
        reasons = " ".join(report.notes)
        raise ValueError(f"Expected a report with statements that were tested; got none. {reasons}".strip())
    order = np.lexsort((-table["effect"].to_numpy(float), table["p_value"].to_numpy(float)))
    p_values = table["p_value"].to_numpy(float)[order]
    failing = table["adjusted"].to_numpy(float)[order] <= report.level
    shown = order[: max(rows, 1)]
    statements = [report.statements[i] for i in shown]
    unnamed, unseen = count - len(shown), int(failing[len(shown) :].sum())
    notes = (
        [f"{unnamed} more are not named{f', of which {unseen} fail' if unseen else ''}."] if unnamed else []
    )
    notes += report.notes
    is_ranked = count >= LEAST_RANKED
    left = MARGIN + max(map(_width, statements)) + 0.15
    end = left + EFFECT + P_VALUE
    bottom = TOP + max(ROW * len(shown), RANKS[1] if is_ranked else 0.0) + 0.55
    with look():
        figure = blank(
            max(end + (GAP + RANKS[0] if is_ranked else 0.0), 5.5) + MARGIN,
            bottom + LINE * len(notes) + 0.1,
        )
        write(figure, MARGIN, 0.42, report.verdict, size=NAME_SIZE, va="baseline")
        axes = place(figure, left, TOP, EFFECT, ROW * len(shown))
        _draw_effects(axes, table["effect"].to_numpy(float)[shown], failing[: len(shown)])
        _write_rows(figure, left, statements, p_values, failing)
        if is_ranked:
            x = end + GAP
            write(figure, x, TOP - 0.15, "all p-values in order", color=FAINT, size=SMALL, va="baseline")
            _draw_ranks(place(figure, x, TOP, *RANKS), p_values, failing, report.level)
        for i, note in enumerate(notes):
            write(figure, MARGIN, bottom + LINE * i, note, color=FAINT, size=SMALL, va="baseline")
    return Plot(figure)


def _draw_effects(axes: Axes, effects: Float[np.ndarray, " row"], failing: Bool[np.ndarray, " row"]) -> None:
    places, colors = np.arange(len(effects)), np.where(failing, FAILS, HOLDS)
    axes.hlines(places, 0.0, effects, color=colors, linewidth=1.6, alpha=0.5)
    axes.scatter(effects, places, color=colors, s=36, zorder=3, linewidths=0)
    axes.set(ylim=(len(effects) - 0.5, -0.5), xlim=(0.0, min(1.04, max(0.25, 1.15 * effects.max()))))
    axes.axvline(0.0, color=RULE, linewidth=1.0, zorder=0)
    calm(axes, x=4)


def _write_rows(
    figure: Figure,
    left: float,
    statements: Sequence[Independence],
    p_values: Float[np.ndarray, " row"],
    failing: Bool[np.ndarray, " row"],
) -> None:
    """Write a statement before each row and its p-value behind, under a head."""
    right = left + EFFECT + P_VALUE
    write(figure, left, TOP - 0.15, "effect, from 0 to 1", color=FAINT, size=SMALL, va="baseline")
    write(figure, right, TOP - 0.15, "p-value", color=FAINT, size=SMALL, va="baseline", ha="right")
    for i, statement in enumerate(statements):
        y, color = TOP + (i + 0.5) * ROW, FAILS if failing[i] else INK
        style = {"va": "center", "ha": "right", "color": color}
        write(figure, left - 0.15, y, _label(statement), **style)
        write(figure, right, y, p_text(p_values[i]), **style, size=SMALL)


def _draw_ranks(
    axes: Axes, p_values: Float[np.ndarray, " row"], failing: Bool[np.ndarray, " row"], level: float
) -> None:
    """Draw p-values against what as many independent ones would be, and the line below which they fail."""
    count, small = len(p_values), {"color": FAINT, "size": SMALL - 1.0, "textcoords": "offset points"}
    expected = (np.arange(count) + 0.5) / count
    limit = level * np.arange(1, count + 1) / (count * (1.0 / np.arange(1, count + 1)).sum())
    axes.plot(expected, expected, color=FAINT, linewidth=1.0, dashes=(4, 3), zorder=1)
    axes.plot(expected, limit, color=FAINT, linewidth=1.2, zorder=1)
    colors, heights = np.where(failing, FAILS, HOLDS), p_values.clip(LEAST_P)
    axes.scatter(expected, heights, color=colors, s=18, zorder=3, linewidths=0, clip_on=False)
    axes.set(xscale="log", yscale="log", xlim=(expected[0] / 1.3, 1.0))
    axes.set_ylim(min(heights.min(), limit[0]) / 10.0, 1.0)
    axes.annotate("if all hold", (expected[0], expected[0]), (0, 8), **small)
    axes.annotate("fails below", (1.0, limit[-1]), (0, -6), ha="right", va="top", **small)
    axes.set_xlabel("rank, as a share", size=SMALL, color=FAINT)
    axes.minorticks_off()


def _label(statement: Independence) -> str:
    x, y, given = (_names(part, mathtext) for part in (statement.x, statement.y, statement.given))
    return f"{x} $\\perp\\!\\!\\!\\perp$ {y}" + (f" $\\,|\\,$ {given}" if given else "")


def _names(names: Sequence[Hashable], written: Callable[[str], str]) -> str:
    """Write names on a line, the first of many alone."""
    texts = [str(name) for name in names]
    texts = [text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\u2026" for text in texts]
    kept = texts if len(texts) <= MOST_NAMES else texts[: MOST_NAMES - 1]
    more = [f"{len(texts) - len(kept)} more"] if len(kept) < len(texts) else []
    return ", ".join([*(written(text).replace("\n", "") for text in kept), *more])


def _width(statement: Independence) -> float:
    """Return about how wide a statement is, in inches."""
    parts = (statement.x, statement.y, statement.given)
    text = "".join(_names(part, lambda name: str(typeset(name))) for part in parts)
    return line_width((Run(text),), SIZE) / 72.0 + 0.5
