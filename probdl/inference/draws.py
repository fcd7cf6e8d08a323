"""Draws on their way out of a run, kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
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

    def append(self, values: Block, stats: Block) -> None:
        """Add a block of draws: arrays (chain, draw, ...) by site, and by name of the statistic."""
        ...

    def finish(self) -> xr.DataTree:
        """Return all that was appended, with the attributes of the run."""
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

    def __init__(
        self, model: Model, options: Options, num_samples: int, attributes: Mapping[str, Any]
    ) -> None:
        self._model, self._options = model, options
        self._capacity, self._attributes = num_samples, attributes
        self._values: dict[str, np.ndarray] = {}
        self._stats: dict[str, np.ndarray] = {}
        self._count = 0

    def append(self, values: Block, stats: Block) -> None:
        """Add a block of draws."""
        for arrays, block in ((self._values, values), (self._stats, stats)):
            for name, part in block.items():
                if name not in arrays:
                    arrays[name] = np.empty((len(part), self._capacity, *part.shape[2:]), part.dtype)
                arrays[name][:, self._count : self._count + part.shape[1]] = part
        self._count += next(iter(stats.values())).shape[1]

    def finish(self) -> xr.DataTree:
        """Return all that was appended, with the attributes of the run."""
        values, stats = (
            {name: array[:, : self._count] for name, array in arrays.items()}
            for arrays in (self._values, self._stats)
        )
        data = assemble(self._model, values, stats, self._options)
        data.attrs.update(self._attributes)
        return data

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Do nothing: the tree has the attributes."""
