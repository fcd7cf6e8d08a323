"""Draws on their way out of a run, kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from probdl.inference.assemble import assemble
from probdl.inference.method import Options
from probdl.program.model import Model

if TYPE_CHECKING:
    import xarray as xr

Block = Mapping[str, np.ndarray]


class Draws(Protocol):
    """Where the draws of a run go."""

    @property
    def count(self) -> int:
        """Number of draws of each chain so far."""
        ...

    @property
    def committed(self) -> int:
        """How many of them survive a kill."""
        ...

    @property
    def pending(self) -> bool:
        """Whether so many wait to be committed that it has to be done."""
        ...

    def begin(self) -> None:
        """Remove what may be replaced: the run has begun."""
        ...

    def append(self, values: Block, stats: Block) -> None:
        """Add a block of draws: arrays (chain, draw, ...) by site, and by name of the statistic."""
        ...

    def commit(self) -> None:
        """Bring all draws so far to where they survive a kill."""
        ...

    def go_on(self, count: int) -> None:
        """Take what a run before has made as the first draws."""
        ...

    def so_far(self) -> Iterator[tuple[Block, Block]]:
        """Yield the draws so far in blocks, as they were appended."""
        ...

    def finish(self) -> xr.DataTree:
        """Return all that was appended, with the attributes of the run; what waits is committed first."""
        ...

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Keep what is known of the run when it has ended."""
        ...


class MemoryDraws:
    """Draws in arrays that are allocated once.

    Args:
        model: The model.
        options: How the draws are labelled.
        num_samples: How many will come, at most.
        attributes: Where the run comes from.
    """

    committed, pending = 0, False

    def __init__(
        self, model: Model, options: Options, num_samples: int, attributes: Mapping[str, Any]
    ) -> None:
        self._model, self._options = model, options
        self._capacity, self._attributes = num_samples, attributes
        self._values: dict[str, np.ndarray] = {}
        self._stats: dict[str, np.ndarray] = {}
        self._count = 0

    def __str__(self) -> str:
        """Return where the draws are."""
        return "memory"

    @property
    def count(self) -> int:
        """Number of draws so far."""
        return self._count

    def begin(self) -> None:
        """Do nothing: there is nothing."""

    def append(self, values: Block, stats: Block) -> None:
        """Add a block of draws."""
        for arrays, block in ((self._values, values), (self._stats, stats)):
            for name, part in block.items():
                if name not in arrays:
                    arrays[name] = np.empty((len(part), self._capacity, *part.shape[2:]), part.dtype)
                arrays[name][:, self._count : self._count + part.shape[1]] = part
        self._count += next(iter(stats.values())).shape[1]

    def commit(self) -> None:
        """Do nothing: memory survives no kill."""

    def go_on(self, count: int) -> None:
        """Refuse: memory holds no other run."""
        if count:
            raise ValueError("Expected a store for a run to go on with; got none. Pass the store of the run.")

    def so_far(self) -> Iterator[tuple[Block, Block]]:
        """Yield the draws so far."""
        yield self._so_far()

    def _so_far(self) -> tuple[Block, Block]:
        values, stats = (
            {name: array[:, : self._count] for name, array in arrays.items()}
            for arrays in (self._values, self._stats)
        )
        return values, stats

    def finish(self) -> xr.DataTree:
        """Return all that was appended, with the attributes of the run."""
        data = assemble(self._model, *self._so_far(), self._options)
        data.attrs.update(self._attributes)
        return data

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Do nothing: the tree has the attributes."""
