"""Single numbers of the values of sites by name: "x[3,1]"; scan first, plates inward, then other axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from probdl.errors import SiteNotFound
from probdl.graphs.elements import element_name, find_region
from probdl.program.sites import Site


class Place(NamedTuple):
    """One number of the value of a site.

    Attributes:
        name: As it is written, such as "x[3,1]".
        site: The site.
        at: Where it is in the value.
    """

    name: str
    site: Site
    at: tuple[int, ...]


def places(sites: Sequence[Site], names: Sequence[str], where: str, most: int, what: str) -> list[Place]:
    """Return the numbers that names stand for.

    Args:
        sites: The sites that are known.
        names: Names of sites, of their numbers, or of slices: "x", "x[3]", "x[2:5]", "x[3,:]".
        where: The question, for messages.
        most: How many there may be.
        what: What is known, for messages, such as "a latent site".

    Returns:
        The numbers: those of a site in the order of their indices, the last one fastest.

    Raises:
        SiteNotFound: If a name is that of no site.
        IndexError: If an index is outside its axis.
        ValueError: If there are too many numbers, none, or one twice.

    Example:
        >>> from probdl.program.sites import SiteKind
        >>> axes = (("inner", 0), ("outer", 1))
        >>> x = Site("x", SiteKind.LATENT, (3, 2), plates=("outer", "inner"), axes=axes)
        >>> [(place.name, place.at) for place in places([x], ["x[1,1:]"], "here", 9, "a site")]
        [('x[1,1]', (1, 1)), ('x[1,2]', (2, 1))]
    """
    import networkx as nx

    known = {site.name: _with_all_axes(site) for site in sites}
    graph = nx.DiGraph(plates={}, scans={})
    graph.add_nodes_from((name, {"site": site}) for name, site in known.items())
    chosen = []
    for name in names:
        try:
            region = find_region(graph, name, where)
        except SiteNotFound as error:
            raise SiteNotFound(error.name, known, "the posterior", what) from None
        chosen.append((known[str(region.node)], [range(*run) for ((*run,),) in region.runs]))
    count = sum(math.prod(map(len, ranges)) for _, ranges in chosen)
    if not 0 < count <= most:
        raise ValueError(
            f"Expected 1 to {most} elements in {where}; got {count}, of {', '.join(names) or 'no name'}. "
            f"Name single ones, such as 'x[3]' or 'x[2:5]'."
        )
    found = [_place(site, parts) for site, ranges in chosen for parts in itertools.product(*ranges)]
    labels = [place.name for place in found]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ValueError(f"Expected each element once in {where}; got '{twice}' twice. Name it once.")
    return found


def _with_all_axes(site: Site) -> Site:
    """Return a site whose axes all have a name: those of no plate are called by their number."""
    taken = {axis for _, axis in site.axes}
    more = ((f"axis {axis}", axis) for axis in range(len(site.shape)) if axis not in taken)
    return replace(site, axes=(*site.axes, *more))


def place_at(site: Site, at: tuple[int, ...]) -> Place:
    """Return a number of the value of a site by where it is.

    Args:
        site: The site.
        at: Its index into the value.

    Returns:
        The number, with its name.

    Example:
        >>> from probdl.program.sites import SiteKind
        >>> axes = (("inner", 0), ("outer", 1))
        >>> place_at(Site("x", SiteKind.LATENT, (3, 2), plates=("outer", "inner"), axes=axes), (2, 1)).name
        'x[1,2]'
    """
    return Place(element_name(site.name, tuple(at[axis] for axis in _order(_with_all_axes(site)))), site, at)


def _order(site: Site) -> list[int]:
    """Return the axes in the order in which they are named."""
    axes = dict(site.axes)
    order = dict.fromkeys(name for name in (site.scan, *site.plates, *axes) if name is not None)
    return [axes[name] for name in order if name in axes]


def _place(site: Site, parts: tuple[int, ...]) -> Place:
    by_axis = dict(zip(_order(site), parts, strict=True))
    index = tuple(by_axis[axis] for axis in range(len(site.shape)))
    return Place(element_name(site.name, parts), site, index)
