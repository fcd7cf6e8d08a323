"""Which arrays flow through a compiled program, and which it needs as constants."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from probdl.program.allowances import Allowance
from probdl.program.bound import CONCRETENESS_ERRORS, Arrays, BoundProgram, Constant
from probdl.program.discover import abstract_run
from probdl.program.precision import Precision

ADDRESS = re.compile(r"0x[0-9a-f]+")


def compilable(bound: BoundProgram, arrays: Arrays) -> tuple[BoundProgram, Arrays]:
    """Move the arrays that a program looks at while it is traced into its static half.

    A number of groups taken from data or a boolean index has to be known when the program is traced; all
    other arrays stay arguments of whatever is compiled. What the program takes from elsewhere, from globals
    and closures, goes into a fingerprint: when it changes, nothing that was compiled before is used.

    Args:
        bound: The program.
        arrays: Its data.

    Returns:
        The program with its constants, and the arrays that are left.
    """
    traced = None if Allowance.EAGER_DATA in bound.allowances else _trace(bound, arrays, list(arrays.leaves))
    fixed: list[str] = []
    if traced is None:
        fixed = list(arrays.leaves)
        if Allowance.EAGER_DATA not in bound.allowances:
            fixed = [name for name in arrays.leaves if _trace(bound, arrays, [name]) is None]
        traced = _trace(bound, arrays, [name for name in arrays.leaves if name not in fixed])
    static = list(bound.static)
    for name in fixed:
        static[int(name)] = Constant.of(arrays.leaves[name])
    leaves = {name: leaf for name, leaf in arrays.leaves.items() if name not in fixed}
    fingerprint = "" if traced is None else _digest(traced)
    return replace(bound, static=tuple(static), fingerprint=fingerprint), replace(arrays, leaves=leaves)


def _trace(bound: BoundProgram, arrays: Arrays, names: list[str]) -> Any:
    """Return the jaxpr of the program with these leaves abstract, or None if it needs one of them."""

    def run(leaves: dict[str, Any], observed: Any, held: Any, unit: jax.Array) -> list[Any]:
        return abstract_run(bound, Arrays({**arrays.leaves, **leaves}, observed, held), unit)

    leaves = {name: arrays.leaves[name] for name in names}
    try:
        with Precision.DOUBLE.active():
            unit = jax.ShapeDtypeStruct((), jnp.result_type(float))
            return jax.make_jaxpr(run)(leaves, arrays.observed, arrays.held, unit)
    except CONCRETENESS_ERRORS:
        return None


def _digest(traced: Any) -> str:
    digest = hashlib.sha256(ADDRESS.sub("", traced.jaxpr.pretty_print(use_color=False)).encode())
    for value in traced.consts:
        if not jnp.issubdtype(value.dtype, jax.dtypes.extended):
            array = np.asarray(value)
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
