"""What a question about a graph colours in its picture, and its answer in words."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from probdl.graphs.bayes_ball import reachable
from probdl.graphs.elements import Names, axes_of, find_region, listed
from probdl.graphs.ground import Ground, Node, Reach, ground
from probdl.graphs.neighbourhood import markov_blanket
from probdl.graphs.separation import ActivePath, active_path
from probdl.graphs.separators import minimal_separator
from probdl.report.labels import visible
from probdl.report.open_edges import homes_in, open_edges
from probdl.report.roles import Colours, Edge, Role, Trail

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Answer:
    """The answer to a question about a graph.

    Attributes:
        colours: How it colours the picture.
        text: The answer in words, with the exact elements; "" without a question.
    """

    colours: Colours = field(default_factory=Colours)
    text: str = ""


def answer(graph: nx.DiGraph, given: Names, source: Names | None, target: Names | None) -> Answer:
    """Ask what depends on what, given others.

    Args:
        graph: The graph.
        given: Nodes or elements that are observed.
        source: Nodes or elements to ask from, or None to show what is given alone.
        target: Nodes or elements to show one path to, or None.

    Returns:
        The answer.

    Raises:
        TypeError: If there is a target and no source.
    """
    known = listed(given, graph)
    about = [] if target is None else listed(target, graph)
    if source is None:
        if target is not None:
            raise TypeError(
                f"Expected a source with the target {words(about)} in draw; got none. "
                "Write draw(graph, source=..., target=...)."
            )
        return _given_alone(graph, known)
    asked = listed(source, graph)
    shown = _Shown(graph, ground(graph, asked, known, about, where="draw", reach=Reach.ALL))
    sentences = [shown.sentence(), shown.blanket_sentence()]
    trails: dict[Edge, Trail] = dict.fromkeys(shown.edges(), Trail.OPEN)
    ringed = nodes_of(graph, [*asked, *about])
    if about:
        path = active_path(graph, asked, about, known)
        if path is not None:
            trails |= _steps(graph, path)
            sentences.append(f"One open path:\n{path}")
        else:
            separator = minimal_separator(graph, asked, about, restrict=known) or frozenset()
            ringed |= nodes_of(graph, separator)
            which = f" by {words(sorted(separator, key=str))}" if separator else ", even with nothing given"
            sentences.append(f"{shown.source} and {words(about)} are separated{which}.")
    colours = Colours(shown.roles(), trails, ringed, shown.blanket, shown.notes())
    return Answer(colours, "\n".join(sentences))


def nodes_of(graph: nx.DiGraph, names: Iterable[Hashable]) -> frozenset[Hashable]:
    """Return the nodes of elements.

    Args:
        graph: The graph.
        names: Names of nodes or elements.

    Returns:
        The nodes.
    """
    return frozenset(find_region(graph, name, "draw").node for name in names)


def words(names: Collection[Hashable]) -> str:
    """Write names as a sentence does.

    Args:
        names: The names.

    Returns:
        One line, "" without names.

    Example:
        >>> words(["mu", "tau", "y"])
        'mu, tau and y'
    """
    *most, last = map(visible, names or [""])
    return f"{', '.join(most)} and {last}" if most else last


def _steps(graph: nx.DiGraph, path: ActivePath) -> dict[Edge, Trail]:
    """Return the edges of the drawing that a path takes."""
    nodes = [find_region(graph, name, "draw").node for name in path.nodes]
    steps = zip(pairwise(nodes), path.forward, strict=True)
    return {(a, b) if forward else (b, a): Trail.PATH for (a, b), forward in steps}


class _Shown:
    """An answer on the finite DAG, as sites of the picture and as words."""

    def __init__(self, graph: nx.DiGraph, dag: Ground) -> None:
        self._graph, self._dag, self._homes = graph, dag, homes_in(graph, dag)
        self._sources, self._given = dag.asked[:2]
        self._closed = self._given | (dag.fixed - self._sources)
        self._reached = reachable(dag.parents, dag.children, self._sources, self._closed)
        names = self._names(self._sources)
        self.source, self._blanket = words(names), markov_blanket(graph, names)
        self.blanket = nodes_of(graph, self._blanket)

    def edges(self) -> set[Edge]:
        return open_edges(self._dag, self._homes, self._sources, self._closed, self._reached)

    def roles(self) -> dict[Hashable, Role]:
        """The most telling role of any element; sites that are always given stay plain."""
        found: dict[Hashable, Role] = {}
        order = (
            (Role.SEPARATED, set(self._dag.nodes) - self._closed),
            (Role.GIVEN, self._given),
            (Role.CONNECTED, self._reached),
            (Role.SOURCE, self._sources),
        )
        for role, nodes in order:
            found |= dict.fromkeys((self._homes.of[node] for node in nodes), role)
        return found

    def notes(self) -> dict[Hashable, str]:
        """Which elements are asked about or given, where that is not all of a site."""
        found: dict[Hashable, str] = {}
        for nodes, what in ((self._sources, "asked"), (self._given, "given")):
            for node, index in _indices(self._graph, self._names(nodes)):
                found[node] = f"{found[node]}, {index} {what}" if node in found else f"{index} {what}"
        return found

    def sentence(self) -> str:
        connected = self._names(self._reached - self._sources)
        separated = self._names(set(self._dag.nodes) - self._closed - self._reached)
        given = words(self._names(self._given)) or "nothing"
        depends = f"may depend on {words(connected)}" if connected else "depends on nothing else"
        rest = f"; it is independent of {words(separated)}" if separated else ""
        return f"Given {given}, {self.source} {depends}{rest}."

    def blanket_sentence(self) -> str:
        order = {node: i for i, node in enumerate(self._graph)}
        regions = {name: find_region(self._graph, name, "draw") for name in self._blanket}
        names = sorted(regions, key=lambda name: (order[regions[name].node], regions[name].runs))
        return f"Markov blanket of {self.source}: {words(names) or 'nothing'}."

    def _names(self, nodes: Set[Node]) -> tuple[Hashable, ...]:
        """Name nodes in the order of the graph."""
        ordered = [node for node in self._dag.nodes if node in nodes]
        return self._dag.labels.names(ordered)


def _given_alone(graph: nx.DiGraph, names: Collection[Hashable]) -> Answer:
    if not names:
        return Answer()
    notes: dict[Hashable, str] = {}
    for node, index in _indices(graph, names):
        notes[node] = f"{notes[node]}, {index} given" if node in notes else f"{index} given"
    colours = Colours(roles=dict.fromkeys(nodes_of(graph, names), Role.GIVEN), notes=notes)
    return Answer(colours, f"Given: {words(names)}.")


def _indices(graph: nx.DiGraph, names: Iterable[Hashable]) -> Iterator[tuple[Hashable, str]]:
    """Yield the node of each name and its indices, where it is not all of the node."""
    for name in names:
        region = find_region(graph, name, "draw")
        whole = tuple(((0, axis.size),) for axis in axes_of(graph, region.node))
        if region.runs != whole:
            yield region.node, str(name).removeprefix(str(region.node))
