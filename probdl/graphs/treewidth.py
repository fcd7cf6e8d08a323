"""EliminationOrder orders of the moral graph, and how large the cliques are that they make."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from probdl.graphs.ground import Node
from probdl.graphs.moral import married
from probdl.graphs.unroll import all_elements

if TYPE_CHECKING:
    import networkx as nx

Adjacency = dict[Node, set[Node]]
Score = Callable[[Adjacency, Node], int]


@dataclass(frozen=True)
class EliminationOrder:
    """An order in which the variables of a model can be summed out one by one.

    Attributes:
        order: The nodes or elements, first to be summed out first.
        width: The most neighbours that one has when its turn comes: tables have one axis more.
        lower_bound: No order has a smaller width than this.

    Example:
        >>> EliminationOrder(("a", "b", "c"), 1, 1).is_optimal
        True
    """

    order: tuple[Hashable, ...]
    width: int
    lower_bound: int

    @property
    def is_optimal(self) -> bool:
        """Whether the width is known to be the treewidth."""
        return self.width == self.lower_bound


def elimination_order(graph: nx.DiGraph) -> EliminationOrder:
    """Return a good order in which to sum out the variables.

    The better of two greedy orders on the moral graph: that of fewest fill-in edges and that of fewest
    neighbours. Finding the best order is NP-hard; the lower bound says how far this one may be from it.

    Args:
        graph: The graph of a program, or any acyclic directed graph; plates and scans are unrolled.

    Returns:
        The order, its width, and a lower bound of the width of any order. Params, factors and sites held by
        `do` are no variables; what a factor reads is joined.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If plates and scans are too large to be unrolled.

    Example:
        >>> import networkx as nx
        >>> found = elimination_order(nx.DiGraph([("a", "b"), ("b", "c")]))
        >>> found.width, found.is_optimal
        (1, True)

    Source:
        Koller & Friedman (2009), §9.4.3; Gogate & Dechter (2004) for the bound (minor-min-width).
    """
    dag = all_elements(graph, "elimination_order")
    moral = {node: others - dag.fixed for node, others in married(dag).items() if node not in dag.fixed}
    orders = [eliminate(moral, score) for score in (fill_in, degree)]
    order, width = min(orders, key=lambda found: found[1])
    names = tuple(dag.labels.element(node) for node in order)
    return EliminationOrder(names, width, minor_min_width(moral))


def treewidth(graph: nx.DiGraph) -> int:
    """Return the width of the best elimination order found: the treewidth, or a number above it.

    Args:
        graph: The graph of a program, or any acyclic directed graph; plates and scans are unrolled.

    Returns:
        The width; `elimination_order` says whether it is known to be the least.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If plates and scans are too large to be unrolled.

    Example:
        >>> import networkx as nx
        >>> treewidth(nx.DiGraph([("a", "c"), ("b", "c")]))
        2
    """
    return elimination_order(graph).width


def fill_in(around: Adjacency, node: Node) -> int:
    """Return how many edges the elimination of a node would add.

    Args:
        around: The neighbours of each node.
        node: The node.

    Returns:
        The number of pairs of its neighbours that are not neighbours.
    """
    own = around[node]
    return sum(len(own) - 1 - len(own & around[other]) for other in own) // 2


def degree(around: Adjacency, node: Node) -> int:
    """Return how many neighbours a node has.

    Args:
        around: The neighbours of each node.
        node: The node.

    Returns:
        Their number.
    """
    return len(around[node])


def eliminate(moral: Mapping[Node, Iterable[Node]], score: Score) -> tuple[list[Node], int]:
    """Eliminate the node of lowest score again and again.

    Args:
        moral: The neighbours of each node.
        score: What to keep low.

    Returns:
        The order, and its width.
    """
    around = {node: set(others) for node, others in moral.items()}
    rank = {node: i for i, node in enumerate(around)}
    scores = {node: score(around, node) for node in around}
    waiting = [(scores[node], rank[node], node) for node in around]
    heapq.heapify(waiting)
    order, width = [], 0
    while waiting:
        value, _, node = heapq.heappop(waiting)
        if node not in around or scores[node] != value:
            continue
        own = around[node]
        width = max(width, len(own))
        changed = set(own)
        for a, b in combinations(own, 2):
            if b not in around[a]:
                around[a].add(b)
                around[b].add(a)
                changed |= around[a] & around[b]
        for other in own:
            around[other].discard(node)
        del around[node]
        order.append(node)
        for other in changed - {node}:
            new = score(around, other)
            if new != scores[other]:
                scores[other] = new
                heapq.heappush(waiting, (new, rank[other], other))
    return order, width


def minor_min_width(moral: Mapping[Node, Iterable[Node]]) -> int:
    """Return a lower bound of the treewidth: the largest least degree met while edges are contracted.

    Args:
        moral: The neighbours of each node.

    Returns:
        The bound.
    """
    around = {node: set(others) for node, others in moral.items()}
    rank = {node: i for i, node in enumerate(around)}
    waiting = [(len(own), rank[node], node) for node, own in around.items()]
    heapq.heapify(waiting)
    bound = 0
    while waiting:
        value, _, node = heapq.heappop(waiting)
        if node not in around or len(around[node]) != value:
            continue
        bound = max(bound, value)
        own = around.pop(node)
        for other in own:
            around[other].discard(node)
        if own:
            into = min(own, key=lambda other: (len(own & around[other]), rank[other]))
            for other in own - around[into] - {into}:
                around[into].add(other)
                around[other].add(into)
        for other in own:
            heapq.heappush(waiting, (len(around[other]), rank[other], other))
    return bound
