"""Graphs from text: DOT, dagitty and BIF, told apart by what they begin with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from probdl.errors import CyclicGraph
from probdl.graphs.bif import read_bif
from probdl.graphs.dagitty_parser import parse_dagitty
from probdl.graphs.dot_language import parse_dot
from probdl.graphs.read import graph
from probdl.graphs.source import text_of, without_comments

if TYPE_CHECKING:
    import networkx as nx

FIRST = re.compile(r"\s*(?:strict\s+)?([^\s{]*)", re.IGNORECASE)


def graph_from(source: str | Path) -> nx.DiGraph:
    """Read a graph from DOT, dagitty or BIF.

    What it is shows in its first word: `digraph`, `dag` or `network`.

    Args:
        source: The text, or the path of a file, packed with gzip or not.

    Returns:
        A directed acyclic graph with the attributes of the text. A bidirected edge of dagitty becomes a
        latent parent of both its ends. The nodes of a network in BIF have a `site`, as those of `graph` have:
        `read_bif` gives the model itself.

    Raises:
        CyclicGraph: If the edges form a cycle; the message lists it.
        FileNotFoundError: If there is no such file.
        ValueError: If the text is none of these, or has an error; the message gives the line.

    Example:
        >>> found = graph_from("dag { x [exposure]; y [outcome]; {z [latent]} -> {x y}; x -> y }")
        >>> sorted(found.edges), found.nodes["z"]
        ([('x', 'y'), ('z', 'x'), ('z', 'y')], {'latent': True})
    """
    import networkx as nx

    text = text_of(source)
    found = FIRST.match(without_comments(text, "//|#"))
    first = found[1] if found else ""
    if first.lower() == "network":
        return graph(read_bif(text))
    if first.lower() in ("digraph", "graph"):
        result = parse_dot(text)
    elif first.lower() == "dag":
        result = parse_dagitty(text)
    else:
        raise ValueError(
            f"Expected DOT, dagitty or BIF, which begin with digraph, dag or network; got a text that begins "
            f"with '{first[:40]}'. Check the file, or build a networkx.DiGraph."
        )
    if not nx.is_directed_acyclic_graph(result):
        raise CyclicGraph([parent for parent, _ in nx.find_cycle(result)])
    return result
