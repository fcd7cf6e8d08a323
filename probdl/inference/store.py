"""Draws on disk, appended block by block: what is committed survives a kill at any moment.

The store is an ordinary DataTree in zarr. Its arrays have room for all draws from the start; the attribute
`committed` of its root, written after each block, says how many are there. Each file is replaced as a whole,
so that a reader never sees half of one.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.inference.assemble import assemble
from probdl.inference.draws import Block
from probdl.inference.method import Options
from probdl.program.model import Model

if TYPE_CHECKING:
    import xarray as xr

COMMITTED = "committed"
CHUNK_BYTES = 2**20


class StoredDraws:
    """Draws in a zarr folder.

    Args:
        path: The folder.
        model: The model.
        options: How the draws are labelled, and whether an existing store may be replaced.
        num_samples: How many draws will come, at most.
        attributes: Where the run comes from.

    Raises:
        FileExistsError: If there is something already.
    """

    def __init__(
        self, path: Path, model: Model, options: Options, num_samples: int, attributes: Mapping[str, Any]
    ) -> None:
        make_way(path, overwrite=options.overwrite)
        self._path, self._model, self._options = path, model, options
        self._capacity, self._attributes = num_samples, attributes
        self._root: Any = None
        self._arrays: dict[tuple[str, str], Any] = {}
        self._count = 0

    def append(self, values: Block, stats: Block) -> None:
        """Write a block of draws, then the count that makes it valid."""
        if not self._arrays:
            self._create(values, stats)
        for group, block in (("posterior", values), ("sample_stats", stats)):
            for name, part in block.items():
                array = self._arrays[group, name]
                after = self._count + part.shape[1]
                array[:, self._count : after] = part.reshape(*part.shape[:2], *array.shape[2:])
        self._count += next(iter(stats.values())).shape[1]
        self._root.attrs[COMMITTED] = self._count

    def _create(self, values: Block, stats: Block) -> None:
        import zarr

        first, first_stats = (
            {name: part[:, :1] for name, part in block.items()} for block in (values, stats)
        )
        template = assemble(self._model, first, first_stats, self._options)
        template.attrs.update({**self._attributes, COMMITTED: 0})
        encoding = {
            node.path: {
                str(name): {"chunks": self._chunks(array)}
                for name, array in node.to_dataset(inherit=False).variables.items()
                if "draw" in array.dims
            }
            for node in template.subtree
        }
        template.to_zarr(self._path, mode="w-", encoding=encoding, consolidated=False)
        self._root = zarr.open_group(self._path, mode="r+", use_consolidated=False)
        for path, array in self._root.members(max_depth=None):
            dims = getattr(array.metadata, "dimension_names", None) or ()
            if isinstance(array, zarr.Array) and "draw" in dims:
                self._make_room(path, array)

    def _chunks(self, array: xr.Variable) -> tuple[int, ...]:
        """Return chunks of about a megabyte that split the draws only."""
        rows = max(1, min(self._capacity, CHUNK_BYTES // max(array.nbytes, 1)))
        return tuple(rows if dim == "draw" else max(n, 1) for dim, n in array.sizes.items())

    def _make_room(self, path: str, array: Any) -> None:
        group, name = path.split("/")[0], array.attrs.get("site")
        if name is None:
            array.resize((self._capacity,))
            array[:] = np.arange(self._capacity)
        else:
            array.resize((array.shape[0], self._capacity, *array.shape[2:]))
            self._arrays[group, name] = array

    def finish(self) -> xr.DataTree:
        """Return all that was appended; it is read when needed."""
        return open_store(self._path)

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Write what is known of the run when it has ended."""
        self._root.attrs.update(attributes)


def make_way(path: Path, *, overwrite: bool) -> None:
    """Remove what is at a path if it is a store and may be replaced.

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
            f"overwrite=True."
        )
    if not (path / "zarr.json").is_file():
        raise FileExistsError(
            f"Expected a zarr folder to overwrite; got '{path}', which is none. Choose another path."
        )
    shutil.rmtree(path)


def open_store(path: Path) -> xr.DataTree:
    """Open a zarr folder; of a store only the committed draws. Arrays are read when needed.

    Args:
        path: The folder.

    Returns:
        The tree.

    Raises:
        ValueError: If it holds no draws yet.
    """
    import xarray as xr

    tree = xr.open_datatree(path, engine="zarr", consolidated=False)
    committed = tree.attrs.get(COMMITTED)
    if committed is None:
        return tree
    if committed == 0:
        raise ValueError(f"Expected draws in the store '{path}'; got none yet. Wait, or run it again.")
    drawn = xr.DataTree.from_dict(
        {
            node.path: node.to_dataset(inherit=False).isel(draw=slice(committed), missing_dims="ignore")
            for node in tree.subtree
        }
    )
    drawn.attrs.update(tree.attrs)
    return drawn
