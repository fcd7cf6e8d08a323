"""A diagram in the language of Graphviz, and back from its layout."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from probdl.program.sites import SiteKind
from probdl.report.boxes import BoxKind
from probdl.report.captions import caption_area, captioned
from probdl.report.diagram import DOTS, LAG_SIZE, NOTE_SIZE, Diagram, Direction, Link, Mark
from probdl.report.labels import SUBSCRIPT_SCALE, Label, Script
from probdl.report.ranking import downward, homes_of, row_counts, stacks
from probdl.report.roles import Role, Trail
from probdl.report.routing import free_course, loop
from probdl.report.scene import Curve, Frame, Point, Rectangle, Scene, fitted, outline
from probdl.report.style import (
    BOX_FILL,
    BOX_LINE,
    BOX_TEXT_SIZE,
    INK,
    PAPER,
    link_pen,
    mark_fill,
    mark_letters,
    mark_pen,
)

FONT = "Times-Roman"
POINTS = 72.0
PAD, CAPTION = 10.0, 25.0
RIM = 8.0  # peripheries=2 draws its second line outside of the width


def dot_source(diagram: Diagram) -> str:
    """Return DOT in which boxes are clusters; crossing ones are left out, as clusters only nest.

    Args:
        diagram: What to draw.

    Returns:
        The source; nodes are n0, n1, ... in the order of the graph.
    """
    nested = diagram.is_nested
    lines = [*_header(diagram), *(_box_lines(diagram) if nested else [])]
    lines += [f"  n{i} [{_node(mark, diagram.direction)}]" for i, mark in enumerate(diagram.marks)]
    for link, (upper, lower), length in zip(
        diagram.links, downward(diagram), row_counts(diagram), strict=True
    ):
        is_turned, is_free = (upper, lower) == (link.head, link.tail) != (lower, upper), upper == lower
        ends = (link.head, link.tail) if is_turned else (link.tail, link.head)
        look = f"minlen={length}{_edge(link, diagram, is_turned=is_turned)}"
        look += ", constraint=false" if is_free and link.tail != link.head else ""
        lines.append(f"  n{ends[0]} -> n{ends[1]} [{look}]")
    lines += [f"  n{i} -> n{j} [style=invis]" for i, j in stacks(diagram)]
    return "\n".join([*lines, "}", ""])


def placed_source(scene: Scene) -> str:
    """Return DOT in which everything already has its place, for `neato -n2`.

    Args:
        scene: The picture.

    Returns:
        The source; frames are nodes f0, f1, ... and their names c0, c1, ...
    """
    diagram, tall = scene.diagram, scene.height
    lines = ["// Everything has its place: render with neato -n2 -Tsvg", *_header(diagram)]
    for i, frame in enumerate(scene.frames):
        left, top, right, bottom = frame.sides
        centre = Point((left + right) / 2.0, (top + bottom) / 2.0)
        lines.append(
            f"  f{i} [shape=box, fixedsize=true, width={_inches(right - left)}, "
            f'height={_inches(bottom - top)}, {_at(centre, tall)}, style="{_box_style(frame.box.kind)}", '
            f'color="{BOX_LINE}", fillcolor="{BOX_FILL if frame.box.kind is BoxKind.NETWORK else "none"}", '
            'label=""]'
        )
        area = caption_area(frame)
        middle = Point((area.left + area.right) / 2.0, (area.top + area.bottom) / 2.0)
        caption = _text(frame.box.label, BOX_TEXT_SIZE)
        lines.append(
            f"  c{i} [shape=none, style=solid, fixedsize=false, margin=0, {_at(middle, tall)}, "
            f"label=<{caption}>]"
        )
    for i, (mark, centre) in enumerate(zip(diagram.marks, scene.centres, strict=True)):
        lines.append(f"  n{i} [{_node(mark, diagram.direction)}, {_at(centre, tall)}]")
    for curve in scene.curves:
        points = " ".join(f"{point.x:.1f},{tall - point.y:.1f}" for point in curve.points)
        tip = f"e,{curve.tip.x:.1f},{tall - curve.tip.y:.1f} " if curve.tip else ""
        place = f', lp="{curve.label_at.x:.1f},{tall - curve.label_at.y:.1f}"' if curve.label_at else ""
        link = curve.link
        lines.append(f'  n{link.tail} -> n{link.head} [pos="{tip}{points}"{place}{_edge(link, diagram)}]')
    return "\n".join([*lines, "}", ""])


def read_layout(diagram: Diagram, layout: dict[str, Any]) -> Scene:
    """Return the scene that Graphviz laid out.

    Args:
        diagram: What was laid out by `dot_source`.
        layout: The answer of `dot -Tjson0`.

    Returns:
        The scene.
    """
    objects = {entry["name"]: entry for entry in layout.get("objects", [])}
    names = {entry["_gvid"]: name for name, entry in objects.items()}
    tall = float(layout["bb"].split(",")[3])
    centres = tuple(_point(objects[f"n{i}"]["pos"], tall) for i in range(len(diagram.marks)))
    edges = {(names[edge["tail"]], names[edge["head"]]): edge for edge in layout.get("edges", [])}
    frames = []
    for i, box in enumerate(diagram.boxes):
        left, low, right, high = map(float, objects[f"cluster_{i}"]["bb"].split(","))
        frames.append(Frame(box, Rectangle(left, tall - high, right, tall - low)))
    frames = _trimmed(frames, diagram, centres)
    curves = []
    for link in diagram.links:
        ends = f"n{link.tail}", f"n{link.head}"
        if link.tail == link.head:
            curves.append(loop(link, diagram, centres[link.head]))
        else:
            edge = edges.get(ends) or edges[ends[1], ends[0]]
            curves.append(free_course(link, diagram, centres, frames) or _curve(link, edge, tall))
    return fitted(diagram, centres, tuple(curves), captioned(frames, curves))


def _header(diagram: Diagram) -> list[str]:
    rank = "LR" if diagram.direction is Direction.RIGHT else "TB"
    fans = Counter(link.head for link in diagram.links)
    ranksep = min(0.42 + 0.12 * max(max(fans.values(), default=0) - 3, 0), 1.2)
    return [
        "digraph {",
        f'  graph [rankdir={rank}, bgcolor="{PAPER}", fontname="{FONT}", nodesep=0.35, '
        f"ranksep={ranksep:.2f}]",
        f'  node [shape=ellipse, style=filled, fixedsize=true, fontname="{FONT}", color="{INK}"]',
        f'  edge [arrowsize=0.7, fontname="{FONT}", fontsize={LAG_SIZE:g}, color="{INK}"]',
    ]


def _box_lines(diagram: Diagram) -> list[str]:
    lines: list[str] = []
    homes = homes_of(diagram)

    def write(number: int, depth: int) -> None:
        box, pad = diagram.boxes[number], "  " * depth
        is_network = box.kind is BoxKind.NETWORK
        lines.extend(
            [
                f"{pad}subgraph cluster_{number} {{",
                f"{pad}  graph [label=<{_text(box.label, BOX_TEXT_SIZE)}&#160;&#160;>, margin=10, "
                f"labelloc={'t' if is_network else 'b'}, labeljust={'l' if is_network else 'r'}, "
                f'color="{BOX_LINE}", '
                f'style="{_box_style(box.kind)}", fillcolor="{BOX_FILL}"]',
                f"{pad}  " + "; ".join(f"n{i}" for i in sorted(box.members) if homes[i] == number),
            ]
        )
        for inner in _children(diagram, number):
            write(inner, depth + 1)
        lines.append(f"{pad}}}")

    for number in _children(diagram, -1):
        write(number, 1)
    return lines


def _children(diagram: Diagram, outer: int) -> list[int]:
    return [
        i
        for i, box in enumerate(diagram.boxes)
        if max((j for j in range(i) if box.members <= diagram.boxes[j].members), default=-1) == outer
    ]


def _node(mark: Mark, direction: Direction) -> str:
    note = f"<BR/>{_text(mark.note, NOTE_SIZE)}" if mark.note else ""
    label, pen, ink = _letters(mark.label, mark.font_size), mark_pen(mark), mark_fill(mark)
    rim = RIM if mark.kind is SiteKind.DETERMINISTIC else 0.0
    looks = [f"width={_inches(mark.width - rim)}", f"height={_inches(mark.height - rim)}"]
    if mark.kind in DOTS or mark.kind is SiteKind.FACTOR:
        sign = f'<FONT COLOR="{ink}" POINT-SIZE="14">{"●" if mark.kind in DOTS else "■"}</FONT>'
        gap = "<BR/>" if (direction is Direction.DOWN) == (mark.kind in DOTS) else " "
        parts = (f"{label}{note}", sign) if mark.kind in DOTS else (sign, f"{label}{note}")
        looks += ["shape=box", 'style=""', "penwidth=0", f"label=<{gap.join(parts)}>"]
    else:
        looks += [f'fillcolor="{ink}"', f"label=<{label}{note}>"]
        looks += ["peripheries=2"] if mark.kind is SiteKind.DETERMINISTIC else []
        looks += [f'color="{pen.ink}"', f"penwidth={pen.width:g}"] if mark.role is not Role.PLAIN else []
        looks += [f'fontcolor="{mark_letters(mark)}"'] if mark_letters(mark) != INK else []
        looks += ['style="filled,dashed"'] if pen.dash else []
    return ", ".join(looks)


def _edge(link: Link, diagram: Diagram, *, is_turned: bool = False) -> str:
    out = "s" if diagram.direction is Direction.DOWN else "e"
    ink, width = link_pen(link)
    looks = [f'color="{ink}"', f"penwidth={width:g}"] if link.trail is not Trail.PLAIN else []
    looks += [f"tailport={out}"] if diagram.marks[link.tail].kind in DOTS else []
    looks += [] if link.has_arrow else ["dir=none"]
    if not link.has_arrow:
        looks.append("tailclip=false" if is_turned else "headclip=false")
    if link.label:
        room = "&#160;" * 6 if link.tail == link.head else ""
        looks.append(f"label=<{room}{_escaped(link.label)}>")
    looks += ["style=dashed"] if link.is_lagged else []
    return "".join(f", {look}" for look in looks)


def _trimmed(frames: list[Frame], diagram: Diagram, centres: Sequence[Point]) -> list[Frame]:
    """Bring the lower side of each box, innermost first, up to a line of text below what it holds."""
    done: list[Frame] = []
    for frame in reversed(frames):
        held = [outline(diagram.marks[i], centres[i]).bottom for i in frame.box.members]
        held += [inner.sides.bottom for inner in done if inner.box.members <= frame.box.members]
        is_network = frame.box.kind is BoxKind.NETWORK
        bottom = min(frame.sides.bottom, max(held) + (PAD if is_network else CAPTION))
        done.append(replace(frame, sides=frame.sides._replace(bottom=bottom)))
    return done[::-1]


def _letters(label: Label, size: float) -> str:
    lines = []
    for line in label.lines:
        text = ""
        for run in line:
            piece = _escaped(run.text)
            piece = f"<I>{piece}</I>" if run.is_italic and piece else piece
            small = f'<SUB><FONT POINT-SIZE="{SUBSCRIPT_SCALE * size:.0f}">{piece}</FONT></SUB>'
            text += small if run.script is Script.SUB else piece
        lines.append(text)
    return f'<FONT POINT-SIZE="{size:g}">{"<BR/>".join(lines) or " "}</FONT>'


def _text(text: str, size: float) -> str:
    return f'<FONT POINT-SIZE="{size:g}">{_escaped(text) or " "}</FONT>'


def _escaped(text: str) -> str:
    # Graphviz replaces \N and its like in labels of every kind.
    return html.escape(text).replace("\\", "\\\\")


def _box_style(kind: BoxKind) -> str:
    return {BoxKind.PLATE: "rounded", BoxKind.SCAN: "rounded,dashed", BoxKind.NETWORK: "rounded,filled"}[kind]


def _inches(points: float) -> str:
    return f"{points / POINTS:.3f}"


def _at(centre: Point, tall: float) -> str:
    return f'pos="{centre.x:.1f},{tall - centre.y:.1f}!"'


def _point(text: str, tall: float) -> Point:
    x, y = text.split(",")
    return Point(float(x), tall - float(y))


def _curve(link: Link, edge: dict[str, Any], tall: float) -> Curve:
    tip, points = None, []
    for word in edge["pos"].split(";")[0].split():
        if word.startswith("e,"):
            tip = _point(word[2:], tall)
        elif not word.startswith("s,"):
            points.append(_point(word, tall))
    label_at = _point(edge["lp"], tall) if link.label and "lp" in edge else None
    return Curve(link, tuple(points), tip, label_at)
