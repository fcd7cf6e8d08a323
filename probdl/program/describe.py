"""What a NumPyro distribution says of itself."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from numpyro.distributions import constraints

from probdl.program.handlers import bare


def distribution_name(fn: Any) -> str:
    """Return the name of a distribution, beneath masks, expansions and reinterpreted axes."""
    fn = bare(fn)
    name = type(fn).__name__
    if name.endswith(("TruncatedDistribution", "TransformedDistribution")):
        kind = "Truncated" if name.endswith("TruncatedDistribution") else "Transformed"
        return kind + distribution_name(fn.base_dist)
    return name.removesuffix("Probs").removesuffix("Logits")


def value_dtype(fn: Any) -> Any:
    """Return the type of a distribution's draws."""
    while hasattr(fn, "base_dist") and not hasattr(fn, "transforms"):
        fn = fn.base_dist
    if type(fn).__name__ == "Delta":
        return jnp.result_type(fn.v)
    return jnp.result_type(int) if fn.is_discrete else jnp.result_type(float)


def support_of(fn: Any) -> Any:
    """Return the support of a distribution, or None where it declares none."""
    try:
        return fn.support
    except NotImplementedError:
        return None


def _masked(fn: Any) -> Iterator[Any]:
    """Yield what is masked of a distribution, the outermost first."""
    while fn is not None:
        if type(fn).__name__ == "MaskedDistribution":
            yield fn
        fn = getattr(fn, "base_dist", None)


def masks_of(fn: Any) -> list[Any]:
    """Return the masks of a distribution, the outermost first."""
    return [masked._mask for masked in _masked(fn)]


def element_masks_of(fn: Any) -> list[Any]:
    """Return the same masks as arrays that fit a value: axes of events are of size one, if not masked."""
    return [
        mask
        if isinstance(mask := masked._mask, bool)
        else mask.reshape((*mask.shape, *(1,) * masked.event_dim))
        for masked in _masked(fn)
    ]


def mask_of(fn: Any) -> Any:
    """Return which elements of a value all masks of its distribution let through, or None if it has none."""
    masks = element_masks_of(fn)
    if not masks:
        return None
    traced = next((mask for mask in masks if is_abstract(mask)), None)
    return functools.reduce(np.logical_and, masks) if traced is None else traced


def matrices_of(fn: Any) -> dict[str, Any]:
    """Return the matrix that a distribution was given its covariance by, under the name of the parameter."""
    own = vars(bare(fn))
    given = (name for name in ("covariance_matrix", "precision_matrix", "scale_tril") if name in own)
    return {name: own[name] for name in (next(given, None),) if name is not None}


def refused_parameter(fn: Any) -> str:
    """Return the first known parameter that a distribution, or one it is made of, refuses, or nothing."""
    while fn is not None:
        for name, value in fn.get_args().items():
            constraint = fn.arg_constraints[name]
            if not constraints.is_dependent(constraint) and not is_abstract(value):
                with jax.ensure_compile_time_eval():
                    if not np.all(constraint(value)):
                        return name
        fn = getattr(fn, "base_dist", None)
    return ""


def is_abstract(tree: Any) -> bool:
    """Whether anything in a tree is being traced."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))
