"""Where the names of boxes stand: bottom right, or bottom left where something is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from probdl.report.boxes import BoxKind
from probdl.report.labels import Run, line_width, visible
from probdl.report.routing import samples
from probdl.report.scene import Curve, Frame, Point, Rectangle
from probdl.report.style import BOX_TEXT_SIZE

INSET = 8.0


def captioned(frames: Sequence[Frame], curves: Sequence[Curve]) -> tuple[Frame, ...]:
    """Choose the corner of each frame in which its name meets fewest lines.

    Args:
        frames: The rectangles of the boxes.
        curves: The links.

    Returns:
        The frames, in their order.
    """
    points = [point for curve in curves for point in samples(curve)]
    chosen = []
    for frame in frames:
        right, left = frame, replace(frame, is_caption_left=True)
        others = [other.sides for other in frames if other is not frame]
        is_left = frame.box.kind is BoxKind.NETWORK or _clashes(left, others, points) < _clashes(
            right, others, points
        )
        chosen.append(left if is_left else right)
    return tuple(chosen)


def caption_at(frame: Frame) -> Point:
    """Return where the name of a frame begins or, at the right, ends.

    Args:
        frame: The frame.

    Returns:
        A point of the base line.
    """
    left, top, right, bottom = frame.sides
    if frame.box.kind is BoxKind.NETWORK:
        return Point(left + INSET, top + 14.0)
    return Point(left + INSET if frame.is_caption_left else right - INSET, bottom - 6.0)


def caption_area(frame: Frame) -> Rectangle:
    """Return the room that the name of a frame takes.

    Args:
        frame: The frame.

    Returns:
        The rectangle.
    """
    text = line_width((Run(visible(frame.box.label)),), BOX_TEXT_SIZE)
    at = caption_at(frame)
    is_left = frame.is_caption_left or frame.box.kind is BoxKind.NETWORK
    start = at.x if is_left else at.x - text
    return Rectangle(start, at.y - BOX_TEXT_SIZE, start + text, at.y + 4.0)


def _clashes(frame: Frame, others: Sequence[Rectangle], points: Sequence[Point]) -> int:
    area = caption_area(frame)
    lines = 0
    for left, top, right, bottom in others:
        if top < area.bottom and area.top < bottom:
            lines += sum(area.left < x < area.right for x in (left, right))
        if left < area.right and area.left < right:
            lines += sum(area.top < y < area.bottom for y in (top, bottom))
    return lines + any(area.touches(point) for point in points)
