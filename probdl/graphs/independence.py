"""One statement of independence."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class Independence:
    """The statement that x and y are independent, given others.

    Attributes:
        x: Nodes or elements.
        y: Nodes or elements.
        given: Nodes or elements.

    Example:
        >>> print(Independence(("theta[0]",), ("theta[1]",), ("mu", "tau")))
        theta[0] ⫫ theta[1] | mu, tau
    """

    x: tuple[Hashable, ...]
    y: tuple[Hashable, ...]
    given: tuple[Hashable, ...] = ()

    def __str__(self) -> str:
        """Write it as the book does."""
        x, y, given = (", ".join(map(str, names)) for names in (self.x, self.y, self.given))
        return f"{x} ⫫ {y}" + (f" | {given}" if given else "")
