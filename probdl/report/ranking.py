"""Which marks stand above which."""

from __future__ import annotations

import math
from collections import Counter

from probdl.report.boxes import BoxKind
from probdl.report.diagram import Diagram

LARGE = 60


def downward(diagram: Diagram) -> list[tuple[int, int]]:
    """Return for each link which end stands above the other.

    A lag counts unless it would close a cycle. Where all links belong to factors the first variable of
    a factor stands above it and the others below, as in a factor graph.

    Args:
        diagram: The diagram.

    Returns:
        Pairs (upper, lower) in the order of the links; (i, i) where the link does not matter.
    """
    below: dict[int, set[int]] = {}
    pairs: dict[int, tuple[int, int]] = {}
    is_factor_graph = not any(link.has_arrow for link in diagram.links)
    first: dict[int, int] = {}
    for number, link in sorted(enumerate(diagram.links), key=lambda item: (item[1].is_lagged, item[0])):
        upper, lower = link.tail, link.head
        if is_factor_graph and first.setdefault(lower, upper) != upper:
            upper, lower = lower, upper
        if upper == lower or (link.is_lagged and _reaches(below, lower, upper)):
            pairs[number] = (upper, upper)
            continue
        below.setdefault(upper, set()).add(lower)
        pairs[number] = (upper, lower)
    return [pairs[number] for number in range(len(diagram.links))]


def _reaches(below: dict[int, set[int]], start: int, goal: int) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        fresh = below.get(waiting.pop(), set()) - seen
        seen |= fresh
        waiting += fresh
    return goal in seen


def homes_of(diagram: Diagram) -> list[int]:
    """Return the innermost box of each mark.

    Args:
        diagram: The diagram.

    Returns:
        The number of a box for each mark, -1 where it is in none.
    """
    return [
        max((j for j, box in enumerate(diagram.boxes) if i in box.members), default=-1)
        for i in range(len(diagram.marks))
    ]


def stacks(diagram: Diagram) -> list[tuple[int, int]]:
    """Return what stands above what, though no link says so, so that no row gets too wide.

    Args:
        diagram: The diagram.

    Returns:
        Pairs (upper, lower) of sites without links, and of the many parameters of a network.
    """
    linked = {end for link in diagram.links for end in (link.tail, link.head)}
    heads = {link.head for link in diagram.links}
    homes: dict[tuple[int, bool], list[int]] = {}
    for i, home in enumerate(homes_of(diagram)):
        is_weight = home >= 0 and diagram.boxes[home].kind is BoxKind.NETWORK and i not in heads
        if is_weight or i not in linked:
            homes.setdefault((home, is_weight), []).append(i)
    pairs = []
    for (_, is_weight), group in homes.items():
        if len(group) > (6 if is_weight else 8):
            width = math.ceil(math.sqrt((1.0 if is_weight else 2.0) * len(group)))
            pairs += zip(group[:-width], group[width:], strict=True)
    return pairs


def row_counts(diagram: Diagram) -> list[int]:
    """Return how many rows each link spans: more where a wide row would be hard to read.

    Args:
        diagram: The diagram.

    Returns:
        At least one for each link.
    """
    parents, children = (
        Counter(link.head for link in diagram.links),
        Counter(link.tail for link in diagram.links),
    )
    weights = {
        i
        for box in diagram.boxes
        if box.kind is BoxKind.NETWORK and len(box.members) > 4
        for i in box.members
    }
    is_leaf = [parents[link.head] == 1 and children[link.head] == 0 for link in diagram.links]
    fans = Counter(link.tail for link, leaf in zip(diagram.links, is_leaf, strict=True) if leaf)
    seen: Counter[int] = Counter()
    lengths = []
    for link, leaf in zip(diagram.links, is_leaf, strict=True):
        is_wide = leaf and fans[link.tail] > 6 and len(diagram.marks) > LARGE
        seen[link.tail] += is_wide
        lengths.append(1 + seen[link.tail] % 3 if is_wide else 2 if link.tail in weights else 1)
    return lengths
