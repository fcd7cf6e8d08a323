"""The blocks of a model, as a table that prints itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from probdl.exact.programs.variables import Kind
from probdl.inference.gibbs.blocks import ConjugateBlock, EnumeratedBlock, JointBlock
from probdl.inference.gibbs.sweep import Block, InnerBlock
from probdl.inference.plan import Step
from probdl.program.model import Model

HEADINGS = ("block", "site", "how it is drawn", "size", "what prevents better")


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks that Gibbs sampling draws in turn. Prints itself as a table.

    Attributes:
        blocks: Names of the sites of each block, in the order in which they are drawn.
        steps: What is done with each site.
    """

    blocks: tuple[tuple[str, ...], ...]
    steps: tuple[Step, ...]

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        number = {name: str(turn + 1) for turn, names in enumerate(self.blocks) for name in names}
        return [(number[s.site], s.site, s.action, s.cost, s.reason) for s in self.steps]

    def __str__(self) -> str:
        """Return the table."""
        rows = self._rows
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS) - 1)]
        count = len(self.blocks)
        lines = [f"A sweep of {count} block{'s' if count != 1 else ''}"]
        for row in rows:
            parts = [part.ljust(width) for part, width in zip(row, widths, strict=False)]
            lines.append(f"  {'  '.join(parts)}  {row[-1]}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self._rows
        )
        head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
        return f"<table><tr>{head}</tr>{body}</table>"


def table(model: Model, blocks: tuple[Block, ...], reasons: Mapping[str, str]) -> Blocks:
    """Return the blocks of a model as a table.

    Args:
        model: The model.
        blocks: The blocks.
        reasons: Why latents are not drawn in a better way.

    Returns:
        The table.
    """
    steps = []
    for block in blocks:
        for name in block.names:
            count = math.prod(model.sites[name].shape)
            size = f"{count} {'entry' if count == 1 else 'entries'}"
            reason = reasons.get(name, "") if isinstance(block, InnerBlock) else ""
            steps.append(Step(name, _action(block, name), size, reason))
    return Blocks(tuple(block.names for block in blocks), tuple(steps))


def _action(block: Block, name: str) -> str:
    if isinstance(block, InnerBlock):
        return f"moved by {type(block.chain).__name__.removeprefix('Mixed')}"
    if isinstance(block, EnumeratedBlock):
        return (
            "drawn from its values, entry by entry"
            if block.density.layout.dim > 1
            else "drawn from its values"
        )
    if isinstance(block, ConjugateBlock):
        family = type(block.family).__name__.removesuffix("Family")
        return f"drawn by conjugacy ({family})" + (", element by element" if block.size > 1 else "")
    if not isinstance(block, JointBlock):
        return "drawn exactly"
    variable = next(v for v in block.integral.variables if v.name == name)
    how = {Kind.DISCRETE: "its values", Kind.GAUSSIAN: "a Gaussian", Kind.CONJUGATE: "a conjugate family"}
    return f"drawn from {how[variable.kind]}" + (", jointly" if len(block.names) > 1 else "")
