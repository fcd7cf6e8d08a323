"""The plans of an elimination that are kept, and which of them answers a question."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from probdl.exact.tables.contraction import Values
from probdl.exact.tables.prepared import Prepared, prepare
from probdl.exact.tables.problem import Problem
from probdl.exact.tables.restriction import relevant

MOST_PLANS = 32
CHEAP = 2e7  # multiplications, which take about as long as a plan for such tables


class Plans:
    """Plans for sets of observed variables: those that were used last are kept.

    A plan for the very variables that are observed is the cheapest to run, but takes about ten times as long
    to make as to run. So a set that is met for the first time is answered by the plan for no observation at
    all, once there is one and unless it is dear: the entries that are not observed are set to zero.

    Args:
        problem: The shapes of the tables.
        max_table: The most entries that a table may have.

    Example:
        >>> from probdl.exact.tables.problem import make_problem
        >>> plans = Plans(make_problem({"x": 2, "y": 2}, [("x",), ("x", "y")], None), 100)
        >>> tables = [np.array([0.2, 0.8]), np.array([[0.9, 0.1], [0.3, 0.7]])]
        >>> [len(plans.answering(tables, {v: 0})[2]) for v in (0, 1, 1)]  # states to slice at
        [1, 0, 1]
    """

    def __init__(self, problem: Problem, max_table: int) -> None:
        self._problem, self._max_table = problem, max_table
        self._kept: dict[Hashable, Prepared] = {}  # in the order of last use
        self._met: dict[frozenset[int], None] = {}

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def of(
        self,
        observed: frozenset[int],
        kept: frozenset[int] = frozenset(),
        *,
        prune: bool = False,
        maximised: bool = False,
    ) -> Prepared:
        """Return the plan for a set of observed variables.

        Args:
            observed: The variables that are observed.
            kept: The variables that are not summed out.
            prune: Whether tables that do not matter are left out.
            maximised: Whether those that are kept are then maximised out.

        Returns:
            What is ready to run.

        Raises:
            ValueError: If a table is too large.
        """
        key = (observed, kept, prune, maximised)
        found = self._kept.pop(key, None)
        if found is None:
            problem = self._problem
            matter = range(len(problem.scopes))
            if prune:
                matter = relevant(problem.scopes, problem.conditionals, observed | kept)
            found = prepare(problem, observed, kept, matter, self._max_table, maximised=maximised)
        self._kept[key] = found
        _drop_oldest(self._kept)
        return found

    def answering(
        self, tables: Sequence[Values], states: Mapping[int, int]
    ) -> tuple[Prepared, Sequence[Values], Mapping[int, int]]:
        """Return a plan for observations, of which all variables are asked for, whatever it takes least time.

        Args:
            tables: All tables.
            states: The observed states.

        Returns:
            The plan, and with which tables and at which states it has to run.

        Raises:
            ValueError: If a table is too large.
        """
        observed = frozenset(states)
        is_new = bool(self._met) and observed not in self._met
        self._met.pop(observed, None)
        self._met[observed] = None
        _drop_oldest(self._met)
        if is_new and observed and self._general is not None:
            return self._general, self._without_others(tables, states), {}
        return self.of(observed), tables, states

    @functools.cached_property
    def _general(self) -> Prepared | None:
        """The plan for no observation, if it is cheap."""
        try:
            found = self.of(frozenset())
        except ValueError:
            return None
        return found if found.conditioned.cost.operations <= CHEAP else None

    @functools.cached_property
    def _smallest(self) -> dict[int, int]:
        """The smallest table of each variable."""
        problem = self._problem
        order = sorted(range(len(problem.scopes)), key=lambda i: -np.prod(problem.shapes[i], dtype=float))
        return {v: i for i in order for v in problem.scopes[i]}

    def _without_others(self, tables: Sequence[Values], states: Mapping[int, int]) -> list[Values]:
        """Set what disagrees with observed states to zero."""
        found = list(tables)
        for v, state in states.items():
            i = self._smallest[v]
            index = (*(slice(None) for _ in range(self._problem.scopes[i].index(v))), state)
            masked = np.zeros_like(found[i])
            masked[index] = found[i][index]
            found[i] = masked
        return found


def _drop_oldest(kept: dict) -> None:
    while len(kept) > MOST_PLANS:
        del kept[next(iter(kept))]
