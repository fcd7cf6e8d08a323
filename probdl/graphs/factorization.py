"""The factorization of a joint distribution that a graph stands for: as data, as text and as LaTeX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from probdl.graphs.arguments import check_held
from probdl.graphs.elements import Axis, axes_of, kinds
from probdl.graphs.lattice import reads_of
from probdl.graphs.notation import latex_name
from probdl.graphs.order import ancestral_order
from probdl.graphs.relation import Read
from probdl.graphs.terms import Factor, Range, Term
from probdl.program.sites import SiteKind

if TYPE_CHECKING:
    import networkx as nx

MOST_STEPS = 2
LONG = 100


@dataclass(frozen=True)
class Factorization:
    """A joint distribution as a product of conditional ones; it shows itself as a formula in a notebook.

    Attributes:
        variables: The nodes of the joint distribution, params and held nodes last.
        factors: Parents before children. The first steps of a site that reads earlier steps of a scan
            have factors of their own.

    Example:
        >>> import networkx as nx
        >>> found = factorization(nx.DiGraph([("a", "x"), ("b", "x")]))
        >>> [str(factor) for factor in found.factors]
        ['p(a)', 'p(b)', 'p(x | a, b)']
    """

    variables: tuple[Term, ...]
    factors: tuple[Factor, ...]

    @property
    def text(self) -> str:
        """The product as text."""
        pieces = []
        for ranges, group in groupby(self.factors, lambda factor: factor.ranges):
            letters = ",".join(map(str, ranges))
            sign = f"∏_{letters if letters.isalnum() else f'({letters})'} " if letters else ""
            pieces.append(sign + " ".join(map(str, group)))
        return (
            f"{self._joint(str, ' | ', '; ')} {'∝' if self._has_factors else '='} {' '.join(pieces) or '1'}"
        )

    @property
    def latex(self) -> str:
        """The product in LaTeX, for maths mode, on one line."""
        return f"{self._latex_left()} {r'\,'.join(self._latex_pieces()) or '1'}"

    def _latex_left(self) -> str:
        left = self._joint(lambda term: term.latex, r" \mid ", r";\, ")
        return left + (r" \propto" if self._has_factors else " =")

    def _latex_pieces(self) -> list[str]:
        """Return the products, and the factors that are in none."""
        pieces = []
        for ranges, group in groupby(self.factors, lambda factor: factor.ranges):
            signs = (rf"\prod_{{{latex_name(r.letter)}={r.start}}}^{{{r.stop - 1}}} " for r in ranges)
            factors = [factor.latex for factor in group]
            pieces += ["".join(signs) + r"\,".join(factors)] if ranges else factors
        return pieces

    def __str__(self) -> str:
        """Write the product as text."""
        return self.text

    def _repr_latex_(self) -> str:
        if len(self.text) <= LONG:
            return f"$\\displaystyle {self.latex}$"
        lines = [""]
        for piece in self._latex_pieces():
            if len(lines[-1]) + len(piece) > 2 * LONG:
                lines.append("")
            lines[-1] += piece + r"\,"
        product = r" \\ &\quad ".join(lines)
        return rf"$$\begin{{aligned}} &{self._latex_left()} \\ &\quad {product} \end{{aligned}}$$"

    @property
    def _has_factors(self) -> bool:
        return any(factor.child.kind is SiteKind.FACTOR for factor in self.factors)

    def _joint(self, write: Callable[[Term], str], bar: str, semicolon: str) -> str:
        done = [term for term in self.variables if term.kind is SiteKind.INTERVENED]
        params = [term for term in self.variables if term.kind is SiteKind.PARAM]
        rest = [term for term in self.variables if term not in done and term not in params]
        given = bar + ", ".join(map(write, done)) if done else ""
        fixed = semicolon + ", ".join(map(write, params)) if params else ""
        return f"p({', '.join(map(write, rest))}{given}{fixed})"


def factorization(graph: nx.DiGraph) -> Factorization:
    """Return the joint distribution as the product of one conditional distribution for each node.

    Plates and scans become products; a deterministic site is a delta distribution, a factor a potential,
    params stand behind a semicolon and sites held by `do` in do(). A parent that only some elements of
    a node read is written for all.

    Args:
        graph: The graph of a program, or any acyclic directed graph.

    Returns:
        The factorization: `.text`, `.latex`, and `.factors` as data.

    Raises:
        TypeError: If `graph` is no DiGraph.
        CyclicGraph: If it has a cycle.
        ValueError: If `do` holds some elements of a node.

    Example:
        >>> import networkx as nx
        >>> print(factorization(nx.DiGraph([("mu", "x"), ("tau", "x")])))
        p(mu, tau, x) = p(mu) p(tau) p(x | mu, tau)

    Source:
        Bishop & Bishop (2023), equation 11.6.
    """
    order = ancestral_order(graph)
    check_held(graph, "factorization")
    of = kinds(graph)
    letters = _letters((axis for node in order for axis in axes_of(graph, node)), map(str, graph))
    silent = (SiteKind.PARAM, SiteKind.INTERVENED)
    factors = [
        factor
        for node in order
        if of.get(node) not in silent
        for factor in _factors(graph, node, of, letters)
    ]
    variables = [
        Term(node, (), of.get(node, SiteKind.LATENT)) for node in order if of.get(node) is not SiteKind.FACTOR
    ]
    return Factorization(tuple(variables), tuple(_gathered(factors)))


def _letters(axes: Iterable[Axis], taken: Iterable[str]) -> dict[str, str]:
    """Give each plate and scan its initial as index, or its name where that is ambiguous."""
    names = list(dict.fromkeys(axis.name for axis in axes))
    uses = Counter([*(name[:1].lower() for name in names), *set(taken), "p"])
    return {name: name[:1].lower() if uses[name[:1].lower()] == 1 else name for name in names}


def _gathered(factors: Iterable[Factor]) -> Iterable[Factor]:
    """Bring factors with the same product together, as far as parents stay before children."""
    groups: list[tuple[tuple[Range, ...], list[Factor]]] = []
    place: dict[Hashable, int] = {}
    for factor in factors:
        first = max((place[term.node] for term in factor.parents if term.node in place), default=0)
        at = next((i for i in range(first, len(groups)) if groups[i][0] == factor.ranges), len(groups))
        if at == len(groups):
            groups.append((factor.ranges, []))
        groups[at][1].append(factor)
        place[factor.child.node] = max(at, place.get(factor.child.node, 0))
    return (factor for _, group in groups for factor in group)


def _factors(
    graph: nx.DiGraph, node: Hashable, of: Mapping[Hashable, SiteKind], letters: Mapping[str, str]
) -> Iterable[Factor]:
    """Yield the factors of a node: those of its first steps, then that of all others."""
    axes = axes_of(graph, node)
    reads = [(parent, read) for parent in graph.predecessors(node) for read in reads_of(graph, parent, node)]
    kind = of.get(node, SiteKind.LATENT)
    scan = axes[0].name if axes and axes[0].name in graph.graph.get("scans", {}) else None
    size = axes[0].size if scan else 0
    lags = [p for _, read in reads if isinstance(p := read.positions.get(scan or ""), int)]
    begin = _shown(max((-lag for lag in lags), default=0), size)
    end = size - _shown(max(lags, default=0), size - begin)

    def factor(step: int | None) -> Factor:
        own = dict(letters) if step is None else {**letters, str(scan): str(step)}
        terms = (
            Term(parent, index, of.get(parent, SiteKind.LATENT), _own_letters(graph, parent, letters))
            for parent, read in reads
            if _holds(read, scan, slice(begin, end) if step is None else slice(step, step + 1))
            and (index := _index(graph, parent, read, own, step, scan)) is not None
        )
        ranges = tuple(
            Range(axis.name, letters[axis.name], begin, end, size)
            if axis.name == scan
            else Range(axis.name, letters[axis.name], 0, axis.size, axis.size)
            for axis in axes
            if step is None or axis.name != scan
        )
        child = Term(node, tuple(own[axis.name] for axis in axes), kind, _own_letters(graph, node, letters))
        return Factor(child, tuple(_covered(graph, list(dict.fromkeys(terms)))), ranges)

    yield from (factor(step) for step in range(begin))
    if not scan or begin < end:
        yield factor(None)
    yield from (factor(step) for step in range(end, size))


def _shown(lag: int, size: int) -> int:
    """Return how many steps are written on their own, where a lag reaches beyond the ends of a scan."""
    return min(max(lag, 0), size) if lag <= MOST_STEPS else 0


def _own_letters(graph: nx.DiGraph, node: Hashable, letters: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(letters[axis.name] for axis in axes_of(graph, node))


def _holds(read: Read, scan: str | None, steps: slice) -> bool:
    """Whether any element reads at some steps of a scan."""
    if read.where is None or scan is None:
        return True
    axis = read.axes.index(scan)
    flags = np.moveaxis(read.where, axis, 0)
    return bool(flags[steps].any() if len(flags) > 1 else flags.any())


def _covered(graph: nx.DiGraph, terms: list[Term]) -> list[Term]:
    """Write one term with ":" for those that together name all indices of an axis one by one."""
    for at in range(max((len(term.index) for term in terms), default=0)):
        groups: dict[tuple[Hashable, tuple[str, ...]], list[Term]] = {}
        for term in terms:
            groups.setdefault((term.node, term.index[:at] + term.index[at + 1 :]), []).append(term)
        terms = []
        for (node, rest), group in groups.items():
            axes = axes_of(graph, node)
            every = {str(i) for i in range(axes[at].size)} if at < len(axes) and len(group) > 1 else {""}
            whole = every <= {term.index[at] for term in group if at < len(term.index)}
            terms += [replace(group[0], index=(*rest[:at], ":", *rest[at:]))] if whole else group
    return terms


def _index(
    graph: nx.DiGraph,
    parent: Hashable,
    read: Read,
    letters: Mapping[str, str],
    step: int | None,
    scan: str | None,
) -> tuple[str, ...] | None:
    """Write the index at which a parent is read; None if that step does not exist."""
    parts = []
    for axis in axes_of(graph, parent):
        position = read.positions[axis.name]
        if position is None:
            parts.append(":")
        elif isinstance(position, np.ndarray):
            by = [letters[n] for n, size in zip(read.axes, position.shape, strict=True) if size > 1]
            parts.append(f"{axis.name}({','.join(by)})" if by else str(int(position.reshape(-1)[0])))
        elif step is not None and axis.name == scan:
            if not 0 <= step + position < axis.size:
                return None
            parts.append(str(step + position))
        else:
            parts.append(letters[axis.name] + (f"{position:+d}" if position else ""))
    return tuple(parts)
