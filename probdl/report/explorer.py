"""A graph as a page on which questions are asked by clicking."""

from __future__ import annotations

import html
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from probdl.graphs.elements import Names, find_region, listed
from probdl.graphs.ground import overlap

if TYPE_CHECKING:
    import networkx as nx

FRAME_HEIGHT = 720
MOST_INDEPENDENCIES = 60
MOST_ELEMENTS = 1_000
"""Of how many elements a graph may have for its independencies to be listed: each pair is looked at."""


@dataclass(frozen=True)
class Explorer:
    """A page that answers questions about a graph; it shows itself in a notebook.

    Attributes:
        html: The page; it needs no network and no other file.
        sites: How many nodes the graph has.

    Example:
        >>> import networkx as nx
        >>> print(explore(nx.DiGraph([("mu", "x")])))
        Explorer of 2 sites; .save("explorer.html") writes the page.
    """

    html: str = field(repr=False)
    sites: int

    def save(self, path: str | Path) -> Path:
        """Write the page to a file; missing folders are made.

        Args:
            path: Where to; it ends in .html.

        Returns:
            The path.

        Raises:
            ValueError: If the suffix is another.
        """
        path = Path(path)
        if path.suffix.lower() != ".html":
            raise ValueError(
                f"Expected a file name ending in .html; got '{path.name}'. "
                f"Write for example '{path.stem or 'explorer'}.html'."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html, encoding="utf-8")
        return path

    def __str__(self) -> str:
        """Say what it is and how to keep it."""
        count = f"{self.sites} site{'' if self.sites == 1 else 's'}"
        return f'Explorer of {count}; .save("explorer.html") writes the page.'

    def _repr_html_(self) -> str:
        """Return the page for a notebook, in a frame of its own."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="Explorer of a graph" sandbox="allow-scripts" '
            f'style="width:100%;height:{FRAME_HEIGHT}px;border:0;border-radius:12px"></iframe>'
        )


def explore(graph: nx.DiGraph, *, given: Names = (), source: Hashable | None = None) -> Explorer:
    """Make a page on which to ask what depends on what.

    Click a site to ask from it: what may depend on it is coloured, with the edges of open paths. Click a
    second one for a path between both. Shift-click, right-click or hold a site to condition on it. Beside
    the picture stand the Markov blanket, adjustment sets, the factorization and implied independencies.
    Everything is answered in the page, as `d_connected` and `active_path` answer it.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        given: A node, or several: what is given at first. As everywhere, the observed sites of a model
            are not given unless named; the page has a button that does.
        source: The node that is asked from at first, or None.

    Returns:
        The page.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a node is not in the graph.
        ValueError: If `given` or `source` names single elements, if both name the same node, or if lags or
            gathers need too many elements for a page.
        NoRenderer: If neither `dot` nor `graphviz-pure` is installed.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("rain", "wet"), ("sprinkler", "wet")])
        >>> explore(graph, given="wet", source="rain").html.startswith("<!doctype html>")
        True

    Source:
        Bishop & Bishop (2023), §11.2; Shachter (1998) for the algorithm.
    """
    from probdl.graphs.factorization import factorization
    from probdl.graphs.ground import check_directed
    from probdl.graphs.independencies import independencies
    from probdl.report.draw import draw
    from probdl.report.packing import pack
    from probdl.report.page import page

    check_directed(graph, "explore")
    nodes = [_node(graph, name) for name in listed(given, graph)]
    start = None if source is None else _node(graph, source)
    if source is not None and start in nodes:
        raise overlap(source, "explore")
    packed = pack(graph)
    is_small = packed["starts"][-1] <= MOST_ELEMENTS
    statements = list(islice(independencies(graph, "minimal"), MOST_INDEPENDENCIES + 1)) if is_small else []
    text = page(
        graph,
        draw(graph).svg(),
        packed,
        given=nodes,
        source=start,
        independencies=statements[:MOST_INDEPENDENCIES],
        has_more=len(statements) > MOST_INDEPENDENCIES,
        factorization=factorization(graph).text,
    )
    return Explorer(text, len(graph))


def _node(graph: nx.DiGraph, name: Hashable) -> Hashable:
    node = find_region(graph, name, "explore").node
    if name not in graph:
        raise ValueError(
            f"Expected a whole site in explore; got the element '{name}'. Write '{node}', or ask "
            f'd_connected(graph, "{name}").'
        )
    return node
