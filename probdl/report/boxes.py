"""The boxes of a picture: which sites are in which plate, scan or network."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probdl.program.sites import Site, SiteKind
from probdl.report.labels import visible

if TYPE_CHECKING:
    import networkx as nx


class BoxKind(enum.Enum):
    """What a box around sites stands for."""

    PLATE = "plate"
    SCAN = "scan"
    NETWORK = "network"


@dataclass(frozen=True)
class Box:
    """A box around marks.

    Attributes:
        kind: Plate, scan or network.
        label: Its name and size.
        members: The numbers of the marks inside.
    """

    kind: BoxKind
    label: str
    members: frozenset[int]


def is_nested(sets: Sequence[frozenset[int]]) -> bool:
    """Return whether any two sets are disjoint or one holds the other.

    Args:
        sets: The sets.

    Returns:
        Whether they are laminar.

    Example:
        >>> is_nested([frozenset({0, 1}), frozenset({1})]), is_nested([frozenset({0, 1}), frozenset({1, 2})])
        (True, False)
    """
    return all(a.isdisjoint(b) or a <= b or b <= a for i, a in enumerate(sets) for b in sets[:i])


def site_of(graph: nx.DiGraph, node: Hashable) -> Site:
    """Return the site of a node; a node that carries none counts as latent.

    Args:
        graph: Any directed graph.
        node: One of its nodes.

    Returns:
        The site.
    """
    site = graph.nodes[node].get("site")
    return site if isinstance(site, Site) else Site(visible(node), SiteKind.LATENT)


def read_boxes(graph: nx.DiGraph) -> tuple[Box, ...]:
    """Return the plates, scans and networks of a graph.

    A network is a group of names with the same beginning up to "/", or one that ends in "$params"; it
    gets no box where that would cross a plate.

    Args:
        graph: Any directed graph.

    Returns:
        The boxes, outer ones before inner ones; marks are numbered in the order of the graph.
    """
    number = {node: i for i, node in enumerate(graph)}
    plates: dict[str, list[int]] = {}
    scans: dict[str, list[int]] = {}
    networks: dict[str, list[int]] = {}
    for node in graph:
        site = site_of(graph, node)
        for plate in site.plates:
            plates.setdefault(plate, []).append(number[node])
        if site.scan is not None:
            scans.setdefault(site.scan, []).append(number[node])
        if prefix := _prefix(visible(node)):
            networks.setdefault(prefix, []).append(number[node])
    lengths, sizes = graph.graph.get("scans", {}), graph.graph.get("plates", {})
    boxes = [Box(BoxKind.SCAN, _stepped(name, lengths), frozenset(m)) for name, m in scans.items()]
    boxes += [Box(BoxKind.PLATE, _counted(name, sizes), frozenset(m)) for name, m in plates.items()]
    boxes.sort(key=lambda box: -len(box.members))
    for prefix, members in networks.items():
        group = frozenset(members)
        if not _is_network(prefix, members, graph) or not is_nested([*(b.members for b in boxes), group]):
            continue
        at = next((i for i, box in enumerate(boxes) if len(box.members) < len(group)), len(boxes))
        boxes.insert(at, Box(BoxKind.NETWORK, prefix, group))
    return tuple(boxes)


def _is_network(prefix: str, members: Sequence[int], graph: Iterable[Hashable]) -> bool:
    names = {visible(node) for node in graph}
    return len(members) >= 2 or f"{prefix}$params" in names


def _counted(name: str, sizes: dict[str, Any]) -> str:
    return f"{visible(name)} = {sizes[name]}" if name in sizes else visible(name)


def _stepped(name: str, lengths: dict[str, Any]) -> str:
    """Write the steps of a scan, counted as in the names of its elements."""
    return f"{visible(name)} = 0..{lengths[name] - 1}" if name in lengths else visible(name)


def _prefix(name: str) -> str:
    if name.endswith("$params"):
        return name.removesuffix("$params")
    return name.partition("/")[0] if "/" in name else ""


def short_name(name: str) -> str:
    """Return what a name says inside the box of its network.

    Args:
        name: The full name.

    Returns:
        What follows the network's name.

    Example:
        >>> short_name("net/l1.kernel"), short_name("net$params")
        ('l1.kernel', 'params')
    """
    return "params" if name.endswith("$params") else name.partition("/")[2]
