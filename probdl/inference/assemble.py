"""A run as the groups of a DataTree."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.inference.method import Method, Options
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.datatree import tree
from probdl.program.handlers import Everywhere
from probdl.program.known import observation_of
from probdl.program.missing import WithMissing, seen_of
from probdl.program.model import Model

if TYPE_CHECKING:
    import xarray as xr

PROVENANCE = ("probdl_version", "jax_version", "numpyro_version", "method", "key", "created_at")


def assemble(
    model: Model, values: Mapping[str, np.ndarray], stats: Mapping[str, np.ndarray], options: Options
) -> xr.DataTree:
    """Arrange draws and data.

    Args:
        model: The model.
        values: Draws by site, (chain, draw, ...).
        stats: Statistics of each transition, (chain, draw).
        options: How they are labelled.

    Returns:
        Groups posterior, sample_stats, observed_data and constant_data; the latter two only if there are any.
    """
    import xarray as xr

    observed = observations(model)
    labels = {"dims": options.dims, "coords": options.coords}
    parts = [
        tree({"posterior": values}, model.sites, **labels),
        tree({"sample_stats": stats}, {}),
        tree({"observed_data": observed} if observed else {}, model.sites, (), **labels),
    ]
    constants = constant_arrays(model, observed)
    parts.append(tree({"constant_data": constants} if constants else {}, {}, (), **labels))
    return xr.DataTree.from_dict(
        {node.path: node.to_dataset(inherit=False) for part in parts for node in part.subtree}
    )


def observations(model: Model) -> dict[str, np.ndarray]:
    """Return the values of the observed sites, NaN where they were not seen.

    Args:
        model: The model.

    Returns:
        Arrays by site.
    """
    names = [name for name, site in model.sites.items() if site.is_observed]
    found = {name: observation_of(model, name) for name in names}
    if any(value is None for value in found.values()):  # a value of which latents are a part
        drawn = _observed_values(*model.bound)
        found = {name: drawn[name] if value is None else value for name, value in found.items()}
    gaps = seen_of(model)
    whole = {name: np.asarray(found[name]) for name in names}
    return {name: np.where(gaps[name], x, np.nan) if name in gaps else x for name, x in whole.items()}


@functools.partial(jax.jit, static_argnums=0)
def _observed_values(bound: BoundProgram, arrays: Arrays) -> dict[str, Array]:
    trace = bound.trace(arrays, Everywhere())
    return {
        name: jnp.asarray(msg["value"])
        for name, msg in trace.items()
        if msg["type"] == "sample" and msg["is_observed"] and msg["value"] is not None
    }


def constant_arrays(model: Model, observed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the array arguments of the program that are no observations, by name."""
    leaves = model.bound_to_data[1].leaves
    observing = {_position(model, name, value, leaves) for name, value in observed.items()}
    masks = tuple(f"{WithMissing.argument}.{name}" for name in seen_of(model))
    found = {}
    for position, leaf in model.bound_to_data[1].leaves.items():
        name = model.argument_names[int(position)]
        if jnp.issubdtype(leaf.dtype, jax.dtypes.extended) or leaf.dtype.kind == "O":
            continue
        array = np.asarray(leaf)
        if position not in observing and not name.startswith(masks):
            found[name] = array
    return found


def _position(model: Model, name: str, value: np.ndarray, leaves: Mapping[str, Any]) -> str | None:
    """Return which argument an observation is: the very object, else the first of equal values."""
    given = model.declarations.sites[name].observation
    same = (position for position, leaf in leaves.items() if leaf is given)
    equal = (position for position, leaf in leaves.items() if _same(np.asarray(leaf), value))
    return next(same, None) or next(equal, None)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype.kind == b.dtype.kind and bool(np.allclose(a, b, equal_nan=True))


def provenance(key: Array, method: Method) -> dict[str, Any]:
    """Return where a result comes from.

    Args:
        key: The key of the run.
        method: Its method.

    Returns:
        Attributes of types that every file format holds.
    """
    return {
        "inference_library": "probdl",
        **{f"{name}_version": version(name) for name in ("probdl", "jax", "numpyro")},
        "method": repr(method),
        "key": json.dumps([str(jax.random.key_impl(key)), np.asarray(jax.random.key_data(key)).tolist()]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
