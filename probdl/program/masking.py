"""A program of which single observations can be left out, without another trace of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from probdl.program.handlers import Everywhere, Message
from probdl.program.wrapped import Wrapped


class Mask(Everywhere):
    """Leave elements of sites out of the joint density: those whose value is False."""

    def visit(self, msg: Message) -> None:
        """Mask a site."""
        if msg["type"] == "sample" and msg["name"] in self.values:
            msg["fn"] = msg["fn"].mask(self.value(msg["name"]))


@dataclass(frozen=True)
class Masked(Wrapped):
    """A program whose first argument says, by site, which elements count.

    Attributes:
        program: The program.
        scan_of: The scan that each masked site of one is in.
    """

    scan_of: tuple[tuple[str, str], ...] = ()
    argument: ClassVar[str] = "masks"

    def __call__(self, first: Mapping[str, Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run the program."""
        with Mask(None, first, dict(self.scan_of)):
            return self.program(*args, **kwargs)
