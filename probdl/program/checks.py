"""Checks of data against the sites that they belong to, before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jax.core import Tracer

from probdl.distributions.positive_definite import is_regular, is_regular_factor
from probdl.errors import SiteNotFound
from probdl.program.declarations import Declaration, Declarations, Plate
from probdl.program.declaring import covariance_error
from probdl.program.describe import is_abstract
from probdl.program.known import Known
from probdl.program.sites import Site


def check_data(declared: Declarations, conditioned: Mapping[str, Any], known: Known) -> None:
    """Check the shape and the values of every observation, and covariances that no latent enters.

    Args:
        declared: What the program declares.
        conditioned: The observations that the model is conditioned on, by site.
        known: What the program computes from its data.

    Raises:
        ValueError: If a scan stands inside a scan; if an observation does not fit its site, is not finite, or
            is outside the support; or if a covariance is singular. The message names the site, the index and
            the value.
    """
    if declared.nested:
        raise ValueError(
            "Expected no scan inside another; got one, which NumPyro does not support. Unroll the "
            "inner one in a Python loop, or make it a plate."
        )
    for name, declaration in declared.sites.items():
        if declaration.site.is_observed:
            _check_shape(declaration, declared.plates)
            value = conditioned.get(name, known.observations.get(name, declaration.observation))
            if value is not None:
                mask = known.masks.get(name, declaration.mask)
                whole = np.broadcast_to(
                    value, declaration.site.shape
                )  # a scan may see one value at all steps
                _check_values(replace(declaration, mask=mask), whole)
        _check_covariance(declaration, known.factors.get(name))


def check_values(sites: Mapping[str, Site], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check that values belong to sites, and have one step each along a scan.

    Args:
        sites: The sites of the model.
        values: Arrays by site.
        where: The call that got them, for the message.

    Returns:
        The values.

    Raises:
        SiteNotFound: If a name is no site.
        TypeError: If a value is no number.
        ValueError: If a value does not fit the shape of its site.
    """
    for name, array in values.items():
        if name not in sites:
            raise SiteNotFound(name, sites, where)
        site = sites[name]
        if not np.issubdtype(array.dtype, np.number) and array.dtype != bool:
            raise TypeError(
                f"Expected numbers for site '{name}' in {where}; got an array of {array.dtype}. Leave "
                f"out a site that has no value; where single elements have none, write NaN and infer "
                f"with_missing(model)."
            )
        if where == "do" and not _fits(array.shape, site.shape):
            raise ValueError(
                f"Expected a value of shape {site.shape} for site '{name}' in do; got shape {array.shape}. "
                f"Give one value, or one an element."
            )
        if site.scan is not None and array.shape[:1] != site.shape[:1]:
            raise ValueError(
                f"Expected {site.shape[0]} steps along the first axis for site '{name}' in {where}; got "
                f"shape {array.shape}. Give one value a step."
            )
    return dict(values)


