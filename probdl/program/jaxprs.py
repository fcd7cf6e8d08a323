"""Parts of a traced function: only what some results need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun  # pyright: ignore[reportPrivateImportUsage]
from jax.interpreters.partial_eval import dce_jaxpr
from jaxtyping import Array

from probdl.program import repeating
from probdl.program.repeated import Repeated


class Part(NamedTuple):
    """A traced function without what its results do not need.

    Attributes:
        run: The function of all inputs; those that are not used may be anything.
        used: For each input whether it is used.
        jaxpr: The trace, of those inputs that are used.
        consts: The constants of the trace.
    """

    run: Callable[..., list[Array]]
    used: tuple[bool, ...]
    jaxpr: Any
    consts: Sequence[Any]

    def repeating(self, inputs: Sequence[Array | Repeated]) -> list[Repeated]:
        """Return the results for inputs that may be the same all along some axes.

        Args:
            inputs: The inputs; those that are not used may be anything.
        """
        used = [value for value, needed in zip(inputs, self.used, strict=True) if needed]
        return repeating.run(ClosedJaxpr(self.jaxpr, self.consts), used)


def part(closed: ClosedJaxpr, wanted: Sequence[int]) -> Part:
    """Return a traced function with some of its results.

    Args:
        closed: The traced function.
        wanted: Which results, by number.

    Returns:
        The part that computes them.
    """
    flags = [i in set(wanted) for i in range(len(closed.jaxpr.outvars))]
    jaxpr, used = dce_jaxpr(closed.jaxpr, flags)
    function = jaxpr_as_fun(ClosedJaxpr(jaxpr, closed.consts))
    order = sorted(set(wanted))
    places = [order.index(i) for i in wanted]

    def run(*inputs: Any) -> list[Array]:
        results = function(*(value for value, needed in zip(inputs, used, strict=True) if needed))
        return [results[place] for place in places]

    return Part(run, tuple(used), jaxpr, closed.consts)


def inner(equation: Any) -> list[Any]:
    """Return the functions that an operation of a trace calls."""
    values = equation.params.values()
    items = (x for value in values for x in (value if isinstance(value, tuple | list) else (value,)))
    found = (getattr(item, "jaxpr", item) for item in items)
    return [item for item in found if hasattr(item, "eqns")]


def without_derivative(jaxpr: Any) -> str | None:
    """Return in words the operation for which JAX lacks a derivative, of first or of second order.

    Args:
        jaxpr: A traced function whose derivative could not be traced.

    Returns:
        A loop whose length is not known, a call of Python, or a derivative that was given by hand; None if
        there is none of them.
    """
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name == "while":
            return "a loop whose length is not known: use lax.scan, or a fori_loop over a fixed range"
        if "callback" in name or name == "ffi_call":
            return f"a call that JAX does not look into ({name})"
        if name.startswith("custom_vjp"):
            return "a first derivative that is given by hand (custom_vjp)"
        found = next(filter(None, map(without_derivative, inner(equation))), None)
        if found is not None:
            return found
    return None


def inputs_of(closed: ClosedJaxpr, equation: Any) -> ClosedJaxpr:
    """Return the traced function that computes the inputs of one of its equations.

    Args:
        closed: The traced function.
        equation: The equation.

    Returns:
        A function of the same inputs.
    """
    debug = closed.jaxpr.debug_info.with_unknown_names()
    return ClosedJaxpr(closed.jaxpr.replace(outvars=equation.invars, debug_info=debug), closed.consts)


def traced(function: Callable[..., Any], *inputs: Any) -> ClosedJaxpr:
    """Trace a function of arrays, or of their shapes and types.

    Args:
        function: The function.
        *inputs: Arrays, abstract or not.

    Returns:
        What it does.
    """
    shapes = (jax.ShapeDtypeStruct(jax.numpy.shape(x), jax.numpy.result_type(x)) for x in inputs)
    return jax.make_jaxpr(function)(*shapes)
