"""A program of which single observations can be left out, without another trace of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probdl.program.handlers import Everywhere, Message


class Mask(Everywhere):
    """Leave elements of sites out of the joint density: those whose value is False."""

    def visit(self, msg: Message) -> None:
        """Mask a site."""
        if msg["type"] == "sample" and msg["name"] in self.values:
            msg["fn"] = msg["fn"].mask(self.value(msg["name"]))


@dataclass(frozen=True)
class Masked:
    """A program whose first argument says, by site, which elements count.

    Attributes:
        program: The program.
        scan_of: The scan that each masked site of one is in.
    """

    program: Callable
    scan_of: tuple[tuple[str, str], ...] = ()

    @property
    def __name__(self) -> str:
        """Name of the program."""
        return getattr(self.program, "__name__", type(self.program).__name__)

    @property
    def __signature__(self) -> inspect.Signature:
        """Its arguments: the masks, then those of the program."""
        own = inspect.signature(self.program)
        masks = inspect.Parameter("masks", inspect.Parameter.POSITIONAL_ONLY)
        return own.replace(parameters=[masks, *own.parameters.values()])

    def __call__(self, masks: Mapping[str, Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run the program."""
        with Mask(None, masks, dict(self.scan_of)):
            return self.program(*args, **kwargs)
