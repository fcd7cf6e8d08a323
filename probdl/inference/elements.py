"""Elements of the draws of a result, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Num

from probdl.graphs.places import Place, places
from probdl.inference.result import Result
from probdl.program.datatree import SAMPLE_DIMS, check_equally_weighted, site_variables
from probdl.program.sites import Site, SiteKind

if TYPE_CHECKING:
    import xarray as xr

MOST_ELEMENTS = 2000


def drawn(
    result: Result, names: Sequence[str], where: str
) -> tuple[list[Place], list[Num[np.ndarray, " draw"]]]:
    """Return the draws of elements, the chains one after another.

    Elements are named as in an exact posterior: a scan first, then plates from the outermost inward, then
    the other axes of the value.

    Args:
        result: Draws.
        names: Sites, elements or slices, deterministic sites among them.
        where: The question, for messages.

    Returns:
        The elements, and the draws of each.

    Raises:
        SiteNotFound: If a name is that of no site of the posterior.
        IndexError: If an index is outside its axis.
        ValueError: If there are too many elements, none, or one twice; or if an element is asked for of a
            site with several axes, whose order a loaded result does not know; or if the draws have weights.
    """
    check_equally_weighted(result.data, where)
    arrays = dict(site_variables(result.data.children["posterior"]))
    if result.model is None:
        _check_order_known(arrays, names)
    known = [_site(name, array, result) for name, array in arrays.items()]
    found = places(known, names, where, MOST_ELEMENTS, "a site")
    pooled = {
        name: arrays[name].transpose(*SAMPLE_DIMS, ...).to_numpy()
        for name in {place.site.name for place in found}
    }
    return found, [pooled[place.site.name].reshape(-1, *place.site.shape)[:, *place.at] for place in found]


def _site(name: str, array: xr.DataArray, result: Result) -> Site:
    """Return the site as the model declares it, else one with the axes of its draws."""
    own = tuple(size for dim, size in array.sizes.items() if dim not in SAMPLE_DIMS)
    site = result.model.sites.get(name) if result.model is not None else None
    if site is None or np.prod(site.shape, dtype=int) != np.prod(own, dtype=int):
        return Site(name, SiteKind.LATENT, own)
    return site


def _check_order_known(arrays: dict[str, xr.DataArray], names: Sequence[str]) -> None:
    for name in names:
        site = name.rpartition("[")[0]
        if name not in arrays and site in arrays and arrays[site].ndim > len(SAMPLE_DIMS) + 1:
            raise ValueError(
                f"Expected a result that knows its model for '{name}', since '{site}' has several axes; got "
                f"a loaded one. Set it with dataclasses.replace(result, model=model)."
            )
