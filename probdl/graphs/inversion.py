"""The faithful inverse of a graph: who must be known to draw the latents from their posterior."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from probdl.graphs.elements import Names, axes_of, find_region, is_plated, kinds, listed
from probdl.graphs.ground import Ground, Node, Reach
from probdl.graphs.lattice import lattice_of
from probdl.graphs.order import ancestral_order
from probdl.graphs.template import folded_edges
from probdl.graphs.unroll import few_elements
from probdl.program.sites import SiteKind

if TYPE_CHECKING:
    import networkx as nx


def faithful_inverse(graph: nx.DiGraph, latents: Names | None = None) -> nx.DiGraph:
    """Return a graph in which the latents come after the data, and that claims no independence too many.

    It is a graph of the latents given all data. Whatever it separates then is separated in the graph itself:
    a guide with these edges can hold the exact posterior. Of how the data depend on each other it says
    nothing: they have no parents in it. The latents are summed out of the moral graph, causes first or
    effects first, each time that which joins the fewest pairs of its neighbours; the neighbours that are
    left are its parents.
    Of the two, that with fewer edges is returned, and causes first if they have as many.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        latents: The nodes to draw, whole ones. If None: the latent sites; in a graph without sites the nodes
            with the attribute `latent`, or else those that have children. All other nodes are data.

    Returns:
        A graph of the latents and the data, with plates and scans like those of `graph`, so that it answers
        the same questions: edges lead to latents only. `graph["order"]` holds the latents in the order in
        which they can be drawn, slices of scans one by one. Deterministic sites are gone: what reads them
        reads their parents. Constants and factors, which nobody draws, are gone too.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        SiteNotFound: If a latent is unknown.
        ValueError: If a latent is not a whole node, or if there are too many elements.

    Example:
        >>> import networkx as nx
        >>> inverse = faithful_inverse(nx.DiGraph([("a", "x"), ("b", "x")]))
        >>> sorted(inverse.edges)
        [('b', 'a'), ('x', 'a'), ('x', 'b')]

    Source:
        Webb, Golinski, Zinkov, Narayanaswamy, Rainforth, Teh & Wood (2018), Faithful inversion of
        generative models for effective amortized inference, arXiv:1712.00287, algorithm 1; plates are ours.
    """
    import networkx as nx

    drawn = _latents(graph, latents)
    plan = min(_inverses(graph, drawn), key=lambda found: (len(found.apart), found.size))
    kept = [node for node in ancestral_order(graph) if node in drawn or node in plan.data]
    result = nx.DiGraph(**graph.graph)
    result.add_nodes_from((node, graph.nodes[node]) for node in kept)
    if is_plated(graph):
        result.add_edges_from(folded_edges(graph, plan.dag, plan.parents, plan.apart))
    else:
        result.add_edges_from((parent, node) for node, found in plan.parents.items() for parent in found)
    result.graph["order"] = plan.order
    return result


def _inverses(graph: nx.DiGraph, drawn: frozenset[Hashable]) -> list[_Inverse]:
    """Sum out causes first, and effects first; where neither works with folded plates, with fewer of them."""
    apart = frozenset(lattice_of(graph, (), Reach.ALL).cuts) if is_plated(graph) else frozenset[str]()
    while True:
        dag = few_elements(graph, "faithful_inverse", apart)
        found = [_invert(dag, graph, drawn, apart, is_forward=is_forward) for is_forward in (True, False)]
        done = [inverse for inverse in found if isinstance(inverse, _Inverse)]
        if done:
            return done
        sizes = {axis.name: axis.size for node in graph for axis in axes_of(graph, node)}
        wanted = (names for names in found if not isinstance(names, _Inverse))
        apart |= min(wanted, key=lambda names: sum(sizes[name] for name in names))


@dataclass(frozen=True)
class _Inverse:
    """What the elimination found.

    Attributes:
        dag: The elements.
        parents: The parents of each latent element in the inverse.
        order: The names of the latents, first to be drawn first.
        data: The sites that are data.
        apart: The plates that had to be unrolled.
    """

    dag: Ground
    parents: Mapping[Node, frozenset[Node]]
    order: tuple[Hashable, ...]
    data: frozenset[Hashable]
    apart: frozenset[str]

    @property
    def size(self) -> int:
        """How many edges it has."""
        size = self.dag.labels.size
        return sum(size(node) * size(other) for node, found in self.parents.items() for other in found)


def _latents(graph: nx.DiGraph, latents: Names | None) -> frozenset[Hashable]:
    if latents is not None:
        regions = [find_region(graph, name, "faithful_inverse") for name in listed(latents, graph)]
        for region in regions:
            if region != find_region(graph, region.node, "faithful_inverse"):
                raise ValueError(
                    f"Expected whole nodes as latents in faithful_inverse; got elements of '{region.node}'. "
                    f"Write '{region.node}'."
                )
        return frozenset(region.node for region in regions)
    of = kinds(graph)
    if of:
        return frozenset(node for node, kind in of.items() if kind is SiteKind.LATENT)
    marked = frozenset(node for node, flag in graph.nodes.data("latent") if flag)
    return marked or frozenset(node for node in graph if graph.out_degree(node))


def _invert(
    dag: Ground, graph: nx.DiGraph, drawn: frozenset[Hashable], apart: frozenset[str], *, is_forward: bool
) -> _Inverse | frozenset[str]:
    """Sum out the latents; return the plates to unroll if elements that stand for others come to meet."""
    of = kinds(graph)
    site = {node: dag.labels.site(node) for node in dag.nodes}
    is_constant = {n: n in dag.fixed and of.get(site[n]) is not SiteKind.FACTOR for n in dag.nodes}
    is_formula = {n: of.get(site[n]) is SiteKind.DETERMINISTIC and site[n] not in drawn for n in dag.nodes}
    parents = _without(dag, is_formula, is_constant)
    factors = {node for node in parents if of.get(site[node]) is SiteKind.FACTOR}
    is_drawn = {node: site[node] in drawn for node in parents}
    sizes = {node: dag.labels.size(node) for node in parents}
    around = _moral(parents, is_drawn)
    groups = _groups(dag, graph, [node for node in parents if is_drawn[node]], apart)
    group_of = {node: i for i, members in enumerate(groups) for node in members}
    first: list[set[int]] = [set() for _ in groups]
    for node, i in group_of.items():
        for j in {group_of[parent] for parent in parents[node] if parent in group_of} - {i}:
            first[i if is_forward else j].add(j if is_forward else i)
    left, found, order = set(range(len(groups))), {}, []
    costs: dict[int, int] = {}
    while left:
        best = -1
        for i in sorted(left):
            if left.isdisjoint(first[i]):
                if i not in costs:
                    costs[i] = _fill_in(around, groups[i][0], is_drawn, sizes)
                best = i if best < 0 or costs[i] < costs[best] else best
                if not costs[best]:
                    break
        members = groups[best]
        if any(b in around[a] for a, b in combinations(members, 2)):
            return apart | {axis.name for axis in axes_of(graph, site[members[0]])}
        for node in members:
            own = frozenset(around.pop(node) - factors)
            found[node] = own
            near = own.union(*(around[other] for other in own if is_drawn[other]))
            for i in {group_of[other] for other in near if other in group_of}:
                costs.pop(i, None)
            latent = {other for other in own if is_drawn[other]}
            for other in own:
                around[other] |= (own if other in latent else latent) - {other}
                around[other].discard(node)
        left.discard(best)
        order.append(dag.labels.names(members))
    data = frozenset(site[node] for node in parents if not is_drawn[node] and node not in factors)
    names = tuple(name for names in reversed(order) for name in names)
    return _Inverse(dag, found, names, data, apart)


def _without(
    dag: Ground, is_formula: Mapping[Node, bool], is_constant: Mapping[Node, bool]
) -> dict[Node, set[Node]]:
    """Return the parents with deterministic nodes replaced by theirs, and without constants."""
    parents: dict[Node, set[Node]] = {}
    waiting = {node: len(dag.parents[node]) for node in dag.nodes}
    free = [node for node, count in waiting.items() if not count]
    for node in free:
        own = set[Node]()
        for parent in dag.parents[node]:
            own |= parents[parent] if is_formula[parent] else {parent}
        parents[node] = {parent for parent in own if not is_constant[parent]}
        for child in dag.children[node]:
            waiting[child] -= 1
            if not waiting[child]:
                free.append(child)
    return {n: parents[n] for n in dag.nodes if not (is_formula[n] or is_constant[n])}


def _moral(parents: Mapping[Node, set[Node]], is_drawn: Mapping[Node, bool]) -> dict[Node, set[Node]]:
    """Return the moral graph without the edges between data, which do not matter here."""
    around: dict[Node, set[Node]] = {node: set() for node in parents}
    for node, own in parents.items():
        family = own | {node}
        latent = {member for member in family if is_drawn[member]}
        for member in family:
            around[member] |= (family if is_drawn[member] else latent) - {member}
    return around


def _fill_in(
    around: Mapping[Node, set[Node]], node: Node, is_drawn: Mapping[Node, bool], sizes: Mapping[Node, int]
) -> int:
    """Return how many edges its elimination would add, those between data left aside."""
    own = around[node]
    added = 0
    for other in own:
        if is_drawn[other]:
            missing = own - around[other] - {other}
            added += sizes[other] * sum(sizes[far] * (1 if is_drawn[far] else 2) for far in missing)
    return added // 2


def _groups(dag: Ground, graph: nx.DiGraph, nodes: Iterable[Node], apart: Iterable[str]) -> list[list[Node]]:
    """Gather the elements that can be exchanged: those of one site that agree on all unrolled axes."""
    folded = dag.labels.folded - set(apart)
    groups: dict[Hashable, list[Node]] = {}
    for node in nodes:
        site, index = dag.labels.locate(node)
        fixed = (i for axis, i in zip(axes_of(graph, site), index, strict=True) if axis.name not in folded)
        groups.setdefault((site, *fixed), []).append(node)
    return list(groups.values())
