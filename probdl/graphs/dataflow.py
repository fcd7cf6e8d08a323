"""Who reads whom, element by element: an abstract run of a jaxpr.

The only place that looks inside jaxprs. Control flow is followed: the branch that is taken where the
predicate is known, both and the predicate where it is not; the steps of a loop side by side, with the
carry of one step shifted to the next, until nothing changes. What is not known is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal, jaxpr_as_fun

from probdl.graphs.flow import Flow, Sources, constant
from probdl.graphs.known import known_results
from probdl.graphs.known_carry import known_carries
from probdl.graphs.rules import apply_rule
from probdl.graphs.strands import Reads, restrict, same_reads, transform, union

ROUNDS = 6


class Dataflow:
    """An abstract run of jaxprs.

    Args:
        sources: The sites that can be read.
    """

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    def run(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Flow]) -> list[Flow]:
        """Return the flows of the results of a jaxpr.

        Args:
            jaxpr: An open jaxpr.
            consts: Its constants.
            inputs: The flows of its inputs.

        Returns:
            One flow a result.
        """
        env: dict[Any, Flow] = {
            var: constant(value, given=True) for var, value in zip(jaxpr.constvars, consts, strict=True)
        }
        env.update(zip(jaxpr.invars, inputs, strict=True))

        def read(var: Any) -> Flow:
            return constant(var.val) if isinstance(var, Literal) else env[var]

        for eqn in jaxpr.eqns:
            for var, flow in zip(
                eqn.outvars, self._equation(eqn, [read(v) for v in eqn.invars]), strict=True
            ):
                env[var] = flow
        return [read(v) for v in jaxpr.outvars]

    def _closed(self, closed: Any, inputs: Sequence[Flow]) -> list[Flow]:
        return self.run(closed.jaxpr, closed.consts, inputs)

    def _equation(self, eqn: Any, ins: list[Flow]) -> list[Flow]:
        name, params = eqn.primitive.name, eqn.params
        outs = [tuple(getattr(v.aval, "shape", ())) for v in eqn.outvars]
        if name in ("scan", "while", "cond"):
            if any(flow.reads for flow in ins):
                rule = {"scan": self._scan, "while": self._while, "cond": self._cond}[name]
                return rule(params, ins, outs)
        else:
            inner = _inner_jaxpr(name, params, len(ins))
            if inner is not None:
                return self.run(*inner, ins)
        reads = apply_rule(name, params, ins, outs, self.sources)
        known = known_results(eqn, ins) if not any(flow.reads for flow in ins) else [None] * len(outs)
        given = any(flow.given for flow in ins)
        return [Flow(s, r, k, given) for s, r, k in zip(outs, reads, known, strict=True)]

    def _cond(self, params: dict[str, Any], ins: list[Flow], outs: list[tuple[int, ...]]) -> list[Flow]:
        index, operands = ins[0], ins[1:]
        branches = params["branches"]
        taken = index.value()
        if taken is not None:
            return self._closed(branches[int(np.clip(taken, 0, len(branches) - 1))], operands)
        results = [self._closed(branch, operands) for branch in branches]
        return [
            Flow(out, union([*(r[k].reads for r in results), self.sources.everything(index, len(out))], out))
            for k, out in enumerate(outs)
        ]

    def _while(self, params: dict[str, Any], ins: list[Flow], outs: list[tuple[int, ...]]) -> list[Flow]:
        tests, consts = params["cond_nconsts"], params["body_nconsts"]
        test, body, start = ins[:tests], ins[tests : tests + consts], ins[tests + consts :]

        def once(carry: list[Reads]) -> list[Reads]:
            flows = [Flow(out, reads) for out, reads in zip(outs, carry, strict=True)]
            stop = self._closed(params["cond_jaxpr"], [*test, *flows])[0]
            after = self._closed(params["body_jaxpr"], [*body, *flows])
            return [
                union([s.reads, flow.reads, self.sources.everything(stop, len(out))], out)
                for s, flow, out in zip(start, after, outs, strict=True)
            ]

        carry = self._settle(once, [s.reads for s in start], outs, self._smear)
        return [Flow(out, reads) for out, reads in zip(outs, carry, strict=True)]

    def _settle(
        self,
        once: Callable[[list[Reads]], list[Reads]],
        carry: list[Reads],
        shapes: list[tuple[int, ...]],
        widen: Callable[[Reads, tuple[int, ...]], Reads],
    ) -> list[Reads]:
        """Repeat a step until the carry is stable; widen what still changes after some rounds."""
        for widening in (None, widen, self._smear):
            for _ in range(ROUNDS):
                new = once(carry)
                changed = [not same_reads(a, b) for a, b in zip(carry, new, strict=True)]
                if not any(changed):
                    return new
                carry = [
                    widening(union([a, b], shape), shape) if widening is not None and moving else b
                    for a, b, moving, shape in zip(carry, new, changed, shapes, strict=True)
                ]
        parts = (self.sources.everything(Flow(s, r), 0) for r, s in zip(carry, shapes, strict=True))
        everything = union(parts, ())
        return [everything_for(everything, shape) for shape in shapes]

    def _smear(self, reads: Reads, shape: tuple[int, ...]) -> Reads:
        """Widen: every element reads all that any element reads."""
        return self.sources.everything(Flow(shape, reads), len(shape))

    def _scan(self, params: dict[str, Any], ins: list[Flow], outs: list[tuple[int, ...]]) -> list[Flow]:
        consts, carried = scan_counts(params)
        length, reverse = params["length"], params["reverse"]
        fixed, start, xs = ins[:consts], ins[consts : consts + carried], ins[consts + carried :]
        if length == 0:
            return [*start, *(Flow(out) for out in outs[carried:])]
        body = _side_by_side(params["jaxpr"], consts, length)
        shapes = [(length, *flow.shape) for flow in start]
        first, last = (length - 1, 0) if reverse else (0, length - 1)
        step = np.arange(length)
        begin = [_stacked(flow, step == first) for flow in start]
        inputs = [*fixed, *start, *xs]
        computed = known_carries(params["jaxpr"], consts, carried, length, inputs, reverse=reverse)
        counters = _counters(params["jaxpr"], consts, carried)
        counted = [_counted(flow, counters.get(i), step, reverse=reverse) for i, flow in enumerate(start)]
        knowns = [counter or computed.get(i) for i, counter in enumerate(counted)]
        results: list[Flow] = []

        def once(carry: list[Reads]) -> list[Reads]:
            flows = [Flow(s, r, k) for s, r, k in zip(shapes, carry, knowns, strict=True)]
            results[:] = self._closed(body, [*fixed, *flows, *xs])
            return [
                union([b, _shifted(f.reads, shape, 1 if not reverse else -1)], shape)
                for b, f, shape in zip(begin, results[:carried], shapes, strict=True)
            ]

        def over_time(reads: Reads, shape: tuple[int, ...]) -> Reads:
            return self.sources.reduce(Flow(shape, reads), (0,))

        self._settle(once, begin, shapes, over_time)
        ends = [
            transform(
                f.reads, f.shape, lambda a: a[last if len(a) > 1 else 0], lambda a: a - 1 if a else None
            )
            for f in results[:carried]
        ]
        return [
            Flow(out, reads)
            for out, reads in zip(outs, [*ends, *(f.reads for f in results[carried:])], strict=True)
        ]


def scan_counts(params: dict[str, Any]) -> tuple[int, int]:
    """Return how many of the inputs of a scan are constants, and how many its carry.

    Args:
        params: The parameters of the equation, as this or an earlier version of JAX writes them.

    Returns:
        Two numbers; the other inputs are sliced.
    """
    if "ft_in" in params:
        consts, carried = (len(part) for part in list(params["ft_in"].unpack())[:2])
        return consts, carried
    return params["num_consts"], params["num_carry"]


def everything_for(reads: Reads, shape: tuple[int, ...]) -> Reads:
    """Give what one scalar reads to every element of an array."""
    return transform(reads, (), lambda a: a.reshape((1,) * len(shape)), lambda _: None)


def _inner_jaxpr(name: str, params: dict[str, Any], count: int) -> tuple[Any, Sequence[Any]] | None:
    """Return the jaxpr and the constants of a call whose inputs are the operands, or None."""
    if name in ("custom_root", "custom_linear_solve"):
        return None
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        inner = params.get(key)
        if inner is not None:
            jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
            if len(jaxpr.invars) == count:
                return jaxpr, consts
    return None


def _side_by_side(closed: Any, consts: int, length: int) -> Any:
    """Return the body of a scan with all its steps side by side along a new first axis."""
    avals = closed.in_avals
    axes = tuple(None if i < consts else 0 for i in range(len(avals)))
    shapes = [
        jax.ShapeDtypeStruct(a.shape if i < consts else (length, *a.shape), a.dtype)
        for i, a in enumerate(avals)
    ]
    return jax.make_jaxpr(jax.vmap(jaxpr_as_fun(closed), in_axes=axes, axis_size=length))(*shapes)


def _stacked(flow: Flow, where: np.ndarray) -> Reads:
    """Give the start of a carry the axis of the steps: it is there at the first step alone."""
    shape = (len(where), *flow.shape)
    moved = transform(flow.reads, flow.shape, lambda a: a[None], lambda a: a + 1)
    return restrict(moved, where.reshape(-1, *(1 for _ in flow.shape)), shape)


def _shifted(reads: Reads, shape: tuple[int, ...], by: int) -> Reads:
    """Hand the reads of each step to the next one."""
    length = shape[0]
    moved = transform(
        reads, shape, lambda a: a if len(a) == 1 else np.roll(a, by, axis=0), lambda a: a if a else None
    )
    step = np.arange(length).reshape(-1, *(1 for _ in shape[1:]))
    return restrict(moved, step > 0 if by > 0 else step < length - 1, shape)


def _counters(closed: Any, consts: int, carried: int) -> dict[int, float]:
    """Return the carries that only count, with their increments."""
    made = {var: eqn for eqn in closed.jaxpr.eqns for var in eqn.outvars}
    found = {}
    for i in range(carried):
        eqn = made.get(closed.jaxpr.outvars[i])
        if eqn is not None and eqn.primitive.name in ("add", "sub"):
            before, by = eqn.invars
            if before is closed.jaxpr.invars[consts + i] and isinstance(by, Literal) and np.ndim(by.val) == 0:
                found[i] = by.val if eqn.primitive.name == "add" else -by.val
    return found


def _counted(flow: Flow, by: Any, step: np.ndarray, *, reverse: bool) -> Callable[[], Any] | None:
    start = None if by is None or flow.reads else flow.value()
    if start is None:
        return None
    done = step[::-1] if reverse else step
    return lambda: (start + by * done).astype(start.dtype)
