"""Pearl's front-door criterion: sets through which x acts on y, of use where both have hidden causes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

from probdl.graphs.causal_paths import measurable
from probdl.graphs.elements import Names
from probdl.graphs.ground import ground
from probdl.graphs.mediators import Mediators

if TYPE_CHECKING:
    import networkx as nx


def frontdoor_sets(
    graph: nx.DiGraph, x: Names, y: Names, *, include: Names = (), restrict: Names | None = None
) -> Iterator[frozenset[Hashable]]:
    """List the minimal sets that meet the front-door criterion.

    A set z meets it if it intercepts all directed paths from x to y, if no back-door path from x to z is
    open, and if x blocks all back-door paths from z to y. Then
    p(y | do(x)) = sum_z p(z | x) sum_x' p(y | x', z) p(x'). The empty set meets it if x has no effect on y.
    Factors, params and sites held by `do` are always given; above a factor there may be neither x nor z.

    Elements of a plate that the question does not tell apart are in a set together or not at all; each set
    is minimal among all sets of elements.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: The causes: a node or an element such as "x[3]" or "x[2:5]", or several.
        y: The effects, disjoint from `x`.
        include: What each set must hold; then none is smaller among those that do.
        restrict: What a set may hold beside that. If None: all nodes that are not marked by a node attribute
            `latent`; latent sites of a program may be in it.

    Yields:
        The sets, each once; the first takes quadratic time at most, no bound is known for the others.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If `x`, `y` and `include` overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> smoking = nx.DiGraph([("gene", "smoke"), ("gene", "cancer"), ("smoke", "tar"), ("tar", "cancer")])
        >>> list(frontdoor_sets(smoking, "smoke", "cancer"))
        [frozenset({'tar'})]

    Source:
        Pearl (2009), Causality, definition 3.3.3; Wienöbst, van der Zander & Liskiewicz (2024), Linear-time
        algorithms for front-door adjustment in causal graphs, arXiv:2211.16468, for one set.
    """
    allowed = measurable(graph, restrict)
    found = Mediators(ground(graph, x, y, include, where="frontdoor_sets", also=allowed))
    return (found.named(nodes) for nodes in found.minimal())


def smallest_frontdoor_set(
    graph: nx.DiGraph, x: Names, y: Names, *, include: Names = (), restrict: Names | None = None
) -> frozenset[Hashable] | None:
    """Return a set of fewest elements that meets the front-door criterion.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: The causes: a node or an element such as "x[3]" or "x[2:5]", or several.
        y: The effects, disjoint from `x`.
        include: What the set must hold.
        restrict: What it may hold beside that; if None, all nodes that are not marked `latent`.

    Returns:
        The set, or None if there is none. The minimal sets are searched, as far as they can be smaller.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If `x`, `y` and `include` overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("x", "a"), ("x", "b"), ("a", "m"), ("b", "m"), ("m", "y")])
        >>> sorted(smallest_frontdoor_set(graph, "x", "y"))
        ['m']

    Source:
        Pearl (2009), Causality, definition 3.3.3.
    """
    allowed = measurable(graph, restrict)
    found = Mediators(ground(graph, x, y, include, where="smallest_frontdoor_set", also=allowed))
    nodes = found.smallest()
    return None if nodes is None else found.named(nodes)


def is_frontdoor_set(graph: nx.DiGraph, x: Names, y: Names, z: Names = ()) -> bool:
    """Return whether a set meets the front-door criterion.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: The causes: a node or an element such as "x[3]" or "x[2:5]", or several.
        y: The effects, disjoint from `x`.
        z: The set, disjoint from both; whether its nodes can be measured is not asked.

    Returns:
        Whether it does: see `frontdoor_sets`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If two of the sets overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> smoking = nx.DiGraph([("gene", "smoke"), ("gene", "cancer"), ("smoke", "tar"), ("tar", "cancer")])
        >>> is_frontdoor_set(smoking, "smoke", "cancer", "tar")
        True

    Source:
        Pearl (2009), Causality, definition 3.3.3.
    """
    dag = ground(graph, x, y, z, where="is_frontdoor_set")
    return Mediators(dag).widest(dag.asked[2]) == dag.asked[2]
