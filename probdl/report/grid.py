"""Places on a grid such that boxes that cross hold their members and nothing else.

Clusters of Graphviz only nest. Here each mark gets a column and a row, and the box of a set is the
hull of its members; a search moves marks until no hull holds a stranger, edges go down, are short
and do not cross. Where no arrangement has one clean rectangle a set, the set is split in pieces.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Sequence

from probdl.report.diagram import Diagram
from probdl.report.ranking import downward

Cell = tuple[int, int]
STRIDE = 2  # columns between neighbours in a row, so that children can stand between parents
MAX_STEPS = 6000
WORK = 250_000
STRANGER, CLASH, UPWARD, OVERLAP, THROUGH, CROSSING = 400.0, 900.0, 120.0, 150.0, 40.0, 12.0


def place(diagram: Diagram) -> list[Cell]:
    """Return a column and a row for each mark.

    Args:
        diagram: The marks, links and boxes.

    Returns:
        The cells, rows counted downwards.
    """
    sets = [box.members for box in diagram.boxes]
    arrows = [(upper, lower) for upper, lower in downward(diagram) if upper != lower]
    rows = _rows(len(diagram.marks), arrows)
    cells = _columns(rows, sets, arrows)
    links = sorted({(link.tail, link.head) for link in diagram.links if link.tail != link.head})
    return _improved(cells, sets, arrows, links)


def pieces(cells: Sequence[Cell], members: frozenset[int]) -> list[frozenset[int]]:
    """Split a set into as few parts as a greedy pass finds, the hull of each free of strangers.

    Args:
        cells: The cell of each mark.
        members: The set.

    Returns:
        The parts; the set itself where its hull is clean.

    Example:
        >>> [sorted(part) for part in pieces([(0, 0), (2, 0), (4, 0)], frozenset({0, 2}))]
        [[0], [2]]
    """
    parts: list[set[int]] = []
    for member in sorted(members, key=lambda i: cells[i]):
        for part in parts:
            if not _strangers(cells, {*part, member}, members):
                part.add(member)
                break
        else:
            parts.append({member})
    whole = [set(members)] if not _strangers(cells, members, members) else parts
    return [frozenset(part) for part in whole]


def hull(cells: Sequence[Cell], members: Iterable[int]) -> tuple[int, int, int, int]:
    """Return the first and last column, then the first and last row, of some marks.

    Args:
        cells: The cell of each mark.
        members: The marks.

    Returns:
        left, right, top, bottom.
    """
    columns, rows = zip(*(cells[i] for i in members), strict=True)
    return min(columns), max(columns), min(rows), max(rows)


def _strangers(cells: Sequence[Cell], part: Iterable[int], members: frozenset[int]) -> int:
    left, right, top, bottom = hull(cells, part)
    return sum(
        left - STRIDE < x < right + STRIDE and top <= y <= bottom
        for i, (x, y) in enumerate(cells)
        if i not in members
    )


def _rows(count: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """Longest path from the roots, then roots pulled down to their first child."""
    rows = [0] * count
    for _ in range(min(count, 60)):
        moved = False
        for tail, head in arrows:
            if rows[head] <= rows[tail] < count:
                rows[head], moved = rows[tail] + 1, True
        if not moved:
            break
    heads = {head for _, head in arrows}
    for node in range(count):
        below = [rows[head] for tail, head in arrows if tail == node]
        if node not in heads and below:
            rows[node] = max(0, min(below) - 1)
    return rows


def _columns(
    rows: Sequence[int], sets: Sequence[frozenset[int]], arrows: Sequence[tuple[int, int]]
) -> list[Cell]:
    """Marks of the same sets share a band of columns; the bands stand so that sets stay together."""
    keys = [frozenset(k for k, members in enumerate(sets) if i in members) for i in range(len(rows))]
    bands = list(dict.fromkeys(sorted(keys, key=lambda key: (bool(key), sorted(key)))))
    place_of = {key: position for position, key in enumerate(_band_order(bands, len(sets)))}
    near = {i: [h for t, h in arrows if t == i] + [t for t, h in arrows if h == i] for i in range(len(rows))}
    ranks: dict[tuple[frozenset[int], int], list[int]] = {}
    for i, key in enumerate(keys):
        ranks.setdefault((key, rows[i]), []).append(i)
    widths = {key: max(len(group) for (k, _), group in ranks.items() if k == key) for key in bands}
    starts, column = {}, 0
    for key in sorted(bands, key=place_of.__getitem__):
        starts[key], column = column, column + STRIDE * widths[key]
    cells: list[Cell] = [(starts[key], rows[i]) for i, key in enumerate(keys)]
    for (key, row), group in ranks.items():
        group.sort(key=lambda i: sum(cells[j][0] for j in near[i]) / max(1, len(near[i])))
        slack = widths[key] - len(group)
        for position, i in enumerate(group):
            cells[i] = (starts[key] + slack + STRIDE * position, row)
    return cells


def _band_order(bands: list[frozenset[int]], count: int) -> list[frozenset[int]]:
    def gaps(order: Sequence[frozenset[int]]) -> int:
        total = 0
        for k in range(count):
            at = [position for position, key in enumerate(order) if k in key]
            total += (at[-1] - at[0] + 1 - len(at)) if at else 0
        return total

    if len(bands) <= 6:
        return list(min(itertools.permutations(bands), key=gaps))
    order, best = list(bands), gaps(bands)
    while True:
        trials = []
        for i, j in itertools.permutations(range(len(order)), 2):
            trial = [*order[:i], *order[i + 1 :]]
            trials.append([*trial[:j], order[i], *trial[j:]])
        candidate = min(trials, key=gaps)
        if gaps(candidate) >= best:
            return order
        order, best = candidate, gaps(candidate)


def _improved(
    cells: list[Cell],
    sets: Sequence[frozenset[int]],
    arrows: Sequence[tuple[int, int]],
    links: Sequence[tuple[int, int]],
) -> list[Cell]:
    """Anneal the places at falling temperature and keep the best."""
    size = len(cells) * (len(sets) + len(links)) + len(links) ** 2
    chance = random.Random(0)
    current, cost = list(cells), _cost(cells, sets, arrows, links)
    best, best_cost = list(cells), cost
    steps = min(MAX_STEPS, WORK * 60 // max(1, size)) if len(cells) <= 40 else 0
    for step in range(steps):
        heat = 25.0 * (1.0 - step / steps) ** 2 + 0.05
        trial = _moved(current, sets, chance)
        trial_cost = _cost(trial, sets, arrows, links)
        if trial_cost <= cost or chance.random() < math.exp((cost - trial_cost) / heat):
            current, cost = trial, trial_cost
            if cost < best_cost:
                best, best_cost = list(current), cost
    return best


def _moved(cells: Sequence[Cell], sets: Sequence[frozenset[int]], chance: random.Random) -> list[Cell]:
    trial = list(cells)
    i, kind = chance.randrange(len(cells)), chance.random()
    if kind < 0.2:
        j = chance.randrange(len(cells))
        trial[i], trial[j] = trial[j], trial[i]
    elif kind < 0.35 and sets:
        dx, dy = chance.choice([(-2, 0), (-1, 0), (1, 0), (2, 0), (0, -1), (0, 1)])
        for member in chance.choice(sets):
            trial[member] = (trial[member][0] + dx, trial[member][1] + dy)
    else:
        x, y = cells[i]
        trial[i] = (x + chance.choice([-3, -2, -1, 0, 1, 2, 3]), y + chance.choice([-1, 0, 0, 1]))
    return trial


def _cost(
    cells: Sequence[Cell],
    sets: Sequence[frozenset[int]],
    arrows: Sequence[tuple[int, int]],
    links: Sequence[tuple[int, int]],
) -> float:
    cost = 0.0
    by_row: dict[int, list[int]] = {}
    for x, y in cells:
        by_row.setdefault(y, []).append(x)
    for columns in by_row.values():
        columns.sort()
        cost += CLASH * sum(b - a < STRIDE for a, b in itertools.pairwise(columns))
    hulls = [hull(cells, members) for members in sets]
    for members, (left, right, top, bottom) in zip(sets, hulls, strict=True):
        cost += STRANGER * _strangers(cells, members, members)
        cost += 1.5 * ((right - left) / STRIDE + bottom - top)
    for a, b in itertools.combinations(range(len(sets)), 2):
        (l1, r1, t1, b1), (l2, r2, t2, b2) = hulls[a], hulls[b]
        meet = l1 - 1 <= r2 and l2 - 1 <= r1 and t1 <= b2 and t2 <= b1
        cost += OVERLAP if meet and sets[a].isdisjoint(sets[b]) else 0.0
    cost += sum(UPWARD * (1 + cells[t][1] - cells[h][1]) for t, h in arrows if cells[h][1] <= cells[t][1])
    for tail, head in links:
        (x0, y0), (x1, y1) = cells[tail], cells[head]
        cost += 1.2 * abs(x1 - x0) ** 1.3 + 2.5 * abs(y1 - y0) ** 1.3
        cost += THROUGH * sum(
            _is_near(cells[i], cells[tail], cells[head]) for i in range(len(cells)) if i not in (tail, head)
        )
    cost += CROSSING * sum(
        _cross(cells[a], cells[b], cells[c], cells[d])
        for (a, b), (c, d) in itertools.combinations(links, 2)
        if len({a, b, c, d}) == 4
    )
    left, right, top, bottom = hull(cells, range(len(cells)))
    return cost + 0.6 * (right - left) + 5.0 * (bottom - top)


def _is_near(cell: Cell, start: Cell, end: Cell) -> bool:
    dx, dy = end[0] - start[0], STRIDE * (end[1] - start[1])
    px, py = cell[0] - start[0], STRIDE * (cell[1] - start[1])
    length = dx * dx + dy * dy
    along = (px * dx + py * dy) / length if length else 0.0
    return 0.0 < along < 1.0 and (px * dy - py * dx) ** 2 < 0.64 * length


def _cross(a: Cell, b: Cell, c: Cell, d: Cell) -> bool:
    def side(p: Cell, q: Cell, r: Cell) -> int:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
