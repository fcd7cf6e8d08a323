"""What is known of the latents of a fit, as tables of places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from probdl.program.datatree import site_variables

if TYPE_CHECKING:
    import xarray as xr

    from probdl.inference.result import Result


@dataclass(frozen=True, eq=False)
class Latent:
    """What is known of a latent.

    Attributes:
        name: The site.
        steps: Whether its places are steps of a scan: their order means something.
        labels: The states of a discrete latent.
        states: Probabilities, (state, place), of a discrete latent.
        mean: Means, (place, coordinate), of a Gaussian one.
        spread: Standard deviations.
    """

    name: str
    steps: bool
    labels: tuple = ()
    states: Float[np.ndarray, "state place"] | None = None
    mean: Float[np.ndarray, "place coordinate"] | None = None
    spread: Float[np.ndarray, "place coordinate"] | None = None


def latents_of(result: Result) -> list[Latent]:
    """Return the latents of a fit.

    Args:
        result: What `infer(model, EM())` returned, or was loaded.
    """
    groups = result.data.children
    known = {} if result.model is None else result.model.sites
    found = []
    for name, array in site_variables(groups["responsibilities"]) if "responsibilities" in groups else ():
        values = array.to_numpy()
        labels = tuple(array[array.dims[-1]].to_numpy().tolist())
        table = values.reshape(-1, values.shape[-1]).T
        found.append(Latent(name, _in_scan(known, array, name), labels, states=table))
    if "latent_mean" in groups:
        spreads = dict(site_variables(groups["latent_sd"]))
        for name, array in site_variables(groups["latent_mean"]):
            rank = _event_dim(known, array, name)
            value, spread = array.to_numpy(), spreads[name].to_numpy()
            width = int(np.prod(value.shape[value.ndim - rank :]))
            found.append(
                Latent(
                    name,
                    _in_scan(known, array, name),
                    mean=value.reshape(-1, width),
                    spread=spread.reshape(-1, width),
                )
            )
    return found


def _in_scan(known: Mapping, array: xr.DataArray, name: str) -> bool:
    """Whether places are steps; of a fit that was loaded, the names of dimensions tell."""
    if name in known:
        return known[name].scan is not None
    return any(str(dim).startswith("time") for dim in array.dims)


def _event_dim(known: Mapping, array: xr.DataArray, name: str) -> int:
    if name in known:
        return known[name].event_dim
    return sum(str(dim).startswith(f"{name}_dim") for dim in array.dims)
