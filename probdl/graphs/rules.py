"""What each primitive of JAX reads; an unknown one reads everything."""

from __future__ import annotations

from typing import Any

import numpy as np

from probdl.graphs.flow import Flow, Rule, Shape, Sources, picked
from probdl.graphs.indexing import INDEXING
from probdl.graphs.rearrange import REARRANGING
from probdl.graphs.strands import DENSE_LIMIT, Reads, restrict, transform, union

ELEMENTWISE = frozenset(
    """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e
    bitcast_convert_type cbrt ceil clamp clz complex conj convert_element_type copy copy_p cos cosh
    device_put digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igammac imag
    integer_pow is_finite le le_to lgamma log log1p logistic lt lt_to max min mul ne neg nextafter not
    optimization_barrier or polygamma population_count pow pvary random_gamma_grad real reduce_precision
    regularized_incomplete_beta rem round rsqrt select_n shift_left shift_right_arithmetic
    shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor zeta
    """.split()  # noqa: SIM905
)


def lifted(flow: Flow, rank: int) -> Reads:
    """Return the reads of an operand of an elementwise primitive: scalars count for every element."""
    if not flow.reads or len(flow.shape) == rank:
        return flow.reads
    return transform(flow.reads, flow.shape, lambda a: a.reshape((1,) * rank), lambda _: None)


def elementwise(_: dict[str, Any], ins: list[Flow], outs: list[Shape], __: Sources) -> list[Reads] | None:
    """Each element reads the same elements of the operands."""
    rank = len(outs[0])
    if len(outs) != len(ins) and len(outs) > 1:
        return None
    if len(outs) > 1:
        return [flow.reads for flow in ins]
    reading = [flow for flow in ins if flow.reads]
    if any(len(flow.shape) not in (0, rank) for flow in reading):
        return None
    return [union((lifted(flow, rank) for flow in reading), outs[0])]


def multiply(params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources) -> list[Reads]:
    """A product with a zero that stands in the program does not read the other factor."""
    parts = []
    for flow, other in (ins, ins[::-1]):
        factor = other.value() if flow.reads and not other.reads and not other.given else None
        reads = lifted(flow, len(outs[0]))
        if factor is not None and not np.all(factor):
            nonzero = factor.reshape(factor.shape or (1,) * len(outs[0])) != 0
            reads = restrict(reads, nonzero, outs[0])
        parts.append(reads)
    return [union(parts, outs[0])]


def integer_pow(
    params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources
) -> list[Reads] | None:
    """The power zero reads nothing."""
    return [{}] if params["y"] == 0 else elementwise(params, ins, outs, sources)


def select_n(
    params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources
) -> list[Reads] | None:
    """A known choice reads the chosen case alone."""
    which = ins[0].value()
    if which is None or ins[0].reads:
        return elementwise(params, ins, outs, sources)
    rank = len(outs[0])
    choice = which.reshape(which.shape or (1,) * rank).astype(int)
    cases = (restrict(lifted(case, rank), choice == k, outs[0]) for k, case in enumerate(ins[1:]))
    return [union(cases, outs[0])]


def reduction(params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources) -> list[Reads]:
    """Read all along the axes that disappear."""
    axes = tuple(params["axes"])
    kept = [a for a in range(len(ins[0].shape)) if a not in axes]
    shape = tuple(1 if a in axes else n for a, n in enumerate(ins[0].shape))
    reads = union((sources.reduce(flow, axes) for flow in ins), shape)

    def change(array: np.ndarray) -> np.ndarray:
        return array.reshape([array.shape[a] for a in kept])

    return [transform(reads, shape, change, lambda a: kept.index(a) if a in kept else None) for _ in outs]


def mixed_along(*names: str) -> Rule:
    """Return the rule of a primitive that mixes elements along the axes that its parameters name."""

    def rule(params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources) -> list[Reads]:
        axes = tuple(params[name] for name in names if name in params)
        return [union((sources.reduce(flow, axes) for flow in ins), out) for out in outs]

    return rule


def mixed_last(count: int) -> Rule:
    """Return the rule of a primitive that mixes the last axes and treats the others as a batch."""

    def rule(
        params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources
    ) -> list[Reads] | None:
        batch = len(ins[0].shape) - count
        if any(len(flow.shape) - count != batch for flow in ins) or any(len(o) < batch for o in outs):
            return None
        found = []
        for out in outs:
            parts = []
            for flow in ins:
                last = tuple(range(batch, len(flow.shape)))
                shape = (*flow.shape[:batch], *(1 for _ in last))

                def change(array: np.ndarray, rank: int = len(out)) -> np.ndarray:
                    return array.reshape(array.shape[:batch] + (1,) * (rank - batch))

                parts.append(transform(sources.reduce(flow, last), shape, change, lambda a: a))
            found.append(union(parts, out))
        return found

    return rule


