"""From edges between elements back to edges between sites that say how they treat plates and scans."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.graphs.elements import axes_of
from probdl.graphs.ground import Ground, Node
from probdl.graphs.relation import Position, Read, edge_attributes

if TYPE_CHECKING:
    import networkx as nx

Pairs = set[tuple[tuple[int, ...], tuple[int, ...]]]


def folded_edges(
    graph: nx.DiGraph, dag: Ground, parents: Mapping[Node, Collection[Node]], apart: Collection[str]
) -> Iterator[tuple[Hashable, Hashable, dict[str, Any]]]:
    """Return the edges between sites that edges between elements amount to.

    Along a plate whose elements can be exchanged, an edge joins equal elements or any with any; along other
    plates and scans it is kept exactly.

    Args:
        graph: The graph whose sites and plates they are.
        dag: The elements, with few of each plate that can be folded.
        parents: The parents of each element.
        apart: The plates that were unrolled beside those that cannot be folded.

    Yields:
        Parent, child and the attributes of the edge.
    """
    joined: dict[tuple[Hashable, Hashable], Pairs] = {}
    for node, found in parents.items():
        child, at = dag.labels.locate(node)
        for other in found:
            parent, source = dag.labels.locate(other)
            joined.setdefault((parent, child), set()).add((source, at))
    folded = dag.labels.folded - set(apart)
    for (parent, child), pairs in joined.items():
        yield parent, child, edge_attributes(_reads(graph, parent, child, pairs, folded))


def _reads(
    graph: nx.DiGraph, parent: Hashable, child: Hashable, pairs: Pairs, folded: Collection[str]
) -> list[Read]:
    """Group the pairs by how far apart they are along each axis; a mask says where a distance occurs."""
    theirs, own = axes_of(graph, parent), axes_of(graph, child)
    place = {axis.name: i for i, axis in enumerate(own)}
    names = tuple(axis.name for axis in own)
    is_equal = {
        axis.name: axis.name in place and all(a[i] == b[place[axis.name]] for a, b in pairs)
        for i, axis in enumerate(theirs)
        if axis.name in folded
    }
    is_full = [_is_full(pairs, i, axis.size) for i, axis in enumerate(theirs)]
    groups: dict[tuple[int | None, ...], set[tuple[int, ...]]] = {}
    for a, b in pairs:
        key = tuple(
            (0 if is_equal[axis.name] else None)
            if axis.name in folded
            else None
            if is_full[i]
            else a[i] - b[place[axis.name]]
            if axis.name in place
            else a[i]
            for i, axis in enumerate(theirs)
        )
        kept = tuple(0 if n in folded else i for n, i in zip(names, b, strict=True))
        groups.setdefault(key, set()).add(kept)
    shape = tuple(1 if axis.name in folded else axis.size for axis in own)
    reads = []
    for key, places in groups.items():
        flags = np.zeros(shape, bool)
        flags[tuple(np.array(sorted(places)).T)] = True
        positions: dict[str, Position] = {
            axis.name: np.full((1,) * len(own), k) if k is not None and axis.name not in place else k
            for axis, k in zip(theirs, key, strict=True)
        }
        reads.append(Read(positions, None if _is_everywhere(flags, positions, names) else flags, names))
    return reads


def _is_full(pairs: Pairs, axis: int, size: int) -> bool:
    """Whether along an axis of the parent any index is joined wherever one is."""
    found: dict[Hashable, set[int]] = {}
    for a, b in pairs:
        found.setdefault((a[:axis], a[axis + 1 :], b), set()).add(a[axis])
    return all(len(some) == size for some in found.values())


def _is_everywhere(flags: np.ndarray, positions: Mapping[str, Position], names: tuple[str, ...]) -> bool:
    """Whether a mask is set wherever the read stays inside."""
    inside = np.ones(flags.shape, bool)
    for i, name in enumerate(names):
        offset = positions.get(name)
        if isinstance(offset, int) and flags.shape[i] > 1:
            at = np.arange(flags.shape[i]) + offset
            ok = (at >= 0) & (at < flags.shape[i])
            inside &= ok.reshape([-1 if j == i else 1 for j in range(flags.ndim)])
    return bool((flags == inside).all())
