"""Draws of the latent sites of a model, from wherever they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.errors import SiteNotFound
from probdl.inference.result import Result
from probdl.program.datatree import SAMPLE_DIMS, site_dims, site_variables
from probdl.program.model import Model
from probdl.program.sites import Site

if TYPE_CHECKING:
    import xarray as xr

FEWEST_DRAWS, FEWEST_IN_CHAIN = 100, 20
KINDS = "Pass a Result, a DataTree with a posterior, or arrays (chain, draw, ...) by site."
LOG_WEIGHT = "log_weight"


def reference_draws(model: Model, draws: Result | xr.DataTree | Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return draws of all latent sites in the shapes that the program gives them.

    Args:
        model: The model.
        draws: A result, a tree with the group `posterior`, or arrays (chain, draw, ...) by site.

    Returns:
        Arrays (chain, draw, ...) by latent site.

    Raises:
        TypeError: If the draws are something else.
        SiteNotFound: If a latent has no draws, or a name is that of no site.
        ValueError: If they have another shape, are too few, weighted, not finite or all the same.
    """
    arrays = _arrays(draws)
    for name in arrays:
        if name not in model.sites:
            raise SiteNotFound(name, model.sites, "the draws")
    for name in model.latents:
        if name not in arrays:
            raise SiteNotFound(name, arrays, "the model", "a site that has draws")
    values = {name: _shaped(arrays[name], model.sites[name], model) for name in model.latents}
    _check_sizes(values)
    for name, array in values.items():
        _check_values(name, array)
    return values


def _arrays(draws: Result | xr.DataTree | Mapping[str, Any]) -> dict[str, np.ndarray]:
    import xarray as xr

    tree = draws.data if isinstance(draws, Result) else draws
    if isinstance(tree, xr.DataTree):
        if "posterior" not in tree.children:
            found = ", ".join(tree.children) or "none"
            raise ValueError(
                f"Expected a DataTree with the group 'posterior'; got the groups: {found}. {KINDS}"
            )
        if "sample_stats" in tree.children and LOG_WEIGHT in tree.children["sample_stats"]:
            raise ValueError(
                "Expected draws of equal weight; got weighted ones. Resample them by their weights."
            )
        posterior = site_variables(tree.children["posterior"])
        return {name: array.transpose(*SAMPLE_DIMS, ...).to_numpy() for name, array in posterior}
    if not isinstance(tree, Mapping):
        raise TypeError(f"Expected draws; got {type(draws).__name__}. {KINDS}")
    return {name: np.asarray(array) for name, array in tree.items()}


def _shaped(array: np.ndarray, site: Site, model: Model) -> np.ndarray:
    axes = site_dims(site, model.sites)[1]
    own = tuple(site.shape[axis] for axis in axes)
    if array.ndim < 2 or array.shape[2:] not in (own, site.shape):
        raise ValueError(
            f"Expected draws of shape (chain, draw{''.join(f', {size}' for size in own)}) of site "
            f"'{site.name}'; got {array.shape}. {KINDS}"
        )
    return array.reshape(*array.shape[:2], *site.shape)


def _check_sizes(values: Mapping[str, np.ndarray]) -> None:
    sizes = {name: array.shape[:2] for name, array in values.items()}
    (first, size), *others = sizes.items()
    for name, other in others:
        if other != size:
            raise ValueError(
                f"Expected as many chains and draws of '{name}' as of '{first}', {size}; got {other}. Draw "
                f"all sites together."
            )
    if size[0] * size[1] < FEWEST_DRAWS or size[1] < FEWEST_IN_CHAIN:
        raise ValueError(
            f"Expected at least {FEWEST_DRAWS} draws, and {FEWEST_IN_CHAIN} in each chain; got {size[0]} "
            f"chains of {size[1]}. Draw more; draws that are independent may be one chain."
        )


def _check_values(name: str, array: np.ndarray) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"Expected finite draws of site '{name}'; got {array[where]} at {list(where)}: chain, draw, ... "
            f"Leave such draws out."
        )
    still = (array == array[:1, :1]).all((0, 1))
    if still.any():
        where = [int(i) for i in np.argwhere(still)[0]] if still.ndim else []
        raise ValueError(
            f"Expected draws that vary; got {array[0, 0][tuple(where)]} in every draw of site "
            f"'{name}'{f' at {where}' if where else ''}. Condition the model on what is known."
        )
