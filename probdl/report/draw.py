"""Pictures of graphs: circles, plates and arrows as in a textbook."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probdl.errors import SiteNotFound
from probdl.graphs.arguments import check_directed
from probdl.graphs.elements import Names, listed
from probdl.report.diagram import Diagram, Direction, read_diagram
from probdl.report.labels import visible
from probdl.report.roles import Colours, Role, Trail
from probdl.report.scene import Scene
from probdl.report.text import draw_text
from probdl.report.undirected import oriented

if TYPE_CHECKING:
    import networkx as nx

SUFFIXES = (".svg", ".png", ".pdf", ".dot")

__all__ = ["Direction", "Drawing", "draw"]


@dataclass(frozen=True)
class Drawing:
    """The picture of a graph; it shows itself in a notebook and prints as text.

    Attributes:
        diagram: What it shows.
        text: The graph as text, and the answer to a question about it.

    Example:
        >>> import networkx as nx
        >>> drawing = draw(nx.DiGraph([("mu", "x")]))
        >>> print(drawing)
        ○ mu  latent
        ○ x   latent  ← mu
        >>> drawing.svg().startswith("<svg")
        True
    """

    diagram: Diagram
    text: str

    @property
    def source(self) -> str:
        """The picture in DOT, the language of Graphviz."""
        from probdl.report.dot import dot_source, placed_source
        from probdl.report.spacing import lay_out

        if self.diagram.is_nested:
            return dot_source(self.diagram)
        return placed_source(lay_out(self.diagram))

    def svg(self) -> str:
        """Return the picture as SVG.

        Returns:
            The SVG.

        Raises:
            NoRenderer: If neither `dot` nor `graphviz-pure` is installed.
        """
        from probdl.report.svg import paint_svg

        return paint_svg(self._scene)

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file; missing folders are made.

        Args:
            path: Where to; the suffix says what: .svg, .png, .pdf or .dot.

        Returns:
            The path.

        Raises:
            ValueError: If the suffix is another.
            NoRenderer: If neither `dot` nor `graphviz-pure` is installed; .dot needs neither.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(
                f"Expected a file name ending in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}; "
                f"got '{path.name}'. Write for example '{path.stem or 'graph'}.svg'."
            )
        if suffix in (".svg", ".dot"):
            text = self.svg() if suffix == ".svg" else self.source
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return path
        from probdl.report.canvas import save_painting

        scene = self._scene
        path.parent.mkdir(parents=True, exist_ok=True)
        save_painting(scene, path)
        return path

    def __str__(self) -> str:
        """Return the graph as text."""
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the picture for a notebook: SVG where it can be drawn, text always."""
        try:
            return {"text/plain": self.text, "image/svg+xml": self.svg()}
        except Exception as error:  # a notebook shows the text rather than a traceback
            return {"text/plain": f"{self.text}\n\nNo picture: {error}"}

    @cached_property
    def _scene(self) -> Scene:
        from probdl.report.render import arrange

        return arrange(self.diagram)


