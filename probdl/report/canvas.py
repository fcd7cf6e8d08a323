"""A scene painted by matplotlib, for files that are not SVG."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probdl.program.sites import SiteKind
from probdl.report.boxes import BoxKind
from probdl.report.captions import caption_at
from probdl.report.diagram import LAG_SIZE, Mark
from probdl.report.labels import SUBSCRIPT_SCALE, Line, Run, Script, lag_line, visible
from probdl.report.legend import REACH, TEXT_SIZE, text_at
from probdl.report.scene import Curve, Frame, Key, Point, Scene, Size, body, lettering
from probdl.report.style import (
    BOX_FILL,
    BOX_LINE,
    BOX_TEXT,
    BOX_TEXT_SIZE,
    CORNER,
    DASH,
    LINE,
    PAPER,
    RING,
    SUBSCRIPT_DROP,
    TRAILS,
    Dash,
    link_pen,
    mark_fill,
    mark_letters,
    mark_pen,
    mark_rings,
    rim_ink,
)
from probdl.report.svg import arrow_head

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

FONTS = ["STIXGeneral", "DejaVu Serif", "DejaVu Sans"]
POINTS = 72.0
PIXELS_PER_INCH = 192


def save_painting(scene: Scene, path: Path) -> None:
    """Write a scene as PNG or PDF.

    Args:
        scene: The picture.
        path: Where to; its suffix says which.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((scene.width / POINTS, scene.height / POINTS), dpi=PIXELS_PER_INCH, facecolor=PAPER)
    painter = _Painter(FigureCanvasAgg(figure), scene)
    for frame in scene.frames:
        painter.frame(frame)
    for curve in scene.curves:
        painter.curve(curve)
    for mark, centre in zip(scene.diagram.marks, scene.centres, strict=True):
        painter.mark(mark, centre)
    for frame in scene.frames:
        painter.caption(frame)
    for key in scene.legend:
        painter.key(key)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, dpi=PIXELS_PER_INCH)


