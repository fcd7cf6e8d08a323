"""Criteria for adjustment: separate x and y once some edges are gone, and hold nothing forbidden."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from probdl.graphs.bayes_ball import are_separated
from probdl.graphs.causal_paths import edges_out, on_causal_paths, walk, without_edges
from probdl.graphs.ground import Ground, Neighbours, Node
from probdl.graphs.separating import find_smallest_separator, minimal_separators


@dataclass(frozen=True)
class Criterion:
    """What a set has to do to be one to adjust for, on a finite DAG.

    A node of the DAG stands for elements that can be exchanged, and a set holds all of them or none. That
    loses nothing. Let any set of elements meet the criterion, choose one index in each group of indices that
    can be exchanged, and take all elements of those nodes whose chosen element is in the set. Putting the
    chosen index for every other one maps paths that the new set leaves open to paths that the old one leaves
    open, so the new set meets the criterion. If the choice is random, its mean size is that of the old set:
    some choice makes it no larger. And if the old set lacks some element of a set of whole nodes, choose the
    index of that element: the new set is a smaller part of it. So the smallest set found is the smallest of
    all, and each minimal set found is minimal among all sets of elements.

    Attributes:
        dag: The DAG; its sets are x, y and what the set must hold.
        parents: Its parents without the edges that do not count.
        children: Its children without them.
        forbidden: What the set must not hold.
    """

    dag: Ground
    parents: Neighbours
    children: Neighbours
    forbidden: frozenset[Node]

    @classmethod
    def backdoor(cls, dag: Ground) -> Criterion:
        """Return Pearl's criterion: no descendant of x, and no open path once the edges out of x are gone."""
        below = frozenset(walk(dag.children, dag.asked[0]))
        cut = without_edges(dag.parents, dag.children, edges_out(dag.children, dag.asked[0]))
        return cls(dag, *cut, below)

    @classmethod
    def adjustment(cls, dag: Ground) -> Criterion:
        """Return the complete criterion: nothing below a causal path, no open path that is not causal."""
        x, y = dag.asked[:2]
        causal = on_causal_paths(dag.parents, dag.children, x, y)
        first = {edge for edge in edges_out(dag.children, x) if edge[1] in causal}
        return cls(
            dag, *without_edges(dag.parents, dag.children, first), frozenset(walk(dag.children, causal))
        )

    @property
    def is_possible(self) -> bool:
        """Whether what the set must hold is allowed, and no factor lies below x: it selects by the effect."""
        unasked = self.dag.given(2) - self.dag.asked[2]
        below = walk(self.dag.children, self.dag.asked[0])
        return self.forbidden.isdisjoint(self.dag.given(2)) and unasked.isdisjoint(below)

    @property
    def is_met(self) -> bool:
        """Whether what the set must hold is enough."""
        x, y = self.dag.asked[:2]
        return self.is_possible and are_separated(self.parents, self.children, x, y, self.dag.given(2))

    @property
    def allowed(self) -> frozenset[Node]:
        """What the set may hold."""
        nodes = frozenset(self.dag.nodes) if self.dag.also is None else self.dag.also
        return nodes - self.forbidden

    def minimal(self) -> Iterator[frozenset[Hashable]]:
        """Yield the names of all minimal sets.

        Yields:
            The sets.
        """
        x, y = self.dag.asked[:2]
        if self.is_possible:
            for found in minimal_separators(
                self.parents, self.children, x, y, self.dag.given(2), self.allowed
            ):
                yield self._named(found)

    def smallest(self) -> frozenset[Hashable] | None:
        """Return the names of a set of fewest elements.

        Returns:
            The set, or None if there is none.
        """
        if not self.is_possible:
            return None
        x, y = self.dag.asked[:2]
        found = find_smallest_separator(
            self.parents, self.children, x, y, self.dag.given(2), self.allowed, self.dag.labels.size
        )
        return None if found is None else self._named(found)

    def _named(self, found: frozenset[Node]) -> frozenset[Hashable]:
        return frozenset(self.dag.labels.names(found - (self.dag.fixed - self.dag.asked[2])))
