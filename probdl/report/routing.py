"""The course of links: straight where the way is free, else bent as little as needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from probdl.report.diagram import LAG_SIZE, Diagram, Link
from probdl.report.labels import lag_line, line_width
from probdl.report.scene import Curve, Frame, Point, Rectangle, Size, body, outline

ARROW = 7.0
LOOP = 24.0
CLEARANCE = 4.0
LARGEST_BEND = 90.0
SLIGHT_BENDS = (0.0, 0.08, -0.08, 0.16, -0.16, 0.24, -0.24)
BENDS = (0.0, 0.2, -0.2, 0.4, -0.4, 0.6, -0.6)
SAMPLES = 24


def free_course(
    link: Link, diagram: Diagram, centres: Sequence[Point], frames: Sequence[Frame]
) -> Curve | None:
    """Return a straight link, else the least bent one, or None where something is in the way of all.

    Args:
        link: The link.
        diagram: The marks.
        centres: Their centres.
        frames: The boxes; those that hold neither end are in the way too.

    Returns:
        Its course from border to border.
    """
    if link.tail == link.head or _has_way_back(link, diagram):
        return None
    foreign = [frame.sides for frame in frames if not {link.tail, link.head} & frame.box.members]
    length = math.dist(centres[link.tail], centres[link.head])
    for bend in SLIGHT_BENDS:
        curve = _bent(link, diagram, centres, bend * length)
        if _is_free(curve, link, diagram, centres) and not any(
            sides.touches(point) for sides in foreign for point in samples(curve)
        ):
            return curve
    return None


def route(link: Link, diagram: Diagram, centres: Sequence[Point]) -> Curve:
    """Return the least bent course that meets no other mark, or a straight one where none is free.

    Args:
        link: The link.
        diagram: The marks.
        centres: Their centres.

    Returns:
        Its course from border to border.
    """
    if link.tail == link.head:
        return loop(link, diagram, centres[link.head])
    length = math.dist(centres[link.tail], centres[link.head]) or 1.0
    for bend in BENDS[1:] if _has_way_back(link, diagram) else BENDS:
        curve = _bent(link, diagram, centres, math.copysign(min(abs(bend) * length, LARGEST_BEND), bend))
        if _is_free(curve, link, diagram, centres):
            return curve
    return _bent(link, diagram, centres, 0.0)


def loop(link: Link, diagram: Diagram, centre: Point) -> Curve:
    """Return the course of a link from a mark to itself, at its right.

    Args:
        link: The link.
        diagram: The marks.
        centre: The centre of the mark.

    Returns:
        The course.
    """
    middle, size = body(diagram.marks[link.head], centre, diagram.direction)
    wide, tall = size.width / 2.0, size.height / 2.0
    start = _border(middle, size, Point(middle.x + wide, middle.y - 0.45 * tall))
    tip = _border(middle, size, Point(middle.x + wide, middle.y + 0.45 * tall))
    stem = Point(tip.x + ARROW, tip.y + 2.5)
    far = middle.x + wide + LOOP
    points = (start, Point(far, start.y - 9.0), Point(far, stem.y + 7.0), stem)
    text = line_width(lag_line(link.label), LAG_SIZE)
    reach = max(point.x for point in _along(points))
    return Curve(link, points, tip, Point(reach + 4.0 + text / 2.0, middle.y) if link.label else None)


def loop_width(link: Link) -> float:
    """Return the room that a link from a mark to itself takes at its right.

    Args:
        link: The link.

    Returns:
        The width in points, its label included.
    """
    return LOOP + (line_width(lag_line(link.label), LAG_SIZE) if link.label else 0.0)


def samples(curve: Curve) -> list[Point]:
    """Return points along a curve, close enough to tell what it meets.

    Args:
        curve: The curve.

    Returns:
        The points.
    """
    return _along(curve.points)


def _bent(link: Link, diagram: Diagram, centres: Sequence[Point], bend: float) -> Curve:
    start, tail_size = body(diagram.marks[link.tail], centres[link.tail], diagram.direction)
    end, head_size = body(diagram.marks[link.head], centres[link.head], diagram.direction)
    length = math.dist(start, end) or 1.0
    nx, ny = (start.y - end.y) / length * bend, (end.x - start.x) / length * bend
    middle = Point((start.x + end.x) / 2.0 + nx, (start.y + end.y) / 2.0 + ny)
    first, last = _border(start, tail_size, middle), _border(end, head_size, middle)
    near, far = (
        Point(first.x + share * (last.x - first.x) + nx, first.y + share * (last.y - first.y) + ny)
        for share in (1.0 / 3.0, 2.0 / 3.0)
    )
    stem = last
    if link.has_arrow:
        back = math.dist(far, last) or 1.0
        stem = Point(last.x + ARROW * (far.x - last.x) / back, last.y + ARROW * (far.y - last.y) / back)
    centre = _bezier((first, near, far, last), 0.5)
    label_at = Point(centre.x + 15.0, centre.y - 4.0) if link.label else None
    return Curve(link, (first, near, far, stem), last if link.has_arrow else None, label_at)


def _is_free(curve: Curve, link: Link, diagram: Diagram, centres: Sequence[Point]) -> bool:
    points = samples(curve)
    reach = Rectangle(
        min(p.x for p in points), min(p.y for p in points), max(p.x for p in points), max(p.y for p in points)
    )
    near = [
        rim
        for i, (mark, centre) in enumerate(zip(diagram.marks, centres, strict=True))
        if i not in (link.tail, link.head)
        and reach.touches(centre, mark.width + 2.0 * CLEARANCE, mark.height + 2.0 * CLEARANCE)
        for rim in [outline(mark, centre)]
    ]
    return not any(rim.touches(point, 2.0 * CLEARANCE, 2.0 * CLEARANCE) for rim in near for point in points)


def _has_way_back(link: Link, diagram: Diagram) -> bool:
    return any(other.tail == link.head and other.head == link.tail for other in diagram.links)


def _border(centre: Point, size: Size, towards: Point) -> Point:
    dx, dy = towards.x - centre.x, towards.y - centre.y
    reach = math.hypot(dx / (size.width / 2.0), dy / (size.height / 2.0)) or 1.0
    return Point(centre.x + dx / reach, centre.y + dy / reach)


def _along(points: Sequence[Point]) -> list[Point]:
    return [
        _bezier(points[piece : piece + 4], step / SAMPLES)
        for piece in range(0, len(points) - 3, 3)
        for step in range(SAMPLES + 1)
    ]


def _bezier(course: Sequence[Point], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return Point(
        sum(w * p.x for w, p in zip(weights, course, strict=True)),
        sum(w * p.y for w, p in zip(weights, course, strict=True)),
    )