def draw(
    graph: nx.Graph,
    *,
    distributions: bool = False,
    highlight: Iterable[Hashable | tuple[Hashable, Hashable]] = (),
    given: Names = (),
    source: Names | None = None,
    target: Names | None = None,
    direction: Direction = Direction.DOWN,
) -> Drawing:
    """Draw a graph as textbooks do.

    White circles are latent, shaded ones observed, double ones deterministic; dots are fixed, squares
    are factors; a box is a plate, a dashed one a scan, a tinted one a network. Dashed edges come from
    an earlier step.

    With a question the picture shows its answer: what `source` may depend on, given others, along which
    edges, and its Markov blanket; with a `target` one open path between both, or what separates them.
    A site is coloured as connected if any of its elements is; the text names the elements.

    Args:
        graph: The graph of a program, or any directed graph. An undirected one, such as a moral graph or a
            factor graph, is drawn without arrows; it answers no question.
        distributions: Whether to write each site's distribution below its name.
        highlight: Nodes, and edges as pairs (parent, child), to draw in colour; before a question's colours.
        given: A node or an element such as "x[3]", or several: what is observed. The observed sites of a
            model are not given unless named.
        source: The same: what to ask from.
        target: The same: what to show the relation of `source` to.
        direction: Where children are drawn.

    Returns:
        The drawing.

    Raises:
        TypeError: If `graph` is no graph, `highlight` is one string, an undirected graph is asked, or
            there is a target and no source.
        SiteNotFound: If a node is not in the graph.
        IndexError: If an index is outside its plate.
        CyclicGraph: If a question is asked of a graph that has a cycle.
        ValueError: If an edge of `highlight` is not in the graph, if two sets of the question overlap, or
            if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> drawing = draw(nx.DiGraph([("theta", "y")]), highlight=["theta", ("theta", "y")])
        >>> "θ" in drawing.source
        True
        >>> print(draw(nx.DiGraph([("a", "c"), ("b", "c")]), source="a", target="b", given="c"))
        ○ a  latent
        ○ b  latent
        ○ c  latent  ← a, b
        <BLANKLINE>
        Given c, a may depend on b.
        Markov blanket of a: c and b.
        One open path:
        a -> c <- b
        c: collider, open since it is given
    """
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise TypeError(
            f"Expected a networkx.DiGraph; got {type(graph).__name__}. Write draw(graph(model)) for a model."
        )
    graph = nx.DiGraph(graph) if isinstance(graph, nx.MultiDiGraph) else graph
    shown = graph if isinstance(graph, nx.DiGraph) else oriented(graph)
    known = listed(given, shown)
    nodes, edges = _highlighted(shown, highlight)
    text, colours = draw_text(shown), Colours()
    if source is not None or target is not None or known:
        check_directed(graph, "draw with a question")
        from probdl.report.question import answer

        found = answer(shown, known, source, target)
        text, colours = f"{text}\n\n{found.text}", found.colours
    colours = replace(
        colours,
        roles={**colours.roles, **dict.fromkeys(nodes, Role.HIGHLIGHT)},
        trails={**colours.trails, **dict.fromkeys(edges, Trail.HIGHLIGHT)},
    )
    diagram = read_diagram(shown, distributions=distributions, colours=colours, direction=direction)
    return Drawing(diagram, text)


def _highlighted(
    graph: nx.DiGraph, highlight: Iterable[Any]
) -> tuple[frozenset[Hashable], frozenset[tuple[Hashable, Hashable]]]:
    if isinstance(highlight, str):
        raise TypeError(
            f"Expected nodes and edges in highlight; got the string '{highlight}'. "
            f"Write highlight=['{highlight}']."
        )
    nodes, edges = set(), set()
    for item in highlight:
        if item in graph:
            nodes.add(item)
        elif isinstance(item, tuple) and len(item) == 2:
            edges.add(_edge(graph, *item))
        else:
            raise SiteNotFound(visible(item), map(visible, graph), "highlight")
    return frozenset(nodes), frozenset(edges)


def _edge(graph: nx.DiGraph, tail: Hashable, head: Hashable) -> tuple[Hashable, Hashable]:
    for node in (tail, head):
        if node not in graph:
            raise SiteNotFound(visible(node), map(visible, graph), "highlight")
    if not graph.has_edge(tail, head):
        known = ", ".join(map(visible, graph.predecessors(head))) or "none"
        remedy = (
            f"Write ('{visible(head)}', '{visible(tail)}'): the parent comes first."
            if graph.has_edge(head, tail)
            else f"The parents of '{visible(head)}': {known}."
        )
        raise ValueError(
            f"Expected an edge of the graph in highlight; got ('{visible(tail)}', '{visible(head)}'). "
            f"{remedy}"
        )
    return tail, head
