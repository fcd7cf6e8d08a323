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
from probdl.report.legend import REACH, TEXT_SIZE, text_at
from probdl.report.scene import Curve, Frame, Key, Point, Scene, Size, body, lettering
from probdl.report.style import (
    ARROW_HALF,
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
        *(_mark(number, scene) for number in range(len(scene.centres))),
        *(_caption(frame) for frame in scene.frames),
        *(_key(key) for key in scene.legend),
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
    anchor, halo = "start" if frame.is_caption_left else "end", frame.box.kind is not BoxKind.NETWORK
    line = (Run(visible(frame.box.label)),)
    return _text(caption_at(frame), line, BOX_TEXT_SIZE, BOX_TEXT, anchor=anchor, halo=halo)


def _curve(curve: Curve, scene: Scene) -> str:
    link = curve.link
    tail, head = (scene.diagram.marks[i].node for i in (link.tail, link.head))
    ink, width = link_pen(link)
    start, *rest = curve.points
    course = f"M{start.x:.2f},{start.y:.2f}C" + " ".join(f"{p.x:.2f},{p.y:.2f}" for p in rest)
    dash = _dashes(DASH) if link.is_lagged else ""
    parts = [
        f'<g class="edge" data-edge="{link.tail}-{link.head}"><title>{_xml(tail)} → {_xml(head)}</title>',
        f'<path d="{course}" fill="none" stroke="{ink}" stroke-width="{width}"{dash}/>',
    ]
    if curve.tip is not None:
        corners = " ".join(f"{p.x:.2f},{p.y:.2f}" for p in arrow_head(curve.points[-1], curve.tip))
        parts.append(f'<polygon points="{corners}" fill="{ink}" stroke="{ink}" stroke-linejoin="round"/>')
    if curve.label_at is not None:
        at = Point(curve.label_at.x, curve.label_at.y + 4.0)
        parts.append(_text(at, lag_line(link.label), LAG_SIZE, ink, halo=True))
    return "".join([*parts, "</g>"])


def _mark(number: int, scene: Scene) -> str:
    mark, centre, direction = scene.diagram.marks[number], scene.centres[number], scene.diagram.direction
    parts = [f'<g class="node {mark.kind.value}" data-node="{number}"><title>{_xml(mark.node)}</title>']
    parts += _shapes(mark, *body(mark, centre, direction))
    for at, line, size in lettering(mark, centre, direction):
        is_beside = mark.kind in DOTS or mark.kind is SiteKind.FACTOR
        parts.append(_text(at, line, size, mark_letters(mark), halo=is_beside))
    return "".join([*parts, "</g>"])


def _shapes(mark: Mark, centre: Point, size: Size) -> list[str]:
    (x, y), (wide, tall), pen, fill = centre, size, mark_pen(mark), mark_fill(mark)
    if mark.kind is SiteKind.FACTOR:
        sides = f'x="{x - wide / 2:.2f}" y="{y - tall / 2:.2f}" width="{wide:.2f}" height="{tall:.2f}"'
        parts = [f'<rect {sides} fill="{fill}"/>']
    else:
        look = f'fill="{fill}" stroke="{pen.ink}" stroke-width="{pen.width}"{_dashes(pen.dash)}'
        parts = [_ellipse(x, y, wide, tall, look)]
    if mark.kind is SiteKind.DETERMINISTIC:
        look = f'fill="none" stroke="{rim_ink(mark)}" stroke-width="{LINE}"'
        parts.append(_ellipse(x, y, wide - 2.0 * RING, tall - 2.0 * RING, look))
    for distance, ink, width, dash in mark_rings(mark):
        look = f'class="ring" fill="none" stroke="{ink}" stroke-width="{width:g}"{_dashes(dash)}'
        parts.append(_ellipse(x, y, wide + 2.0 * distance, tall + 2.0 * distance, look))
    return parts


def _key(key: Key) -> str:
    if isinstance(key.sample, Mark):
        sample = "".join(_shapes(key.sample, key.at, Size(key.sample.width, key.sample.height)))
    else:
        ink, width = TRAILS[key.sample]
        start, end = key.at.x - REACH + 3.0, key.at.x + REACH - 3.0
        sample = f'<path d="M{start:.2f},{key.at.y:.2f}H{end:.2f}" stroke="{ink}" stroke-width="{width}"/>'
    text = _text(text_at(key), (Run(key.text),), TEXT_SIZE, BOX_TEXT, anchor="start")
    return f'<g class="key">{sample}{text}</g>'


def _dashes(dash: Dash) -> str:
    return f' stroke-dasharray="{dash[0]:g} {dash[1]:g}" stroke-linecap="round"' if dash else ""


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


def _xml(name: object) -> str:
    return escape(visible(name))
