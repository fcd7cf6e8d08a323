"""Posterior marginals read off the tables of an elimination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probdl.exact.tables.contraction import Values
from probdl.exact.tables.order import members, size_of
from probdl.exact.tables.schedule import Backward, Schedule
from probdl.exact.tables.sum_product import Tape, outsides

SMALL = 4096


@dataclass(frozen=True, eq=False)
class Readout:
    """Where the marginal of each variable is read: in the smallest table that has it.

    All marginals are sums of some entries of those tables, put behind each other: one sum over segments does
    the work of one call for each variable.

    Attributes:
        variables: The variables.
        tables: The tables that are read.
        reduced: Tables that are large, each with the axes over which it is summed at once.
        entries: Positions among all entries read, state by state of variable by variable.
        states: Where among them each state begins.
        starts: Where among the states each variable begins.
        sizes: The number of states of each variable.
        backward: The pass backward to all those tables.
    """

    variables: tuple[int, ...]
    tables: tuple[int, ...]
    reduced: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]
    entries: Int[np.ndarray, " entry"]
    states: Int[np.ndarray, " state"]
    starts: Int[np.ndarray, " variable"]
    sizes: Int[np.ndarray, " variable"]
    backward: Backward

    def marginals(self, tape: Tape) -> list[Float[np.ndarray, " state"]]:
        """Return the posterior marginal of each variable.

        Args:
            tape: What a pass forward left.

        Returns:
            The marginals, in the order of `variables`.
        """
        if not self.variables:
            return []
        sums = self._sums(tape, masked=False)
        if not np.isfinite(sums).all():
            sums = self._sums(tape, masked=True)
        sums /= np.repeat(np.add.reduceat(sums, self.starts), self.sizes)
        starts = self.starts.tolist()
        return [sums[start:end] for start, end in zip(starts, [*starts[1:], len(sums)], strict=True)]

    def _sums(self, tape: Tape, *, masked: bool) -> Float[np.ndarray, " state"]:
        found = outsides(tape, self.backward, masked=masked)
        with np.errstate(over="ignore", invalid="ignore"):
            parts = [(found[table] * tape.values[table]).ravel() for table in self.tables]
            for table, shape, axes in self.reduced:
                parts.append((found[table] * tape.values[table]).reshape(shape).sum(axis=axes))
            return np.add.reduceat(np.concatenate(parts)[self.entries], self.states)


def make_readout(schedule: Schedule) -> Readout:
    """Choose where to read the marginal of each variable that is summed out.

    Args:
        schedule: The schedule.

    Returns:
        The readout.
    """
    sizes = schedule.plan.sizes
    best: dict[int, tuple[int, int]] = {}
    for table, bits in enumerate(schedule.plan.tables):
        way = schedule.taken_by.get(table)
        # A table that is given needs a derivative of its own; those of tables that are made lie on the way.
        work = schedule.plan.steps[way[0]].multiplications if way and table < schedule.given else 0
        cost = size_of(bits, sizes) + work
        for variable in members(bits):
            best[variable] = min(best.get(variable, (cost, table)), (cost, table))
    places: dict[int, int] = {}
    tables, reduced, pieces, end = [], [], [], 0
    for table in sorted({table for _, table in best.values()}):
        entries = size_of(schedule.plan.tables[table], sizes)
        if entries <= SMALL:
            places[table] = end
            tables.append(table)
            end += entries
    for variable, (_, table) in sorted(best.items()):
        scope = schedule.scopes[table]
        shape = tuple(sizes[v] for v in scope)
        axis = scope.index(variable)
        if table in places:
            numbers = places[table] + np.arange(np.prod(shape, dtype=int)).reshape(shape)
            pieces.append(np.moveaxis(numbers, axis, 0).reshape(shape[axis], -1))
        else:
            reduced.append((table, shape, tuple(i for i in range(len(shape)) if i != axis)))
            pieces.append(end + np.arange(shape[axis])[:, None])
            end += shape[axis]
    own = np.array([len(piece) for piece in pieces], int)
    lengths = np.concatenate([np.full(len(piece), piece.shape[1]) for piece in pieces] or [np.zeros(0, int)])
    return Readout(
        tuple(sorted(best)),
        tuple(tables),
        tuple(reduced),
        np.concatenate([piece.ravel() for piece in pieces] or [np.zeros(0, int)]),
        np.cumsum(lengths) - lengths,
        np.cumsum(own) - own,
        own,
        schedule.back_to([*tables, *(table for table, _, _ in reduced)]),
    )


def factor_marginals(tape: Tape) -> list[Values]:
    """Return the posterior marginal of the variables of each table that is given.

    Args:
        tape: What a pass forward left.

    Returns:
        Tables that sum to one, with the axes of those that were given.
    """
    joint = _factor_marginals(tape, masked=False)
    if not all(np.isfinite(table).all() for table in joint):
        joint = _factor_marginals(tape, masked=True)
    return joint


def _factor_marginals(tape: Tape, *, masked: bool) -> list[Values]:
    layouts, given = tape.schedule.layouts, range(tape.schedule.given)
    found = outsides(tape, tape.schedule.back_to(given), masked=masked)
    with np.errstate(over="ignore", invalid="ignore"):
        joint = [layouts[table].undo(found[table] * tape.values[table]) for table in given]
        return [table / table.sum() for table in joint]


def spread(marginal: Values, shape: Sequence[int], index: tuple[int | slice, ...]) -> Values:
    """Return a marginal over all axes of a table, some of which were observed.

    Args:
        marginal: The marginal of the variables that were not observed.
        shape: The shape of the whole table.
        index: The observed state or a full slice for each axis.

    Returns:
        A table that is zero but for the observed states.

    Example:
        >>> spread(np.array([0.25, 0.75]), (2, 2), (slice(None), 1)).tolist()
        [[0.0, 0.25], [0.0, 0.75]]
    """
    whole = np.zeros(shape)
    whole[index] = marginal
    return whole
