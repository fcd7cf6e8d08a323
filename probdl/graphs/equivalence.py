"""Markov equivalence: whether two graphs imply the same independences, and if not, which."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from probdl.graphs.bayes_ball import ancestors
from probdl.graphs.cpdag import unshielded_colliders
from probdl.graphs.elements import axes_of
from probdl.graphs.ground import Reach, ground
from probdl.graphs.independence import Independence
from probdl.graphs.representatives import representatives

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Distinction:
    """What one of two graphs has and the other has not.

    Attributes:
        nodes: A node; two that are adjacent; or parent, child and parent of a v-structure.
        in_first: Whether it is the first graph that has it.
        independence: A statement that one of the graphs implies and the other does not; None if they
            have not the same nodes.

    Example:
        >>> print(Distinction(("a", "c", "b"), True, Independence(("a",), ("b",))))
        The first graph alone has the v-structure a -> c <- b; it alone implies a ⫫ b.
    """

    nodes: tuple[Hashable, ...]
    in_first: bool
    independence: Independence | None = None

    def __str__(self) -> str:
        """Say it."""
        this, other = ("first", "second") if self.in_first else ("second", "first")
        if len(self.nodes) == 1:
            return f"The {this} graph alone has the node {self.nodes[0]}, or it has other plates there."
        if len(self.nodes) == 2:
            edge = f"an edge between {self.nodes[0]} and {self.nodes[1]}"
            return f"The {this} graph alone has {edge}; the {other} alone implies {self.independence}."
        a, c, b = self.nodes
        return (
            f"The {this} graph alone has the v-structure {a} -> {c} <- {b}; "
            f"it alone implies {self.independence}."
        )


def equivalent(first: nx.DiGraph, second: nx.DiGraph) -> bool:
    """Return whether two graphs imply the same independences.

    They do if they have the same skeleton and the same v-structures. Exact for elements of plates and scans,
    at a cost that does not depend on the size of a plate that is only aligned or crossed. Params, factors and
    sites held by `do` count as nodes like others.

    Args:
        first: The graph of a program, or any acyclic directed graph.
        second: Another one; nodes with the same names are the same.

    Returns:
        Whether they are equivalent; False if they have not the same nodes, plates and sizes.

    Raises:
        TypeError: If one is no DiGraph.
        CyclicGraph: If one has a cycle.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> chain, fork = nx.DiGraph([("a", "b"), ("b", "c")]), nx.DiGraph([("b", "a"), ("b", "c")])
        >>> equivalent(chain, fork), equivalent(chain, nx.DiGraph([("a", "b"), ("c", "b")]))
        (True, False)

    Source:
        Verma & Pearl (1990), Equivalence and synthesis of causal models, UAI.
    """
    return next(_differences(first, second, "equivalent"), None) is None


def distinction(first: nx.DiGraph, second: nx.DiGraph) -> Distinction | None:
    """Return why two graphs are not equivalent.

    Args:
        first: The graph of a program, or any acyclic directed graph.
        second: Another one; nodes with the same names are the same.

    Returns:
        The first thing found that one of them alone has, and an independence that one of them alone
        implies; None if they are equivalent.

    Raises:
        TypeError: If one is no DiGraph.
        CyclicGraph: If one has a cycle.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> print(distinction(nx.DiGraph([("a", "b"), ("b", "c")]), nx.DiGraph([("a", "b"), ("c", "b")])))
        The second graph alone has the v-structure a -> b <- c; it alone implies a ⫫ c.

    Source:
        Verma & Pearl (1990), Equivalence and synthesis of causal models, UAI.
    """
    found = next(_differences(first, second, "distinction"), None)
    if found is None or len(found.nodes) == 1:
        return found
    owner = first if found.in_first == (len(found.nodes) == 3) else second
    return Distinction(found.nodes, found.in_first, _implied(owner, found.nodes[0], found.nodes[-1]))


def _differences(first: nx.DiGraph, second: nx.DiGraph, where: str) -> Iterator[Distinction]:
    """Yield what one graph alone has: nodes; if there are none, edges and then v-structures."""
    for graph in (first, second):
        ground(graph, where=where, reach=Reach.ALL)
    both = list(permutations(((first, True), (second, False))))
    unlike = [
        Distinction((node,), flag)
        for (one, flag), (other, _) in both
        for node in one
        if node not in other or axes_of(one, node) != axes_of(other, node)
    ]
    if unlike:
        yield from unlike
        return
    a, b = representatives(first, second, where)
    both = list(permutations(((a, True), (b, False))))
    for (one, flag), (other, _) in both:
        for edge in one.edges:
            if not other.has_edge(*edge) and not other.has_edge(*edge[::-1]):
                yield Distinction(edge, flag)
    for (one, flag), (other, _) in both:
        for nodes in unshielded_colliders(one):
            if not (other.has_edge(nodes[0], nodes[1]) and other.has_edge(nodes[2], nodes[1])):
                yield Distinction(nodes, flag)


def _implied(graph: nx.DiGraph, a: Hashable, b: Hashable) -> Independence:
    """Say of two nodes that are not adjacent what separates them: the parents of the later one."""
    dag = ground(graph, a, b, where="distinction")
    (at_a,), (at_b,) = dag.asked
    later = at_a if at_b in ancestors(dag.parents, [at_a]) else at_b
    return Independence((a,), (b,), dag.labels.names(dag.parents[later]))