def dot_general(params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources) -> list[Reads]:
    """Contract axes; a known sparse factor selects what is read of the other."""
    contracting, batching = params["dimension_numbers"]
    lhs, rhs = ins
    free = [
        [a for a in range(len(flow.shape)) if a not in contracting[i] and a not in batching[i]]
        for i, flow in enumerate(ins)
    ]
    first = len(batching[0])
    places = (
        dict(zip([*batching[0], *free[0]], range(first + len(free[0])), strict=True)),
        dict(
            zip(
                [*batching[1], *free[1]],
                [*range(first), *range(first + len(free[0]), len(outs[0]))],
                strict=True,
            )
        ),
    )
    parts = []
    for i, (flow, other) in enumerate(((lhs, rhs), (rhs, lhs))):
        axes, others = contracting[i], contracting[1 - i]
        if flow.reads:
            found = None
            if len(axes) == 1:
                found = _sparse(flow, other, others[0], batching, free[1 - i], outs[0])
            parts.append(_contracted(flow, axes, places[i], outs[0], sources) if found is None else found)
    return [union(parts, outs[0])]


def _contracted(
    flow: Flow, axes: tuple[int, ...], place: dict[int, int], out: Shape, sources: Sources
) -> Reads:
    shape = tuple(1 if a in axes else n for a, n in enumerate(flow.shape))

    def change(array: np.ndarray) -> np.ndarray:
        order = sorted(place, key=lambda a: place[a])
        kept = array.transpose([*order, *axes]).reshape([array.shape[a] for a in order])
        new = [1] * len(out)
        for a in order:
            new[place[a]] = array.shape[a]
        return kept.reshape(new)

    return transform(sources.reduce(flow, axes), shape, change, place.get)


def _sparse(
    flow: Flow, other: Flow, other_axis: int, batching: Any, free: list[int], out: Shape
) -> Reads | None:
    """Return exact reads of a vector times a known matrix with few entries in each row, else None.

    Data select elements only if each row has one entry: other zeros in them may be coincidences.
    """
    matrix = other.value() if len(flow.shape) == 1 and not batching[0] else None
    if matrix is None or matrix.all() or matrix.size > DENSE_LIMIT or len(free) > 1:
        return None
    rows = np.moveaxis(matrix != 0, other_axis, -1).reshape(*out, flow.shape[0])
    count = rows.sum(-1)
    if count.max(initial=0) > 4 or (other.given and (count != 1).any()):
        return None
    order = np.argsort(~rows, axis=-1, kind="stable")
    entries = range(int(count.max(initial=0)))
    return union((picked(flow, np.where(k < count, order[..., k], -1)) for k in entries), out)


def convolution(params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources) -> list[Reads]:
    """Keep the batch; mix features and space."""
    numbers, rank = params["dimension_numbers"], len(outs[0])
    batch, out_batch = numbers.lhs_spec[0], numbers.out_spec[0]
    if params["batch_group_count"] != 1:
        return [union((sources.everything(flow, rank) for flow in ins), outs[0])]
    axes = tuple(a for a in range(rank) if a != batch)
    shape = tuple(n if a == batch else 1 for a, n in enumerate(ins[0].shape))
    image = transform(
        sources.reduce(ins[0], axes), shape, lambda a: np.moveaxis(a, batch, out_batch), lambda _: out_batch
    )
    return [union([image, sources.everything(ins[1], rank)], outs[0])]


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **REARRANGING,
    **INDEXING,
    "mul": multiply,
    "integer_pow": integer_pow,
    "select_n": select_n,
    **{f"reduce_{name}": reduction for name in ("sum", "max", "min", "prod", "and", "or", "xor")},
    "argmax": reduction,
    "argmin": reduction,
    **dict.fromkeys(("cumsum", "cumlogsumexp", "cummax", "cummin", "cumprod"), mixed_along("axis")),
    "sort": mixed_along("dimension"),
    "top_k": mixed_last(1),
    **dict.fromkeys(
        ("cholesky", "triangular_solve", "lu", "qr", "geqrf", "eigh", "eig", "svd", "schur",
         "householder_product", "tridiagonal"),
        mixed_last(2),
    ),
    "dot_general": dot_general,
    "conv_general_dilated": convolution,
}  # fmt: skip


def apply_rule(
    name: str, params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources
) -> list[Reads]:
    """Return what the results of a primitive read.

    Args:
        name: The primitive.
        params: Its parameters.
        ins: Its operands.
        outs: Shapes of its results.
        sources: The sites that can be read.

    Returns:
        One table of reads a result.
    """
    if not any(flow.reads for flow in ins):
        return [{} for _ in outs]
    rule = RULES.get(name)
    found = None if rule is None else rule(params, ins, outs, sources)
    if found is None:
        found = [union((sources.everything(flow, len(out)) for flow in ins), out) for out in outs]
    return found
