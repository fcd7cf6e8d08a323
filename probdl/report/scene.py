"""A diagram in which everything has a place, in points, y downwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from probdl.program.sites import SiteKind
from probdl.report.boxes import Box
from probdl.report.diagram import (
    DOT_RADIUS,
    DOTS,
    LAG_SIZE,
    LINE_HEIGHT,
    NOTE_SIZE,
    SQUARE,
    Diagram,
    Direction,
    Link,
    Mark,
)
from probdl.report.labels import Line, Run, lag_line, line_width
from probdl.report.roles import Trail

MARGIN = 8.0


class Point(NamedTuple):
    """A place in points, y downwards."""

    x: float
    y: float


class Size(NamedTuple):
    """A width and a height in points."""

    width: float
    height: float


class Rectangle(NamedTuple):
    """A box with sides along the axes."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, centre: Point, width: float = 0.0, height: float = 0.0) -> bool:
        """Return whether a shape lies wholly inside."""
        return (
            self.left <= centre.x - width / 2.0
            and centre.x + width / 2.0 <= self.right
            and self.top <= centre.y - height / 2.0
            and centre.y + height / 2.0 <= self.bottom
        )

    def touches(self, centre: Point, width: float = 0.0, height: float = 0.0) -> bool:
        """Return whether a shape lies at least partly inside."""
        return (
            self.left < centre.x + width / 2.0
            and centre.x - width / 2.0 < self.right
            and self.top < centre.y + height / 2.0
            and centre.y - height / 2.0 < self.bottom
        )


@dataclass(frozen=True)
class Curve:
    """The course of one link.

    Attributes:
        link: The link.
        points: A start, then three control points for each cubic piece.
        tip: Where the arrow ends, or None where there is no arrow.
        label_at: The centre of the label, or None.
    """

    link: Link
    points: tuple[Point, ...]
    tip: Point | None
    label_at: Point | None


@dataclass(frozen=True)
class Frame:
    """One rectangle of a box: more than one only where no single one can hold just its members.

    Attributes:
        box: The box.
        sides: Its rectangle.
        is_caption_left: Whether its name stands at the left, not at the right.
    """

    box: Box
    sides: Rectangle
    is_caption_left: bool = False


@dataclass(frozen=True)
class Key:
    """One entry of the legend.

    Attributes:
        sample: A mark, or what an edge is, drawn as in the picture.
        at: The centre of the sample.
        text: What it stands for.
    """

    sample: Mark | Trail
    at: Point
    text: str


@dataclass(frozen=True)
class Scene:
    """A picture ready to be painted.

    Attributes:
        diagram: What is drawn.
        centres: The centre of each mark.
        curves: The course of each link, in their order.
        frames: The rectangles of the boxes, outermost first.
        width: Width of the whole in points.
        height: Height of the whole in points.
        legend: What the colours stand for, below the rest.
    """

    diagram: Diagram
    centres: tuple[Point, ...]
    curves: tuple[Curve, ...]
    frames: tuple[Frame, ...]
    width: float
    height: float
    legend: tuple[Key, ...] = ()


def outline(mark: Mark, centre: Point) -> Rectangle:
    """Return the rectangle around a mark.

    Args:
        mark: The mark.
        centre: Its centre.

    Returns:
        The rectangle.
    """
    return Rectangle(
        centre.x - mark.width / 2.0,
        centre.y - mark.height / 2.0,
        centre.x + mark.width / 2.0,
        centre.y + mark.height / 2.0,
    )


def body(mark: Mark, centre: Point, direction: Direction) -> tuple[Point, Size]:
    """Return where the shape of a mark is: a dot stands below or right of its label.

    Args:
        mark: The mark.
        centre: The centre of the whole.
        direction: Where children are drawn.

    Returns:
        The centre and the size of the shape.
    """
    if mark.kind is SiteKind.FACTOR:
        return centre, Size(SQUARE, SQUARE)
    if mark.kind not in DOTS:
        return centre, Size(mark.width, mark.height)
    side = 2.0 * DOT_RADIUS
    if direction is Direction.DOWN:
        return Point(centre.x, centre.y + (mark.height - side) / 2.0), Size(side, side)
    return Point(centre.x + (mark.width - side) / 2.0, centre.y), Size(side, side)


