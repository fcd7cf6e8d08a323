"""Who is near a node: parents, children, co-parents, the Markov blanket, ancestors, descendants."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from probdl.graphs.bayes_ball import ancestors as _with_ancestors
from probdl.graphs.elements import Names
from probdl.graphs.ground import Ground, Neighbours, Node, Reach, ground

if TYPE_CHECKING:
    import networkx as nx


def parents(graph: nx.DiGraph, x: Names) -> frozenset[Hashable]:
    """Return the parents of a node or element.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]" or "x[2:5]", or several.

    Returns:
        The nodes or elements from which an edge leads to `x`, without `x`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> sorted(parents(nx.DiGraph([("mu", "x"), ("tau", "x")]), "x"))
        ['mu', 'tau']
    """
    dag = ground(graph, x, where="parents")
    return _named(dag, _around(dag.parents, dag.asked[0]) - dag.asked[0])


def children(graph: nx.DiGraph, x: Names) -> frozenset[Hashable]:
    """Return the children of a node or element.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]" or "x[2:5]", or several.

    Returns:
        The nodes or elements to which an edge leads from `x`, without `x`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> sorted(children(nx.DiGraph([("mu", "x"), ("mu", "y")]), "mu"))
        ['x', 'y']
    """
    dag = ground(graph, x, where="children", reach=Reach.CHILDREN)
    return _named(dag, _around(dag.children, dag.asked[0]) - dag.asked[0])


def co_parents(graph: nx.DiGraph, x: Names) -> frozenset[Hashable]:
    """Return the other parents of the children of a node or element.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]" or "x[2:5]", or several.

    Returns:
        The nodes or elements that have a child in common with `x`, without `x`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> sorted(co_parents(nx.DiGraph([("mu", "x"), ("tau", "x")]), "mu"))
        ['tau']
    """
    dag = ground(graph, x, where="co_parents", reach=Reach.CHILDREN)
    return _named(dag, _around(dag.parents, _around(dag.children, dag.asked[0])) - dag.asked[0])


def markov_blanket(graph: nx.DiGraph, x: Names) -> frozenset[Hashable]:
    """Return the fewest nodes that, once given, separate a node or element from all others.

    These are its parents, its children and the other parents of its children.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]" or "x[2:5]", or several.

    Returns:
        The blanket, without `x`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("a", "x"), ("x", "c"), ("b", "c"), ("c", "d")])
        >>> sorted(markov_blanket(graph, "x"))
        ['a', 'b', 'c']

    Source:
        Bishop & Bishop (2023), §11.2.6.
    """
    dag = ground(graph, x, where="markov_blanket", reach=Reach.CHILDREN)
    below = _around(dag.children, dag.asked[0])
    found = _around(dag.parents, dag.asked[0]) | below | _around(dag.parents, below)
    return _named(dag, found - dag.asked[0])


def ancestors(graph: nx.DiGraph, x: Names) -> frozenset[Hashable]:
    """Return all from which a directed path leads to a node or element.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]" or "x[2:5]", or several.

    Returns:
        The ancestors, without `x`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> sorted(ancestors(nx.DiGraph([("a", "b"), ("b", "c")]), "c"))
        ['a', 'b']
    """
    dag = ground(graph, x, where="ancestors")
    return _named(dag, _with_ancestors(dag.parents, dag.asked[0]) - dag.asked[0])


def descendants(graph: nx.DiGraph, x: Names) -> frozenset[Hashable]:
    """Return all to which a directed path leads from a node or element.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: A node or an element such as "x[3]" or "x[2:5]", or several.

    Returns:
        The descendants, without `x`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> sorted(descendants(nx.DiGraph([("a", "b"), ("b", "c")]), "a"))
        ['b', 'c']
    """
    dag = ground(graph, x, where="descendants", reach=Reach.ALL)
    return _named(dag, _with_ancestors(dag.children, dag.asked[0]) - dag.asked[0])


def _around(neighbours: Neighbours, nodes: Iterable[Node]) -> set[Node]:
    return {other for node in nodes for other in neighbours[node]}


def _named(dag: Ground, nodes: Iterable[Node]) -> frozenset[Hashable]:
    return frozenset(dag.labels.names(nodes))
