"""Joint posterior probabilities of any discrete elements, from what an elimination leaves of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from probdl.exact.posteriors.conditionals import ancestors, conditionals
from probdl.exact.posteriors.covariances import MOST_ELEMENTS
from probdl.exact.posteriors.entries import Entry, entries, entry_at
from probdl.exact.posteriors.joint_by_states import joint_by_states
from probdl.exact.posteriors.solved import Solved
from probdl.exact.posteriors.weighing import grouped
from probdl.exact.programs.variables import Kind, Variable
from probdl.exact.tables.elimination import TableElimination
from probdl.program.precision import Precision
from probdl.program.states import finite_range

SHOWN = 8


def joint_probabilities(solved: Solved, names: Sequence[str]) -> tuple[list[Entry], Float[np.ndarray, ...]]:
    """Return the joint posterior of discrete elements.

    Args:
        solved: The model.
        names: Sites, elements or slices of discrete sites.

    Returns:
        The elements, and a table with one axis an element, its values in increasing order.

    Raises:
        SiteNotFound: If a name is that of no latent site.
        ValueError: If a site is not discrete, or if the table would be too large; it says how large.
    """
    wanted = _wanted(solved, names, "joint")
    shape, most = [len(values_of(entry)) for entry in wanted], solved.integral.max_table
    if math.prod(shape) > most:
        raise ValueError(
            f"Expected elements of at most {most:,} joint states; got {math.prod(shape):,}, of "
            f"{_shown(wanted)}. Ask for fewer, raise max_table, or count draws of `sample`."
        )
    if _given_points(solved, wanted):
        return wanted, joint_by_states(solved, wanted, [values_of(entry) for entry in wanted])
    found = _tables(solved, wanted)
    return wanted, found.engine.marginal(found.tables, [entry.name for entry in wanted])


def most_probable_states(solved: Solved, names: Sequence[str]) -> tuple[list[Entry], list[int]]:
    """Return the values of discrete elements that are most probable together, all others summed out.

    Args:
        solved: The model.
        names: Sites, elements or slices of discrete sites.

    Returns:
        The elements, and their values.

    Raises:
        SiteNotFound: If a name is that of no latent site.
        ValueError: If a site is not discrete, or if a table would be too large; it says how large.
    """
    wanted = _wanted(solved, names, "most_probable")
    if _given_points(solved, wanted):
        table = joint_by_states(solved, wanted, [values_of(entry) for entry in wanted])
        codes = list(map(int, np.unravel_index(int(np.argmax(table)), table.shape)))
    else:
        found = _tables(solved, wanted)
        states = found.engine.most_probable(found.tables, variables=[entry.name for entry in wanted]).states
        codes = [states[entry.name] for entry in wanted]
    return wanted, [values_of(entry)[code] for entry, code in zip(wanted, codes, strict=True)]


def _shown(wanted: Sequence[Entry]) -> str:
    more = f" and {len(wanted) - SHOWN} more" if len(wanted) > SHOWN else ""
    return ", ".join(entry.name for entry in wanted[:SHOWN]) + more


def values_of(entry: Entry) -> range:
    """Return the values that an entry of a discrete site can have."""
    return _values(entry.variable)


def _values(variable: Variable) -> range:
    return finite_range(variable.site) or range(0)


def _wanted(solved: Solved, names: Sequence[str], where: str) -> list[Entry]:
    wanted = entries(solved.integral.variables, names, where, MOST_ELEMENTS)
    for entry in wanted:
        solved.variable(entry.variable.name, Kind.DISCRETE)
    return wanted


def _given_points(solved: Solved, wanted: Sequence[Entry]) -> bool:
    """Whether elements are distributed given conjugate sites, which have no states to sum over."""
    known = solved.integral.space.variables
    names = ancestors(solved.found.steps, [entry.variable.name for entry in wanted])
    return any(known[name].kind is Kind.CONJUGATE for name in names)


class _Tables(NamedTuple):
    """A product of tables over single entries, and an engine for it."""

    engine: TableElimination
    tables: list[np.ndarray]


def _tables(solved: Solved, wanted: Sequence[Entry]) -> _Tables:
    """Return tables whose product, summed over what is not wanted, is proportional to the joint posterior.

    Raises:
        ValueError: If an entry of them is no number.
    """
    known = solved.integral.space.variables
    numbers = {name: [entry.element for entry in group] for name, group in grouped(wanted).items()}
    with Precision.DOUBLE.active():
        groups = conditionals(solved.summed, numbers)
    sizes: dict[str, int] = {}
    tables: dict[tuple, tuple[tuple[str, ...], np.ndarray]] = {}
    for group in groups:
        names = group.names
        for row, logs in zip(group.elements.tolist(), group.logs, strict=True):
            if (names, *row) in tables:
                continue
            if np.isnan(logs).any():
                raise ValueError(
                    f"Expected joint probabilities of {_shown(wanted)}; got NaN: given some of their states "
                    f"the evidence is no number. Check scales and covariances."
                )
            logs = logs[tuple(0 if number < 0 else slice(None) for number in row)]
            elements = [(known[n], number) for n, number in zip(names, row, strict=True) if number >= 0]
            scope = [label for variable, number in elements for label in _labels(variable, number)]
            shape = [len(_values(v)) for v, _ in elements for _ in range(math.prod(v.local_shape))]
            sizes |= dict(zip(scope, shape, strict=True))
            tables[names, *row] = _without_repeats(scope, np.exp(logs - logs.max()).reshape(shape))
    scopes = [scope for scope, _ in tables.values()]
    engine = TableElimination(sizes, scopes, max_table=solved.integral.max_table)
    return _Tables(engine, [table for _, table in tables.values()])


def _labels(variable: Variable, element: int) -> list[str]:
    """Return the names of the entries of an element."""
    return [entry_at(variable, element, i).name for i in range(math.prod(variable.local_shape))]


def _without_repeats(scope: Sequence[str], table: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return a table in which no variable has two axes: its diagonal along these."""
    kept = list(dict.fromkeys(scope))
    return tuple(kept), np.einsum(table, [kept.index(name) for name in scope], list(range(len(kept))))
