"""The plan of an elimination: which two tables are multiplied next and what is summed out, and its cost."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from probdl.exact.tables.order import bit_set, members, size_of

FEW = 8
BYTES = 8


@dataclass(frozen=True)
class Cost:
    """What a plan takes, known before it runs.

    Attributes:
        multiplications: Number of products of two entries, of one pass from the tables to their sum.
        largest_table: Entries of the largest table that is made.
        bytes: Memory of all tables that are made and kept for the pass backward, in double precision.
        runs: How often the plan is run, once for each state of the variables that are held in turn.

    Example:
        >>> Cost(multiplications=10, largest_table=4, bytes=64).operations
        10
    """

    multiplications: int
    largest_table: int
    bytes: int
    runs: int = 1

    @property
    def operations(self) -> int:
        """Multiplications of all runs together."""
        return self.multiplications * self.runs


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan: the product of two tables, or one alone, summed over some variables.

    Attributes:
        tables: The numbers of the tables that it takes.
        summed: The variables that are summed out, a bit set: no other table has them.
        scope: The variables of the table that it makes, a bit set.
        multiplications: Number of products of two entries.
    """

    tables: tuple[int, ...]
    summed: int
    scope: int
    multiplications: int


@dataclass(frozen=True)
class Plan:
    """An elimination as a list of steps, each of one table or two.

    Tables are numbered: first those that are given, then one for each step. One step at most takes each.

    Attributes:
        sizes: The number of states of each variable.
        scopes: The variables of each table that is given, in the order of its axes.
        steps: The steps.
        left: The tables that no step takes: scalars, and those over variables that are kept.
    """

    sizes: tuple[int, ...]
    scopes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    left: tuple[int, ...]

    @cached_property
    def cost(self) -> Cost:
        """What a run takes."""
        made = [size_of(step.scope, self.sizes) for step in self.steps]
        given = [math.prod(self.sizes[v] for v in scope) for scope in self.scopes]
        return Cost(
            sum(step.multiplications for step in self.steps),
            max([*made, *given], default=1),
            BYTES * sum(made),
        )

    @property
    def left_scopes(self) -> list[tuple[int, ...]]:
        """The variables of each table that is left and no scalar, in the order of their numbers."""
        return [tuple(members(self.tables[table])) for table in self.left if self.tables[table]]

    @cached_property
    def tables(self) -> tuple[int, ...]:
        """The variables of every table, given or made, as bit sets."""
        return (*map(bit_set, self.scopes), *(step.scope for step in self.steps))


def make_plan(
    sizes: Sequence[int], scopes: Sequence[Sequence[int]], order: Sequence[int], kept: Collection[int] = ()
) -> Plan:
    """Plan an elimination, from the shapes of the tables alone.

    The tables with the next variable of the order are multiplied two at a time; a variable is summed out
    as soon as no other table has it. The sum is thus a matrix product, and the clique is never stored.

    Args:
        sizes: The number of states of each variable.
        scopes: The variables of each table, numbered from 0.
        order: The variables in the order in which they are summed out.
        kept: Variables that are not summed out.

    Returns:
        The plan.

    Example:
        >>> plan = make_plan([2, 3, 2], [(0, 1), (1, 2)], order=[0, 1, 2])
        >>> plan.cost
        Cost(multiplications=3, largest_table=6, bytes=56, runs=1)

    Source:
        Zhang & Poole (1996); Koller & Friedman (2009), §9.3.
    """
    kept_bits = bit_set(kept)
    elimination = _Elimination(sizes, scopes, kept_bits)
    for variable in order:
        if not kept_bits >> variable & 1:
            elimination.sum_out(variable)
    left = tuple(sorted(elimination.scope))
    return Plan(tuple(sizes), tuple(map(tuple, scopes)), tuple(elimination.steps), left)


class _Elimination:
    """The tables that are left as a plan is made, and who has which variable."""

    def __init__(self, sizes: Sequence[int], scopes: Sequence[Sequence[int]], kept: int) -> None:
        self.sizes, self.kept, self.given = sizes, kept, len(scopes)
        self.steps: list[Step] = []
        self.scope = dict(enumerate(map(bit_set, scopes)))
        self.having: list[set[int]] = [set() for _ in sizes]
        for table, scope in enumerate(scopes):
            for variable in scope:
                self.having[variable].add(table)

    def sum_out(self, variable: int) -> None:
        tables = self.having[variable]
        while len(tables) > 1:
            self.take(self.next_pair(tables))
        if tables:
            self.take(tuple(tables))

    def next_pair(self, tables: Sequence[int] | set[int]) -> tuple[int, int]:
        """Return the two tables whose product costs least: of the smallest few, if there are many."""
        few = sorted(tables, key=lambda table: (size_of(self.scope[table], self.sizes), table))[:FEW]
        pairs = [(a, b) for i, a in enumerate(few) for b in few[i + 1 :]]
        return min(pairs, key=lambda pair: size_of(self.scope[pair[0]] | self.scope[pair[1]], self.sizes))

    def take(self, tables: tuple[int, ...]) -> None:
        """Replace tables by their product, summed over what no other table has."""
        if len(tables) == 2:
            tables = (self.without_own(tables[0]), self.without_own(tables[1]))
        together = 0
        for table in tables:
            together |= self.scope.pop(table)
        summed, made = 0, self.given + len(self.steps)
        for variable in members(together):
            self.having[variable].difference_update(tables)
            if self.having[variable] or self.kept >> variable & 1:
                self.having[variable].add(made)
            else:
                summed |= 1 << variable
        products = size_of(together, self.sizes) if len(tables) == 2 else 0
        self.scope[made] = together & ~summed
        self.steps.append(Step(tables, summed, together & ~summed, products))

    def without_own(self, table: int) -> int:
        """Sum out the variables that a table alone has; return the number of what is left."""
        if all(len(self.having[v]) > 1 or self.kept >> v & 1 for v in members(self.scope[table])):
            return table
        self.take((table,))
        return max(self.scope)
