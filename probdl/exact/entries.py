"""Single numbers of the latents by name: "x[3]", "x[3,1]"; scan first, plates inward, then other axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from probdl.errors import SiteNotFound
from probdl.exact.variables import Variable
from probdl.graphs.elements import element_name, find_region
from probdl.program.sites import Site


class Entry(NamedTuple):
    """One number of the value of a latent site.

    Attributes:
        name: As it is written, such as "x[3,1]".
        variable: The site.
        place: Where it is in the value.
    """

    name: str
    variable: Variable
    place: tuple[int, ...]

    @property
    def element(self) -> int:
        """Number of the element that it belongs to, the last axis fastest."""
        batch = [axis for axis in range(len(self.place)) if axis not in self.variable.local_axes]
        return _raveled([self.place[axis] for axis in batch], self.variable.lengths)

    @property
    def coordinate(self) -> int:
        """Number of the coordinate of its element."""
        local = self.variable.local_axes
        return _raveled([self.place[axis] for axis in local], self.variable.local_shape)


def _raveled(index: Sequence[int], shape: Sequence[int]) -> int:
    return int(np.ravel_multi_index(index, shape)) if index else 0


def entries(variables: Sequence[Variable], names: Sequence[str], where: str, most: int) -> list[Entry]:
    """Return the numbers that names stand for.

    Args:
        variables: The latents.
        names: Names of sites, of their entries, or of slices: "x", "x[3]", "x[2:5]", "x[3,:]".
        where: The question, for messages.
        most: How many there may be.

    Returns:
        The entries: those of a site in the order of its indices, the last one fastest.

    Raises:
        SiteNotFound: If a name is that of no latent site.
        IndexError: If an index is outside its axis.
        ValueError: If there are too many entries, none, or one twice.
    """
    import networkx as nx

    known = {v.name: v for v in variables}
    graph = nx.DiGraph(plates={}, scans={})
    graph.add_nodes_from((v.name, {"site": _with_all_axes(v.site)}) for v in variables)
    chosen = []
    for name in names:
        try:
            region = find_region(graph, name, where)
        except SiteNotFound as error:
            raise SiteNotFound(error.name, known, "the posterior", "a latent site") from None
        chosen.append((known[str(region.node)], [range(*run) for ((*run,),) in region.runs]))
    count = sum(math.prod(map(len, ranges)) for _, ranges in chosen)
    if not 0 < count <= most:
        raise ValueError(
            f"Expected 1 to {most} elements in {where}; got {count}, of {', '.join(names) or 'no name'}. "
            f"Name single ones, such as 'x[3]' or 'x[2:5]'."
        )
    found = [_entry(v, index) for v, ranges in chosen for index in itertools.product(*ranges)]
    labels = [entry.name for entry in found]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ValueError(f"Expected each element once in {where}; got '{twice}' twice. Name it once.")
    return found


def _with_all_axes(site: Site) -> Site:
    """Return a site whose axes all have a name: those of no plate are called by their number."""
    taken = {axis for _, axis in site.axes}
    more = ((f"axis {axis}", axis) for axis in range(len(site.shape)) if axis not in taken)
    return replace(site, axes=(*site.axes, *more))


def _entry(variable: Variable, parts: tuple[int, ...]) -> Entry:
    site = _with_all_axes(variable.site)
    order = dict.fromkeys(name for name in (site.scan, *site.plates, *dict(site.axes)) if name is not None)
    places = [dict(site.axes)[name] for name in order if name in dict(site.axes)]
    by_axis = dict(zip(places, parts, strict=True))
    index = tuple(by_axis[axis] for axis in range(len(site.shape)))
    return Entry(element_name(variable.name, parts), variable, index)
