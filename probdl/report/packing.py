"""The finite DAG of a graph as a few numbers, for a page that asks it questions."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.graphs.arguments import check_held
from probdl.graphs.elements import kinds
from probdl.graphs.grid import Grid
from probdl.graphs.ground import FIXED, Ground, Reach, ground
from probdl.report.open_edges import homes_in

if TYPE_CHECKING:
    import networkx as nx

MOST = 250_000
"""How many elements and edges a page answers on without lag."""


def pack(graph: nx.DiGraph) -> dict[str, Any]:
    """Return the finite DAG on which questions about whole nodes are answered.

    Args:
        graph: The graph of a program, or any acyclic directed graph.

    Returns:
        Lists for JSON: `starts`, the number of the first element of each node and how many there are;
        `coordinates`, the indices along each axis of each node; `runs` and `crowded`, the edges as runs
        (tail, head, step of the tail, step of the head, count), the second those whose tail stands for
        several parents of one child; `edges`, the drawn edges as pairs of nodes; `fixed`, the nodes that
        are always given.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If there are too many elements and edges.
    """
    check_held(graph, "explore")
    dag = ground(graph, *([node] for node in graph), where="explore", reach=Reach.ALL)
    numbers = _numbers(graph, dag)
    starts = np.cumsum([0, *(len(own) for own in dag.asked)]).tolist()
    heads = [head for head in dag.nodes for _ in dag.parents[head]]
    tails = [tail for head in dag.nodes for tail in dag.parents[head]]
    _check_size(starts[-1], len(tails))
    homes = homes_in(graph, dag)
    is_crowded = np.array(
        [u in homes.crowds.get((homes.of[u], homes.of[v]), ()) for u, v in zip(tails, heads, strict=True)],
        bool,
    )
    pairs = np.array([[numbers[tail] for tail in tails], [numbers[head] for head in heads]], int)
    site = np.searchsorted(starts, pairs, side="right")
    order = np.lexsort((pairs[0], pairs[1], site[0], site[1]))
    pairs, is_crowded = pairs[:, order], is_crowded[order]
    place = {node: i for i, node in enumerate(graph)}
    return {
        "starts": starts,
        "coordinates": [_coordinates(dag, node) for node in graph],
        "runs": runs_of(pairs[:, ~is_crowded]),
        "crowded": runs_of(pairs[:, is_crowded]),
        "edges": [place[node] for edge in graph.edges for node in edge[:2]],
        "fixed": [place[node] for node, kind in kinds(graph).items() if kind in FIXED],
    }


def runs_of(pairs: np.ndarray) -> list[int]:
    """Write pairs of numbers as runs: a first pair, steps, and a count.

    Args:
        pairs: Of shape (2, count).

    Returns:
        Five numbers a run, one after the other.

    Example:
        >>> runs_of(np.array([[0, 1, 2, 9], [5, 6, 7, 0]]))
        [0, 5, 1, 1, 3, 9, 0, 0, 0, 1]
    """
    last = pairs.shape[1] - 1
    steps = np.diff(pairs, axis=1)
    turns = np.flatnonzero(np.any(np.diff(steps, axis=1) != 0, axis=0)) + 1
    ends = np.append(turns, last) if last >= 0 else turns
    found: list[int] = []
    start = 0
    for end in ends.tolist():
        if end < start or end == start < last:
            continue
        step = steps[:, start] if end > start else (0, 0)
        found += [*pairs[:, start].tolist(), int(step[0]), int(step[1]), end - start + 1]
        start = end + 1
    return found


def _numbers(graph: nx.DiGraph, dag: Ground) -> dict[Any, int]:
    """Number the elements node by node, in the order of the graph."""
    ordered = [element for own in dag.asked for element in sorted(own)] if _is_grid(dag) else list(graph)
    return {element: number for number, element in enumerate(ordered)}


def _is_grid(dag: Ground) -> bool:
    return isinstance(dag.labels, Grid)


def _coordinates(dag: Ground, node: Hashable) -> list[dict[str, Any]]:
    if not isinstance(dag.labels, Grid):
        return []
    axes = []
    for values in dag.labels.coordinates[node]:
        is_plain = np.array_equal(values, np.arange(len(values)))
        axes.append({"count": len(values)} | ({} if is_plain else {"at": values.tolist()}))
    return axes


def _check_size(elements: int, edges: int) -> None:
    if elements + edges > MOST:
        raise ValueError(
            f"Expected a graph whose questions need at most {MOST:,} elements and edges in explore; got "
            f"{elements:,} elements and {edges:,} edges, since lags or an index tell each element apart. "
            "Explore the graph of a model of a shorter series or a smaller plate."
        )
