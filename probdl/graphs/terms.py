"""The factors of a factorization, and the nodes as they stand in them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import zip_longest

from probdl.graphs.notation import latex_name
from probdl.program.sites import SiteKind


@dataclass(frozen=True)
class Range:
    """The range of a product.

    Attributes:
        axis: The plate or scan.
        letter: The index.
        start: Its first value.
        stop: What comes after its last value.
        size: How many elements there are.

    Example:
        >>> str(Range("time", "t", 1, 8, 8)), str(Range("time", "t", 0, 7, 8)), str(Range("n", "n", 0, 5, 5))
        ('t≥1', 't<7', 'n')
    """

    axis: str
    letter: str
    start: int
    stop: int
    size: int

    def __str__(self) -> str:
        """Write it as it stands below a product."""
        start = f"≥{self.start}" if self.start else ""
        stop = f"<{self.stop}" if self.stop < self.size else ""
        return f"{self.start}≤{self.letter}{stop}" if start and stop else f"{self.letter}{start}{stop}"


@dataclass(frozen=True)
class Term:
    """One node as it stands in a factor.

    Attributes:
        node: The node.
        index: What stands for its index along each axis: "n", "t-1", "group(n)", ":" for all.
        kind: What the node is.
        letters: The letter of each axis: LaTeX writes "t=0" for a certain step, since a site may be
            called z_0.
    """

    node: Hashable
    index: tuple[str, ...] = ()
    kind: SiteKind = SiteKind.LATENT
    letters: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write it as the name of an element."""
        name = f"{self.node}[{','.join(self.index)}]" if self.is_indexed else str(self.node)
        return f"do({name})" if self.kind is SiteKind.INTERVENED else name

    @property
    def latex(self) -> str:
        """It in LaTeX."""
        name = latex_name(str(self.node))
        if self.is_indexed:
            parts = zip_longest(self.index, self.letters, fillvalue="")
            index = (f"{letter}={at}" if at.isdigit() and letter else at for at, letter in parts)
            name = f"{{{name}}}_{{{','.join(map(latex_name, index))}}}"
        return rf"\mathrm{{do}}({name})" if self.kind is SiteKind.INTERVENED else name

    @property
    def is_indexed(self) -> bool:
        """Whether it stands for some elements, not for all."""
        return not set(self.index) <= {":"}


@dataclass(frozen=True)
class Factor:
    """The conditional distribution of a node, or of some of its elements.

    Attributes:
        child: The node; of a factor site, which has no value, its name.
        parents: What it depends on.
        ranges: Over which its product runs.
    """

    child: Term
    parents: tuple[Term, ...]
    ranges: tuple[Range, ...] = ()

    def __str__(self) -> str:
        """Write the factor without its product."""
        return self._write(str, "ψ_", "δ", " | ", "; ")

    @property
    def latex(self) -> str:
        """The factor in LaTeX, without its product."""
        return self._write(lambda term: term.latex, r"\psi_", r"\delta", r" \mid ", r";\, ")

    def _write(self, write: Callable[[Term], str], psi: str, delta: str, bar: str, semicolon: str) -> str:
        random = ", ".join(write(term) for term in self.parents if term.kind is not SiteKind.PARAM)
        fixed = ", ".join(write(term) for term in self.parents if term.kind is SiteKind.PARAM)
        rest = semicolon + fixed if fixed else ""
        if self.child.kind is SiteKind.FACTOR:
            return f"{psi}{{{write(self.child)}}}({random}{rest})"
        letter = delta if self.child.kind is SiteKind.DETERMINISTIC else "p"
        return f"{letter}({write(self.child)}{bar + random if random else ''}{rest})"
