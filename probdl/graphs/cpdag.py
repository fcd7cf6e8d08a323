"""What all equivalent graphs share: the skeleton, the v-structures, and the edges that follow from them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from itertools import combinations
from typing import TYPE_CHECKING

from probdl.graphs.elements import axes_of
from probdl.graphs.ground import check_directed
from probdl.graphs.unroll import unroll

if TYPE_CHECKING:
    import networkx as nx

MOST = 200_000


def cpdag(graph: nx.DiGraph) -> nx.DiGraph:
    """Return the completed partially directed graph, which stands for all graphs that are equivalent.

    An edge is directed if it points the same way in all of them. That takes linear time: parents of a node
    that are not all joined to the last of them, or that the last one must have but the node has not, are
    all compelled; otherwise those are which are compelled parents of the last one.

    Args:
        graph: The graph of a program, or any acyclic directed graph.

    Returns:
        The graph. An edge that may point either way is there in both directions; the edge attribute
        `directed` says which it is. Of a graph with plates the nodes are all elements, as of `unroll`. Along
        a plate that is only aligned or crossed, more than four elements show nothing new.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If it has too many elements.

    Example:
        >>> import networkx as nx
        >>> found = cpdag(nx.DiGraph([("a", "c"), ("b", "c"), ("c", "d"), ("a", "e")]))
        >>> sorted(found.edges.data("directed"))
        [('a', 'c', True), ('a', 'e', False), ('b', 'c', True), ('c', 'd', True), ('e', 'a', False)]

    Source:
        Chickering (1995), A transformational characterization of equivalent Bayesian network structures,
        UAI; the algorithm is his, each node's edges labelled at once.
    """
    import networkx as nx

    dag = _elements(graph, "cpdag")
    compelled = compelled_parents(dag.pred, list(nx.topological_sort(dag)))
    result = nx.DiGraph(**dag.graph)
    result.add_nodes_from(dag.nodes.data())
    for parent, child in dag.edges:
        directed = parent in compelled[child]
        result.add_edge(parent, child, directed=directed)
        if not directed:
            result.add_edge(child, parent, directed=False)
    return result


def compelled_parents(
    parents: Mapping[Hashable, Mapping[Hashable, object]], order: Sequence[Hashable]
) -> dict[Hashable, Set[Hashable]]:
    """Return the parents of each node from which the edge points to it in all equivalent graphs.

    Args:
        parents: The parents of each node.
        order: The nodes, parents first.

    Returns:
        Some of the parents of each node.

    Example:
        >>> found = compelled_parents({"a": {}, "b": {}, "c": {"a": {}, "b": {}}}, ["a", "b", "c"])
        >>> sorted(found["c"])
        ['a', 'b']
    """
    place = {node: i for i, node in enumerate(order)}
    compelled: dict[Hashable, Set[Hashable]] = {}
    for node in order:
        own = parents[node].keys()
        last = max(own, key=place.__getitem__, default=None)
        if not own:
            compelled[node] = frozenset()
        elif own - parents[last].keys() == {last} and compelled[last] <= own:
            compelled[node] = compelled[last]
        else:
            compelled[node] = own
    return compelled


def skeleton(graph: nx.DiGraph) -> nx.Graph:
    """Return which nodes are adjacent: the graph without the directions of its edges.

    Args:
        graph: The graph of a program, or any acyclic directed graph.

    Returns:
        The undirected graph of the same nodes with their attributes; of a graph with plates, of all elements.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If it has too many elements.

    Example:
        >>> import networkx as nx
        >>> sorted(skeleton(nx.DiGraph([("a", "c"), ("b", "c")])).adj["c"])
        ['a', 'b']

    Source:
        Verma & Pearl (1990), Equivalence and synthesis of causal models, UAI.
    """
    import networkx as nx

    dag = _elements(graph, "skeleton")
    result = nx.Graph(**dag.graph)
    result.add_nodes_from(dag.nodes.data())
    result.add_edges_from(dag.edges)
    return result


def v_structures(graph: nx.DiGraph) -> Iterator[tuple[Hashable, Hashable, Hashable]]:
    """List the v-structures: a -> c <- b where a and b are not adjacent.

    Args:
        graph: The graph of a program, or any acyclic directed graph.

    Yields:
        (a, c, b), each once; of a graph with plates, of all elements.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If it has too many elements.

    Example:
        >>> import networkx as nx
        >>> list(v_structures(nx.DiGraph([("a", "c"), ("b", "c"), ("c", "d")])))
        [('a', 'c', 'b')]

    Source:
        Verma & Pearl (1990), Equivalence and synthesis of causal models, UAI.
    """
    return unshielded_colliders(_elements(graph, "v_structures"))


def unshielded_colliders(dag: nx.DiGraph) -> Iterator[tuple[Hashable, Hashable, Hashable]]:
    """List the v-structures of a graph whose nodes are elements.

    Args:
        dag: The graph.

    Yields:
        (a, c, b).
    """
    for child, parents in dag.pred.items():
        for a, b in combinations(parents, 2):
            if not dag.has_edge(a, b) and not dag.has_edge(b, a):
                yield a, child, b


def _elements(graph: nx.DiGraph, where: str) -> nx.DiGraph:
    check_directed(graph, where)
    count = sum(math.prod(axis.size for axis in axes_of(graph, node)) for node in graph)
    if count > MOST and any(axes_of(graph, node) for node in graph):
        raise ValueError(
            f"Expected a graph of at most {MOST:,} elements in {where}; got {count:,}. Ask of a model with "
            f"smaller plates: along one that is only aligned or crossed, four elements show all there is."
        )
    return unroll(graph)