class _Painter:
    """Draws each part of a scene on a figure whose unit is a point."""

    def __init__(self, canvas: FigureCanvasAgg, scene: Scene) -> None:
        self._scene = scene
        self._renderer = canvas.get_renderer()
        self._axes = canvas.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self._axes.set(xlim=(0.0, scene.width), ylim=(scene.height, 0.0))
        self._axes.set_axis_off()

    def frame(self, frame: Frame) -> None:
        from matplotlib.patches import FancyBboxPatch

        left, top, right, bottom = frame.sides
        self._add(
            FancyBboxPatch(
                (left, top),
                right - left,
                bottom - top,
                boxstyle=f"round,pad=0,rounding_size={CORNER}",
                facecolor=BOX_FILL if frame.box.kind is BoxKind.NETWORK else "none",
                edgecolor=BOX_LINE,
                linewidth=LINE,
                linestyle=(0, DASH) if frame.box.kind is BoxKind.SCAN else "solid",
            )
        )

    def caption(self, frame: Frame) -> None:
        line = (Run(visible(frame.box.label)),)
        shift = 0.0 if frame.is_caption_left else 1.0
        self._text(caption_at(frame), line, BOX_TEXT_SIZE, BOX_TEXT, shift=shift)

    def curve(self, curve: Curve) -> None:
        from matplotlib.patches import PathPatch, Polygon
        from matplotlib.path import Path as Course

        link = curve.link
        ink, width = link_pen(link)
        codes = [Course.MOVETO] + [Course.CURVE4] * (len(curve.points) - 1)
        dash: Any = (0, (DASH[0] / width, DASH[1] / width)) if link.is_lagged else "solid"
        self._add(
            PathPatch(Course(curve.points, codes), fill=False, edgecolor=ink, linewidth=width, linestyle=dash)
        )
        if curve.tip is not None:
            corners = arrow_head(curve.points[-1], curve.tip)
            self._add(
                Polygon(corners, closed=True, facecolor=ink, edgecolor=ink, linewidth=1.0, joinstyle="round")
            )
        if curve.label_at is not None:
            at = Point(curve.label_at.x, curve.label_at.y + 4.0)
            self._text(at, lag_line(link.label), LAG_SIZE, ink)

    def mark(self, mark: Mark, centre: Point) -> None:
        direction = self._scene.diagram.direction
        self._shapes(mark, *body(mark, centre, direction))
        for at, line, size in lettering(mark, centre, direction):
            self._text(at, line, size, mark_letters(mark))

    def key(self, key: Key) -> None:
        if isinstance(key.sample, Mark):
            self._shapes(key.sample, key.at, Size(key.sample.width, key.sample.height))
        else:
            from matplotlib.lines import Line2D

            ink, width = TRAILS[key.sample]
            ends = (key.at.x - REACH + 3.0, key.at.x + REACH - 3.0)
            self._axes.add_line(Line2D(ends, (key.at.y, key.at.y), color=ink, linewidth=width))
        self._text(text_at(key), (Run(key.text),), TEXT_SIZE, BOX_TEXT, shift=0.0)

    def _shapes(self, mark: Mark, centre: Point, size: Size) -> None:
        (x, y), (wide, tall), pen, fill = centre, size, mark_pen(mark), mark_fill(mark)
        if mark.kind is SiteKind.FACTOR:
            from matplotlib.patches import Rectangle

            self._add(Rectangle((x - wide / 2.0, y - tall / 2.0), wide, tall, facecolor=fill))
        else:
            self._ellipse(centre, size, fill, pen.ink, pen.width, pen.dash)
        if mark.kind is SiteKind.DETERMINISTIC:
            inner = Size(wide - 2.0 * RING, tall - 2.0 * RING)
            self._ellipse(centre, inner, "none", rim_ink(mark), LINE)
        for distance, ink, width, dash in mark_rings(mark):
            outer = Size(wide + 2.0 * distance, tall + 2.0 * distance)
            self._ellipse(centre, outer, "none", ink, width, dash)

    def _ellipse(
        self, centre: Point, size: Size, fill: str, ink: str, width: float, dash: Dash = None
    ) -> None:
        from matplotlib.patches import Ellipse

        style: Any = (0, (dash[0] / width, dash[1] / width)) if dash else "solid"
        look = {"facecolor": fill, "edgecolor": ink, "linewidth": width, "linestyle": style}
        self._add(Ellipse(centre, *size, capstyle="round" if dash else "butt", **look))

    def _text(self, at: Point, line: Line, size: float, ink: str, *, shift: float = 0.5) -> None:
        from matplotlib.patheffects import withStroke

        texts = [
            self._axes.text(
                0.0,
                at.y + (SUBSCRIPT_DROP * size if run.script is Script.SUB else 0.0),
                run.text,
                fontsize=size * (SUBSCRIPT_SCALE if run.script is Script.SUB else 1.0),
                fontstyle="italic" if run.is_italic else "normal",
                family=FONTS,
                color=ink,
                parse_math=False,
                path_effects=[withStroke(linewidth=4.0, foreground=PAPER)] if ink == BOX_TEXT else None,
            )
            for run in line
        ]
        widths = [self._advance(text) for text in texts]
        x = at.x - shift * sum(widths)
        for text, width in zip(texts, widths, strict=True):
            text.set_x(x)
            x += width

    def _advance(self, text: Any) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            # Matplotlib measures ink: between bars the spaces at the ends count too.
            font = text.get_fontproperties()
            barred, bars = (
                self._renderer.get_text_width_height_descent(inked, font, ismath=False)[0]
                for inked in (f"|{text.get_text()}|", "||")
            )
        return (barred - bars) * POINTS / PIXELS_PER_INCH

    def _add(self, patch: Any) -> None:
        self._axes.add_patch(patch)
