"""The finite DAG on which a question is answered: the graph itself, or its plates folded."""

from __future__ import annotations

import enum
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Protocol

from probdl.errors import CyclicGraph
from probdl.graphs.arguments import check_directed, check_disjoint, overlap
from probdl.graphs.elements import (
    Names,
    find_region,
    is_plated,
    kinds,
    listed,
)
from probdl.program.sites import SiteKind

if TYPE_CHECKING:
    import networkx as nx

Node = Any
"""A node of the finite DAG: a node of a bare graph, or the number of an element."""

Neighbours = Mapping[Node, Collection[Node]] | Sequence[Collection[Node]]

FIXED = (SiteKind.PARAM, SiteKind.INTERVENED, SiteKind.FACTOR)


class Reach(enum.Enum):
    """Which elements a question is about."""

    ANCESTORS = "what was named and its ancestors"
    CHILDREN = "also the children of what was named"
    ALL = "all elements"


class Labels(Protocol):
    """Names of the nodes of a finite DAG."""

    def names(self, nodes: Iterable[Node]) -> tuple[Hashable, ...]:
        """Name a set of nodes, with as few names as stand for all elements."""
        ...

    def element(self, node: Node) -> Hashable:
        """Name one element that a node stands for."""
        ...

    def size(self, node: Node) -> int:
        """Return how many elements a node stands for."""
        ...

    def site(self, node: Node) -> Hashable:
        """Return the node of the graph to which an element belongs."""
        ...

    def locate(self, node: Node) -> tuple[Hashable, tuple[int, ...]]:
        """Return the node of the graph and the index in it."""
        ...

    @property
    def folded(self) -> frozenset[str]:
        """The plates whose elements stand for others."""
        ...


@dataclass(frozen=True)
class Ground:
    """A finite DAG that answers a question exactly.

    A node of it stands for all the elements that the question does not tell apart.

    Attributes:
        parents: The parents of each node.
        children: The children of each node.
        asked: The nodes of each set that the question names.
        fixed: Nodes that are always given: factors, params, and sites held by `do`.
        labels: Their names.
        also: The nodes of the set that may overlap with the others, or None if there is no such set.
    """

    parents: Neighbours
    children: Neighbours
    asked: tuple[frozenset[Node], ...]
    fixed: frozenset[Node]
    labels: Labels
    also: frozenset[Node] | None = None

    @property
    def nodes(self) -> Iterable[Node]:
        """All nodes."""
        return self.parents if isinstance(self.parents, Mapping) else range(len(self.parents))

    def given(self, which: int) -> frozenset[Node]:
        """Return a set of the question together with what is always given and not asked about.

        Args:
            which: The number of the set.

        Returns:
            The nodes.
        """
        if not self.fixed:
            return self.asked[which]
        others = (nodes for i, nodes in enumerate(self.asked) if i != which)
        return self.asked[which] | self.fixed.difference(*others)


def ground(
    graph: nx.DiGraph,
    *asked: Names,
    where: str,
    reach: Reach = Reach.ANCESTORS,
    also: Names | None = None,
) -> Ground:
    """Return the finite DAG on which a question about some elements is answered.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        *asked: The sets of nodes or elements that the question names; they must be disjoint.
        where: The call that asks, for messages.
        reach: Which elements beside those are needed.
        also: A further set to tell apart, which may overlap with the others.

    Returns:
        The DAG.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        SiteNotFound: If a name is unknown.
        IndexError: If an index is outside its plate.
        ValueError: If two sets overlap, or if the question needs too many elements.
    """
    check_directed(graph, where)
    if not is_plated(graph):
        sets = [frozenset(listed(names, graph)) for names in asked]
        return _bare(graph, sets, None if also is None else frozenset(listed(also, graph)), where)
    from probdl.graphs.unrolling import unrolled

    regions = [[find_region(graph, name, where) for name in listed(names, graph)] for names in asked]
    check_disjoint(graph, regions, where)
    if also is not None:
        regions.append([find_region(graph, name, where) for name in listed(also, graph)])
    dag = unrolled(graph, regions, where, reach)
    check_acyclic(dag)
    return dag if also is None else replace(dag, asked=dag.asked[:-1], also=dag.asked[-1])


def _bare(
    graph: nx.DiGraph, asked: Sequence[frozenset[Hashable]], also: frozenset[Hashable] | None, where: str
) -> Ground:
    """Return a graph without plates as it is: its neighbours are not copied, and it is checked once."""
    import networkx as nx

    # the plain dicts of networkx: its public views of them take three times as long
    plain: Any = graph if type(getattr(graph, "_pred", None)) is dict else nx.DiGraph(graph)
    nodes, parents, children = plain._node, plain._pred, plain._succ
    for names in (*asked, also or ()):
        for name in frozenset(names).difference(nodes):
            find_region(graph, name, where)
    for a, b in combinations(asked, 2):
        if not a.isdisjoint(b):
            raise overlap(next(iter(a & b)), where)
    fixed = frozenset(node for node, kind in kinds(graph).items() if kind in FIXED)
    dag = Ground(parents, children, tuple(asked), fixed, _Own(), also)
    # networkx empties this cache whenever nodes or edges come or go; views of other graphs are frozen
    cache = {} if nx.is_frozen(graph) else getattr(graph, "__networkx_cache__", {})
    if "probdl_is_acyclic" not in cache:
        check_acyclic(dag)
        cache["probdl_is_acyclic"] = True
    return dag


def check_acyclic(dag: Ground) -> None:
    """Check that a DAG is one.

    Args:
        dag: The DAG.

    Raises:
        CyclicGraph: If it has a cycle.
    """
    children, parents = dag.children, dag.parents
    waiting = {node: len(parents[node]) for node in dag.nodes}
    free = [node for node, count in waiting.items() if not count]
    for node in free:
        for child in children[node]:
            waiting[child] -= 1
            if not waiting[child]:
                free.append(child)
    if len(free) < len(waiting):
        raise CyclicGraph(
            [str(dag.labels.element(node)) for node in _cycle(dag, set(waiting).difference(free))]
        )


def _cycle(dag: Ground, left: set[Node]) -> list[Node]:
    """Walk upward within nodes that all have a parent among them until one comes again."""
    node, seen = next(iter(left)), {}
    while node not in seen:
        seen[node] = len(seen)
        node = next(parent for parent in dag.parents[node] if parent in left)
    walk = list(seen)[seen[node] :]
    return walk[::-1]


class _Own:
    """The nodes of a graph without plates are their own names."""

    def names(self, nodes: Iterable[Node]) -> tuple[Hashable, ...]:
        """Name nodes."""
        return tuple(nodes)

    def element(self, node: Node) -> Hashable:
        """Name a node."""
        return node

    def size(self, node: Node) -> int:  # noqa: ARG002
        """Return one."""
        return 1

    def site(self, node: Node) -> Hashable:
        """Return the node."""
        return node

    def locate(self, node: Node) -> tuple[Hashable, tuple[int, ...]]:
        """Return the node and an empty index."""
        return node, ()

    @property
    def folded(self) -> frozenset[str]:
        """None."""
        return frozenset()
