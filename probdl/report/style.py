"""The colours and sizes of pictures: readable in print, on dark pages and to the colour-blind."""

from __future__ import annotations

from probdl.program.sites import SiteKind
from probdl.report.diagram import Mark

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
LINE = 1.2
HIGHLIGHT_LINE = 2.6
CORNER = 9.0
RING = 3.0
DASH = (5.0, 3.5)
ARROW_HALF = 2.6
SUBSCRIPT_DROP = 0.22


def mark_fill(mark: Mark) -> str:
    """Return the colour inside a mark: shaded where it is observed.

    Args:
        mark: The mark.

    Returns:
        The colour.
    """
    if mark.kind is SiteKind.OBSERVED:
        return HIGHLIGHT_SHADE if mark.is_highlighted else SHADE
    return HIGHLIGHT_FILL if mark.is_highlighted else PAPER
