"""All independencies that a graph implies, one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Literal

from probdl.graphs.bayes_ball import ancestors, are_separated, reachable
from probdl.graphs.elements import Axis, axes_of, element_name, is_plated, kinds
from probdl.graphs.ground import FIXED, Ground, Node, Reach, ground
from probdl.graphs.independence import Independence
from probdl.graphs.order import ancestral_order
from probdl.graphs.ranges import lattice_of
from probdl.graphs.separating import minimal_separators

if TYPE_CHECKING:
    import networkx as nx

Kind = Literal["local", "pairwise", "minimal"]
Sets = tuple[Ground, Iterable[Node], Iterable[Node], Iterable[Node]]


def independencies(graph: nx.DiGraph, kind: Kind = "local") -> Iterator[Independence]:
    """Return the independencies that a graph implies, one after the other.

    Of elements of a plate that can be exchanged, one stands for all: "x[0] ⫫ x[1:] | mu" says the same of
    each other element of x. Factors, params and sites held by `do` are always given, and not written.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        kind: "local": each node and its non-descendants, given its parents; all others follow from these.
            "pairwise": each pair of nodes that no edge joins, given the parents of the later one.
            "minimal": each such pair, given each minimal separator of it.

    Returns:
        An iterator over the statements; each is found when it is asked for.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If `kind` is none of the three, or if lags or gathers would need too many elements.

    Example:
        >>> import networkx as nx
        >>> for statement in independencies(nx.DiGraph([("a", "c"), ("b", "c"), ("c", "d")]), "minimal"):
        ...     print(statement)
        a ⫫ b
        a ⫫ d | c
        b ⫫ d | c

    Source:
        Bishop & Bishop (2023), §11.2; Lauritzen (1996), §3.2.2.
    """
    found = {"local": _local, "pairwise": _pairwise, "minimal": _minimal}.get(str(kind))
    if found is None:
        raise ValueError(f"Expected kind 'local', 'pairwise' or 'minimal' in independencies; got '{kind}'.")
    ground(graph, where="independencies")
    rank = {} if is_plated(graph) else {node: i for i, node in enumerate(ancestral_order(graph))}
    return (_statement(rank, *sets) for sets in found(graph))


def _local(graph: nx.DiGraph) -> Iterator[Sets]:
    for dag, node in _each_element(graph):
        below = ancestors(dag.children, [node])
        rest = set(dag.nodes).difference(below, dag.parents[node], dag.fixed)
        given = dag.fixed.union(dag.parents[node])
        if dag.fixed:
            rest -= reachable(dag.parents, dag.children, [node], given)
        if rest:
            yield dag, [node], rest, dag.parents[node]


def _pairwise(graph: nx.DiGraph) -> Iterator[Sets]:
    for dag, early, late in _each_pair(graph):
        given = dag.fixed.union(dag.parents[late])
        if are_separated(dag.parents, dag.children, {early}, {late}, given):
            yield dag, [early], [late], dag.parents[late]


def _minimal(graph: nx.DiGraph) -> Iterator[Sets]:
    for dag, early, late in _each_pair(graph):
        for given in minimal_separators(dag.parents, dag.children, {early}, {late}, dag.fixed):
            yield dag, [early], [late], given


def _statement(
    rank: Mapping[Node, int], dag: Ground, x: Iterable[Node], y: Iterable[Node], given: Iterable[Node]
) -> Independence:
    def named(nodes: Iterable[Node]) -> tuple[Hashable, ...]:
        return dag.labels.names(sorted(nodes, key=rank.__getitem__) if rank else nodes)

    return Independence(named(x), named(y), named(set(given) - dag.fixed))


def _each_element(graph: nx.DiGraph) -> Iterator[tuple[Ground, Node]]:
    """Yield each node; of those in plates that fold, the first element, of scans each."""
    of = kinds(graph)
    folded = _folded(graph)
    if not is_plated(graph):
        dag = ground(graph, where="independencies")
        yield from ((dag, node) for node in ancestral_order(graph) if of.get(node) not in FIXED)
        return
    for site in ancestral_order(graph):
        if of.get(site) in FIXED:
            continue
        first = [0 if axis.name in folded else ":" for axis in axes_of(graph, site)]
        dag = ground(graph, element_name(site, first), where="independencies", reach=Reach.ALL)
        yield from ((dag, node) for node in sorted(dag.asked[0]))


def _each_pair(graph: nx.DiGraph) -> Iterator[tuple[Ground, Node, Node]]:
    """Yield each pair of nodes that no edge joins, the earlier one first."""
    of = kinds(graph)
    order: list[Node] = [node for node in ancestral_order(graph) if of.get(node) not in FIXED]
    if not is_plated(graph):
        dag = ground(graph, where="independencies")
        for i, late in enumerate(order):
            for early in order[:i]:
                if early not in dag.parents[late]:
                    yield dag, early, late
        return
    for x, y in _element_pairs(graph, order):
        dag = ground(graph, x, y, where="independencies")
        (a,), (b,) = dag.asked
        if a in ancestors(dag.children, [b]):
            a, b = b, a
        if a not in dag.parents[b]:
            yield dag, a, b


def _element_pairs(graph: nx.DiGraph, order: list[Hashable]) -> Iterator[tuple[Hashable, Hashable]]:
    """Yield pairs of elements, one for all that can be exchanged with it."""
    folded = _folded(graph)
    for j, late in enumerate(order):
        for early in order[: j + 1]:
            axes = axes_of(graph, early)
            shared = {axis.name for axis in axes}
            ranges = [_indices(axis, 1, folded) for axis in axes]
            ranges += [_indices(a, 2 if a.name in shared else 1, folded) for a in axes_of(graph, late)]
            for indices in product(*ranges):
                x, y = indices[: len(axes)], indices[len(axes) :]
                if early != late or x < y:
                    yield element_name(early, x) if x else early, element_name(late, y) if y else late


def _indices(axis: Axis, count: int, folded: frozenset[str]) -> range:
    return range(min(count, axis.size) if axis.name in folded else axis.size)


def _folded(graph: nx.DiGraph) -> frozenset[str]:
    """Return the plates whose elements can all be exchanged."""
    lattice = lattice_of(graph, (), Reach.ALL)
    names = {axis.name for axes in lattice.axes.values() for axis in axes}
    return frozenset(names - lattice.unrolled.keys() - lattice.cuts.keys())
