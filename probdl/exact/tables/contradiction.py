"""Which observations contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from probdl.exact.tables.contraction import Values
from probdl.exact.tables.prepared import prepare
from probdl.exact.tables.problem import Problem
from probdl.exact.tables.sum_product import forward


class ImpossibleEvidence(ValueError):
    """Observations that have probability zero together.

    Args:
        observations: The state of each variable, None where it has none or is not known; without any of them
            the others are possible. Empty if no assignment at all has a positive weight.

    Example:
        >>> print(ImpossibleEvidence({"rain": 0, "wet": 1}))
        Expected observations that are possible together; got 'rain'=0, 'wet'=1, of probability zero. \
Correct or remove one of them.
        >>> print(ImpossibleEvidence({}))
        Expected tables whose product is positive somewhere; got zero everywhere. Correct their zeros.
    """

    def __init__(self, observations: Mapping[Hashable, Any]) -> None:
        self.observations = dict(observations)
        known = ((repr(name), state) for name, state in self.observations.items())
        named = ", ".join(name if state is None else f"{name}={state}" for name, state in known)
        super().__init__(
            f"Expected observations that are possible together; got {named}, of probability zero. Correct or "
            f"remove one of them."
            if named
            else "Expected tables whose product is positive somewhere; got zero everywhere. Correct their "
            "zeros."
        )


def minimal_conflict[Item](items: Sequence[Item], possible: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """Return a smallest part of some items that is impossible: without any one of it, it is possible.

    Halves are tried first: a conflict of k among n items takes about k log(n / k) questions.

    Args:
        items: Items that are impossible together.
        possible: Says whether some of them are possible; more of them are never more possible.

    Returns:
        The conflict.

    Example:
        >>> minimal_conflict([1, 2, 3, 4, 5], lambda some: not {2, 5} <= set(some))
        [2, 5]

    Source:
        Junker (2004), QuickXplain, AAAI-04.
    """
    if not possible(()):
        return []

    def search(background: list[Item], *, added: bool, rest: Sequence[Item]) -> list[Item]:
        if added and not possible(background):
            return []
        if len(rest) == 1:
            return list(rest)
        first, second = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        late = search([*background, *first], added=True, rest=second)
        early = search([*background, *late], added=bool(late), rest=first)
        return early + late

    return search([], added=False, rest=list(items))


def why_impossible(
    problem: Problem, tables: Sequence[Values], states: Mapping[int, int], max_table: int
) -> ValueError:
    """Return the error that says why observations have probability zero.

    Only what is zero and what is not counts: with tables of zeros and ones nothing can underflow.

    Args:
        problem: The shapes of the tables.
        tables: All tables.
        states: The observed states.
        max_table: The most entries that a table may have.

    Returns:
        `ImpossibleEvidence`, which names observations that contradict each other, all of them if fewer make
        tables too large; or, if they are possible, a ValueError that says that a product underflowed.
    """
    support = [(table > 0).astype(np.float64) for table in tables]

    def possible(some: Sequence[int]) -> bool:
        observed = {v: states[v] for v in some}
        ready = prepare(problem, frozenset(observed), frozenset(), range(len(tables)), max_table)
        sliced = (ready.restriction.sliced(support, run) for run in ready.runs(observed))
        return any(forward(ready.schedules[0], parts, maximise=True).log_scale == 0 for parts in sliced)

    if possible(list(states)):
        return ValueError(
            "Expected weights within the range of double precision; got a product of tables that is positive "
            "but underflows to zero. Raise the smallest weights of the tables."
        )
    try:
        conflict = minimal_conflict(sorted(states), possible)
    except ValueError:
        conflict = list(states)
    return ImpossibleEvidence({problem.names[v]: states[v] for v in conflict})
