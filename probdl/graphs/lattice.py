"""Which sites a question needs, how they read each other, and which axes cannot be folded."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from probdl.graphs.elements import Axis, Runs, axes_of, held_regions
from probdl.graphs.ground import Reach
from probdl.graphs.relation import Position, Read
from probdl.graphs.runs import runs_of

if TYPE_CHECKING:
    import networkx as nx

MOST_GROUPS = 64


@dataclass(frozen=True)
class Lattice:
    """The sites that a question needs, before any element is counted.

    Attributes:
        axes: The axes of each site.
        reads: What each site reads of each of its parents, by child and parent.
        cuts: Index sets, by axis, that no cell may straddle, since an edge treats them on their own.
        unrolled: The axes whose elements cannot be exchanged, with the reason.
    """

    axes: Mapping[Hashable, tuple[Axis, ...]]
    reads: Mapping[Hashable, Mapping[Hashable, tuple[Read, ...]]]
    cuts: dict[str, list[Runs]] = field(default_factory=dict)
    unrolled: dict[str, str] = field(default_factory=dict)


def lattice_of(graph: nx.DiGraph, named: Iterable[Hashable], reach: Reach) -> Lattice:
    """Return the sites that a question needs.

    Args:
        graph: The graph.
        named: The sites that it names.
        reach: Which elements are needed.

    Returns:
        The lattice.
    """
    needed = dict.fromkeys(graph) if reach is Reach.ALL else dict.fromkeys(named)
    if reach is Reach.CHILDREN:
        needed |= dict.fromkeys(child for node in list(needed) for child in graph.successors(node))
    waiting = list(needed)
    while waiting:
        new = [parent for parent in graph.predecessors(waiting.pop()) if parent not in needed]
        needed |= dict.fromkeys(new)
        waiting += new
    inside = {node: axes_of(graph, node) for node in graph if node in needed}
    reads = {
        child: {parent: reads_of(graph, parent, child) for parent in graph.predecessors(child)}
        for child in inside
    }
    lattice = Lattice(inside, reads)
    sizes: dict[str, int] = {}
    for axis in (axis for axes in inside.values() for axis in axes):
        if sizes.setdefault(axis.name, axis.size) != axis.size:
            lattice.unrolled[axis.name] = "has several sizes"
    for child, found in reads.items():
        for parent, read in ((parent, read) for parent, some in found.items() for read in some):
            _classify(lattice, f"of '{parent}' by '{child}' ({sizes_of(inside[child])})", read)
    for region in held_regions(graph):
        for axis, runs in zip(inside.get(region.node, ()), region.runs, strict=False):
            lattice.cuts.setdefault(axis.name, []).append(runs)
    return lattice


def sizes_of(axes: Iterable[Axis]) -> str:
    """Write axes with their sizes.

    Args:
        axes: The axes.

    Returns:
        "n = 3, time = 8".
    """
    return ", ".join(f"{axis.name} = {axis.size:,}" for axis in axes)


def reads_of(graph: nx.DiGraph, parent: Hashable, child: Hashable) -> tuple[Read, ...]:
    """Return what a site reads of its parent.

    Args:
        graph: The graph.
        parent: The parent.
        child: The child.

    Returns:
        The reads of the edge; where it was drawn by hand, those that its `aligned`, `shifted` and
        `gathered` stand for; without any, plates that both share are aligned, as in a textbook.
    """
    attributes = graph.edges[parent, child]
    names = [axis.name for axis in axes_of(graph, parent)]
    own = tuple(axis.name for axis in axes_of(graph, child))
    if "reads" in attributes:
        return tuple(_simplified(read, names) for read in attributes["reads"])
    says = any(word in attributes for word in ("aligned", "crossed", "shifted", "gathered"))
    aligned = attributes.get("aligned", ()) if says else own
    choices: list[Sequence[Position]] = []
    for name in names:
        if name in attributes.get("shifted", {}) and name in own:
            choices.append([int(offset) for offset in attributes["shifted"][name]])
        elif name in attributes.get("gathered", {}):
            choices.append(list(attributes["gathered"][name]))
        else:
            choices.append([0 if name in aligned and name in own else None])
    reads = (Read(dict(zip(names, chosen, strict=True)), None, own) for chosen in product(*choices))
    return tuple(_simplified(read, names) for read in reads)


def _simplified(read: Read, names: Sequence[str]) -> Read:
    """Drop from the arrays of a read the axes along which they are constant."""
    positions = {name: _narrowed(read.positions.get(name)) for name in names}
    return Read(positions, None if read.where is None else _narrowed_array(read.where), read.axes)


def _narrowed(position: Position) -> Position:
    return (
        position if position is None or isinstance(position, int) else _narrowed_array(np.asarray(position))
    )


def _narrowed_array(array: np.ndarray) -> np.ndarray:
    for axis in range(array.ndim):
        first = array.take([0], axis)
        if array.shape[axis] > 1 and (array == first).all():
            array = first
    return array


def _classify(lattice: Lattice, what: str, read: Read) -> None:
    """Note which axes of a read cannot be folded, and where the others must be cut."""
    for name, position in read.positions.items():
        if isinstance(position, int):
            if position != 0:
                lattice.unrolled.setdefault(name, f"is read with lags {what}")
        elif position is not None and position.size == 1:
            at = int(position.reshape(-1)[0])
            lattice.cuts.setdefault(name, []).append(((at, at + 1),))
        elif position is not None:
            for axis in (name, *_varying(position, read.axes)):
                lattice.unrolled.setdefault(axis, f"is read by an index {what}")
    if read.where is None:
        return
    for axis in _varying(read.where, read.axes):
        groups = _alike(read.where, read.axes.index(axis))
        if len(groups) <= MOST_GROUPS:
            lattice.cuts.setdefault(axis, []).extend(groups)
        else:
            lattice.unrolled.setdefault(axis, f"is read in part {what}")


def _alike(array: np.ndarray, axis: int) -> list[Runs]:
    """Group the indices of an axis at which an array is the same."""
    slices = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    if slices.shape[1] == 1:
        return [runs_of(slices[:, 0]), runs_of(~slices[:, 0])]
    group = np.unique(slices, axis=0, return_inverse=True)[1].reshape(-1)
    return [runs_of(group == which) for which in range(group.max() + 1)]


def _varying(array: np.ndarray, axes: Sequence[str]) -> list[str]:
    return [name for name, size in zip(axes, array.shape, strict=True) if size > 1]
