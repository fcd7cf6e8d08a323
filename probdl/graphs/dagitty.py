"""Graphs in the language of dagitty, the program for causal diagrams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.graphs.dagitty_parser import RESERVED, ROLES
from probdl.program.sites import SiteKind

if TYPE_CHECKING:
    import networkx as nx

BAREWORD = re.compile(r"[0-9A-Za-z_.]+")


def to_dagitty(graph: nx.DiGraph) -> str:
    """Write a graph in the language of dagitty.

    Latent sites get `[latent]`, factors `[selected]`: they are what is conditioned on. Node attributes
    `exposure`, `outcome`, `adjusted`, `latent` and `selected` that are true are written too, and so are
    `pos` and all attributes that are text or numbers; the rest is left out.

    Args:
        graph: A graph as `graph` or `graph_from` give it, or any with names as nodes.

    Returns:
        The text; `graph_from` gives the same nodes and edges.

    Raises:
        TypeError: If the graph is not directed or a node is no string.
        ValueError: If it has a cycle, as that of a state-space model has, or if dagitty cannot hold a name.

    Example:
        >>> import networkx as nx
        >>> print(to_dagitty(nx.DiGraph([("z", "x"), ("z", "x[1]")])))
        dag {
        z
        x
        "x[1]"
        z -> x
        z -> "x[1]"
        }
        <BLANKLINE>

    Source:
        Textor et al., Robust causal inference using directed acyclic graphs: the R package dagitty,
        International Journal of Epidemiology 45 (2016), 1887-1894.
    """
    _check_writable(graph)
    lines = ["dag {", *([f"bb={_quoted(str(graph.graph['bb']))}"] if "bb" in graph.graph else [])]
    for node, attributes in graph.nodes(data=True):
        lines.append(f"{_name(node)}{_bracket({**_roles(attributes), **attributes})}")
    for parent, child, attributes in graph.edges(data=True):
        lines.append(f"{_name(parent)} -> {_name(child)}{_bracket(attributes)}")
    return "\n".join([*lines, "}", ""])


def _check_writable(graph: nx.DiGraph) -> None:
    import networkx as nx

    if not isinstance(graph, nx.Graph) or not graph.is_directed():
        raise TypeError(
            f"Expected a networkx.DiGraph; got {type(graph).__name__}. Give its edges a direction."
        )
    for node in graph:
        if not isinstance(node, str):
            raise TypeError(
                f"Expected names as nodes; got {node!r}, of type {type(node).__name__}. Use "
                f"networkx.relabel_nodes(graph, str)."
            )
    if nx.is_directed_acyclic_graph(graph):
        return
    nodes = [edge[0] for edge in nx.find_cycle(graph)]
    repeats = graph.graph.get("scans") or graph.graph.get("plates")
    remedy = (
        "Write the graph of its elements, to_dagitty(unroll(graph))" if repeats else "Remove one of its edges"
    )
    raise ValueError(
        f"Expected an acyclic graph, which is all that dagitty can say; got the cycle "
        f"{' -> '.join([*nodes, nodes[0]])}. {remedy}."
    )


def _roles(attributes: Mapping[str, Any]) -> dict[str, bool]:
    site = attributes.get("site")
    if site is None:
        return {}
    return {"latent": site.is_latent, "selected": site.kind is SiteKind.FACTOR}


def _bracket(attributes: Mapping[str, Any]) -> str:
    written = [role for role in ROLES if attributes.get(role)]
    for key, value in attributes.items():
        if key == "pos":
            x, y = (np.format_float_positional(float(part), trim="-") for part in value)
            written.append(f'pos="{x},{y}"')
        elif key not in ROLES and isinstance(value, str | int | float | np.number):
            flag = value is True
            written += (
                [f"{_word(key)}{'' if flag else f'={_quoted(str(value))}'}"] if value is not False else []
            )
    return f" [{','.join(written)}]" if written else ""


def _name(node: str) -> str:
    if node in RESERVED:
        raise ValueError(
            f"Expected names other than 'graph' and 'node', which dagitty keeps for itself; got '{node}'. "
            f"Rename it."
        )
    return _word(node)


def _word(text: str) -> str:
    return text if BAREWORD.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]|\\$", text):
        raise ValueError(
            f"Expected text that dagitty can hold, without line breaks and no backslash at the end; got "
            f"{text!r}. Rename it."
        )
    return '"' + text.replace('"', '\\"') + '"'
