"""A scene as SVG text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from probdl.program.sites import SiteKind
from probdl.report.boxes import BoxKind
from probdl.report.captions import caption_at
from probdl.report.diagram import DOTS, LAG_SIZE, Mark
from probdl.report.labels import SUBSCRIPT_SCALE, Line, Run, Script, lag_line, visible
from probdl.report.scene import Curve, Frame, Point, Scene, body, lettering
from probdl.report.style import (
    ARROW_HALF,
    BOX_FILL,
    BOX_LINE,
    BOX_TEXT,
    BOX_TEXT_SIZE,
    CORNER,
    DASH,
    HIGHLIGHT,
    HIGHLIGHT_LINE,
    INK,
    LINE,
    PAPER,
    RING,
    SUBSCRIPT_DROP,
    mark_fill,
)

FONTS = "STIX Two Text, STIXGeneral, Times New Roman, Times, Liberation Serif, serif"


def paint_svg(scene: Scene) -> str:
    """Return a scene as SVG: boxes at the back, then links, then marks.

    Args:
        scene: The picture.

    Returns:
        The SVG, with an opaque background, so that it can be read on a dark page too.
    """
    size = f'width="{scene.width:.0f}pt" height="{scene.height:.0f}pt"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {scene.width:.2f} {scene.height:.2f}" '
        f'font-family="{FONTS}">',
        f'<rect class="paper" width="100%" height="100%" rx="6" fill="{PAPER}"/>',
        *(_frame(frame) for frame in scene.frames),
        *(_curve(curve, scene) for curve in scene.curves),
        *(
            _mark(mark, centre, scene)
            for mark, centre in zip(scene.diagram.marks, scene.centres, strict=True)
        ),
        *(_caption(frame) for frame in scene.frames),
        "</svg>",
    ]
    return "\n".join(parts)


def arrow_head(stem: Point, tip: Point) -> tuple[Point, Point, Point]:
    """Return the corners of an arrow's head.

    Args:
        stem: Where the line ends.
        tip: Where the arrow ends.

    Returns:
        The tip and the two ends of its base.
    """
    length = math.dist(stem, tip) or 1.0
    nx, ny = (tip.y - stem.y) / length * ARROW_HALF, (stem.x - tip.x) / length * ARROW_HALF
    return tip, Point(stem.x + nx, stem.y + ny), Point(stem.x - nx, stem.y - ny)


def _frame(frame: Frame) -> str:
    left, top, right, bottom = frame.sides
    dash = f' stroke-dasharray="{DASH[0]:g} {DASH[1]:g}"' if frame.box.kind is BoxKind.SCAN else ""
    fill = BOX_FILL if frame.box.kind is BoxKind.NETWORK else "none"
    return (
        f'<g class="box {frame.box.kind.value}"><title>{_xml(frame.box.label)}</title>'
        f'<rect x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" height="{bottom - top:.2f}" '
        f'rx="{CORNER:g}" fill="{fill}" stroke="{BOX_LINE}" stroke-width="{LINE}"{dash}/></g>'
    )


def _caption(frame: Frame) -> str:
    anchor = "start" if frame.is_caption_left else "end"
    return _text(
        caption_at(frame), (Run(visible(frame.box.label)),), BOX_TEXT_SIZE, BOX_TEXT, anchor=anchor, halo=True
    )


def _curve(curve: Curve, scene: Scene) -> str:
    link = curve.link
    tail, head = (scene.diagram.marks[i].node for i in (link.tail, link.head))
    ink, width = _pen(is_highlighted=link.is_highlighted)
    start, *rest = curve.points
    course = f"M{start.x:.2f},{start.y:.2f}C" + " ".join(f"{p.x:.2f},{p.y:.2f}" for p in rest)
    dash = f' stroke-dasharray="{DASH[0]:g} {DASH[1]:g}"' if link.is_lagged else ""
    parts = [
        f'<g class="edge"><title>{_xml(tail)} → {_xml(head)}</title>',
        f'<path d="{course}" fill="none" stroke="{ink}" stroke-width="{width}"{dash}/>',
    ]
    if curve.tip is not None:
        corners = " ".join(f"{p.x:.2f},{p.y:.2f}" for p in arrow_head(curve.points[-1], curve.tip))
        parts.append(f'<polygon points="{corners}" fill="{ink}" stroke="{ink}" stroke-linejoin="round"/>')
    if curve.label_at is not None:
        at = Point(curve.label_at.x, curve.label_at.y + 4.0)
        parts.append(_text(at, lag_line(link.label), LAG_SIZE, ink, halo=True))
    return "".join([*parts, "</g>"])


def _mark(mark: Mark, centre: Point, scene: Scene) -> str:
    ink, width = _pen(is_highlighted=mark.is_highlighted)
    (x, y), (wide, tall) = body(mark, centre, scene.diagram.direction)
    parts = [f'<g class="node {mark.kind.value}"><title>{_xml(mark.node)}</title>']
    if mark.kind is SiteKind.FACTOR:
        parts.append(
            f'<rect x="{x - wide / 2:.2f}" y="{y - tall / 2:.2f}" width="{wide:.2f}" height="{tall:.2f}" '
            f'fill="{ink}"/>'
        )
    else:
        fill = ink if mark.kind in DOTS else mark_fill(mark)
        parts.append(_ellipse(x, y, wide, tall, f'fill="{fill}" stroke="{ink}" stroke-width="{width}"'))
    if mark.kind is SiteKind.DETERMINISTIC:
        rim = 2.0 * RING
        parts.append(
            _ellipse(x, y, wide - rim, tall - rim, f'fill="none" stroke="{ink}" stroke-width="{LINE}"')
        )
    for at, line, size in lettering(mark, centre, scene.diagram.direction):
        parts.append(_text(at, line, size, INK, halo=mark.kind in DOTS or mark.kind is SiteKind.FACTOR))
    return "".join([*parts, "</g>"])


def _ellipse(x: float, y: float, wide: float, tall: float, look: str) -> str:
    return f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="{wide / 2:.2f}" ry="{tall / 2:.2f}" {look}/>'


def _text(at: Point, line: Line, size: float, ink: str, *, anchor: str = "middle", halo: bool = False) -> str:
    behind = (
        f' stroke="{PAPER}" stroke-width="4" paint-order="stroke" stroke-linejoin="round"' if halo else ""
    )
    return (
        f'<text x="{at.x:.2f}" y="{at.y:.2f}" font-size="{size:g}" text-anchor="{anchor}" fill="{ink}" '
        f'xml:space="preserve"{behind}>{_runs(line, size)}</text>'
    )


def _runs(line: Sequence[Run], size: float) -> str:
    text, drop = "", 0.0
    for run in line:
        is_low = run.script is Script.SUB
        target = SUBSCRIPT_DROP * size if is_low else 0.0
        look = f' dy="{target - drop:.2f}"' if target != drop else ""
        look += f' font-size="{SUBSCRIPT_SCALE * size:.1f}"' if is_low else ""
        look += ' font-style="italic"' if run.is_italic else ""
        text, drop = text + (f"<tspan{look}>{escape(run.text)}</tspan>" if look else escape(run.text)), target
    return text


def _pen(*, is_highlighted: bool) -> tuple[str, float]:
    return (HIGHLIGHT, HIGHLIGHT_LINE) if is_highlighted else (INK, LINE)


def _xml(name: object) -> str:
    return escape(visible(name))
