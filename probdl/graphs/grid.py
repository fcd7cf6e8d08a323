"""The nodes of an unrolled graph: for each site a product of coordinates, and the names of sets of them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, product

import numpy as np

from probdl.graphs.elements import Axis, Region, Runs, element_name, run_name
from probdl.graphs.runs import contains, union


@dataclass(frozen=True)
class Grid:
    """The nodes of the finite DAG: for each site a product of coordinates, numbered through.

    Attributes:
        axes: The axes of each site.
        coordinates: For each site that is needed, the indices that stand for all along each axis.
        cells: For each folded axis, the indices that each coordinate stands for.
    """

    axes: Mapping[Hashable, tuple[Axis, ...]]
    coordinates: Mapping[Hashable, tuple[np.ndarray, ...]]
    cells: Mapping[str, list[Runs]]

    @cached_property
    def offsets(self) -> dict[Hashable, int]:
        """The number of the first element of each site."""
        counts = accumulate((math.prod(self.shape(node)) for node in self.coordinates), initial=0)
        return dict(zip(self.coordinates, counts, strict=False))

    @cached_property
    def _sites(self) -> list[Hashable]:
        return list(self.offsets)

    @cached_property
    def _starts(self) -> list[int]:
        return list(self.offsets.values())

    @property
    def count(self) -> int:
        """How many nodes there are."""
        return sum(math.prod(self.shape(node)) for node in self.coordinates)

    def shape(self, node: Hashable) -> tuple[int, ...]:
        """Return how many coordinates a site has along each axis."""
        return tuple(len(values) for values in self.coordinates[node])

    def all_of(self, node: Hashable) -> range:
        """Return the numbers of all elements of a site."""
        return range(self.offsets[node], self.offsets[node] + math.prod(self.shape(node)))

    def inside(self, region: Region) -> list[int]:
        """Return the numbers of the elements in a region."""
        if region.node not in self.offsets:
            return []
        places = [
            np.flatnonzero(contains(runs, values))
            for runs, values in zip(region.runs, self.coordinates[region.node], strict=True)
        ]
        if not places:
            return [self.offsets[region.node]]
        flat = np.ravel_multi_index(np.ix_(*places), self.shape(region.node))
        return (self.offsets[region.node] + flat.reshape(-1)).tolist()

    def locate(self, node: int) -> tuple[Hashable, tuple[int, ...]]:
        """Return the site and the index of the element that a number stands for."""
        at = bisect_right(self._starts, node) - 1
        site = self._sites[at]
        places = np.unravel_index(node - self._starts[at], self.shape(site)) if self.axes[site] else ()
        return site, tuple(int(v[i]) for v, i in zip(self.coordinates[site], places, strict=True))

    def element(self, node: int) -> Hashable:
        """Name the element that a number stands for."""
        site, index = self.locate(node)
        return element_name(site, index) if index else site

    @property
    def folded(self) -> frozenset[str]:
        """The plates whose elements stand for others."""
        return frozenset(self.cells)

    def site(self, node: int) -> Hashable:
        """Return the site of an element."""
        return self.locate(node)[0]

    def size(self, node: int) -> int:
        """Return how many elements a number stands for."""
        site, index = self.locate(node)
        return math.prod(
            sum(stop - start for start, stop in cell)
            for axis, at in zip(self.axes[site], index, strict=True)
            for cell in self.cells.get(axis.name, ())
            if cell[0][0] == at
        )

    def names(self, nodes: Iterable[int]) -> tuple[Hashable, ...]:
        """Name a set of elements by as few slices as a sweep finds."""
        numbers = np.fromiter(nodes, int)
        found: list[Hashable] = []
        for site, offset in self.offsets.items():
            shape = self.shape(site)
            flags = np.zeros(math.prod(shape), bool)
            own = numbers[(numbers >= offset) & (numbers < offset + flags.size)]
            if not own.size:
                continue
            flags[own - offset] = True
            axes = self.axes[site]
            cells = [self._cells(axis, v) for axis, v in zip(axes, self.coordinates[site], strict=True)]
            for box in _boxes(flags.reshape(shape), cells):
                for runs in product(*box):
                    parts = [run_name(run, axis.size) for run, axis in zip(runs, axes, strict=True)]
                    found.append(site if set(parts) <= {":"} else element_name(site, parts))
        return tuple(found)

    def _cells(self, axis: Axis, values: np.ndarray) -> list[Runs]:
        folded = self.cells.get(axis.name)
        return [((int(v), int(v) + 1),) for v in values] if folded is None else folded


def _boxes(flags: np.ndarray, cells: Sequence[Sequence[Runs]]) -> list[tuple[Runs, ...]]:
    """Cover the set flags with products of index sets, equal slices along the first axis joined."""
    if not cells:
        return [()] if flags else []
    slices: dict[bytes, list[int]] = {}
    for i, part in enumerate(flags):
        if np.any(part):
            slices.setdefault(np.asarray(part).tobytes(), []).append(i)
    return [
        (union(cells[0][i] for i in at), *rest)
        for at in slices.values()
        for rest in _boxes(flags[at[0]], cells[1:])
    ]
