"""What a picture of a graph holds, before anything has a place: marks, links and boxes."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probdl.program.sites import Site, SiteKind
from probdl.report.boxes import Box, BoxKind, is_nested, read_boxes, short_name, site_of
from probdl.report.labels import Label, typeset, verbatim, visible
from probdl.report.roles import Colours, Role, Trail

if TYPE_CHECKING:
    import networkx as nx

RADIUS = 23.0
DOT_RADIUS = 4.0
SQUARE = 11.0
LINE_HEIGHT = 1.16
NOTE_SIZE = 10.0
LAG_SIZE = 13.0
NAME_SIZES = (19.0, 17.0, 15.0)
SMALL_SIZE = 13.0
DOTS = (SiteKind.PARAM, SiteKind.INTERVENED)


class Direction(enum.Enum):
    """Where the children of a site are drawn."""

    DOWN = "down"
    RIGHT = "right"


@dataclass(frozen=True)
class Mark:
    """The shape of one site.

    Attributes:
        node: The node of the graph.
        kind: What the site is; a node without a site is latent.
        label: Its name as written.
        note: Its distribution, or which of its elements are asked about, or "".
        font_size: The size of the label in points.
        width: The width in points of all that is drawn for it.
        height: The height in points.
        role: What it is to the question that the picture answers.
        is_ringed: Whether it has a ring: it is asked about, or separates what is.
        is_in_blanket: Whether it has a dotted ring: it is in a Markov blanket.
    """

    node: Hashable
    kind: SiteKind
    label: Label
    note: str
    font_size: float
    width: float
    height: float
    role: Role = Role.PLAIN
    is_ringed: bool = False
    is_in_blanket: bool = False


@dataclass(frozen=True)
class Link:
    """One edge.

    Attributes:
        tail: Number of the parent's mark.
        head: Number of the child's mark.
        label: The lag, such as "t−1", or "".
        is_lagged: Whether it comes only from other steps of a scan.
        has_arrow: False for the edges of a factor or an undirected graph, which have no direction.
        trail: What it is to the question that the picture answers.
    """

    tail: int
    head: int
    label: str
    is_lagged: bool
    has_arrow: bool
    trail: Trail = Trail.PLAIN


@dataclass(frozen=True)
class Diagram:
    """All that a picture holds.

    Attributes:
        marks: One a node, in the order of the graph.
        links: One an edge.
        boxes: From outermost to innermost.
        direction: Where children are drawn.
    """

    marks: tuple[Mark, ...]
    links: tuple[Link, ...]
    boxes: tuple[Box, ...]
    direction: Direction

    @property
    def is_nested(self) -> bool:
        """Whether any two boxes are apart or one inside the other."""
        return is_nested([box.members for box in self.boxes])


def lag_of(graph: nx.DiGraph, tail: Hashable, head: Hashable) -> tuple[str, bool]:
    """Return how far back an edge reaches.

    Args:
        graph: The graph.
        tail: The parent.
        head: The child.

    Returns:
        The lag as written, "" where there is none, and whether no part of it is of the same step.
    """
    shifted: dict[str, tuple[int, ...]] = graph.edges[tail, head].get("shifted") or {}
    axes = {*graph.graph.get("plates", {}), *graph.graph.get("scans", {}), *shifted}
    initials = Counter(axis[:1] for axis in axes)
    terms = [
        (axis[:1].lower() if initials[axis[:1]] == 1 else axis)
        + (f"{'−' if offset < 0 else '+'}{abs(offset)}" if offset else "")
        for axis, offsets in shifted.items()
        for offset in sorted(offsets, reverse=True)
    ]
    return ", ".join(terms), any(0 not in offsets for offsets in shifted.values())


def read_diagram(
    graph: nx.DiGraph,
    *,
    distributions: bool,
    colours: Colours,
    direction: Direction,
) -> Diagram:
    """Return the marks, links and boxes of a graph.

    Args:
        graph: Any directed graph.
        distributions: Whether to write the distributions.
        colours: How it is coloured.
        direction: Where children are drawn.

    Returns:
        The diagram.
    """
    number = {node: i for i, node in enumerate(graph)}
    boxes = read_boxes(graph)
    inside = frozenset[int]().union(*(box.members for box in boxes if box.kind is BoxKind.NETWORK))
    short = {node: short_name(visible(node)) if number[node] in inside else node for node in graph}
    labels = {node: typeset(short[node]) for node in graph}
    uses = Counter(str(label) for label in labels.values())
    marks = tuple(
        _mark(
            node,
            site_of(graph, node),
            labels[node] if uses[str(labels[node])] == 1 or number[node] in inside else verbatim(node),
            distributions=distributions,
            colours=colours,
            direction=direction,
        )
        for node in graph
    )
    links = tuple(
        Link(
            number[tail],
            number[head],
            *lag_of(graph, tail, head),
            has_arrow=marks[number[head]].kind is not SiteKind.FACTOR and not graph.graph.get("undirected"),
            trail=colours.trails.get((tail, head), Trail.PLAIN),
        )
        for tail, head in dict.fromkeys((edge[0], edge[1]) for edge in graph.edges)
    )
    return Diagram(marks, links, boxes, direction)


def _mark(
    node: Hashable,
    site: Site,
    label: Label,
    *,
    distributions: bool,
    colours: Colours,
    direction: Direction,
) -> Mark:
    notes = (site.distribution if distributions else "", colours.notes.get(node, ""))
    note = ", ".join(filter(None, notes))
    lines = len(label.lines)
    is_small = site.kind in (*DOTS, SiteKind.FACTOR)
    fits = (size for size in NAME_SIZES if lines == 1 and label.width(size) <= 1.7 * RADIUS)
    size = 15.0 if is_small else next(fits, SMALL_SIZE)
    text = max(label.width(size), 0.52 * NOTE_SIZE * len(note))
    tall = lines * size * LINE_HEIGHT + (NOTE_SIZE * LINE_HEIGHT if note else 0.0)
    if is_small:
        width, height = _small_size(site.kind, text, tall, direction)
    else:
        half = max(RADIUS, 0.72 * tall + 2.0)
        reach = text / 2.0 / math.sqrt(1.0 - (tall / 2.0 / half) ** 2) + 3.0
        width, height = 2.0 * max(reach, half), 2.0 * half
    role = colours.roles.get(node, Role.PLAIN)
    is_ringed, is_in_blanket = node in colours.ringed, node in colours.blanket
    return Mark(node, site.kind, label, note, size, width, height, role, is_ringed, is_in_blanket)


def _small_size(kind: SiteKind, text: float, tall: float, direction: Direction) -> tuple[float, float]:
    """A dot's label stands before it, a square's at its side, with as much room at the other side."""
    is_down = direction is Direction.DOWN
    if kind is SiteKind.FACTOR:
        both = 2.0 * text + SQUARE + 10.0, max(tall, SQUARE)
        return both if is_down else (max(text, SQUARE), 2.0 * tall + SQUARE)
    return (text + 6.0, tall + SQUARE + 2.0) if is_down else (text + SQUARE + 6.0, tall + 2.0)
