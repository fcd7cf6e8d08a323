"""Variables that are held at each of their states in turn, where a table would be too large otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from probdl.errors import some
from probdl.exact.tables.order import members, size_of
from probdl.exact.tables.plan import Cost, Plan

MOST_OPERATIONS = 10**12  # multiplications of all runs: some ten minutes
STEP = 2 * 10**4  # multiplications that take as long as a step of a plan takes beside its own
MOST_TRIED = 12


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A plan for each state of the variables of a cut set.

    Attributes:
        cut: The variables that are held; none if no table is too large.
        plans: The plans that are run for each of their states, one after the other.
    """

    cut: tuple[int, ...]
    plans: tuple[Plan, ...]

    @property
    def cost(self) -> Cost:
        """What all runs take."""
        costs = [plan.cost for plan in self.plans]
        return Cost(
            sum(cost.multiplications for cost in costs),
            max(cost.largest_table for cost in costs),
            sum(cost.bytes for cost in costs),
            math.prod(self.shape),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of states of each variable that is held."""
        return tuple(self.plans[0].sizes[v] for v in self.cut)

    @property
    def work(self) -> int:
        """What all runs take, in multiplications, with what each step of a run takes however small it is."""
        steps = sum(len(plan.steps) for plan in self.plans)
        return self.cost.operations + self.cost.runs * steps * STEP * bool(self.cut)

    def states(self) -> Iterator[dict[int, int]]:
        """Yield the joint states of the variables that are held, the last variable fastest."""
        for found in product(*map(range, self.shape)):
            yield dict(zip(self.cut, found, strict=True))


Planner = Callable[[frozenset[int]], tuple[Plan, ...]]


def condition(
    plan: Planner, allowed: Collection[int], max_table: int, names: Sequence[Hashable]
) -> Conditioned:
    """Hold as few variables as are needed for all tables to fit.

    As long as a table is too large, hold the variable of it that leaves the smallest largest table, or the
    least work of those that make all fit.

    Args:
        plan: Plans, given the variables that are held.
        allowed: The variables that may be held.
        max_table: The most entries that a table may have.
        names: Names of the variables, for messages.

    Returns:
        The cut set and its plans.

    Raises:
        ValueError: If a table stays too large, or if there is too much work. The message names its variables.

    Source:
        Pearl (1988), §4.3.2; Dechter (1999), doi:10.1016/S0004-3702(99)00059-4, for both at once.
    """
    found = first = Conditioned((), plan(frozenset()))
    while found.cost.largest_table > max_table:
        clique = [v for v in members(_largest(found.plans)) if v in allowed][:MOST_TRIED]
        tried = [_holding(plan, (*found.cut, v)) for v in clique]
        feasible = [other for other in tried if other.work <= MOST_OPERATIONS]
        if not feasible:
            raise ValueError(_too_large(first, found, tried, max_table, names))
        found = min(
            feasible, key=lambda other: (max(other.cost.largest_table, max_table), other.cost.operations)
        )
    return found


def _holding(plan: Planner, cut: tuple[int, ...]) -> Conditioned:
    return Conditioned(cut, plan(frozenset(cut)))


def _largest(plans: Sequence[Plan]) -> int:
    """Return the variables of the largest table."""
    tables = [(size_of(bits, plan.sizes), bits) for plan in plans for bits in plan.tables]
    return max(tables)[1]


def _too_large(
    first: Conditioned,
    last: Conditioned,
    tried: Sequence[Conditioned],
    max_table: int,
    names: Sequence[Hashable],
) -> str:
    """Say what is too large, and what would help.

    Args:
        first: What holds nothing.
        last: What holds as many variables as there is time for.
        tried: What holds one more.
        max_table: The most entries that a table may have.
        names: Names of the variables.

    Returns:
        The message.
    """
    scope = some(repr(names[v]) for v in members(_largest(first.plans)))
    got = f"one of {_number(first.cost.largest_table)}, over {scope}"
    if last.cut:
        best = min(tried, key=lambda other: other.work, default=last)
        got += f", or at least {_number(best.cost.runs)} runs with variables held in turn, which take hours"
    enough = f"aise max_table to {_number(last.cost.largest_table)}"
    enough += f" (then it takes {_number(last.cost.runs)} runs)" if last.cut else ""
    remedy = f"R{enough}"
    if tried:
        best = min(tried, key=lambda other: other.cost.largest_table)
        observed = ", ".join(repr(names[v]) for v in best.cut)
        remedy = f"Observe {observed} (then it has {_number(best.cost.largest_table)}), or r{enough}"
    return (
        f"Expected an elimination with tables of at most {_number(max_table)} entries; got {got}. {remedy}."
    )


def _number(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"10^{math.log10(count):.1f}"
