"""All independencies that a graph implies, one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from probdl.graphs.bayes_ball import ancestors, are_separated, reachable
from probdl.graphs.elements import Axis, Runs, axes_of, element_name, is_plated
from probdl.graphs.ground import Ground, Node, Reach, ground
from probdl.graphs.independence import Independence
from probdl.graphs.lattice import lattice_of
from probdl.graphs.order import ancestral_order
from probdl.graphs.runs import firsts, partition
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
    """Yield each node; of elements that can be exchanged, the first."""
    if not is_plated(graph):
        dag = ground(graph, where="independencies")
        yield from ((dag, node) for node in ancestral_order(graph) if node not in dag.fixed)
        return
    cells = _cells(graph)
    for site in ancestral_order(graph):
        for index in _product([_firsts(axis, cells) for axis in axes_of(graph, site)]):
            dag = ground(graph, _name(site, index), where="independencies", reach=Reach.ALL)
            yield from ((dag, node) for node in dag.asked[0] - dag.fixed)


def _each_pair(graph: nx.DiGraph) -> Iterator[tuple[Ground, Node, Node]]:
    """Yield each pair of nodes that no edge joins, the earlier one first."""
    order: list[Node] = list(ancestral_order(graph))
    if not is_plated(graph):
        dag = ground(graph, where="independencies")
        for i, late in enumerate(order):
            for early in order[:i]:
                if early not in dag.parents[late] and dag.fixed.isdisjoint((early, late)):
                    yield dag, early, late
        return
    for x, y in _element_pairs(graph, order):
        dag = ground(graph, x, y, where="independencies")
        (a,), (b,) = dag.asked
        if a in ancestors(dag.children, [b]):
            a, b = b, a
        if a not in dag.parents[b] and dag.fixed.isdisjoint((a, b)):
            yield dag, a, b


def _element_pairs(graph: nx.DiGraph, order: list[Hashable]) -> Iterator[tuple[Hashable, Hashable]]:
    """Yield pairs of elements, one for all that can be exchanged with it."""
    cells = _cells(graph)
    for j, late in enumerate(order):
        for early in order[: j + 1]:
            axes = axes_of(graph, early)
            for x in _product([_firsts(axis, cells) for axis in axes]):
                at = dict(zip((axis.name for axis in axes), x, strict=True))
                partners = [_firsts(axis, cells, at.get(axis.name)) for axis in axes_of(graph, late)]
                for y in _product(partners):
                    if early != late or x < y:
                        yield _name(early, x), _name(late, y)


def _name(site: Hashable, index: tuple[int, ...]) -> Hashable:
    return element_name(site, index) if index else site


def _firsts(axis: Axis, cells: Mapping[str, list[Runs]], beside: int | None = None) -> Sequence[int]:
    """Return the first index of each cell, and the second of that whose first is taken; or all indices."""
    if axis.name not in cells:
        return range(axis.size)
    two = (firsts(cell, 2) for cell in cells[axis.name])
    return [at for found in two for at in found[: 1 + (found[0] == beside)]]


def _product(choices: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """Yield the product of some choices, one by one where `itertools.product` would copy them first."""
    if not choices:
        yield ()
        return
    for at in choices[0]:
        yield from ((at, *rest) for rest in _product(choices[1:]))


def _cells(graph: nx.DiGraph) -> dict[str, list[Runs]]:
    """Return the cells of exchangeable elements of each plate that has such."""
    lattice = lattice_of(graph, (), Reach.ALL)
    sizes = {axis.name: axis.size for axes in lattice.axes.values() for axis in axes}
    return {
        name: partition(size, lattice.cuts.get(name, ()))
        for name, size in sizes.items()
        if name not in lattice.unrolled
    }
