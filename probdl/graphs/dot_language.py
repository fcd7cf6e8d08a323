"""DOT, the language of Graphviz: digraphs as graphs of NetworkX."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx

DEFAULTS = ("graph", "node", "edge")


def parse_dot(text: str) -> nx.DiGraph:
    """Parse a digraph in DOT.

    Names and values lose their quotes. Subgraphs and clusters are dissolved: their nodes and edges stay, they
    themselves and their attributes go, and a cluster does not become a plate, of which it knows no size.
    Defaults (`node [shape=box]`) are not copied to the nodes, ports are left out, and of parallel edges one
    is kept.

    Args:
        text: The text, `digraph { ... }`.

    Returns:
        A graph; attributes of graph, nodes and edges as text, True where they have no value.

    Raises:
        ValueError: If the text is no DOT, or not one directed graph; the message gives the line of an error.

    Example:
        >>> graph = parse_dot('digraph { x -> "y[1]" [color=red] }')
        >>> list(graph.edges(data=True))
        [('x', 'y[1]', {'color': 'red'})]
    """
    import networkx as nx
    from pyparsing import ParseException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydot 4.0 calls pyparsing by names that pyparsing has deprecated
        from pydot.dot_parser import GraphParser
    try:
        found = list(GraphParser.parser.parse_string(text, parse_all=True))
    except ParseException as error:
        raise ValueError(
            f"Expected DOT on line {error.lineno}; got '{error.line.strip()}'. Correct it there, or above."
        ) from None
    if len(found) != 1:
        raise ValueError(f"Expected one digraph; got {len(found)}. Pass them one by one.")
    whole = found[0].obj_dict
    if whole["type"] != "digraph":
        raise ValueError(
            "Expected a digraph, whose edges have directions; got an undirected graph. Write `digraph` and "
            "`->`."
        )
    result = nx.DiGraph()
    _add(result, whole)
    result.graph.update(_attributes(whole["attributes"]))
    for entry in whole["nodes"].get("graph", ()):
        result.graph.update(_attributes(entry["attributes"]))
    return result


def _add(graph: nx.DiGraph, part: Mapping[str, Any]) -> list[str]:
    """Add what a graph or a subgraph holds; return its nodes."""
    nodes: dict[str, None] = {}
    groups = (part["nodes"], part["edges"], part["subgraphs"])
    entries = [entry for group in groups for same in group.values() for entry in same]
    for entry in sorted(entries, key=lambda entry: entry["sequence"]):
        if entry["type"] == "subgraph":
            nodes |= dict.fromkeys(_add(graph, entry))
        elif entry["type"] == "edge":
            ends = [_add(graph, end) if isinstance(end, Mapping) else [_name(end)] for end in entry["points"]]
            for tail in ends[0]:
                for head in ends[1]:
                    graph.add_edge(tail, head)
                    graph.edges[tail, head].update(_attributes(entry["attributes"]))
            nodes |= dict.fromkeys(ends[0] + ends[1])
        elif entry["name"] not in DEFAULTS:
            name = _name(entry["name"])
            graph.add_node(name)
            graph.nodes[name].update(_attributes(entry["attributes"]))
            nodes[name] = None
    return list(nodes)


def _attributes(written: Mapping[str, str | None]) -> dict[str, str | bool]:
    return {_unquoted(key): True if value is None else _unquoted(value) for key, value in written.items()}


def _name(written: str) -> str:
    """Return the name of a node without its port."""
    if not written.startswith('"'):
        return written.partition(":")[0]
    end = 1
    while written[end] != '"':
        end += 2 if written[end] == "\\" else 1
    return _unquoted(written[: end + 1])


def _unquoted(written: str) -> str:
    is_quoted = len(written) > 1 and written[0] == written[-1] == '"'
    return written[1:-1].replace('\\"', '"') if is_quoted else written
