"""An elimination made ready for one set of observed variables, whatever their states."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from probdl.exact.tables.conditioning import Conditioned, condition
from probdl.exact.tables.contraction import Values
from probdl.exact.tables.marginals import Readout, make_readout
from probdl.exact.tables.order import bit_set, summation_order
from probdl.exact.tables.plan import Plan, make_plan
from probdl.exact.tables.problem import Problem
from probdl.exact.tables.restriction import Restriction, restrict
from probdl.exact.tables.schedule import Schedule, make_schedule
from probdl.exact.tables.sum_product import Tape, forward


@dataclass(frozen=True, eq=False)
class Prepared:
    """What has to be found out once for a set of observed variables.

    Attributes:
        restriction: What is left of the tables.
        conditioned: The plans, and the variables that are held at each of their states in turn.
        schedules: The schedule of each plan.
    """

    restriction: Restriction
    conditioned: Conditioned
    schedules: tuple[Schedule, ...]

    @functools.cached_property
    def readout(self) -> Readout:
        """Where marginals are read."""
        return make_readout(self.schedules[0])

    def runs(self, states: Mapping[int, int]) -> Iterator[dict[int, int]]:
        """Yield the observed states with each joint state of the variables that are held.

        Args:
            states: The observed states.

        Yields:
            The states of each run.
        """
        for held in self.conditioned.states():
            yield {**states, **held}

    def forward(self, tables: Sequence[Values], states: Mapping[int, int]) -> tuple[Tape, float]:
        """Sum out all variables but those that are kept.

        Args:
            tables: All tables.
            states: The observed states, and those that are held.

        Returns:
            The tape, and the log of the sum in nats.
        """
        found, log_scale = self.restriction.tables(tables, states)
        tape = forward(self.schedules[0], found)
        return tape, log_scale + tape.log_scale

    def maximum(self, tables: Sequence[Values], states: Mapping[int, int]) -> tuple[Tape, float]:
        """Sum out all variables but those that are kept, then maximise those out.

        Args:
            tables: All tables.
            states: The observed states, and those that are held.

        Returns:
            The tape of the maximisation, and the log of the maximum in nats.
        """
        summed, log_sum = self.forward(tables, states)
        if log_sum == -math.inf:
            return summed, log_sum
        tape = forward(self.schedules[1], summed.left(), maximise=True)
        return tape, log_sum + tape.log_scale


def prepare(
    problem: Problem,
    observed: frozenset[int],
    kept: frozenset[int],
    factors: Collection[int],
    max_table: int,
    *,
    maximised: bool = False,
) -> Prepared:
    """Plan for a set of observed variables.

    Args:
        problem: The shapes of the tables.
        observed: The variables that are observed.
        kept: The variables that are not summed out.
        factors: The tables that matter.
        max_table: The most entries that a table may have.
        maximised: Whether those that are kept are then maximised out, by a second plan.

    Returns:
        What is ready to run.

    Raises:
        ValueError: If a table is too large.
    """
    sizes = problem.sizes
    scopes = restrict(sizes, problem.scopes, observed, factors).scopes
    order = summation_order(scopes, sizes, bit_set(kept))

    def plan(held: frozenset[int]) -> tuple[Plan, ...]:
        sliced = restrict(sizes, problem.scopes, observed | held, factors).scopes
        first = make_plan(sizes, sliced, order, kept)
        return (first, make_plan(sizes, first.left_scopes, order)) if maximised else (first,)

    # A sum does not commute with a maximum: only variables that are maximised out may be held outside both.
    allowed = kept if maximised else set(range(len(sizes))) - kept
    found = condition(plan, allowed, max_table, problem.names)
    restriction = restrict(sizes, problem.scopes, observed | set(found.cut), factors)
    return Prepared(restriction, found, tuple(map(make_schedule, found.plans)))
