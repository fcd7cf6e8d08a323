"""Log-densities of single sites at each draw of a posterior."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Array

from probdl.program import datatree
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Fix
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.sites import Site
from probdl.program.target import log_probs as log_probs_of

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 256


def log_probs(model: Model, data: xr.DataTree, group: str, *, observed: bool) -> xr.DataTree:
    """Return the log-densities of the observed or of the latent sites.

    Args:
        model: The model.
        data: A tree with its posterior.
        group: Name of the group to return.
        observed: Whether those of the observed sites are wanted, or those of the latent ones.

    Returns:
        One group: arrays (chain, draw, ...), one value an observation or an element.

    Raises:
        ValueError: If there are no such sites.
    """
    wanted = {name: s for name, s in model.sites.items() if (s.is_observed if observed else s.is_latent)}
    if not wanted:
        kind = "observed" if observed else "latent"
        raise ValueError(f"Expected a model with {kind} sites for '{group}'; got none. Condition it on data.")
    values, sizes = datatree.posterior_draws(data, model.sites, None)
    scan_of = model.declarations.scan_of(values)
    with Precision.DOUBLE.active():
        run = functools.partial(
            _terms, model.bound[0], scan_of, tuple(wanted), model.arrays(Precision.DOUBLE)
        )
        shaped = _in_blocks(run, values, sizes)
    labelled = data.children["observed_data" if observed else "posterior"]
    dims = {
        name: _dims(array, wanted[name])
        for name, array in datatree.site_variables(labelled)
        if name in wanted
    }
    coords = {str(name): c.to_numpy() for node in labelled.subtree for name, c in node.coords.items()}
    sites = {name: _batch(site) for name, site in wanted.items()}
    return datatree.tree({group: shaped}, sites, dims=dims, coords=coords)


def _dims(array: xr.DataArray, site: Site) -> tuple[str, ...]:
    """Return the dimensions of a site's batch as they are called in the tree."""
    own = [str(name) for name in array.dims if name not in datatree.SAMPLE_DIMS]
    return tuple(own[: len(own) - site.event_dim])


def _batch(site: Site) -> Site:
    """Return the site as its log-density sees it: without the axes of one draw."""
    batch = len(site.shape) - site.event_dim
    axes = tuple((name, axis) for name, axis in site.axes if axis < batch)
    return replace(site, shape=site.shape[:batch], event_dim=0, axes=axes)


def _in_blocks(
    run: Callable[[dict[str, np.ndarray]], dict[str, Array]],
    values: dict[str, np.ndarray],
    sizes: tuple[int, ...],
) -> dict[str, np.ndarray]:
    """Run on blocks of draws of one length, so that memory is bounded and one compilation serves."""
    count = math.prod(sizes)
    parts = []
    for begin in range(0, count, BLOCK):
        rows = np.minimum(np.arange(begin, begin + BLOCK), count - 1)
        block = run({name: draws[rows] for name, draws in values.items()})
        parts.append({name: np.asarray(term)[: count - begin] for name, term in block.items()})
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: array.reshape(*sizes, *array.shape[1:]) for name, array in whole.items()}


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _terms(
    bound: BoundProgram,
    scan_of: tuple[tuple[str, str], ...],
    names: tuple[str, ...],
    arrays: Arrays,
    values: dict[str, Array],
) -> dict[str, Array]:
    def at(draw: dict[str, Array]) -> dict[str, Array]:
        terms = log_probs_of(bound.trace(arrays, Fix(None, draw, dict(scan_of))))
        return {name: terms[name] for name in names}

    return jax.vmap(at)(values)
