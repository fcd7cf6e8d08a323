"""A graph in plain text: one line a site, in the order of the program."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from probdl.program.sites import Site, SiteKind
from probdl.report.boxes import site_of
from probdl.report.diagram import lag_of
from probdl.report.labels import visible

if TYPE_CHECKING:
    import networkx as nx

SIGNS = {
    SiteKind.LATENT: "○",
    SiteKind.OBSERVED: "●",
    SiteKind.DETERMINISTIC: "◎",
    SiteKind.FACTOR: "■",
    SiteKind.PARAM: "•",
    SiteKind.INTERVENED: "◆",
}


def draw_text(graph: nx.DiGraph) -> str:
    """Return a table of the sites: sign, name, kind, distribution, boxes and parents.

    Args:
        graph: Any directed graph.

    Returns:
        One line a site, parents before children.

    Example:
        >>> import networkx as nx
        >>> print(draw_text(nx.DiGraph([("mu", "x"), ("tau", "x")])))
        ○ mu   latent
        ○ tau  latent
        ○ x    latent  ← mu, tau
    """
    rows = []
    for node in _ordered(graph):
        site = site_of(graph, node)
        rows.append(
            (
                f"{SIGNS[site.kind]} {visible(node)}",
                site.kind.value,
                site.distribution,
                _boxes(graph, site),
                _parents(graph, node),
            )
        )
    if not rows:
        return "(no sites)"
    widths = [max(_cells(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True) if width
        ).rstrip()
        for row in rows
    )


def _ordered(graph: nx.DiGraph) -> list[Hashable]:
    """Parents first, else the order of the graph; a cycle is cut at its first site."""
    waiting = {
        node: {u for u in graph.predecessors(node) if u != node and not lag_of(graph, u, node)[1]}
        for node in graph
    }
    order: list[Hashable] = []
    while waiting:
        ready = next((node for node, parents in waiting.items() if not parents), next(iter(waiting)))
        order.append(ready)
        del waiting[ready]
        for parents in waiting.values():
            parents.discard(ready)
    return order


def _boxes(graph: nx.DiGraph, site: Site) -> str:
    lengths, sizes = graph.graph.get("scans", {}), graph.graph.get("plates", {})
    terms = [f"{visible(name)}={sizes[name]}" if name in sizes else visible(name) for name in site.plates]
    if site.scan is not None:
        steps = f"=0..{lengths[site.scan] - 1}" if site.scan in lengths else ""
        terms.insert(0, visible(site.scan) + steps)
    return f"[{', '.join(terms)}]" if terms else ""


def _parents(graph: nx.DiGraph, node: Hashable) -> str:
    names = [_lagged(visible(u), lag_of(graph, u, node)[0]) for u in dict.fromkeys(graph.predecessors(node))]
    sign = "—" if graph.graph.get("undirected") else "←"
    return f"{sign} {', '.join(names)}" if names else ""


def _lagged(name: str, lag: str) -> str:
    return f"{name}[{lag}]" if lag else name


def _cells(text: str | Iterable[str]) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
