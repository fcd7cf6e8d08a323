"""Weighted draws made equally weighted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Array, Float

from probdl.program.datatree import LOG_WEIGHT, SAMPLE_DIMS
from probdl.program.keys import as_key
from probdl.program.precision import Precision

if TYPE_CHECKING:
    import xarray as xr

LOG_RATIO = "log_ratio"


def resampled(key: int | Array, data: xr.DataTree, num_samples: int | None) -> xr.DataTree:
    """Return a tree whose draws are chosen in proportion to their weights, or at random where they have none.

    The number of times that a draw comes is that expected of its weight, rounded up or down; the order is
    random.

    Args:
        key: A seed or a JAX key.
        data: The groups of a result.
        num_samples: How many draws; None for as many as there are.

    Returns:
        The same groups, with one chain.

    Raises:
        TypeError: If the key is none.
        ValueError: If the number is not positive.

    Source:
        Kitagawa (1996), doi:10.1080/10618600.1996.10474692: systematic resampling.
    """
    import xarray as xr

    log_weights = weights_of(data)
    count = log_weights.size if num_samples is None else num_samples
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(
            f"Expected num_samples to be an integer of at least 1; got {count!r}. Leave it out for as many "
            f"as there are."
        )
    picked = chosen(key, log_weights, count)
    nodes: dict[str, Any] = {}
    for node in data.subtree:
        table = node.to_dataset(inherit=False)
        if set(SAMPLE_DIMS) <= set(table.sizes):
            table = _of_one_chain(table, picked)
        nodes[node.path] = table
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs.update({**data.attrs, "num_samples": count})
    return tree


def weights_of(data: xr.DataTree) -> Float[np.ndarray, " sample"]:
    """Return normalised logarithms of weights, chains one after another; equal ones where there are none."""
    if LOG_WEIGHT in data.children["sample_stats"].data_vars if "sample_stats" in data.children else False:
        return data["sample_stats"][LOG_WEIGHT].transpose(*SAMPLE_DIMS).to_numpy().ravel()
    sizes = data.children["posterior"].sizes
    count = sizes["chain"] * sizes["draw"]
    return np.full(count, -np.log(count))


def chosen(key: int | Array, log_weights: Float[np.ndarray, " sample"], count: int) -> np.ndarray:
    """Return which draws are chosen, in random order.

    Args:
        key: A seed or a JAX key.
        log_weights: Normalised logarithms of weights.
        count: How many are chosen.

    Returns:
        Indices.
    """
    import jax

    with Precision.DOUBLE.active():
        seeds = np.asarray(jax.random.bits(as_key(key), (4,)))
    rng = np.random.default_rng(seeds)
    ends = np.cumsum(np.exp(log_weights))
    at = (np.arange(count) + rng.random()) / count * ends[-1]
    found = np.minimum(np.searchsorted(ends, at, side="right"), np.flatnonzero(np.diff(ends, prepend=0))[-1])
    return rng.permutation(found)


def _of_one_chain(table: xr.Dataset, picked: np.ndarray) -> xr.Dataset:
    import xarray as xr

    arrays = {}
    for name, array in table.data_vars.items():
        if not set(SAMPLE_DIMS) <= set(array.dims):
            arrays[name] = array
        elif name not in (LOG_WEIGHT, LOG_RATIO):
            values = array.transpose(*SAMPLE_DIMS, ...).to_numpy()
            flat = values.reshape(-1, *values.shape[2:])[picked][None]
            dims = (*SAMPLE_DIMS, *(dim for dim in array.dims if dim not in SAMPLE_DIMS))
            arrays[name] = xr.DataArray(flat, dims=dims, attrs=array.attrs)
    coords = {dim: c for dim, c in table.coords.items() if dim not in SAMPLE_DIMS}
    labels = {"chain": np.arange(1), "draw": np.arange(len(picked))}
    return xr.Dataset(arrays, coords={**coords, **labels}, attrs=table.attrs)
