"""What a run has written to its store so far, read at any moment."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

COMMITTED = "committed"


def open_store(path: Path, most: int | None = None) -> xr.DataTree:
    """Open a zarr folder; of a store only the committed draws. Arrays are read whenever they are needed.

    Args:
        path: The folder.
        most: The most draws that are wanted; None for all.

    Returns:
        The tree.

    Raises:
        ValueError: If it holds no draws yet.
    """
    import zarr

    with warnings.catch_warnings():  # a file that is just being replaced lies beside the new one
        warnings.filterwarnings("ignore", message="Object at .* is not recognized")
        root = zarr.open_group(path, mode="r", use_consolidated=False)
        committed = root.attrs.get(COMMITTED)
        if committed is None:
            return _tree(path)
        drawn = int(str(committed))
        if not drawn:
            raise ValueError(f"Expected draws in the store '{path}'; got none yet. Wait, or run it again.")
        count = drawn if most is None else min(drawn, most)
        try:
            return _first(_tree(path), count)
        except ValueError:  # killed while it got room for more draws: its arrays are not of one length
            return _by_array(path, root, count)


def _tree(path: Path) -> xr.DataTree:
    import xarray as xr

    return xr.open_datatree(path, engine="zarr", consolidated=False, cache=False)


def _first(tree: xr.DataTree, count: int) -> xr.DataTree:
    """Return a tree with its first draws."""
    import xarray as xr

    drawn = xr.DataTree.from_dict(
        {
            node.path: node.to_dataset(inherit=False).isel(draw=slice(count), missing_dims="ignore")
            for node in tree.subtree
        }
    )
    drawn.attrs.update(tree.attrs)
    return drawn


def _by_array(path: Path, root: Any, count: int) -> xr.DataTree:
    """Return the first draws of a store, each of whose arrays is opened alone."""
    import xarray as xr

    groups: dict[str, Any] = {}
    for group_name, group in root.groups():
        names = [name for name, _ in group.arrays()]
        parts = [
            xr.open_dataset(
                path,
                engine="zarr",
                group=group_name,
                consolidated=False,
                cache=False,
                drop_variables=[other for other in names if other != name],
            ).isel(draw=slice(count), missing_dims="ignore")
            for name in names
        ]
        groups[group_name] = xr.merge(parts, compat="equals", join="exact")
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(root.attrs.asdict())
    return tree
