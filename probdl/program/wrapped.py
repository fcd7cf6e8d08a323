"""Programs around programs: one more argument, which says what is different."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from probdl.program.model import Model


@dataclass(frozen=True)
class Wrapped(abc.ABC):
    """A program that takes an argument before those of the program that it runs.

    Attributes:
        program: The program that it runs.
    """

    program: Callable
    argument: ClassVar[str]

    @property
    def __name__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Name of the program."""
        return getattr(self.program, "__name__", type(self.program).__name__)

    @property
    def __signature__(self) -> inspect.Signature:
        """The first argument, then those of the program."""
        own = inspect.signature(self.program)
        first = inspect.Parameter(self.argument, inspect.Parameter.POSITIONAL_ONLY)
        return own.replace(parameters=[first, *own.parameters.values()])

    @abc.abstractmethod
    def __call__(self, first: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run the program."""

    def model(self, first: Any, args: tuple[Any, ...], like: Model) -> Model:
        """Return a model of this program.

        Args:
            first: The first argument.
            args: The further ones.
            like: The model whose keywords, data and interventions it has.

        Returns:
            The model.
        """
        found = Model(self, first, *args, **like.kwargs)
        if like.observed:
            found = found.condition(**like.observed)
        return found.do(**like.held) if like.held else found