def lettering(mark: Mark, centre: Point, direction: Direction) -> list[tuple[Point, Line, float]]:
    """Return the lines of a mark's label, then its note.

    Args:
        mark: The mark.
        centre: The centre of the whole.
        direction: Where children are drawn.

    Returns:
        For each line the middle of its base line, its runs and its font size.
    """
    lines = [(line, mark.font_size) for line in mark.label.lines]
    lines += [((Run(mark.note),), NOTE_SIZE)] if mark.note else []
    dx, dy = 0.0, 0.0
    is_down = direction is Direction.DOWN
    if mark.kind is SiteKind.FACTOR:
        dx, dy = ((mark.width + SQUARE) / 4.0, 0.0) if is_down else (0.0, (mark.height + SQUARE) / 4.0)
    elif mark.kind in DOTS:
        dx, dy = (0.0, -(SQUARE + 2.0) / 2.0) if is_down else (-(SQUARE + 2.0) / 2.0, 0.0)
    low = centre.y + dy - sum(size for _, size in lines) * LINE_HEIGHT / 2.0
    placed = []
    for line, size in lines:
        low += size * LINE_HEIGHT
        placed.append((Point(centre.x + dx, low - 0.33 * size), line, size))
    return placed


def fitted(
    diagram: Diagram,
    centres: tuple[Point, ...],
    curves: tuple[Curve, ...],
    frames: tuple[Frame, ...],
) -> Scene:
    """Move a picture so that it begins at the margin, and measure it.

    Args:
        diagram: What is drawn.
        centres: The centre of each mark.
        curves: The course of each link.
        frames: The rectangles of the boxes.

    Returns:
        The scene.
    """
    corners = [outline(mark, centre) for mark, centre in zip(diagram.marks, centres, strict=True)]
    corners += [frame.sides for frame in frames]
    points = [*(corner[:2] for corner in corners), *(corner[2:] for corner in corners)]
    points += [tuple(point) for curve in curves for point in curve.points]
    for curve in curves:
        if curve.label_at is not None:
            half = line_width(lag_line(curve.link.label), LAG_SIZE) / 2.0
            points += [
                (curve.label_at.x - half, curve.label_at.y),
                (curve.label_at.x + half, curve.label_at.y),
            ]
    left = min((x for x, _ in points), default=0.0) - MARGIN
    top = min((y for _, y in points), default=0.0) - MARGIN
    right = max((x for x, _ in points), default=0.0) + MARGIN
    bottom = max((y for _, y in points), default=0.0) + MARGIN

    scene = Scene(diagram, centres, curves, frames, right - left, bottom - top)
    return shifted(scene, -left, -top)


def shifted(scene: Scene, dx: float, dy: float) -> Scene:
    """Move all that a picture holds, and not its edges.

    Args:
        scene: The picture.
        dx: How far to the right.
        dy: How far down.

    Returns:
        The scene.
    """

    def moved(point: Point) -> Point:
        return Point(point.x + dx, point.y + dy)

    return replace(
        scene,
        centres=tuple(map(moved, scene.centres)),
        curves=tuple(
            Curve(
                curve.link,
                tuple(map(moved, curve.points)),
                curve.tip and moved(curve.tip),
                curve.label_at and moved(curve.label_at),
            )
            for curve in scene.curves
        ),
        frames=tuple(
            replace(frame, sides=Rectangle(*moved(Point(*frame.sides[:2])), *moved(Point(*frame.sides[2:]))))
            for frame in scene.frames
        ),
    )
