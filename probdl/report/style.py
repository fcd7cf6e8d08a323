"""The colours and sizes of pictures: readable in print, on dark pages and to the colour-blind."""

from __future__ import annotations

from dataclasses import dataclass

from probdl.program.sites import SiteKind
from probdl.report.diagram import DOTS, Link, Mark
from probdl.report.roles import Role, Trail

INK = "#1b1f24"
PAPER = "#ffffff"
SHADE = "#cdd3da"
BOX_LINE = "#79828e"
BOX_FILL = "#f1f4f8"
BOX_TEXT = "#4a525c"
BOX_TEXT_SIZE = 12.0
HIGHLIGHT = "#d55e00"
HIGHLIGHT_FILL = "#fde7d6"
HIGHLIGHT_SHADE = "#eab98f"
WARM = "#b84e00"
COOL = "#0b66a8"
VIOLET = "#7b3fa0"
DARK = "#343b44"
LINE = 1.2
HIGHLIGHT_LINE = 2.6
CORNER = 9.0
RING = 3.0
OUTER_RING = 4.0
BLANKET_RING = 7.0
RING_LINE = 2.0
BLANKET_LINE = 1.6
DASH = (5.0, 3.5)
DOTTED = (0.1, 3.4)
ARROW_HALF = 2.6
SUBSCRIPT_DROP = 0.22


Dash = tuple[float, float] | None
"""The length of dashes and of the space between them, or None for a solid line."""


@dataclass(frozen=True)
class Pen:
    """How a mark is drawn.

    Attributes:
        ink: The colour of its outline.
        width: The width of its outline.
        fill: The colour inside.
        shade: The colour inside where it is observed.
        letters: The colour of a name inside.
        dash: The dashes of its outline; none for a solid one.
    """

    ink: str
    width: float
    fill: str
    shade: str
    letters: str = INK
    dash: Dash = None


PENS = {
    Role.PLAIN: Pen(INK, LINE, PAPER, SHADE),
    Role.HIGHLIGHT: Pen(HIGHLIGHT, HIGHLIGHT_LINE, HIGHLIGHT_FILL, HIGHLIGHT_SHADE),
    Role.SOURCE: Pen(WARM, HIGHLIGHT_LINE, WARM, WARM, PAPER),
    Role.CONNECTED: Pen(WARM, 2.2, "#fdeadb", "#efc6a3"),
    Role.SEPARATED: Pen(COOL, 1.6, "#f2f8fc", "#c6d9e8", dash=(3.5, 2.5)),
    Role.GIVEN: Pen(INK, LINE, DARK, DARK, PAPER),
}
TRAILS = {
    Trail.PLAIN: (INK, LINE),
    Trail.HIGHLIGHT: (HIGHLIGHT, HIGHLIGHT_LINE),
    Trail.OPEN: (WARM, 2.0),
    Trail.PATH: (WARM, 3.6),
}


def mark_pen(mark: Mark) -> Pen:
    """Return how a mark is drawn.

    Args:
        mark: The mark.

    Returns:
        The pen.
    """
    return PENS[mark.role]


def link_pen(link: Link) -> tuple[str, float]:
    """Return how a link is drawn.

    Args:
        link: The link.

    Returns:
        The colour and the width of its line.
    """
    return TRAILS[link.trail]


def mark_fill(mark: Mark) -> str:
    """Return the colour inside a mark: shaded where it is observed, ink where it is fixed.

    Args:
        mark: The mark.

    Returns:
        The colour.
    """
    pen = mark_pen(mark)
    if mark.kind in (*DOTS, SiteKind.FACTOR):
        return pen.ink
    return pen.shade if mark.kind is SiteKind.OBSERVED else pen.fill


def mark_letters(mark: Mark) -> str:
    """Return the colour of a mark's name, which stands inside it or, for dots and squares, beside it.

    Args:
        mark: The mark.

    Returns:
        The colour.
    """
    return INK if mark.kind in (*DOTS, SiteKind.FACTOR) else mark_pen(mark).letters


def rim_ink(mark: Mark) -> str:
    """Return the colour of the inner ring of a deterministic site.

    Args:
        mark: The mark.

    Returns:
        The colour.
    """
    pen = mark_pen(mark)
    return pen.ink if pen.letters == INK else pen.letters


def mark_rings(mark: Mark) -> list[tuple[float, str, float, Dash]]:
    """Return the rings around a mark.

    Args:
        mark: The mark.

    Returns:
        For each its distance from the mark, its colour, its width and its dashes.
    """
    ring = COOL if mark.role is Role.GIVEN else mark_pen(mark).ink
    rings: list[tuple[float, str, float, Dash]] = []
    if mark.is_ringed:
        rings.append((OUTER_RING, ring, RING_LINE, None))
    if mark.is_in_blanket:
        rings.append((BLANKET_RING, VIOLET, BLANKET_LINE, DOTTED))
    return rings
