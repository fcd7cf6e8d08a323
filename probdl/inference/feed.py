"""What gives chains their data: all of them at once, or some for each chunk of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from probdl.inference.chunks import LONGEST
from probdl.program.bound import Arrays


class Feed(Protocol):
    """Data on their way to the chains."""

    @property
    def arrays(self) -> Arrays:
        """The data with which chains start and their draws are completed."""
        ...

    @property
    def most_steps(self) -> int:
        """The most steps for which there are data at once."""
        ...

    def chunk(self, begin: int, count: int) -> Arrays:
        """Return the data of some steps.

        Args:
            begin: Number of the first step.
            count: How many steps.
        """
        ...


@dataclass(frozen=True, eq=False)
class Unchanging:
    """All data, for all steps.

    Attributes:
        arrays: The data.
        most_steps: As many as a chunk may have.
    """

    arrays: Arrays
    most_steps: int = LONGEST

    def chunk(self, begin: int, count: int) -> Arrays:
        """Return the data."""
        del begin, count
        return self.arrays
