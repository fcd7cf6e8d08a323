"""What operations of a trace make of arrays that repeat along some axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend.core import Literal
from jaxtyping import Array

from probdl.program.custom_derivatives import custom_jvp_call
from probdl.program.repeated import Repeated, groups

Rule = Callable[[Any, list[Repeated]], list[Array]]

# fmt: off
ELEMENTWISE = frozenset((
    "abs", "acos", "acosh", "add", "and", "asin", "asinh", "atan", "atan2", "atanh", "bessel_i0e",
    "bessel_i1e", "cbrt", "ceil", "clamp", "convert_element_type", "copy", "cos", "cosh", "digamma",
    "div", "eq", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "igamma",
    "igamma_grad_a", "igammac", "integer_pow", "is_finite", "le", "lgamma", "log", "log1p", "logistic",
    "lt", "max", "min", "mul", "ne", "neg", "nextafter", "not", "or", "polygamma", "pow", "real",
    "regularized_incomplete_beta", "rem", "round", "rsqrt", "select_n", "shift_left",
    "shift_right_arithmetic", "shift_right_logical", "sign", "sin", "sinh", "sqrt", "square",
    "stop_gradient", "sub", "tan", "tanh", "xor", "zeta",
))
# fmt: on
CALLS = frozenset({"jit", "pjit", "closed_call", "core_call"})


def run(closed: Any, inputs: Sequence[Array | Repeated]) -> list[Repeated]:
    """Run a traced function.

    An operation of which it is not known what it does along its axes is given whole arrays.

    Args:
        closed: The traced function.
        inputs: Its inputs.

    Returns:
        Its results.

    Example:
        >>> import jax
        >>> solve = jax.make_jaxpr(lambda a: jnp.linalg.cholesky(a, symmetrize_input=False))
        >>> closed = solve(jnp.zeros((1000, 2, 2)))
        >>> run(closed, [Repeated(jnp.eye(2)[None], (1000, 2, 2))])[0].array.shape
        (1, 2, 2)
    """
    jaxpr = closed.jaxpr
    known: dict[Any, Repeated] = dict(zip(jaxpr.constvars, map(Repeated.of, closed.consts), strict=True))
    known |= zip(jaxpr.invars, map(Repeated.of, inputs), strict=True)

    def read(atom: Any) -> Repeated:
        if isinstance(atom, Literal):
            return Repeated.of(jnp.asarray(atom.val, atom.aval.dtype))  # pyright: ignore[reportAttributeAccessIssue]
        return known[atom]

    for equation in jaxpr.eqns:
        known |= zip(
            equation.outvars, _applied(equation, [read(atom) for atom in equation.invars]), strict=True
        )
    return [read(atom) for atom in jaxpr.outvars]


def _applied(equation: Any, inputs: list[Repeated]) -> list[Repeated]:
    name = equation.primitive.name
    repeats = any(value.axes for value in inputs)
    if repeats and name in CALLS:
        return run(equation.params.get("jaxpr") or equation.params["call_jaxpr"], inputs)
    if repeats and name == "custom_jvp_call" and (found := custom_jvp_call(run, equation, inputs)):
        return found
    rule = _elementwise if name in ELEMENTWISE else RULES.get(name)
    if rule is not None and (repeats or name == "broadcast_in_dim"):
        results = rule(equation, inputs)
    else:
        results = bound(equation, [value.whole for value in inputs])
    shapes = [var.aval.shape for var in equation.outvars]
    return [Repeated(result, shape) for result, shape in zip(results, shapes, strict=True)]


def bound(equation: Any, arrays: Sequence[Array], **changed: Any) -> list[Array]:
    """Return what an operation makes of arrays, with some of its parameters changed."""
    needed = equation.primitive.get_bind_params({**equation.params, **changed})
    functions, parameters = needed if isinstance(needed, tuple) else ((), needed)  # before JAX 0.12: a pair
    with equation.ctx.manager:
        found = equation.primitive.bind(*functions, *arrays, **parameters)
    return list(found) if equation.primitive.multiple_results else [found]


def _elementwise(equation: Any, inputs: list[Repeated]) -> list[Array]:
    shape = equation.outvars[0].aval.shape
    entries = [x.array.shape for x in inputs if x.shape == shape]
    lengths = [max(n) if min(n) else 0 for n in zip(*entries, strict=True)]
    return bound(equation, [x.over(lengths) if x.shape == shape else x.array for x in inputs])


def _broadcast_in_dim(equation: Any, inputs: list[Repeated]) -> list[Array]:
    places = equation.params["broadcast_dimensions"]
    (value,) = inputs
    shape = [min(length, 1) for length in equation.params["shape"]]
    for place, length in zip(places, value.array.shape, strict=True):
        shape[place] = length
    return [lax.broadcast_in_dim(value.array, shape, places)]


def _reshape(equation: Any, inputs: list[Repeated]) -> list[Array]:
    value, after = inputs[0], equation.outvars[0].aval.shape
    if equation.params.get("dimensions") is not None or 0 in after:
        return bound(equation, [value.whole])
    lengths: list[int] = []
    whole: list[int] = []
    for old, new in groups(value.shape, after):
        entries = [value.array.shape[i] for i in old]
        if math.prod(entries) == 1:
            lengths += [1] * len(new)
        else:
            whole += old
            lengths += [after[i] for i in new]
    return [value.along(whole).array.reshape(lengths)]


def _transpose(equation: Any, inputs: list[Repeated]) -> list[Array]:
    return bound(equation, [inputs[0].array])


def _slice(equation: Any, inputs: list[Repeated]) -> list[Array]:
    (value,) = inputs
    parameters, thin = equation.params, value.axes
    strides = parameters["strides"] or [1] * len(value.shape)
    cut = zip(parameters["start_indices"], parameters["limit_indices"], strides, strict=True)
    ranges = [(0, min(1, b - a), 1) if i in thin else (a, b, c) for i, (a, b, c) in enumerate(cut)]
    starts, limits, steps = zip(*ranges, strict=True)
    return [lax.slice(value.array, starts, limits, steps)]


def _along_axis(name: str) -> Rule:
    """Return the rule of an operation that mixes the entries along one axis, or some."""

    def rule(equation: Any, inputs: list[Repeated]) -> list[Array]:
        axes = equation.params[name]
        axes = axes if isinstance(axes, tuple | list) else (axes,)
        written = [value.along(axes) for value in inputs]
        others = [[1 if i in axes else n for i, n in enumerate(value.array.shape)] for value in written]
        lengths = [max(n) for n in zip(*others, strict=True)]
        return bound(equation, [value.over(lengths) for value in written])

    return rule


def _reduced(equation: Any, inputs: list[Repeated]) -> list[Array]:
    """Sums, products, extremes and truth: along an axis without change they are known."""
    (value,) = inputs
    thin = [axis for axis in equation.params["axes"] if axis in value.axes]
    (found,) = bound(equation, [value.array])
    count = math.prod(value.shape[axis] for axis in thin)
    name = equation.primitive.name
    if name == "reduce_sum":
        return [found * jnp.asarray(count, found.dtype)]
    return [found**count if name == "reduce_prod" else found]


def _dot_general(equation: Any, inputs: list[Repeated]) -> list[Array]:
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left, right = inputs
    count = math.prod(
        left.shape[a] for a, b in zip(left_sum, right_sum, strict=True) if a in left.axes and b in right.axes
    )
    label = iter(range(left.array.ndim + right.array.ndim))
    names = [{}, {}]
    for a, b in [*zip(left_batch, right_batch, strict=True), *zip(left_sum, right_sum, strict=True)]:
        names[0][a] = names[1][b] = next(label)
    for own, value in zip(names, inputs, strict=True):
        own |= {axis: next(label) for axis in range(len(value.shape)) if axis not in own}
    free = [
        [axis for axis in range(len(value.shape)) if axis not in held]
        for value, held in zip(inputs, ([*left_batch, *left_sum], [*right_batch, *right_sum]), strict=True)
    ]
    order = [names[0][a] for a in left_batch] + [
        own[a] for own, f in zip(names, free, strict=True) for a in f
    ]
    arrays, labels = [], []
    for own, value in zip(names, inputs, strict=True):
        arrays.append(jnp.squeeze(value.array, value.axes))
        labels.append([own[axis] for axis in range(len(value.shape)) if axis not in value.axes])
    seen = {name for listed in labels for name in listed}
    found = jnp.einsum(
        arrays[0],
        labels[0],
        arrays[1],
        labels[1],
        [name for name in order if name in seen],
        precision=equation.params["precision"],
        preferred_element_type=equation.params["preferred_element_type"],
    )
    found = jnp.expand_dims(found, [i for i, name in enumerate(order) if name not in seen])
    return [found * jnp.asarray(count, found.dtype) if count != 1 else found]


def _gather(equation: Any, inputs: list[Repeated]) -> list[Array]:
    operand, indices = inputs
    numbers, sizes = equation.params["dimension_numbers"], list(equation.params["slice_sizes"])
    indices = indices.along([len(indices.shape) - 1])
    pairs = list(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    apart = [(a, b) for a, b in pairs if (a in operand.axes) != (b in indices.axes)]
    operand, indices = operand.along([a for a, _ in apart]), indices.along([b for _, b in apart])
    together = [a for a, _ in pairs]
    whole = [a for a in operand.axes if a not in together]
    passed = [a for a in whole if a not in numbers.start_index_map and sizes[a] == operand.shape[a]]
    operand = operand.along([a for a in whole if a not in passed])
    for axis in passed:
        sizes[axis] = 1
    return bound(equation, [operand.array, indices.array], slice_sizes=tuple(sizes))


def _stack(equation: Any, inputs: list[Repeated]) -> list[Array]:
    lengths = [max(n) for n in zip(*(value.array.shape for value in inputs), strict=True)]
    return bound(equation, [value.over(lengths) for value in inputs])


def _cholesky(equation: Any, inputs: list[Repeated]) -> list[Array]:
    rank = len(inputs[0].shape)
    return bound(equation, [inputs[0].along([rank - 2, rank - 1]).array])


def _triangular_solve(equation: Any, inputs: list[Repeated]) -> list[Array]:
    """Solve for many right-hand sides at once where the matrix is the same: one product by its inverse."""
    rank = len(inputs[0].shape)
    if any(0 in value.shape for value in inputs):
        return bound(equation, [value.whole for value in inputs])
    core = [rank - 2, rank - 1]
    matrix, right = (value.along(core) for value in inputs)
    right = right.along([axis for axis in right.axes if axis not in matrix.axes])
    folded = [axis for axis in matrix.axes if axis not in right.axes]
    kept = [axis for axis in range(rank - 2) if axis not in folded]
    is_left = equation.params["left_side"]
    order = [*kept, rank - 2, *folded, rank - 1] if is_left else [*kept, *folded, rank - 2, rank - 1]
    moved = jnp.transpose(right.array, order)
    lead = moved.shape[: len(kept)]
    rows = right.shape[rank - 2] if is_left else -1
    flat = moved.reshape(*lead, rows, -1 if is_left else right.shape[rank - 1])
    unfolded = jnp.squeeze(matrix.array, folded)
    if flat.shape[-1 if is_left else -2] > unfolded.shape[-1]:
        eye = jnp.broadcast_to(jnp.eye(unfolded.shape[-1], dtype=unfolded.dtype), unfolded.shape)
        (inverse,) = bound(equation, [unfolded, eye])
        found = inverse @ flat if is_left else flat @ inverse
    else:
        (found,) = bound(equation, [unfolded, flat])
    return [jnp.transpose(found.reshape(moved.shape), [order.index(axis) for axis in range(rank)])]


RULES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "reshape": _reshape,
    "squeeze": lambda equation, inputs: bound(equation, [inputs[0].array]),
    "transpose": _transpose,
    "slice": _slice,
    "rev": _along_axis("dimensions"),
    "concatenate": _along_axis("dimension"),
    "stack": _stack,
    "cumsum": _along_axis("axis"),
    "cumprod": _along_axis("axis"),
    "cumlogsumexp": _along_axis("axis"),
    "cummax": _along_axis("axis"),
    "argmax": _along_axis("axes"),
    "argmin": _along_axis("axes"),
    "reduce_sum": _reduced,
    "reduce_prod": _reduced,
    "reduce_max": _reduced,
    "reduce_min": _reduced,
    "reduce_and": _reduced,
    "reduce_or": _reduced,
    "dot_general": _dot_general,
    "gather": _gather,
    "cholesky": _cholesky,
    "triangular_solve": _triangular_solve,
}
