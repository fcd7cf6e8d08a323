"""Front-door sets on a finite DAG: the widest within given nodes, the minimal ones, the smallest."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property

from probdl.graphs.bayes_ball import Step, ancestors, ball
from probdl.graphs.causal_paths import edges_out, on_causal_paths, walk, without_edges
from probdl.graphs.ground import Ground, Node


@dataclass(frozen=True)
class Mediators:
    """The front-door sets of a question.

    The union of two sets that meet the second and third condition meets them too, so among some nodes there
    is a widest set that does; if any set among them is a front-door set, then that one is. That elements
    which can be exchanged are taken together loses nothing, by the argument of `Criterion`.

    Attributes:
        dag: The DAG; its sets are x, y and what each set must hold.
    """

    dag: Ground

    def named(self, nodes: frozenset[Node]) -> frozenset[Hashable]:
        """Name a set.

        Args:
            nodes: Its nodes.

        Returns:
            The names.
        """
        return frozenset(self.dag.labels.names(nodes))

    @cached_property
    def held(self) -> frozenset[Node]:
        """What is given beside the sets of the question."""
        return self.dag.fixed.difference(*self.dag.asked)

    @cached_property
    def selected(self) -> frozenset[Node]:
        """What is given and the ancestors of it: a factor selects by them."""
        return frozenset(ancestors(self.dag.parents, self.held))

    @cached_property
    def clear(self) -> frozenset[Node]:
        """The nodes to which no back-door path from x is open, and which no factor selects."""
        x, y = self.dag.asked[:2]
        upward, downward = without_edges(self.dag.parents, self.dag.children, edges_out(self.dag.children, x))
        return frozenset(self.dag.nodes).difference(x, y, ball(upward, downward, x, self.held), self.selected)

    @cached_property
    def useful(self) -> frozenset[Node]:
        """What a minimal set may hold: ancestors of what the question names, as far as they are allowed."""
        above = self.clear.intersection(ancestors(self.dag.parents, frozenset().union(*self.dag.asked)))
        return above if self.dag.also is None else above & self.dag.also

    def widest(self, allowed: frozenset[Node]) -> frozenset[Node] | None:
        """Return the widest front-door set within some nodes.

        Args:
            allowed: The nodes.

        Returns:
            The set, or None if there is none that holds what it must.
        """
        x, y, include = self.dag.asked
        found = self._unconfounded(self.clear & allowed)
        missed = not y.isdisjoint(walk(self.dag.children, x, avoid=found))
        return None if missed or not include <= found or not x.isdisjoint(self.selected) else found

    def _unconfounded(self, allowed: frozenset[Node]) -> frozenset[Node]:
        """Return the widest part of some nodes z from which no back-door path to y is open given x.

        A ball that starts at y cannot leave a node of z downward, nor come to it from below. If it comes to
        one from above, that node is out of z, and lets the ball pass to where it had to stop.
        """
        parents, children = self.dag.parents, self.dag.children
        given = self.dag.asked[0] | self.held
        kept, stopped = set(allowed), set()
        upward, downward = set(self.dag.asked[1]), set()
        waiting: list[Step] = [(node, True) for node in upward]
        while waiting:
            node, from_child = waiting.pop()
            if node in kept:
                kept.remove(node)
                if node in stopped:
                    upward.add(node)
                    waiting.append((node, True))
            is_given = node in given
            if is_given != from_child:
                stopped.update(kept.intersection(parents[node]))
                new = set(parents[node]) - upward - kept
                upward |= new
                waiting += [(parent, True) for parent in new]
            if not is_given:
                new = set(children[node]) - downward
                downward |= new
                waiting += [(child, False) for child in new]
        return frozenset(kept)

    def minimal(self) -> Iterator[frozenset[Node]]:
        """Yield the minimal sets.

        Yields:
            The sets, each once.
        """
        yield from self._search(lambda _: False)

    def smallest(self) -> frozenset[Node] | None:
        """Return a set of fewest elements.

        Returns:
            The set, or None if there is none.
        """
        include = self.dag.asked[2]
        widest = self.widest(self.useful | include)
        if widest is None:
            return None
        best = widest

        def is_hopeless(held: frozenset[Node]) -> bool:
            return self._size(held) >= self._size(best)

        least = max(self._size(include), self._fewest())
        for found in self._search(is_hopeless):
            best = min(best, found, key=self._size)
            if self._size(best) == least:
                break
        return best

    def _fewest(self) -> int:
        """Return how few elements can intercept all directed paths from x to y: a minimum cut."""
        import networkx as nx

        x, y, include = self.dag.asked
        causal = on_causal_paths(self.dag.parents, self.dag.children, x, y) | x
        capable = self.useful | include
        network = nx.DiGraph()
        network.add_nodes_from(["source", "sink"])
        for node in causal:
            limit = {"capacity": self.dag.labels.size(node)} if node in capable else {}
            network.add_edge((node, "in"), (node, "out"), **limit)
            network.add_edges_from(
                ((node, "out"), (child, "in")) for child in causal.intersection(self.dag.children[node])
            )
        network.add_edges_from(("source", (node, "in")) for node in x)
        network.add_edges_from(((node, "out"), "sink") for node in y & causal)
        return nx.minimum_cut_value(network, "source", "sink")

    def _search(self, is_hopeless: Callable[[frozenset[Node]], bool]) -> Iterator[frozenset[Node]]:
        """Yield the minimal sets, without those that hold a hopeless set.

        Another minimal set lacks a node of the one just found; it is sought once for each such node, with
        those before it held and itself left out. What holds a front-door set and more is not minimal.
        """
        include = self.dag.asked[2]
        waiting = [(include, self.useful | include)]
        while waiting:
            held, allowed = waiting.pop()
            if is_hopeless(held) or self.widest(held) not in (None, held):
                continue
            widest = self.widest(allowed)
            if widest is None or not held <= widest:
                continue
            found = self._reduced(widest, held)
            if all(self.widest(found - {node}) is None for node in held - include):
                yield found
            for node in self._ordered(found - held):
                waiting.append((held, allowed - {node}))
                held |= {node}

    def _reduced(self, found: frozenset[Node], held: frozenset[Node]) -> frozenset[Node]:
        """Return a set within a front-door set from which no further node can be left out: halves at once."""
        waiting = [self._ordered(found - held)]
        while waiting:
            part = found.intersection(waiting.pop())
            smaller = self.widest(found - part)
            if smaller is not None and held <= smaller:
                found = smaller
            elif len(part) > 1:
                order = self._ordered(part)
                waiting += [order[len(order) // 2 :], order[: len(order) // 2]]
        return found

    def _ordered(self, nodes: frozenset[Node]) -> list[Node]:
        return sorted(nodes, key=self._places.__getitem__)

    @cached_property
    def _places(self) -> dict[Node, int]:
        return {node: i for i, node in enumerate(self.dag.nodes)}

    def _size(self, nodes: frozenset[Node]) -> int:
        return sum(map(self.dag.labels.size, nodes))
