"""Pearl's back-door criterion: sets that block all that is common cause between x and y."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

from probdl.graphs.causal_paths import measurable
from probdl.graphs.criterion import Criterion
from probdl.graphs.elements import Names
from probdl.graphs.ground import ground

if TYPE_CHECKING:
    import networkx as nx


def backdoor_sets(
    graph: nx.DiGraph, x: Names, y: Names, *, include: Names = (), restrict: Names | None = None
) -> Iterator[frozenset[Hashable]]:
    """List the minimal sets that meet the back-door criterion: p(y | do(x)) = E_z p(y | x, z).

    A set meets it if it holds no descendant of x and blocks every path between x and y that begins with an
    edge into x; for several x, it blocks them once all edges out of x are gone. Factors, params and sites
    held by `do` are always given; a factor below x leaves no set. If y causes x there is often none.

    Elements of a plate that the question does not tell apart are in a set together or not at all; each set
    is minimal among all sets of elements, and the other minimal ones mix the choices made here.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: The causes: a node or an element such as "x[3]" or "x[2:5]", or several.
        y: The effects, disjoint from `x`.
        include: What each set must hold; then none is smaller among those that do.
        restrict: What a set may hold beside that. If None: all nodes that are not marked by a node attribute
            `latent`; latent sites of a program may be in it.

    Yields:
        The sets, each once, in polynomial time from one to the next; nothing if there is none.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If `x`, `y` and `include` overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("u", "v"), ("v", "x"), ("u", "y"), ("x", "y")])
        >>> sorted(sorted(found) for found in backdoor_sets(graph, "x", "y"))
        [['u'], ['v']]

    Source:
        Pearl (2009), Causality, definition 3.3.1; van der Zander, Liskiewicz & Textor (2019),
        doi:10.1016/j.artint.2018.12.006.
    """
    allowed = measurable(graph, restrict)
    return Criterion.backdoor(ground(graph, x, y, include, where="backdoor_sets", also=allowed)).minimal()


def smallest_backdoor_set(
    graph: nx.DiGraph, x: Names, y: Names, *, include: Names = (), restrict: Names | None = None
) -> frozenset[Hashable] | None:
    """Return a set of fewest elements that meets the back-door criterion.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: The causes: a node or an element such as "x[3]" or "x[2:5]", or several.
        y: The effects, disjoint from `x`.
        include: What the set must hold.
        restrict: What it may hold beside that; if None, all nodes that are not marked `latent`.

    Returns:
        The set, or None if there is none.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If `x`, `y` and `include` overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("a", "x"), ("b", "x"), ("a", "c"), ("b", "c"), ("c", "y"), ("x", "y")])
        >>> sorted(smallest_backdoor_set(graph, "x", "y"))
        ['c']

    Source:
        Pearl (2009), Causality, definition 3.3.1; van der Zander, Liskiewicz & Textor (2019),
        doi:10.1016/j.artint.2018.12.006.
    """
    allowed = measurable(graph, restrict)
    dag = ground(graph, x, y, include, where="smallest_backdoor_set", also=allowed)
    return Criterion.backdoor(dag).smallest()


def is_backdoor_set(graph: nx.DiGraph, x: Names, y: Names, z: Names = ()) -> bool:
    """Return whether a set meets the back-door criterion.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: The causes: a node or an element such as "x[3]" or "x[2:5]", or several.
        y: The effects, disjoint from `x`.
        z: The set, disjoint from both; whether its nodes can be measured is not asked.

    Returns:
        Whether it does: see `backdoor_sets`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If two of the sets overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "y")])
        >>> is_backdoor_set(graph, "x", "y"), is_backdoor_set(graph, "x", "y", "u")
        (False, True)

    Source:
        Pearl (2009), Causality, definition 3.3.1.
    """
    return Criterion.backdoor(ground(graph, x, y, z, where="is_backdoor_set")).is_met
