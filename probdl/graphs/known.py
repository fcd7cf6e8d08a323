"""Values that depend on no site, computed on demand: indices, masks, predicates."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from probdl.graphs.flow import Flow

NUMPY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": operator.and_,
    "or": operator.or_,
    "min": np.minimum,
    "max": np.maximum,
}


def known_results(eqn: Any, ins: list[Flow]) -> list[Callable[[], Any] | None]:
    """Return how to compute the results of an equation whose operands are all known, on demand."""
    if any(flow.known is None for flow in ins) or "callback" in eqn.primitive.name or eqn.effects:
        return [None] * len(eqn.outvars)
    cache: list[Any] = []

    def compute(position: int) -> Any:
        if not cache:
            values = [flow.known() if flow.known is not None else None for flow in ins]
            cache.append(None if any(v is None for v in values) else _evaluate(eqn, values))
        return None if cache[0] is None else cache[0][position]

    return [lambda k=k: compute(k) for k in range(len(eqn.outvars))]


def _evaluate(eqn: Any, values: list[Any]) -> list[Any]:
    name, params, aval = eqn.primitive.name, eqn.params, eqn.outvars[0].aval
    if name in NUMPY:
        return [np.asarray(NUMPY[name](*map(np.asarray, values))).astype(aval.dtype)]
    if name == "broadcast_in_dim":
        shape = [1] * len(params["shape"])
        for axis, dim in enumerate(params["broadcast_dimensions"]):
            shape[dim] = np.shape(values[0])[axis]
        return [np.broadcast_to(np.asarray(values[0]).reshape(shape), params["shape"])]
    if name in ("reshape", "squeeze", "expand_dims"):
        return [np.asarray(values[0]).reshape(aval.shape)]
    if name == "select_n" and np.asarray(values[0]).dtype == bool:
        return [np.where(values[0], values[2], values[1])]
    if name == "iota":
        return [np.indices(aval.shape)[params["dimension"]].astype(aval.dtype)]
    return _bind(eqn, values)


def _bind(eqn: Any, values: list[Any]) -> list[Any]:
    with jax.ensure_compile_time_eval():
        arrays = [v if isinstance(v, jax.Array) else jnp.asarray(v) for v in values]
        result = eqn.primitive.bind(*arrays, **eqn.params)
    return list(result) if eqn.primitive.multiple_results else [result]
