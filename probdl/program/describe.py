"""What a NumPyro distribution says of itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

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


def mask_of(fn: Any) -> Any:
    """Return the mask of a distribution, or None."""
    while fn is not None:
        if type(fn).__name__ == "MaskedDistribution":
            return fn._mask
        fn = getattr(fn, "base_dist", None)
    return None


def is_abstract(tree: Any) -> bool:
    """Whether anything in a tree is being traced."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))
