"""Draws on disk, appended block by block: what is committed survives a kill at any moment.

The store is an ordinary DataTree in zarr. It appears under its name when it is complete. Its arrays have room
for all draws from the start; the attribute `committed` of its root, written after the draws, says how many
are there. Each file is replaced as a whole, so that a reader never sees half of one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.errors import CannotResume
from probdl.inference.assemble import assemble
from probdl.inference.draws import Block
from probdl.inference.method import Options
from probdl.inference.reading import COMMITTED, open_store
from probdl.inference.status import ENDED
from probdl.program.model import Model

if TYPE_CHECKING:
    import xarray as xr

RUN, CREATED, ASKED = "run", "created_at", "num_samples"
CHUNK_BYTES, LEAST_ROWS = 2**20, 1000
MOST_PENDING = 2**26


class StoredDraws:
    """Draws in a zarr folder.

    Args:
        path: The folder.
        model: The model.
        options: How the draws are labelled, and whether an existing store may be replaced.
        num_samples: How many draws will come, at most.
        attributes: Where the run comes from; `run` says what run it is.

    Raises:
        FileExistsError: If there is something already.
    """

    def __init__(
        self, path: Path, model: Model, options: Options, num_samples: int, attributes: Mapping[str, Any]
    ) -> None:
        if not options.resume:
            check_way(path, overwrite=options.overwrite)
        self._path, self._model, self._options = path, model, options
        self._capacity, self._attributes = num_samples, attributes
        self._root: Any = None
        self._members: tuple[tuple[str, Any], ...] = ()
        self._arrays: dict[tuple[str, str], Any] = {}
        self._waiting: list[dict[tuple[str, str], np.ndarray]] = []
        self._written = 0
        self._claimed = False

    def __str__(self) -> str:
        """Return where the draws are."""
        return f"draws at '{self._path}'"

    @property
    def count(self) -> int:
        """Number of draws so far."""
        return self._written + sum(_rows(block) for block in self._waiting)

    @property
    def committed(self) -> int:
        """How many of them are on disk."""
        return self._written

    @property
    def pending(self) -> bool:
        """Whether those that are not take much memory."""
        return sum(part.nbytes for block in self._waiting for part in block.values()) > MOST_PENDING

    def begin(self) -> None:
        """Remove a store that may be replaced: the run has begun."""
        if self._path.exists():
            os.rename(self._path, removed := aside(self._path, "removed"))
            shutil.rmtree(removed)

    def go_on(self, count: int) -> None:
        """Take what is in the folder as the first draws; nothing is changed before more are committed.

        Args:
            count: How many of them are valid.

        Raises:
            CannotResume: If there are fewer, or those of another run.
        """
        import zarr

        if not (self._path / "zarr.json").is_file():
            if count or self._path.exists():
                raise CannotResume(f"its draws at '{self._path}' are gone")
            return
        for left in self._path.glob("**/*.partial"):  # of a process that was killed
            left.unlink(missing_ok=True)
        self._root = zarr.open_group(self._path, mode="r+", use_consolidated=False)
        if self._root.attrs.get(RUN) != self._attributes.get(RUN):
            raise CannotResume(f"the draws at '{self._path}' are of a run of which there is no checkpoint")
        if int(self._root.attrs.get(COMMITTED, 0)) < count:
            raise CannotResume(f"fewer than {count} draws are left in '{self._path}'")
        self._written = count
        self._find()

    def so_far(self) -> Iterator[tuple[Block, Block]]:
        """Yield the draws on disk, (chain, draw, ...) by site and by statistic, block by block."""
        widest = max((array.nbytes // max(array.shape[1], 1) for array in self._arrays.values()), default=1)
        rows = max(1, MOST_PENDING // max(widest, 1))
        for begin in range(0, self._written, rows):
            end = min(begin + rows, self._written)
            values, stats = (
                {name: array[:, begin:end] for (group, name), array in self._arrays.items() if group == kind}
                for kind in ("posterior", "sample_stats")
            )
            yield values, stats

    def append(self, values: Block, stats: Block) -> None:
        """Add a block of draws, which waits in memory until it is committed."""
        groups = {"posterior": values, "sample_stats": stats}
        self._waiting.append(
            {(group, name): np.array(part) for group, block in groups.items() for name, part in block.items()}
        )

    def commit(self) -> None:
        """Write the draws that wait, then the count that makes them valid.

        Raises:
            OSError: If there is no room; what was committed before stays valid.
        """
        if not self._waiting:
            return
        block = {name: np.concatenate([part[name] for part in self._waiting], 1) for name in self._waiting[0]}
        root = self._create(block) if self._root is None else self._root
        if not self._claimed:
            self._claim()
        count = self._written + _rows(block)
        for name, part in block.items():
            array = self._arrays[name]
            array[:, self._written : count] = part.reshape(*part.shape[:2], *array.shape[2:])
        root.attrs[COMMITTED] = count
        self._written, self._waiting = count, []

    def _create(self, block: Mapping[tuple[str, str], np.ndarray]) -> Any:
        import zarr

        first: dict[str, dict[str, np.ndarray]] = {"posterior": {}, "sample_stats": {}}
        for (group, name), part in block.items():
            first[group][name] = part[:, :1]
        template = assemble(self._model, first["posterior"], first["sample_stats"], self._options)
        template.attrs.update({**self._attributes, COMMITTED: 0})
        encoding = {
            node.path: {
                str(name): {"chunks": self._chunks(array)}
                for name, array in node.to_dataset(inherit=False).variables.items()
                if "draw" in array.dims
            }
            for node in template.subtree
        }
        partial = aside(self._path, "partial")
        template.to_zarr(partial, mode="w", encoding=encoding, consolidated=False)
        self.begin()
        os.rename(partial, self._path)
        self._root = zarr.open_group(self._path, mode="r+", use_consolidated=False)
        self._find()
        return self._root

    def _find(self) -> None:
        """Look up the arrays of draws: all of them by their paths, and those of sites and statistics."""
        import zarr

        self._members = tuple(
            (path, array)
            for path, array in self._root.members(max_depth=None)
            if isinstance(array, zarr.Array)
            and "draw" in (getattr(array.metadata, "dimension_names", None) or ())
        )
        named = ((path, array, array.attrs.get("site")) for path, array in self._members)
        self._arrays = {(path.split("/")[0], name): array for path, array, name in named if name is not None}

    def _claim(self) -> None:
        """Give all arrays of draws room for as many as will come, and say what run they are of."""
        kept = {name: value for name, value in self._root.attrs.items() if name in (COMMITTED, CREATED)}
        self._root.attrs.put({**self._attributes, **kept})
        for _, array in self._members:
            capacity, is_index = self._capacity, array.ndim == 1
            room = array.shape[0 if is_index else 1]
            if room >= capacity:
                continue
            array.resize((capacity,) if is_index else (array.shape[0], capacity, *array.shape[2:]))
            if is_index:
                for begin in range(0, capacity, CHUNK_BYTES):
                    end = min(begin + CHUNK_BYTES, capacity)
                    array[begin:end] = np.arange(begin, end)
        self._claimed = True

    def _chunks(self, array: xr.Variable) -> tuple[int, ...]:
        """Return chunks of about a megabyte that split the draws only."""
        most = max(self._capacity, LEAST_ROWS)  # more may be asked for later
        rows = max(1, min(most, CHUNK_BYTES // max(array.nbytes, 1)))
        return tuple(rows if dim == "draw" else max(n, 1) for dim, n in array.sizes.items())

    def finish(self) -> xr.DataTree:
        """Return the draws that were asked for; they are read when needed."""
        self.commit()
        data = open_store(self._path, self._capacity)
        data.attrs.update(
            {name: self._attributes[name] for name in (ASKED, "method") if name in self._attributes}
        )
        return data

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Write what is known of the run when it has ended, unless that was done and nothing was added."""
        if self._claimed or ENDED not in self._root.attrs:
            self._root.attrs.update(attributes)


def _rows(block: Mapping[tuple[str, str], np.ndarray]) -> int:
    return next(iter(block.values())).shape[1]


def aside(path: Path, what: str) -> Path:
    """Return a hidden path beside another one, with nothing there."""
    beside = path.with_name(f".{path.name}.{what}")
    shutil.rmtree(beside, ignore_errors=True)
    return beside


def check_way(path: Path, *, overwrite: bool) -> None:
    """Check that nothing is at a path, or a store that may be replaced.

    Args:
        path: The path.
        overwrite: Whether it may be replaced.

    Raises:
        FileExistsError: If something is there that may not be replaced.
    """
    if not path.exists():
        return
    if not overwrite:
        raise FileExistsError(
            f"Expected a path with nothing there for the draws; got '{path}'. Choose another one, or pass "
            f"resume=True to go on with the run there, or overwrite=True."
        )
    if not (path / "zarr.json").is_file():
        raise FileExistsError(
            f"Expected a zarr folder to overwrite; got '{path}', which is none. Choose another path."
        )
