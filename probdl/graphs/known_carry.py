"""Values of what a loop carries, where they depend on no site: computed on demand by running the loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from probdl.graphs.flow import Flow
from probdl.program.jaxprs import part


def known_carries(
    body: Any, consts: int, carried: int, length: int, inputs: Sequence[Flow], *, reverse: bool
) -> dict[int, Callable[[], Any]]:
    """Return how to compute the carries of a scan that are known, as each step finds them.

    Args:
        body: The closed jaxpr of a step.
        consts: How many of its inputs are constants.
        carried: How many are carried.
        length: Number of steps.
        inputs: The flows of constants, first carry and what is sliced.
        reverse: Whether the last step comes first.

    Returns:
        By number of the carry, a function that gives its values, the steps first.
    """
    read = {i: np.flatnonzero(part(body, [i]).used).tolist() for i in range(carried)}
    found = {i for i in range(carried) if _is_known(inputs[consts + i])}

    def stays(i: int) -> bool:
        inside = [j - consts for j in read[i] if 0 <= j - consts < carried]
        outside = [inputs[j] for j in read[i] if not 0 <= j - consts < carried]
        return found.issuperset(inside) and all(map(_is_known, outside))

    while not all(map(stays, found)):
        found = set(filter(stays, found))
    needed = sorted({j for i in found for j in (*read[i], consts + i)})

    @functools.cache
    def run() -> dict[int, jax.Array] | None:
        given = {j: flow.known() for j in needed if (flow := inputs[j]).known is not None}
        if any(value is None for value in given.values()):
            return None
        return _run(body, consts, length, given, sorted(found), reverse=reverse)

    def value(number: int) -> Any:
        whole = run()
        return None if whole is None else whole[number]

    return {number: functools.partial(value, number) for number in found}


def _is_known(flow: Flow) -> bool:
    return flow.known is not None and not flow.reads


def _run(
    body: Any, consts: int, length: int, given: dict[int, Any], wanted: Sequence[int], *, reverse: bool
) -> dict[int, jax.Array]:
    """Return some carries as each step finds them."""
    step = part(body, wanted).run
    with jax.ensure_compile_time_eval():
        values = {j: jnp.asarray(value, body.in_avals[j].dtype) for j, value in given.items()}
        sliced = {j: value for j, value in values.items() if value.ndim > len(body.in_avals[j].shape)}
        start = [values[consts + i] for i in wanted]

        def once(carry: list[Any], slices: dict[int, Any]) -> tuple[list[Any], list[Any]]:
            now = {**values, **slices, **{consts + i: c for i, c in zip(wanted, carry, strict=True)}}
            return step(*(now.get(j) for j in range(len(body.in_avals)))), carry

        found = jax.lax.scan(once, start, sliced, length, reverse)[1]
    return dict(zip(wanted, found, strict=True))
