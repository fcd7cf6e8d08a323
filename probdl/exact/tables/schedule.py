"""A plan with every shape fixed: which contraction each step is, and how each table is laid out for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from probdl.exact.tables.contraction import Axes, Contraction, Values, contraction, summation
from probdl.exact.tables.order import members
from probdl.exact.tables.plan import Plan

Backward = tuple[tuple[int, tuple[int, ...]], ...]
"""Steps, last first, each with the places of the tables whose derivatives are needed."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the axes of a table are laid out for the step that takes it.

    Attributes:
        made: Shape in which the table comes.
        full: Shape with one axis for each variable.
        axes: The order of those axes, or None if it stays.
        laid: Shape in which the step takes the table.
        turned: Shape with one axis for each variable in that order.
        back: Where each axis is in that order.
    """

    made: Axes
    full: Axes
    axes: Axes | None
    laid: Axes
    turned: Axes
    back: Axes

    def lay(self, table: Values) -> Values:
        """Return a table as the step wants it.

        Args:
            table: Values (made).

        Returns:
            The same values (laid).
        """
        if self.axes is None:
            return table if self.made == self.laid else table.reshape(self.laid)
        return table.reshape(self.full).transpose(self.axes).reshape(self.laid)

    def undo(self, table: Values) -> Values:
        """Return what `lay` was given.

        Args:
            table: Values (laid).

        Returns:
            The same values (made).
        """
        if self.axes is None:
            return table if self.made == self.laid else table.reshape(self.made)
        return table.reshape(self.turned).transpose(self.back).reshape(self.made)


@dataclass(frozen=True, eq=False)
class Schedule:
    """A plan, ready to run on numbers.

    Attributes:
        plan: The plan.
        contractions: The contraction of each step.
        scopes: The variables of each table, given or made, in the order of its axes as it is laid out.
        layouts: The layout of each table.
        taken_by: The step that takes each table, and its place there; tables left at the end are missing.
    """

    plan: Plan
    contractions: tuple[Contraction, ...]
    scopes: tuple[Axes, ...]
    layouts: tuple[Layout, ...]
    taken_by: dict[int, tuple[int, int]]

    @property
    def given(self) -> int:
        """The number of tables that are given; that of step i is this number more than i."""
        return len(self.plan.scopes)

    def back_to(self, wanted: Iterable[int]) -> Backward:
        """Return the steps that a pass backward needs to reach some tables.

        Args:
            wanted: The tables.

        Returns:
            Steps, last first, each with the places whose tables are wanted or lie on the way.
        """
        needed: set[tuple[int, int]] = set()
        for table in wanted:
            way = self.taken_by.get(table)
            while way is not None and way not in needed:
                needed.add(way)
                way = self.taken_by.get(self.given + way[0])
        places: dict[int, list[int]] = {}
        for step, place in sorted(needed, reverse=True):
            places.setdefault(step, []).append(place)
        return tuple((step, tuple(found)) for step, found in places.items())


def make_schedule(plan: Plan) -> Schedule:
    """Fix all shapes of a plan.

    Args:
        plan: The plan.

    Returns:
        The schedule.

    Example:
        >>> from probdl.exact.tables.plan import make_plan
        >>> schedule = make_schedule(make_plan([2, 3], [(0, 1), (0,)], order=[1, 0]))
        >>> [type(step).__name__ for step in schedule.contractions]
        ['Summation', 'Matrices']
    """
    sizes = plan.sizes
    rank = [len(plan.steps)] * len(sizes)
    for i, step in enumerate(plan.steps):
        for variable in members(step.summed):
            rank[variable] = i
    made = [(scope, tuple(sizes[v] for v in scope)) for scope in plan.scopes]
    laid: dict[int, tuple[Axes, Axes]] = {}
    taken_by, contractions = {}, []
    for i, step in enumerate(plan.steps):
        first, *second = [made[table][0] for table in step.tables]
        summed = frozenset(members(step.summed))
        if second:
            found = contraction(sizes, first, second[0], summed, rank)
        else:
            found = summation(sizes, first, summed)
        for place, table in enumerate(step.tables):
            laid[table], taken_by[table] = (found.taken[place], found.laid[place]), (i, place)
        contractions.append(found)
        made.append((found.scope, found.shape))
    for table in plan.left:
        scope = made[table][0]
        laid[table] = scope, tuple(sizes[v] for v in scope)
    layouts = [_layout(sizes, *own, *laid[table]) for table, own in enumerate(made)]
    scopes = tuple(laid[table][0] for table in range(len(made)))
    return Schedule(plan, tuple(contractions), scopes, tuple(layouts), taken_by)


def _layout(sizes: Sequence[int], scope: Axes, made: Axes, taken: Axes, laid: Axes) -> Layout:
    axes = None if taken == scope else tuple(scope.index(v) for v in taken)
    full, turned = (tuple(sizes[v] for v in variables) for variables in (scope, taken))
    return Layout(made, full, axes, laid, turned, tuple(taken.index(v) for v in scope))
