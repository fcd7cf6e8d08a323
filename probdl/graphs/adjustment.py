"""The complete adjustment criterion: all sets by which p(y | do(x)) can be had as a mean of p(y | x, z)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

from probdl.graphs.causal_paths import measurable
from probdl.graphs.criterion import Criterion
from probdl.graphs.elements import Names
from probdl.graphs.ground import ground

if TYPE_CHECKING:
    import networkx as nx


def adjustment_sets(
    graph: nx.DiGraph, x: Names, y: Names, *, include: Names = (), restrict: Names | None = None
) -> Iterator[frozenset[Hashable]]:
    """List the minimal sets to adjust for: p(y | do(x)) = E_z p(y | x, z) whatever the distributions.

    The criterion is complete: no other set serves. A set meets it if it holds nothing on a causal path from
    x to y nor below one, and blocks every other path. Each back-door set does; there are others, with
    descendants of x or with several x. Factors, params and sites held by `do` are always given; a factor
    below x leaves no set.

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
        >>> graph = nx.DiGraph([("x1", "x2"), ("x2", "z"), ("u", "z"), ("u", "y"), ("x1", "y"), ("x2", "y")])
        >>> list(adjustment_sets(graph, ["x1", "x2"], "y"))
        [frozenset()]

    Source:
        Shpitser, VanderWeele & Robins (2010), On the validity of covariate adjustment, UAI; van der Zander,
        Liskiewicz & Textor (2019), doi:10.1016/j.artint.2018.12.006.
    """
    allowed = measurable(graph, restrict)
    return Criterion.adjustment(ground(graph, x, y, include, where="adjustment_sets", also=allowed)).minimal()


def smallest_adjustment_set(
    graph: nx.DiGraph, x: Names, y: Names, *, include: Names = (), restrict: Names | None = None
) -> frozenset[Hashable] | None:
    """Return a set of fewest elements to adjust for.

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
        >>> graph = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "m"), ("m", "y")])
        >>> sorted(smallest_adjustment_set(graph, "x", "y"))
        ['u']

    Source:
        van der Zander, Liskiewicz & Textor (2019), doi:10.1016/j.artint.2018.12.006.
    """
    allowed = measurable(graph, restrict)
    dag = ground(graph, x, y, include, where="smallest_adjustment_set", also=allowed)
    return Criterion.adjustment(dag).smallest()


def is_adjustment_set(graph: nx.DiGraph, x: Names, y: Names, z: Names = ()) -> bool:
    """Return whether a set is one to adjust for.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: The causes: a node or an element such as "x[3]" or "x[2:5]", or several.
        y: The effects, disjoint from `x`.
        z: The set, disjoint from both; whether its nodes can be measured is not asked.

    Returns:
        Whether it is: see `adjustment_sets`.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If two of the sets overlap, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("x", "z"), ("x", "y")])
        >>> is_adjustment_set(graph, "x", "y", "z")  # though it is a descendant of x
        True

    Source:
        Shpitser, VanderWeele & Robins (2010), On the validity of covariate adjustment, UAI.
    """
    return Criterion.adjustment(ground(graph, x, y, z, where="is_adjustment_set")).is_met