def _fits(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False


def check_complete(sites: Mapping[str, Site], values: Mapping[str, Any]) -> None:
    """Check that every latent site has a value of its shape.

    Args:
        sites: The sites of the model.
        values: Arrays by site.

    Raises:
        ValueError: If one has none, or one of another shape.
    """
    latents = [site for site in sites.values() if site.is_latent]
    for site in latents:
        value = values.get(site.name)
        if value is None or value.shape != site.shape:
            got = "none" if value is None else f"shape {value.shape}"
            raise ValueError(
                f"Expected a value of shape {site.shape} for latent site '{site.name}'; got {got}. Pass one "
                f"for each of: {', '.join(s.name for s in latents)}."
            )


def _check_shape(declaration: Declaration, plates: Mapping[str, Plate]) -> None:
    site = declaration.site
    shape = site.shape[1:] if site.scan is not None else site.shape
    event = declaration.event_shape
    batch = shape[: len(shape) - len(event)]
    fits = shape[len(shape) - len(event) :] == event and len(shape) >= len(event)
    fits = fits and set(site.plates) <= {name for name, _ in site.axes}
    try:
        fits = fits and np.broadcast_shapes(batch, declaration.batch_shape) == batch
    except ValueError:
        fits = False
    if fits:
        return
    expected = declaration.batch_shape + event
    for plate in site.plates:
        size = plates[plate].seen
        if size not in shape:
            raise ValueError(
                f"Expected an observation of shape {expected} for site '{site.name}' in plate '{plate}' of "
                f"size {size}; got shape {shape}. Give the plate the size of the data, or the data the size "
                f"of the plate."
            )
    raise ValueError(
        f"Expected an observation of shape {expected} for site '{site.name}'; got shape {shape}, which would "
        f"broadcast against it. Reshape the observation or the parameters of the distribution so that "
        f"they agree, for instance with `.squeeze(-1)`."
    )


def _check_values(declaration: Declaration, value: np.ndarray) -> None:
    site = declaration.site
    seen = _unmasked(declaration, value)
    if value.dtype.kind == "f" and not np.isfinite(value[seen]).all():
        index = tuple(np.argwhere(~np.isfinite(value) & seen)[0])
        remedy = ". Correct it, or drop it."
        if np.isnan(value[index]):
            remedy = (
                f": {_element(site, index)} is NaN. If it is missing at random, infer `with_missing(model)`, "
                f"which integrates it out; else drop it, or impute it with `obs_mask`."
            )
        raise ValueError(
            f"Expected finite values for observed site '{site.name}'; got {value[index]} at index "
            f"{_plain(index)}{remedy}"
        )
    if site.support is None:
        return
    inside = np.asarray(site.support(value))
    inside = inside.reshape(inside.shape + (1,) * (value.ndim - inside.ndim)) | ~seen
    if not inside.all():
        index = tuple(np.argwhere(~np.broadcast_to(inside, value.shape))[0])
        if site.event_dim:
            index = index[: value.ndim - site.event_dim]
        raise ValueError(
            f"Expected values of observed site '{site.name}' in the support of {site.distribution}, "
            f"{support_name(site.support)}; got {value[index]} at index {_plain(index)}. Correct the data or "
            f"choose a distribution that allows it."
        )


def _element(site: Site, index: tuple) -> str:
    """Return the name of an element: its place in the scan, then in the plates from the outermost inward."""
    axes = dict(site.axes)
    first = [axes[name] for name in (site.scan, *site.plates) if name in axes]
    order = [*first, *(axis for axis in range(len(index)) if axis not in first)]
    return site.name + (f"[{','.join(str(index[axis]) for axis in order)}]" if index else "")


def _check_covariance(declaration: Declaration, factor: np.ndarray | None) -> None:
    """Check the covariance of a site, by its factor where that is computed."""
    for parameter, matrix in declaration.matrices.items():
        if factor is None and is_abstract(matrix):
            continue
        by_factor = parameter == "scale_tril" or factor is not None
        known = np.asarray(matrix if factor is None else factor)
        regular = is_regular_factor(known) if by_factor else is_regular(known)
        if not regular.all():
            raise covariance_error(declaration.site.name, parameter, _plain(tuple(np.argwhere(~regular)[0])))


def _unmasked(declaration: Declaration, value: np.ndarray) -> np.ndarray:
    mask = declaration.mask
    if mask is None:
        return np.ones(value.shape, bool)
    if isinstance(mask, Tracer):
        return np.zeros(value.shape, bool)
    return np.broadcast_to(np.asarray(mask), value.shape)


def support_name(support: Any) -> str:
    """Return a support in words: 'positive', 'integers from 0 to 1', 'simplex'."""
    bounds = [getattr(support, name, None) for name in ("lower_bound", "upper_bound")]
    kind = "integers" if getattr(support, "is_discrete", False) else "numbers"
    match [None if b is None else np.asarray(b).ravel() for b in bounds]:
        case [low, high] if low is not None and high is not None and low.size == high.size == 1:
            return f"{kind} from {low[0]:g} to {high[0]:g}"
        case [low, None] if low is not None and low.size == 1:
            return f"{kind} from {low[0]:g} up"
        case [None, high] if high is not None and high.size == 1:
            return f"{kind} up to {high[0]:g}"
    base = getattr(support, "base_constraint", None)
    name = support_name(base) if base is not None else type(support).__name__.strip("_")
    return {"Boolean": "0 or 1", "Real": "real numbers"}.get(name, name.lower() if base is None else name)


def _plain(index: tuple) -> list[int]:
    return [int(i) for i in index]
