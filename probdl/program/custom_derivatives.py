"""Calls of functions with a derivative of their own, on arrays that repeat along some axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr  # pyright: ignore[reportPrivateImportUsage]
from jaxtyping import Array

from probdl.program.repeated import Repeated

Run = Callable[[Any, Sequence[Array | Repeated]], list[Repeated]]


def custom_jvp_call(run: Run, equation: Any, inputs: Sequence[Repeated]) -> list[Repeated] | None:
    """Call a function that JAX knows the derivative of by a rule, `custom_jvp`.

    Args:
        run: Runs a traced function of arrays that repeat.
        equation: The call.
        inputs: Its inputs.

    Returns:
        Its results, with the rule for their derivative; None if it has to be given whole arrays.
    """
    if equation.params["num_consts"]:
        return None
    count, shapes = len(inputs), [value.shape for value in inputs]
    rule, consts, zeros = equation.params["jvp_jaxpr_fun"].call_wrapped(*[False] * count)

    def repeated(arrays: Sequence[Array]) -> list[Repeated]:
        return [Repeated(array, shape) for array, shape in zip(arrays, shapes, strict=True)]

    @jax.custom_jvp
    def function(*arrays: Array) -> list[Array]:
        return [x.array for x in run(equation.params["call_jaxpr"], repeated(arrays))]

    @function.defjvp
    def _derivative(primals: Sequence[Array], tangents: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        values = [x.array for x in run(equation.params["call_jaxpr"], repeated(primals))]
        found = run(ClosedJaxpr(rule, consts), [*repeated(primals), *repeated(tangents)])[len(zeros) :]
        slopes = iter(found)
        return values, [
            jnp.zeros_like(x) if is_zero else _like(next(slopes).array, x)
            for x, is_zero in zip(values, zeros, strict=True)
        ]

    outputs = [var.aval.shape for var in equation.outvars]
    found = function(*(value.array for value in inputs))
    return [Repeated(x, shape) for x, shape in zip(found, outputs, strict=True)]


def _like(slope: Array, value: Array) -> Array:
    """Return a slope in the shape of a value: where that has length one, the slope repeats."""
    first = tuple(slice(0, 1) if n == 1 else slice(None) for n in value.shape)
    return jnp.broadcast_to(slope[first], value.shape)
