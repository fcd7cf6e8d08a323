"""Checks of observations against the sites that they belong to, before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax.core import Tracer

from probdl.program.discover import Declaration, Declarations, Plate


def check_observations(declared: Declarations) -> None:
    """Check the shape and the values of every observation.

    Args:
        declared: What the program declares.

    Raises:
        ValueError: If an observation does not fit its site, is not finite, or is outside the support; the
            message names the site, the index and the value.
    """
    for declaration in declared.sites.values():
        if declaration.site.is_observed:
            _check_shape(declaration, declared.plates)
            if declaration.observation is not None:
                _check_values(declaration, np.asarray(declaration.observation))


def _check_shape(declaration: Declaration, plates: Mapping[str, Plate]) -> None:
    site = declaration.site
    shape = site.shape[1:] if site.scan is not None else site.shape
    event = declaration.event_shape
    batch = shape[: len(shape) - len(event)]
    if not shape:
        return
    fits = shape[len(shape) - len(event) :] == event and len(shape) >= len(event)
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
        raise ValueError(
            f"Expected finite values for observed site '{site.name}'; got {value[index]} at index "
            f"{_plain(index)}. Remove the missing values, or mark them with `obs_mask` to impute them."
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


def _unmasked(declaration: Declaration, value: np.ndarray) -> np.ndarray:
    mask = declaration.mask
    if mask is None:
        return np.ones(value.shape, bool)
    if isinstance(mask, Tracer):
        return np.zeros(value.shape, bool)
    array = np.asarray(mask)
    return np.broadcast_to(array.reshape(array.shape + (1,) * declaration.site.event_dim), value.shape)


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
