"""The certificate that terms are quadratic in variables: their Hessian reads none, and nothing has a kink.

A function is quadratic where its second derivative is constant. The trace of the second derivative, without
what it does not need, says so for all values at once. Functions that are flat in pieces (`floor`,
comparisons, `where` on them) have a derivative of zero and are found by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal
from jaxtyping import Array

from probdl.exact.programs.integral import Integral
from probdl.exact.programs.local import Local, NotIntegrable
from probdl.exact.programs.variables import Kind, Ref, Variable
from probdl.program.bound import Arrays
from probdl.program.jaxprs import inner, part

KINKS = frozenset(
    {"lt", "le", "gt", "ge", "eq", "ne", "is_finite", "sign", "abs", "max", "min", "clamp", "sort", "top_k"}
    | {"floor", "ceil", "round", "rem", "nextafter", "reduce_precision", "stop_gradient", "while"}
    | {"argmax", "argmin", "reduce_max", "reduce_min", "cummax", "cummin"}
)
WORDS = {
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne", "is_finite"), "a comparison"),
    **dict.fromkeys(("floor", "ceil", "round", "convert_element_type", "reduce_precision"), "rounding"),
    **dict.fromkeys(("max", "min", "clamp", "reduce_max", "reduce_min"), "a maximum or minimum"),
    **dict.fromkeys(("select_n", "cond"), "a choice"),
    "abs": "an absolute value",
    "while": "a loop",
}
DISTANCES = (0.7, 5.0, 60.0)
ROUNDING = 1e-9


def check_quadratic(integral: Integral, arrays: Arrays, values: dict[str, Array]) -> bool:
    """Check that all terms are quadratic in the Gaussian variables, whatever the other latents are.

    Args:
        integral: The integral.
        arrays: The data, abstract or not.
        values: The other latents, abstract or not.

    Returns:
        Whether the check rests on derivatives that the program gives by hand: `departure` then has to agree.

    Raises:
        NotIntegrable: If one is not; the message names the term and what it does.
    """
    variables = {v.name: v for v in integral.variables}
    by_hand = False

    def run(arrays: Arrays, values: dict[str, Array]) -> Array:
        nonlocal by_hand
        whole, inputs = integral.locals(arrays, values)
        for local in whole.all():
            gaussian = [r for r in local.refs if variables[r.name].kind is Kind.GAUSSIAN]
            if gaussian:
                by_hand |= _check_term(local, variables, inputs, gaussian)
        return jnp.zeros(())

    jax.eval_shape(run, arrays, values)
    return by_hand


def _check_term(
    local: Local, variables: dict[str, Variable], inputs: Sequence[Array], gaussian: Sequence[Ref]
) -> bool:
    """Trace the term as a function of its elements alone; everything else is a constant of the trace."""
    elements = [_zero(variables[ref.name]) for ref in local.refs]
    moving = [i for i, ref in enumerate(local.refs) if ref in gaussian]

    def term(*moved: Array) -> Array:
        whole = list(elements)
        for i, value in zip(moving, moved, strict=True):
            whole[i] = value
        return jnp.sum(local.run(inputs, whole))

    zeros = [elements[i] for i in moving]
    name = local.refs[moving[-1]].name
    forward = jax.make_jaxpr(term)(*zeros)
    kink = find_kink(forward.jaxpr, [True] * len(zeros))
    if kink == "while":  # which has no derivative from behind
        raise NotIntegrable(name, not_smooth(local.name, kink))

    def curvature(points: Sequence[Array], directions: Sequence[Array]) -> Any:
        return jax.jvp(jax.grad(term, argnums=tuple(range(len(zeros)))), tuple(points), tuple(directions))[1]

    second = jax.make_jaxpr(curvature)(zeros, [jnp.ones_like(z) for z in zeros])
    used = part(second, range(len(second.jaxpr.outvars))).used
    read = [local.refs[moving[i]].name for i in range(len(zeros)) if used[i]]
    if read:
        raise NotIntegrable(read[-1], f"the log density of '{local.name}' is not quadratic in {_names(read)}")
    if kink is not None:
        raise NotIntegrable(name, not_smooth(local.name, kink))
    return is_by_hand(forward.jaxpr)


def not_smooth(child: str, kink: str) -> str:
    """Return in words that a site is not smooth in what it reads, since an operation is not."""
    return f"'{child}' is not smooth in it ({WORDS.get(kink, kink)})"


def _names(names: Sequence[str]) -> str:
    return " and ".join(repr(name) for name in dict.fromkeys(names))


def _zero(variable: Variable) -> Array:
    return jnp.zeros(variable.local_shape, variable.nothing.dtype)


def find_kink(jaxpr: Any, moving: Sequence[bool]) -> str | None:
    """Return the name of an operation that is not smooth in some inputs, or None.

    Args:
        jaxpr: A traced function.
        moving: For each input whether it moves.

    Returns:
        The name.
    """
    moved = {var for var, flag in zip(jaxpr.invars, moving, strict=True) if flag}
    for eqn in jaxpr.eqns:
        flags = [not isinstance(var, Literal) and var in moved for var in eqn.invars]
        if not any(flags):
            continue
        name, params = eqn.primitive.name, eqn.params
        whole = name == "convert_element_type" and not jnp.issubdtype(params["new_dtype"], jnp.inexact)
        if name in KINKS or whole or (name in ("select_n", "cond") and flags[0]):
            return name
        for called in inner(eqn):
            same = len(called.invars) == len(flags)
            found = find_kink(called, flags if same else [True] * len(called.invars))
            if found is not None:
                return found
        moved |= set(eqn.outvars)
    return None


def is_by_hand(jaxpr: Any) -> bool:
    """Return whether a derivative is given by the program: JAX does not derive it from the operations.

    Args:
        jaxpr: A traced function.

    Returns:
        Whether it has an operation with a rule of its own, or one that JAX does not look into.
    """
    return any(
        eqn.primitive.name.startswith("custom_")
        or any(word in eqn.primitive.name for word in ("callback", "ffi"))
        or any(map(is_by_hand, inner(eqn)))
        for eqn in jaxpr.eqns
    )


def departure(integral: Integral, key: Array, arrays: Arrays, values: dict[str, Array]) -> Array:
    """Return how far terms are from quadratic functions at far points, relative to their size.

    A quadratic function equals its value at zero plus the mean of its slopes at both ends. Guards against
    derivatives that a program has given by hand.

    Args:
        integral: The integral.
        key: A key.
        arrays: The data.
        values: The other latents.

    Returns:
        One number a term.
    """
    variables = {v.name: v for v in integral.variables}
    whole, inputs = integral.locals(arrays, values)
    found = []
    for number, local in enumerate(whole.all()):
        moving = [i for i, r in enumerate(local.refs) if variables[r.name].kind is Kind.GAUSSIAN]
        if moving:
            found.append(_far(local, variables, inputs, moving, jax.random.fold_in(key, number)))
    return jnp.stack(found) if found else jnp.zeros(0)


def _far(
    local: Local, variables: dict[str, Variable], inputs: Sequence[Array], moving: list[int], key: Array
) -> Array:
    elements = [_zero(variables[ref.name]) for ref in local.refs]

    def term(moved: list[Array]) -> Array:
        whole = list(elements)
        for i, value in zip(moving, moved, strict=True):
            whole[i] = value
        return jnp.sum(local.run(inputs, whole))

    distances = jnp.array([0.0, *DISTANCES])
    starts = [elements[i] for i in moving]
    keys = jax.random.split(key, len(moving))
    ends = [
        jax.random.normal(k, (len(distances), *z.shape), z.dtype) * distances.reshape(-1, *[1] * z.ndim)
        for k, z in zip(keys, starts, strict=True)
    ]
    values = jax.vmap(term)(ends)  # a derivative given by hand may come with another value
    slopes = jax.vmap(jax.grad(term))(ends)
    along = sum(
        jnp.sum((slope + slope[:1]) / 2 * end, range(1, end.ndim))
        for slope, end in zip(slopes, ends, strict=True)
    )
    size = 1 + jnp.abs(values) + jnp.abs(values[0]) + jnp.abs(along)
    return jnp.max(jnp.abs(values[0] + along - values) / size)
