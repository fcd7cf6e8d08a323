"""Where the draws of a run go: to memory, to disk, or to the disk of another process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probdl.inference.draws import Block, Draws, MemoryDraws
from probdl.inference.method import Options
from probdl.inference.processes import Processes
from probdl.inference.store import StoredDraws, open_store
from probdl.program.model import Model

if TYPE_CHECKING:
    import xarray as xr

ALONE = Processes()


def destination(
    model: Model, options: Options, attributes: dict[str, Any], processes: Processes = ALONE
) -> Draws:
    """Return where the draws of a run go.

    Args:
        model: The model.
        options: A folder, or memory.
        attributes: Where the run comes from; `num_samples` is how many draws will come, at most.
        processes: The processes that run it: the first one writes.

    Returns:
        What takes them.
    """
    num_samples = attributes["num_samples"]
    if options.store is None:
        return MemoryDraws(model, options, num_samples, attributes)
    if not processes.is_first:
        return DrawsElsewhere(options.store, num_samples)
    return StoredDraws(options.store, model, options, num_samples, attributes)


class DrawsElsewhere:
    """Draws that another process writes.

    Args:
        path: The folder, which this process can read.
        num_samples: How many draws are asked for.
    """

    pending = False

    def __init__(self, path: Path, num_samples: int) -> None:
        self._path, self._asked, self._count = path, num_samples, 0

    def __str__(self) -> str:
        """Return where the draws are."""
        return f"draws at '{self._path}'"

    @property
    def count(self) -> int:
        """Number of draws so far."""
        return self._count

    @property
    def committed(self) -> int:
        """As many: the other process knows better."""
        return self._count

    def begin(self) -> None:
        """Do nothing: the other process does it."""

    def append(self, values: Block, stats: Block) -> None:
        """Count the draws."""
        del values
        self._count += next(iter(stats.values())).shape[1]

    def commit(self) -> None:
        """Do nothing: the other process does it."""

    def go_on(self, count: int) -> None:
        """Take what a run before has made as the first draws."""
        self._count = count

    def so_far(self) -> Iterator[tuple[Block, Block]]:
        """Yield nothing: the other process looks at them."""
        yield from ()

    def finish(self) -> xr.DataTree:
        """Return all that was written."""
        return open_store(self._path, self._asked)

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Do nothing: the other process does it."""
