"""The page of an explorer: markup, style, script and data put into one file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Hashable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from probdl.graphs.independence import Independence
from probdl.report.boxes import BoxKind, read_boxes, site_of
from probdl.report.labels import visible

if TYPE_CHECKING:
    import networkx as nx

STYLES = ("page.css", "picture.css", "panel.css")
SCRIPTS = ("dag.js", "answers.js", "words.js", "picture.js", "panel.js", "main.js")


def page(
    graph: nx.DiGraph,
    picture: str,
    packed: Mapping[str, Any],
    *,
    given: Sequence[Hashable] = (),
    source: Hashable | None = None,
    independencies: Sequence[Independence] = (),
    has_more: bool = False,
    factorization: str = "",
) -> str:
    """Return a page that answers questions about a graph by itself.

    Args:
        graph: The graph.
        picture: It as SVG, with the numbers of nodes and edges in it.
        packed: Its finite DAG, from `pack`.
        given: Nodes that are given at first.
        source: The node that is asked from at first, or None.
        independencies: Statements to list.
        has_more: Whether the graph implies more of them.
        factorization: The joint density as a product, or "".

    Returns:
        The HTML; a policy in it forbids the browser to load anything.
    """
    place = {node: i for i, node in enumerate(graph)}
    names = unique_names(graph)
    data = {
        "names": names,
        "codes": [_code(node) for node in graph],
        "kinds": [site_of(graph, node).kind.value for node in graph],
        "observed": [i for i, node in enumerate(graph) if site_of(graph, node).is_observed],
        "unmeasured": [i for i, node in enumerate(graph) if graph.nodes[node].get("latent")],
        "boxes": [
            {"kind": box.kind.value, "label": box.label, "members": sorted(box.members)}
            for box in read_boxes(graph)
            if box.kind is not BoxKind.NETWORK
        ],
        "given": [place[node] for node in given],
        "source": -1 if source is None else place[source],
        "independencies": [_statement(found, place) for found in independencies],
        "hasMore": has_more,
        "factorization": factorization,
        **packed,
    }
    style = "\n".join(map(_asset, STYLES))
    script = "\n".join(map(_module, SCRIPTS))
    count = len(graph)
    parts = {
        "title": f"Graph of {count} site{'' if count == 1 else 's'}",
        "style": style,
        "style-hash": _digest(style),
        "script": script,
        "script-hash": _digest(script),
        "picture": picture,
        "data": _safe_json(data),
    }
    return re.sub(r"\{\{([a-z-]+)\}\}", lambda found: parts[found[1]], _asset("explorer.html"))


def unique_names(graph: nx.DiGraph) -> list[str]:
    """Return the names of nodes as a page shows them, none of them twice.

    Args:
        graph: The graph.

    Returns:
        One name a node.

    Example:
        >>> import networkx as nx
        >>> unique_names(nx.DiGraph([(1, "1")]))
        ['1', '1 (2)']
    """
    names: dict[str, None] = {}
    for node in graph:
        name, number = visible(node), 1
        while name in names:
            number += 1
            name = f"{visible(node)} ({number})"
        names[name] = None
    return list(names)


def _statement(found: Independence, place: Mapping[Hashable, int]) -> list[Any]:
    """Return a statement as text, and the question that it answers where that is about whole nodes."""
    x, y, given = ([place.get(node) for node in names] for names in (found.x, found.y, found.given))
    if len(x) > 1 or len(y) > 1 or None in (*x, *y, *given):
        return [visible(found)]
    return [visible(found), *x, *y, given]


def _code(node: Hashable) -> str:
    return json.dumps(node, ensure_ascii=False) if isinstance(node, str) else repr(node)


def _safe_json(data: Mapping[str, Any]) -> str:
    """Write JSON that can stand in a script element, whatever names it holds."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _asset(name: str) -> str:
    return (files("probdl.report") / "web" / name).read_text(encoding="utf-8")


def _module(name: str) -> str:
    """Return a module that stands in one script with the modules it imports."""
    return re.sub(r"^export ", "", re.sub(r"^import .*\n", "", _asset(name), flags=re.M), flags=re.M)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
