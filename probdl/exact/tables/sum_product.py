"""The sum of a product of tables, and its derivative in each table: one pass forward, one backward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probdl.exact.tables.contraction import Values
from probdl.exact.tables.schedule import Backward, Schedule


@dataclass(frozen=True, eq=False, slots=True)
class Tape:
    """What a pass forward leaves for one backward.

    Attributes:
        schedule: The schedule that was run.
        values: Each table, given or made, as it is laid out; those made are divided by their scales.
        scales: The largest entry of each table that a step made, before it was divided by it.
        log_scale: Log of the product of the scales and of the scalars that are left, in nats; minus infinity
            if a table is zero everywhere: then the tape ends there.
    """

    schedule: Schedule
    values: list[Values]
    scales: list[float]
    log_scale: float

    def left(self) -> list[Values]:
        """Return the tables over the variables that were kept, with axes in the order of their numbers."""
        tables = [i for i in self.schedule.plan.left if self.schedule.scopes[i]]
        return [self.values[i].transpose(np.argsort(self.schedule.scopes[i])) for i in tables]


def forward(schedule: Schedule, tables: Sequence[Values], *, maximise: bool = False) -> Tape:
    """Run a schedule: multiply tables and sum variables out.

    Each table that is made is divided by its largest entry, so that long products do not underflow.

    Args:
        schedule: The schedule.
        tables: The tables, in double precision, not negative, with entries up to about one.
        maximise: Whether variables are maximised out instead.

    Returns:
        The tape.

    Example:
        >>> from probdl.exact.tables.plan import make_plan
        >>> from probdl.exact.tables.schedule import make_schedule
        >>> schedule = make_schedule(make_plan([2], [(0,), (0,)], order=[0]))
        >>> tape = forward(schedule, [np.array([0.5, 0.5]), np.array([0.2, 0.6])])
        >>> print(f"{math.exp(tape.log_scale):.2f}")
        0.40
    """
    layouts, given = schedule.layouts, schedule.given
    values = [layout.lay(table) for layout, table in zip(layouts[:given], tables, strict=True)]
    scales: list[float] = []
    for step, found, layout in zip(schedule.plan.steps, schedule.contractions, layouts[given:], strict=True):
        combine = found.maximum if maximise else found.forward
        made = combine(*[values[table] for table in step.tables])
        scale = np.maximum.reduce(made, axis=None)
        if scale <= 0:
            return Tape(schedule, values, scales, -math.inf)
        made /= scale
        scales.append(scale)
        values.append(layout.lay(made))
    scalars = [values[table].item() for table in schedule.plan.left if not schedule.scopes[table]]
    if not all(scalars):
        return Tape(schedule, values, scales, -math.inf)
    return Tape(schedule, values, scales, math.fsum(np.log([*scales, *scalars])))


def outsides(tape: Tape, backward: Backward, *, masked: bool = False) -> dict[int, Values]:
    """Run a schedule backward: the derivative of the log of the sum in each table.

    The derivative in a table times the table is the posterior marginal of its variables.

    Args:
        tape: What the pass forward left; nothing may have been kept.
        backward: The steps that reach the tables whose derivatives are wanted: `Schedule.back_to`.
        masked: Whether derivatives in entries that are zero are set to zero. They do not matter to marginals,
            but may overflow, and then others are no numbers.

    Returns:
        The derivatives by table, as it is laid out; those of some others are among them.

    Example:
        >>> from probdl.exact.tables.plan import make_plan
        >>> from probdl.exact.tables.schedule import make_schedule
        >>> schedule = make_schedule(make_plan([2], [(0,), (0,)], order=[0]))
        >>> tape = forward(schedule, [np.array([0.5, 0.5]), np.array([0.2, 0.6])])
        >>> (outsides(tape, schedule.back_to([0]))[0] * tape.values[0]).ravel().round(6).tolist()
        [0.25, 0.75]

    Source:
        Darwiche (2003), doi:10.1145/765568.765570: marginals are derivatives of the network polynomial.
    """
    schedule, values, scales = tape.schedule, tape.values, tape.scales
    steps, given = schedule.plan.steps, schedule.given
    found = {table: 1 / values[table] for table in schedule.plan.left}
    with np.errstate(over="ignore", invalid="ignore"):
        for step, places in backward:
            made, tables = given + step, steps[step].tables
            outside = schedule.layouts[made].undo(found[made]) / scales[step]
            for place in places:
                table = tables[place]
                others = [values[other] for other in tables if other != table]
                inner = schedule.contractions[step].outside(place, outside, *others)
                found[table] = np.where(values[table] > 0, inner, 0.0) if masked else inner
    return found
