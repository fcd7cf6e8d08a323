"""Sets of indices as runs, and the coarsest partition of an axis that tells several of them apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice

import numpy as np

from probdl.graphs.elements import Runs


def union(sets: Iterable[Runs]) -> Runs:
    """Return the union of index sets.

    Args:
        sets: The sets.

    Returns:
        The union, in order, touching runs joined.

    Example:
        >>> union([((0, 2), (5, 6)), ((2, 3),)])
        ((0, 3), (5, 6))
    """
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(run for runs in sets for run in runs):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return tuple(joined)


def meet(a: Runs, b: Runs) -> Runs:
    """Return the intersection of two index sets.

    Args:
        a: One set.
        b: The other.

    Returns:
        What both hold.

    Example:
        >>> meet(((0, 4), (6, 9)), ((3, 7),))
        ((3, 4), (6, 7))
    """
    found = ((max(p, r), min(q, s)) for p, q in a for r, s in b)
    return tuple((start, stop) for start, stop in found if start < stop)


def partition(size: int, cuts: Iterable[Runs]) -> list[Runs]:
    """Return the coarsest partition of an axis of which every given set is a union.

    Args:
        size: Length of the axis; the cost does not depend on it.
        cuts: The sets to tell apart.

    Returns:
        The cells, in the order of their first index.

    Example:
        >>> partition(9, [((3, 4),), ((5, 6),)])
        [((0, 3), (4, 5), (6, 9)), ((3, 4),), ((5, 6),)]
    """
    sets = list(dict.fromkeys(cuts))
    changes: dict[int, list[int]] = {0: [], size: []}
    for which, runs in enumerate(sets):
        for start, stop in runs:
            changes.setdefault(start, []).append(which)
            changes.setdefault(stop, []).append(which)
    cells: dict[frozenset[int], list[tuple[int, int]]] = {}
    inside: set[int] = set()
    places = sorted(changes)
    for start, stop in zip(places, places[1:], strict=False):
        inside.symmetric_difference_update(changes[start])
        cells.setdefault(frozenset(inside), []).append((start, stop))
    return [union([tuple(runs)]) for runs in cells.values()]


def firsts(cell: Runs, count: int) -> list[int]:
    """Return the first indices of a set.

    Args:
        cell: The set.
        count: How many to return at most.

    Returns:
        The indices, in order.

    Example:
        >>> firsts(((0, 2), (5, 9)), 3)
        [0, 1, 5]
    """
    return list(islice(chain.from_iterable(range(*run) for run in cell), count))


def runs_of(flags: np.ndarray | Sequence[bool]) -> Runs:
    """Return the indices at which flags are set, as runs.

    Args:
        flags: One flag an index.

    Returns:
        The runs.

    Example:
        >>> runs_of([True, True, False, True])
        ((0, 2), (3, 4))
    """
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], np.asarray(flags, bool), [False]]).astype(np.int8))
    )
    return tuple((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))


def contains(runs: Runs, values: np.ndarray) -> np.ndarray:
    """Return which values lie in a set.

    Args:
        runs: The set.
        values: Indices.

    Returns:
        One flag a value.
    """
    inside = np.zeros(values.shape, bool)
    for start, stop in runs:
        inside |= (start <= values) & (values < stop)
    return inside
