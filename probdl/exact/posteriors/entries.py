"""Single numbers of the latents by name: "x[3]", "x[3,1]"; scan first, plates inward, then other axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from probdl.exact.programs.variables import Variable
from probdl.graphs.places import place_at, places


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


def entry_at(variable: Variable, element: int, coordinate: int) -> Entry:
    """Return an entry by the numbers of its element and of its coordinate.

    Args:
        variable: The site.
        element: The number of the element.
        coordinate: The number of the coordinate.

    Returns:
        The entry.
    """
    local = variable.local_axes
    batch = [axis for axis in range(len(variable.site.shape)) if axis not in local]
    inside = np.unravel_index(element, variable.lengths) if batch else ()
    within = np.unravel_index(coordinate, variable.local_shape) if local else ()
    place = dict(zip((*batch, *local), (*inside, *within), strict=True))
    at = tuple(int(place[axis]) for axis in range(len(place)))
    return Entry(place_at(variable.site, at).name, variable, at)


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
    known = {v.name: v for v in variables}
    found = places([v.site for v in variables], names, where, most, "a latent site")
    return [Entry(place.name, known[place.site.name], place.at) for place in found]
