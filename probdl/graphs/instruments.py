"""Instrumental variables, which move x and reach y through x alone, given others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from probdl.graphs.bayes_ball import are_separated
from probdl.graphs.causal_paths import measurable, walk
from probdl.graphs.criterion import Criterion
from probdl.graphs.elements import Names
from probdl.graphs.ground import Ground, Node, Reach, ground
from probdl.graphs.separating import find_minimal_separator

if TYPE_CHECKING:
    import networkx as nx


def instruments(graph: nx.DiGraph, x: Names, y: Names) -> tuple[tuple[Hashable, frozenset[Hashable]], ...]:
    """Return the instruments for the effect of x on y, each with what it is to be conditioned on.

    Given the set w, z is an instrument if it depends on x, and if it is separated from y once the first
    edge of every causal path from x to y is gone; w holds no node on a causal path or below one. In a linear
    model the whole effect of x on y is then cov(z, y | w) / cov(z, x | w). Of each z that nearest w is given
    which lies among the ancestors of y and z; if there is any instrument at all there is such a one. Nodes
    with an attribute `latent` are neither. Factors, params and sites held by `do` are always given.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        x: The cause: one node or element such as "x[3]".
        y: The effect: another one.

    Returns:
        Pairs of an instrument and a set. Of elements of a plate that the question does not tell apart one
        is named; each of the others is an instrument in the same way.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If the graph has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If `x` or `y` is more than one element, if they are the same, or if lags or gathers would
            need too many elements.

    Example:
        >>> import networkx as nx
        >>> graph = nx.DiGraph([("w", "z"), ("w", "y"), ("z", "x"), ("x", "y"), ("u", "x"), ("u", "y")])
        >>> graph.nodes["u"]["latent"] = True
        >>> instruments(graph, "x", "y")
        (('z', frozenset({'w'})),)

    Source:
        van der Zander, Textor & Liskiewicz (2015), Efficiently finding conditional instruments for causal
        inference, IJCAI; for the whole effect, as in dagitty, instead of the direct one.
    """
    allowed = measurable(graph, None)
    dag = ground(graph, x, y, where="instruments", reach=Reach.ALL, also=allowed)
    for role, nodes in zip("xy", dag.asked, strict=True):
        _check_one(role, nodes, dag)
    base = Criterion.adjustment(dag)
    found = []
    for node in _candidates(dag):
        cut, z = base, node
        if dag.labels.size(node) > 1:
            one = dag.labels.element(node)
            cut = Criterion.adjustment(
                ground(graph, x, y, one, where="instruments", reach=Reach.ALL, also=allowed)
            )
            (z,) = cut.dag.asked[2]
        given = _nearest(cut, z)
        if given is not None:
            labels = cut.dag.labels
            found.append((labels.element(z), frozenset(labels.names(given - cut.dag.fixed))))
    return tuple(found)


def _candidates(dag: Ground) -> Iterable[Node]:
    asked = dag.asked[0] | dag.asked[1] | dag.fixed
    return (node for node in dag.nodes if node not in asked and (dag.also is None or node in dag.also))


def _nearest(cut: Criterion, z: Node) -> frozenset[Node] | None:
    """Return the separator of y and z that is nearest to y, if z depends on x given it."""
    x, y = cut.dag.asked[:2]
    held = cut.dag.fixed - x - y
    forbidden = cut.forbidden | walk(cut.children, y)
    if z in forbidden or not forbidden.isdisjoint(held):
        return None
    near = find_minimal_separator(cut.parents, cut.children, y, {z}, held, cut.allowed - forbidden - x)
    if near is None or are_separated(cut.parents, cut.children, x, {z}, near):
        return None
    return near


def _check_one(role: str, nodes: frozenset[Node], dag: Ground) -> None:
    count = sum(map(dag.labels.size, nodes))
    if count != 1:
        what = f"{count:,}: {', '.join(map(str, dag.labels.names(nodes)))}" if count else "none"
        example = f", '{dag.labels.element(next(iter(nodes)))}' say" if count else ""
        raise ValueError(f"Expected one node as {role} in instruments; got {what}. Name one{example}.")
