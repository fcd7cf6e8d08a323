"""d-separation: which nodes and elements are independent of which, given others, and why not."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from probdl.graphs.bayes_ball import are_separated, descend, reachable, shortest_path
from probdl.graphs.elements import Names
from probdl.graphs.ground import Ground, Node, Reach, ground

if TYPE_CHECKING:
    import networkx as nx


class Junction(enum.Enum):
    """How two edges meet at a node of a path."""

    CHAIN = "chain"
    FORK = "fork"
    COLLIDER = "collider"


@dataclass(frozen=True)
class Passage:
    """Why a path is open at a node.

    Attributes:
        node: The node.
        junction: How the two edges meet.
        opened_by: For a collider: the directed path from it down to the given node that opens it; the
            node alone if it is given itself. Empty for a chain or a fork, open since it is not given.

    Example:
        >>> print(Passage("wet", Junction.COLLIDER, ("wet", "slippery")))
        wet: collider, open since its descendant slippery is given (wet -> slippery)
    """

    node: Hashable
    junction: Junction
    opened_by: tuple[Hashable, ...] = ()

    def __str__(self) -> str:
        """Say it."""
        if self.junction is not Junction.COLLIDER:
            return f"{self.node}: {self.junction.value}, open since it is not given"
        if len(self.opened_by) == 1:
            return f"{self.node}: collider, open since it is given"
        way = " -> ".join(map(str, self.opened_by))
        return f"{self.node}: collider, open since its descendant {self.opened_by[-1]} is given ({way})"


@dataclass(frozen=True)
class ActivePath:
    """A path along which two nodes depend on each other.

    Attributes:
        nodes: Its nodes, from one end to the other.
        forward: For each step, whether the edge points along the path.
        passages: For each node between the ends, why the path is open there.

    Example:
        >>> import networkx as nx
        >>> print(active_path(nx.DiGraph([("a", "c"), ("b", "c")]), "a", "b", given="c"))
        a -> c <- b
        c: collider, open since it is given
    """

    nodes: tuple[Hashable, ...]
    forward: tuple[bool, ...]
    passages: tuple[Passage, ...]

    def __str__(self) -> str:
        """Write the path, and below it one line for each node between its ends."""
        arrows = (" -> " if forward else " <- " for forward in self.forward)
        line = "".join(f"{node}{arrow}" for node, arrow in zip(self.nodes, arrows, strict=False))
        return "\n".join([f"{line}{self.nodes[-1]}", *map(str, self.passages)])


def d_separated(graph: nx.DiGraph, x: Names, y: Names, given: Names = ()) -> bool:
    r"""Return whether the graph implies that x and y are independent, given others.

    Every path between them has a chain or fork in `given`, or a collider that neither is in `given` nor
    has a descendant there. Exact for elements of plates and scans, at a cost that does not depend on the
    size of a plate. Factors, params and sites held by `do` are always given.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]" or "x[2:5]", or several.
        y: The same, disjoint from `x`.
        given: The same: what is observed. The observed sites of a model are not given unless named.

    Returns:
        Whether they are separated. That they are not is no proof of dependence: a distribution can have
        independencies that its graph does not show, those of deterministic sites for instance.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If two of the sets overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> sprinkler = nx.DiGraph([("rain", "wet"), ("sprinkler", "wet"), ("wet", "slippery")])
        >>> d_separated(sprinkler, "rain", "sprinkler")
        True
        >>> d_separated(sprinkler, "rain", "sprinkler", given="slippery")
        False

    Source:
        Bishop & Bishop (2023), §11.2.3; Shachter (1998) for the algorithm; the folding of plates is ours.
    """
    dag = ground(graph, x, y, given, where="d_separated")
    return are_separated(dag.parents, dag.children, dag.asked[0], dag.asked[1], dag.given(2))


def d_connected(graph: nx.DiGraph, x: Names, given: Names = ()) -> frozenset[Hashable]:
    """Return all that may depend on x, given others.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]", or several.
        given: The same, disjoint from `x`.

    Returns:
        The nodes that are not d-separated from `x`, without `x` and `given`; of a plated node of which
        only some elements are connected, those, as slices.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If the sets overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> chain = nx.DiGraph([("a", "b"), ("b", "c")])
        >>> sorted(d_connected(chain, "a")), sorted(d_connected(chain, "a", given="b"))
        (['b', 'c'], [])

    Source:
        Bishop & Bishop (2023), §11.2.3.
    """
    dag = ground(graph, x, given, where="d_connected", reach=Reach.ALL)
    found = reachable(dag.parents, dag.children, dag.asked[0], dag.given(1))
    return frozenset(dag.labels.names(found - dag.asked[0]))


def active_path(graph: nx.DiGraph, x: Names, y: Names, given: Names = ()) -> ActivePath | None:
    """Return a shortest path along which x and y depend on each other: the why of "not separated".

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]", or several.
        y: The same, disjoint from `x`.
        given: The same: what is observed.

    Returns:
        The path, with the reason why it is open at each node; None if x and y are d-separated.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If two of the sets overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("mu", "x"), ("mu", "y")])
        >>> print(active_path(graph, "x", "y"))
        x <- mu -> y
        mu: fork, open since it is not given

    Source:
        Bishop & Bishop (2023), §11.2.3.
    """
    dag = ground(graph, x, y, given, where="active_path")
    given_nodes = dag.given(2)
    path = shortest_path(dag.parents, dag.children, dag.asked[0], dag.asked[1], given_nodes)
    return None if path is None else explain(dag, path, given_nodes)


def explain(dag: Ground, path: Sequence[Node], given: frozenset[Node]) -> ActivePath:
    """Say of an open path why it is open.

    Args:
        dag: The DAG.
        path: The nodes of the path.
        given: What is observed.

    Returns:
        The path with its reasons.
    """
    name = dag.labels.element
    forward = [head in dag.children[tail] for tail, head in pairwise(path)]
    passages = []
    for node, along_in, along_out in zip(path[1:-1], forward, forward[1:], strict=False):
        if along_in and not along_out:
            below = tuple(map(name, descend(dag.children, node, given)))
            passages.append(Passage(name(node), Junction.COLLIDER, below))
        else:
            junction = Junction.CHAIN if along_in == along_out else Junction.FORK
            passages.append(Passage(name(node), junction))
    return ActivePath(tuple(map(name, path)), tuple(forward), tuple(passages))
