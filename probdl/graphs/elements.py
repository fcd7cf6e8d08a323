"""Names of elements: "x[3]", "x[3,1]", "x[:]", "x[2:5]", outermost plate first, a scan before the plates."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probdl.errors import SiteNotFound
from probdl.program.sites import Site, SiteKind

if TYPE_CHECKING:
    import networkx as nx

Runs = tuple[tuple[int, int], ...]
"""Indices along an axis: half-open runs (start, stop), in order and apart."""

Names = Hashable | Iterable[Hashable]
"""One node or element, or several."""

_ELEMENT = re.compile(r"(?P<name>.+)\[(?P<index>[^\[\]]*)\]", re.DOTALL)
_PART = re.compile(r"(?P<at>[-+]?\d+)|(?P<start>[-+]?\d+)?\s*:\s*(?P<stop>[-+]?\d+)?")


@dataclass(frozen=True)
class Axis:
    """A plate or scan along which a node repeats.

    Attributes:
        name: Its name.
        size: How many elements it has.
    """

    name: str
    size: int


@dataclass(frozen=True)
class Region:
    """Some elements of one node: a product of index sets.

    Attributes:
        node: The node.
        runs: The indices along each of its axes.
    """

    node: Hashable
    runs: tuple[Runs, ...] = ()


def axes_of(graph: nx.DiGraph, node: Hashable) -> tuple[Axis, ...]:
    """Return the axes of a node in the order of an element's name: its scan, then its plates inward.

    Args:
        graph: The graph of a program, or any directed graph; a node without a `Site` has none.
        node: One of its nodes.

    Returns:
        The axes.
    """
    site = graph.nodes[node].get("site")
    if not isinstance(site, Site):
        return ()
    sizes: dict[str, int] = {name: site.shape[axis] for name, axis in site.axes}
    if not sizes and not site.shape:
        known = {**graph.graph.get("plates", {}), **graph.graph.get("scans", {})}
        sizes = {name: known[name] for name in _nesting(site) if name in known}
    order = dict.fromkeys(name for name in (*_nesting(site), *sizes) if name in sizes)
    return tuple(Axis(name, int(sizes[name])) for name in order)


def _nesting(site: Site) -> tuple[str, ...]:
    return site.plates if site.scan is None else (site.scan, *site.plates)


def kinds(graph: nx.DiGraph) -> dict[Hashable, SiteKind]:
    """Return the kinds of the nodes that carry a site.

    Args:
        graph: Any directed graph.

    Returns:
        The kinds by node; nodes without a site are left out. A graph whose first node has none has none.
    """
    if "plates" not in graph.graph and "site" not in next(iter(graph.nodes.values()), {}):
        return {}
    return {node: site.kind for node, site in graph.nodes.data("site") if isinstance(site, Site)}


def is_plated(graph: nx.DiGraph) -> bool:
    """Return whether a graph has plates or scans, so that its nodes have elements.

    Args:
        graph: Any directed graph.

    Returns:
        Whether `graph.graph["plates"]` or `graph.graph["scans"]` names any.
    """
    return bool(graph.graph.get("plates") or graph.graph.get("scans"))


def listed(names: Names, graph: nx.DiGraph) -> Collection[Hashable]:
    """Return one or several names as a collection, each once.

    Args:
        names: A node, the name of an element, or a collection of those.
        graph: The graph.

    Returns:
        The names, in order.
    """
    if isinstance(names, str) or (isinstance(names, Hashable) and names in graph):
        return [names]
    if not isinstance(names, Iterable):
        return [names]
    return names if isinstance(names, Set) else list(dict.fromkeys(names))


def find_region(graph: nx.DiGraph, name: Hashable, where: str) -> Region:
    """Return the elements that a name stands for.

    Args:
        graph: The graph.
        name: A node, or the name of an element or of a slice of them.
        where: The call that asks, for messages.

    Returns:
        The region.

    Raises:
        SiteNotFound: If there is no such node.
        IndexError: If an index is outside its plate, or if there are more indices than plates.
        ValueError: If an index is neither a number nor start:stop.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph(plates={"n": 9})
        >>> graph.add_node("x", site=Site("x", SiteKind.LATENT, plates=("n",)))
        >>> find_region(graph, "x[2:5]", "here").runs
        (((2, 5),),)
    """
    if name in graph:
        return Region(name, tuple(((0, axis.size),) for axis in axes_of(graph, name)))
    match = _ELEMENT.fullmatch(name) if isinstance(name, str) else None
    node = match["name"] if match else name
    if match is None or node not in graph:
        what = "a site of the program" if kinds(graph) else "a node of the graph"
        raise SiteNotFound(str(node), map(str, graph), where, what)
    axes = axes_of(graph, node)
    parts = [part.strip() for part in match["index"].split(",")]
    if len(parts) > len(axes):
        have = f"the axes [{', '.join(axis.name for axis in axes)}]" if axes else "no plates"
        remedy = f"Write {element_name(node, [':'] * len(axes))}." if axes else f"Write '{node}'."
        raise IndexError(
            f"Expected an element of '{node}' in {where}, which has {have}; got '{name}'. {remedy}"
        )
    runs = [_read_part(part, axis, str(name), where) for part, axis in zip(parts, axes, strict=False)]
    runs += [((0, axis.size),) for axis in axes[len(parts) :]]
    return Region(node, tuple(runs))


def held_regions(graph: nx.DiGraph) -> list[Region]:
    """Return the elements that `do` holds of sites that it does not hold wholly.

    Args:
        graph: The graph; the node attribute `held` names them.

    Returns:
        The regions.
    """
    named = (name for _, names in graph.nodes.data("held", default=()) for name in names)
    return [find_region(graph, name, "do") for name in named]


def element_name(node: Hashable, parts: Iterable[int | str]) -> str:
    """Write the name of an element.

    Args:
        node: The node.
        parts: Its indices or slices; none for a node without plates.

    Returns:
        The name.

    Example:
        >>> element_name("x", [3, ":"])
        'x[3,:]'
    """
    inside = ",".join(map(str, parts))
    return f"{node}[{inside}]" if inside else str(node)


def run_name(run: tuple[int, int], size: int) -> str:
    """Write a run of indices as a slice.

    Args:
        run: Its start and stop.
        size: The length of the axis.

    Returns:
        "3", "2:5", "2:", ":5" or ":".

    Example:
        >>> run_name((2, 5), 9), run_name((0, 9), 9), run_name((4, 5), 9)
        ('2:5', ':', '4')
    """
    start, stop = run
    if (start, stop) == (0, size):
        return ":"
    if stop == start + 1:
        return str(start)
    return f"{start or ''}:{stop if stop < size else ''}"


def _read_part(part: str, axis: Axis, name: str, where: str) -> Runs:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(
            f"Expected an index or start:stop in '{name}' in {where}; got '{part}'. "
            f"'{axis.name}' has the indices 0 to {axis.size - 1}."
        )
    if match["at"] is not None:
        at = int(match["at"])
        _check_inside(at, at, axis, name, where)
        at += axis.size if at < 0 else 0
        return ((at, at + 1),)
    start = 0 if match["start"] is None else int(match["start"])
    stop = axis.size if match["stop"] is None else int(match["stop"])
    _check_inside(start, stop - 1 if stop > 0 else stop, axis, name, where)
    start, stop = (i + axis.size if i < 0 else i for i in (start, stop))
    if start >= stop:
        raise IndexError(f"Expected some elements in '{name}' in {where}; got none. Name at least one index.")
    return ((start, stop),)


def _check_inside(first: int, last: int, axis: Axis, name: str, where: str) -> None:
    for at in (first, last):
        if not -axis.size <= at < axis.size:
            raise IndexError(
                f"Expected an index from 0 to {axis.size - 1} along '{axis.name}' in {where}; "
                f"got '{name}'. '{axis.name}' has {axis.size} element{'s' if axis.size != 1 else ''}."
            )
