"""From cells of a grid to points: columns and rows just wide enough for marks and boxes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from probdl.report.boxes import BoxKind
from probdl.report.captions import captioned
from probdl.report.diagram import Diagram, Direction
from probdl.report.grid import Cell, hull, pieces, place
from probdl.report.labels import Run, line_width
from probdl.report.routing import loop_width, route
from probdl.report.scene import Frame, Point, Rectangle, Scene, fitted, outline
from probdl.report.style import BOX_TEXT_SIZE

SEPARATION = 28.0
ROW_SEPARATION = 38.0
GAP = 8.0
PAD = 12.0
STEP = 9.0
CAPTION = 18.0


@dataclass(frozen=True)
class _Plate:
    box: int
    members: frozenset[int]
    cells: tuple[int, int, int, int]
    side: float
    top: float
    bottom: float


def lay_out(diagram: Diagram) -> Scene:
    """Return a scene in which the boxes may cross.

    Args:
        diagram: What to draw.

    Returns:
        The scene; each frame holds its members and no other mark.
    """
    cells = place(diagram)
    if diagram.direction is Direction.RIGHT:
        cells = [(2 * y, x) for x, y in cells]
    plates = _widened(_plates(diagram, cells), diagram, cells)
    loops = {link.head: loop_width(link) for link in diagram.links if link.tail == link.head}
    reach = [(mark.width / 2.0, mark.width / 2.0 + loops.get(i, 0.0)) for i, mark in enumerate(diagram.marks)]
    tall = [mark.height for mark in diagram.marks]
    xs = _coordinates([x for x, _ in cells], _column_gaps(cells, plates, reach))
    ys = _coordinates([y for _, y in cells], _row_gaps(cells, plates, tall))
    centres = tuple(Point(xs[x], ys[y]) for x, y in cells)
    frames = tuple(
        Frame(diagram.boxes[plate.box], _sides(plate, diagram, centres, loops)) for plate in plates
    )
    curves = tuple(route(link, diagram, centres) for link in diagram.links)
    return fitted(diagram, centres, curves, captioned(frames, curves))


def _plates(diagram: Diagram, cells: Sequence[Cell]) -> list[_Plate]:
    levels = _levels(diagram, cells)
    plates = []
    for number, box in enumerate(diagram.boxes):
        text = line_width((Run(box.label),), BOX_TEXT_SIZE) + 14.0
        for part in pieces(cells, box.members):
            left, right, top, bottom = hull(cells, part)
            side = PAD + STEP * levels[number]
            if left == right:
                side = max(side, (text - min(diagram.marks[i].width for i in part)) / 2.0)
            caption = CAPTION * (levels[number] + 1)
            top_pad, low_pad = PAD + STEP * levels[number], 6.0 + caption
            if box.kind is BoxKind.NETWORK:
                top_pad, low_pad = low_pad, top_pad
            plates.append(_Plate(number, part, (left, right, top, bottom), side, top_pad, low_pad))
    return plates


def _widened(plates: Sequence[_Plate], diagram: Diagram, cells: Sequence[Cell]) -> list[_Plate]:
    """Make room for a name between the right side of its box and the left side of a crossing one."""
    wide = []
    for plate in plates:
        column, side = plate.cells[1], plate.side
        need = line_width((Run(diagram.boxes[plate.box].label),), BOX_TEXT_SIZE) + 18.0
        for other in plates:
            crosses = not (plate.members <= other.members or other.members <= plate.members)
            if crosses and other.cells[0] == column and other.cells[3] >= plate.cells[3]:
                spans = [
                    max(diagram.marks[i].width for i in members if cells[i][0] == column)
                    for members in (plate.members, other.members)
                ]
                side = max(side, need - sum(spans) / 2.0 - other.side)
        wide.append(replace(plate, side=side))
    return wide


def _levels(diagram: Diagram, cells: Sequence[Cell]) -> list[int]:
    """Outer boxes stand further off, and of two that meet none shares a border with the other.

    Of two that cross the one whose right side is further right reaches lower, so that its name at
    the bottom right meets no border.
    """
    sets = [box.members for box in diagram.boxes]
    levels = [0] * len(sets)
    waiting = list(range(len(sets)))[::-1]
    done: list[int] = []
    while waiting:
        free = [
            k
            for k in waiting
            if not any(sets[j] < sets[k] or (sets[j] == sets[k] and j > k) for j in waiting)
        ]
        k = min(free, key=lambda k: (hull(cells, sets[k])[1], len(sets[k])))
        meeting = [j for j in done if not sets[j].isdisjoint(sets[k])]
        levels[k] = max((levels[j] + 1 for j in meeting), default=0)
        done.append(k)
        waiting.remove(k)
    return levels


def _column_gaps(
    cells: Sequence[Cell], plates: Sequence[_Plate], reach: Sequence[tuple[float, float]]
) -> dict[Cell, float]:
    """The least distance between columns: marks of one row, and boxes of meeting rows."""
    gaps: dict[Cell, float] = {}

    def keep(first: int, second: int, distance: float) -> None:
        gaps[first, second] = max(gaps.get((first, second), 0.0), distance)

    columns = sorted({x for x, _ in cells})
    for first, second in itertools.pairwise(columns):
        keep(first, second, 18.0 * min(second - first, 3))
    for (i, (x, y)), (j, (x2, y2)) in itertools.permutations(enumerate(cells), 2):
        if x < x2 and y == y2:
            keep(x, x2, reach[i][1] + reach[j][0] + SEPARATION)
    for plate in plates:
        left, right, top, bottom = plate.cells
        for j, (x, y) in enumerate(cells):
            if top <= y <= bottom and j not in plate.members:
                for i in plate.members:
                    if x > right:
                        keep(cells[i][0], x, reach[i][1] + reach[j][0] + plate.side + GAP)
                    elif x < left:
                        keep(x, cells[i][0], reach[j][1] + reach[i][0] + plate.side + GAP)
    for a, b in itertools.permutations(plates, 2):
        if a.cells[1] < b.cells[0] and a.cells[2] <= b.cells[3] and b.cells[2] <= a.cells[3]:
            for i, j in itertools.product(a.members, b.members):
                keep(cells[i][0], cells[j][0], reach[i][1] + reach[j][0] + a.side + b.side + GAP)
    return gaps


def _row_gaps(cells: Sequence[Cell], plates: Sequence[_Plate], tall: Sequence[float]) -> dict[Cell, float]:
    """The least distance between rows: the tallest marks, and the boxes that end or begin between."""
    rows = sorted({y for _, y in cells})
    gaps: dict[Cell, float] = {}
    for upper, lower in itertools.pairwise(rows):
        heights = [max(tall[i] for i, (_, y) in enumerate(cells) if y == row) / 2.0 for row in (upper, lower)]
        ends = max((plate.bottom for plate in plates if plate.cells[3] == upper), default=0.0)
        begins = max((plate.top for plate in plates if plate.cells[2] == lower), default=0.0)
        gaps[upper, lower] = sum(heights) + max(ROW_SEPARATION, ends + begins + GAP)
    return gaps


def _coordinates(places: Sequence[int], gaps: dict[Cell, float]) -> dict[int, float]:
    """Longest paths over the gaps: everything as far to the left as the gaps allow."""
    at: dict[int, float] = {}
    for place_ in sorted(set(places)):
        at[place_] = max((at[a] + gap for (a, b), gap in gaps.items() if b == place_), default=0.0)
    return at


def _sides(plate: _Plate, diagram: Diagram, centres: Sequence[Point], loops: dict[int, float]) -> Rectangle:
    rims = [outline(diagram.marks[i], centres[i]) for i in plate.members]
    ends = [centres[i].x + diagram.marks[i].width / 2.0 + loops.get(i, 0.0) for i in plate.members]
    return Rectangle(
        min(rim.left for rim in rims) - plate.side,
        min(rim.top for rim in rims) - plate.top,
        max(ends) + plate.side,
        max(rim.bottom for rim in rims) + plate.bottom,
    )
