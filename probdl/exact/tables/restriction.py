"""What is left of tables when some variables are observed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from probdl.exact.tables.contraction import Axes, Values

FAR = 1e50


@dataclass(frozen=True, eq=False, slots=True)
class Restriction:
    """Tables in which some variables are observed, whatever their values.

    Attributes:
        factors: The tables that are left, by their position among all.
        observed: The variables that are observed.
        whole: The variables of each table that is left.
        scopes: Those of them that are not observed.
        starts: Where the entries of each table begin if all are put behind each other.
    """

    factors: tuple[int, ...]
    observed: frozenset[int]
    whole: tuple[Axes, ...]
    scopes: tuple[Axes, ...]
    starts: Int[np.ndarray, " table"]

    def tables(self, tables: Sequence[Values], states: Mapping[int, int]) -> tuple[list[Values], float]:
        """Slice tables at the observed states.

        Args:
            tables: All tables, in double precision.
            states: The state of each observed variable.

        Returns:
            The slices of those that are left; and the log of what some were divided by to come near to one.

        Raises:
            ValueError: If an entry is negative or not finite.
        """
        found = self.sliced(tables, states)
        if not found:
            return [], 0.0
        entries = np.concatenate([table.ravel() for table in found])
        if not (entries.min() >= 0 and entries.max() < np.inf):
            wrong = next(i for i, t in enumerate(found) if not ((t >= 0) & (t < np.inf)).all())
            bad = found[wrong][~((found[wrong] >= 0) & (found[wrong] < np.inf))].flat[0]
            raise ValueError(
                f"Expected tables of finite entries that are not negative; got {bad} in table "
                f"{self.factors[wrong]}. Give weights, not their logs."
            )
        highest = np.maximum.reduceat(entries, self.starts)
        log_scale = 0.0
        for i in np.flatnonzero((highest > FAR) | ((highest < 1 / FAR) & (highest > 0))).tolist():
            found[i] = found[i] / highest[i]
            log_scale += math.log(highest[i])
        return found, log_scale

    def sliced(self, tables: Sequence[Any], states: Mapping[int, Any]) -> list[Any]:
        """Slice tables, of NumPy or JAX, at the observed states.

        Args:
            tables: All tables.
            states: The state of each observed variable.

        Returns:
            The slices of those that are left.
        """
        parts = zip(self.factors, self.whole, self.scopes, strict=True)
        return [
            tables[i] if whole == scope else tables[i][self.index(whole, states)] for i, whole, scope in parts
        ]

    def index(self, scope: Axes, states: Mapping[int, Any]) -> tuple[Any, ...]:
        """Return where a table is sliced.

        Args:
            scope: The variables of the table.
            states: The state of each observed variable.

        Returns:
            A state or a full slice for each axis.
        """
        return tuple(states[v] if v in self.observed else slice(None) for v in scope)


def restrict(
    sizes: Sequence[int], scopes: Sequence[Axes], observed: Collection[int], factors: Collection[int]
) -> Restriction:
    """Observe some variables.

    Args:
        sizes: The number of states of each variable.
        scopes: The variables of each table.
        observed: The variables that are observed.
        factors: The tables that matter, by position.

    Returns:
        The restriction.

    Example:
        >>> restrict([2, 2], [(0, 1), (1,)], {1}, range(2)).scopes
        ((0,), ())
    """
    used, known = tuple(sorted(factors)), frozenset(observed)
    sliced = tuple(tuple(v for v in scopes[i] if v not in known) for i in used)
    lengths = [math.prod(sizes[v] for v in scope) for scope in sliced]
    starts = np.cumsum([0, *lengths])[:-1]
    return Restriction(used, known, tuple(scopes[i] for i in used), sliced, starts)


def relevant(
    scopes: Sequence[Axes], conditionals: Sequence[int | None], wanted: Collection[int]
) -> tuple[int, ...]:
    """Return the tables that are left when barren variables are removed.

    A variable that is neither observed nor asked for, and that is in one table alone, its own conditional
    distribution, sums to one: both are removed, again and again.

    Args:
        scopes: The variables of each table.
        conditionals: The variable over which each table sums to one, or None.
        wanted: The variables that are observed or asked for.

    Returns:
        The positions of the tables that matter.

    Example:
        >>> relevant([(0,), (0, 1), (1, 2)], [0, 1, 2], {1})
        (0, 1)

    Source:
        Shachter (1986), doi:10.1287/opre.34.6.871; Koller & Friedman (2009), §9.5.1.
    """
    having: dict[int, set[int]] = {}
    for table, scope in enumerate(scopes):
        for variable in scope:
            having.setdefault(variable, set()).add(table)
    left, waiting = set(range(len(scopes))), list(range(len(scopes)))
    while waiting:
        table = waiting.pop()
        own = conditionals[table]
        if table not in left or own is None or own in wanted or having[own] != {table}:
            continue
        left.remove(table)
        for variable in scopes[table]:
            having[variable].discard(table)
            waiting.extend(having[variable])
    return tuple(sorted(left))
