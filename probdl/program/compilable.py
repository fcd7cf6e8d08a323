"""Which arrays flow through a compiled program, and which it needs as constants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax

from probdl.program.allowances import Allowance
from probdl.program.bound import CONCRETENESS_ERRORS, Arrays, BoundProgram, Constant
from probdl.program.discover import abstract_run


def compilable(bound: BoundProgram, arrays: Arrays) -> tuple[BoundProgram, Arrays]:
    """Move the arrays that a program looks at while it is traced into its static half.

    A number of groups taken from data or a boolean index has to be known when the program is traced; all
    other arrays stay arguments of whatever is compiled.

    Args:
        bound: The program.
        arrays: Its data.

    Returns:
        The program with its constants, and the arrays that are left.
    """
    fixed: list[str] = []
    if Allowance.EAGER_DATA in bound.allowances:
        fixed = list(arrays.leaves)
    elif not _traceable(bound, arrays, list(arrays.leaves)):
        fixed = [name for name in arrays.leaves if not _traceable(bound, arrays, [name])]
    static = list(bound.static)
    for name in fixed:
        static[int(name)] = Constant.of(arrays.leaves[name])
    leaves = {name: leaf for name, leaf in arrays.leaves.items() if name not in fixed}
    return replace(bound, static=tuple(static)), replace(arrays, leaves=leaves)


def _traceable(bound: BoundProgram, arrays: Arrays, names: list[str]) -> bool:
    """Whether the program can be traced with these leaves abstract."""

    def run(leaves: dict[str, Any]) -> None:
        abstract_run(bound, replace(arrays, leaves={**arrays.leaves, **leaves}))

    try:
        jax.eval_shape(run, {name: arrays.leaves[name] for name in names})
    except CONCRETENESS_ERRORS:
        return False
    return True
