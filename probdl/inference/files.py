"""Results on disk: netCDF and zarr."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probdl.inference.assemble import PROVENANCE
from probdl.inference.claim import claimed
from probdl.inference.reading import COMMITTED, open_store
from probdl.inference.store import aside

if TYPE_CHECKING:
    import xarray as xr


def merged(data: xr.DataTree, added: xr.DataTree) -> xr.DataTree:
    """Return a tree with the groups of another one added."""
    import xarray as xr

    nodes: dict[str, Any] = {
        node.path: node.to_dataset(inherit=False)
        for part in (added, data)  # the root, with its attributes, comes from the data
        for node in part.subtree
    }
    return xr.DataTree.from_dict(nodes)


def write(data: xr.DataTree, path: Path, *, overwrite: bool) -> Path:
    """Write a tree to a file, which appears under its name when it is complete.

    Args:
        data: The tree.
        path: A name that ends in .nc or .zarr.
        overwrite: Whether an existing file may be replaced.

    Returns:
        The path.

    Raises:
        ValueError: If the ending is another one.
        FileExistsError: If there is something already.
    """
    if path.suffix not in (".nc", ".zarr"):
        raise ValueError(f"Expected a path that ends in .nc or .zarr; got '{path}'. Choose one of them.")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"Expected a path with nothing there; got '{path}'. Choose another one, or pass overwrite=True."
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    if path.suffix == ".nc":
        data.to_netcdf(partial, engine="h5netcdf")
        os.replace(partial, path)
        return path
    complete = data.copy()
    complete.attrs.pop(COMMITTED, None)
    with claimed(path):
        complete.to_zarr(partial, consolidated=False)
        if path.exists():
            os.rename(path, removed := aside(path, "removed"))
            shutil.rmtree(removed)
        os.rename(partial, path)
    return path


def read(path: Path) -> xr.DataTree:
    """Read a tree from a file, or from the store of a run.

    Args:
        path: A file .nc, which is read at once, or a folder .zarr, which is read when needed.

    Returns:
        The tree.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is no result of probdl; the message says what is missing.
    """
    if not path.exists():
        raise FileNotFoundError(f"Expected a result at '{path}'; got nothing. Check the path.")
    if path.is_dir():
        if not (path / "zarr.json").is_file():
            raise ValueError(
                f"Expected a zarr folder at '{path}'; got one without zarr.json. If a run is writing "
                f"to it, nothing has been drawn yet."
            )
        data = open_store(path)
    else:
        data = _read_netcdf(path)
    missing = [f"group '{name}'" for name in ("posterior",) if name not in data.children]
    missing += [f"attribute '{name}'" for name in PROVENANCE if name not in data.attrs]
    if missing:
        raise ValueError(
            f"Expected a result of probdl at '{path}'; got a file without {', '.join(missing)}. Open a file "
            f"from elsewhere with xarray.open_datatree, or write results with Result.save."
        )
    return data


def _read_netcdf(path: Path) -> xr.DataTree:
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            return opened.load()
    except OSError as error:
        raise ValueError(
            f"Expected a netCDF file at '{path}'; got none that can be read: {error}."
        ) from error
