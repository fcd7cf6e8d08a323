"""Tables of finite variables as numbered variables and axes; what a user gives is checked here."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from probdl.errors import did_you_mean
from probdl.exact.tables.contraction import Axes, Values


class Problem(NamedTuple):
    """The shapes of a product of tables.

    Attributes:
        names: The variables; elsewhere they are numbers, their positions here.
        number: The number of each variable.
        sizes: The number of states of each variable.
        scopes: The variables of each table, in the order of its axes.
        shapes: The shape of each table.
        conditionals: The variable over which each table sums to one, or None where that is not known.
    """

    names: tuple[Hashable, ...]
    number: dict[Hashable, int]
    sizes: tuple[int, ...]
    scopes: tuple[Axes, ...]
    shapes: tuple[Axes, ...]
    conditionals: tuple[int | None, ...]

    def arrays(self, tables: Sequence[Any]) -> list[Values]:
        """Return tables in double precision.

        Args:
            tables: The tables.

        Returns:
            Arrays of the right shapes.

        Raises:
            ValueError: If their number or a shape is wrong.
        """
        found = [np.asarray(table, np.float64) for table in tables]
        self.check(found)
        return found

    def check(self, tables: Sequence[Any]) -> None:
        """Check the shapes of tables.

        Args:
            tables: Arrays.

        Raises:
            ValueError: If their number or a shape is wrong.
        """
        if len(tables) != len(self.scopes):
            raise ValueError(
                f"Expected {len(self.scopes)} tables, one for each scope; got {len(tables)}. Give them in "
                f"the order of the scopes."
            )
        for i, (table, shape) in enumerate(zip(tables, self.shapes, strict=True)):
            if table.shape != shape:
                axes = ", ".join(repr(self.names[v]) for v in self.scopes[i])
                raise ValueError(
                    f"Expected table {i} to have shape {shape}, one axis each for {axes or 'no variable'}; "
                    f"got shape {table.shape}. Give the axes in the order of the scope."
                )

    def states(self, evidence: Mapping[Any, Any]) -> dict[int, int]:
        """Return observed states by the number of the variable.

        Args:
            evidence: States by variable.

        Returns:
            The states.

        Raises:
            ValueError: If a variable is not known, or has no such state.
            TypeError: If a state is no integer.
        """
        found = {}
        for v, (name, value) in zip(self.numbers(evidence), evidence.items(), strict=True):
            try:
                state = operator.index(value)
            except TypeError:
                raise TypeError(
                    f"Expected the number of a state of {name!r}; got {value!r}. Give an integer from 0 to "
                    f"{self.sizes[v] - 1}."
                ) from None
            if not 0 <= state < self.sizes[v]:
                raise ValueError(
                    f"Expected a state of {name!r} from 0 to {self.sizes[v] - 1}; got {state}. Count from 0."
                )
            found[v] = state
        return found

    def numbers(self, names: Iterable[Any]) -> list[int]:
        """Return the numbers of variables.

        Args:
            names: The variables.

        Returns:
            Their numbers.

        Raises:
            ValueError: If a variable is not known.
        """
        found = []
        for name in names:
            if name not in self.number:
                hint = did_you_mean(str(name), map(str, self.names))
                raise ValueError(f"Expected a variable of the tables; got {name!r}. {hint}")
            found.append(self.number[name])
        return found


def make_problem(
    sizes: Mapping[Any, int], scopes: Sequence[Sequence[Any]], conditionals: Sequence[Any] | None
) -> Problem:
    """Number the variables of tables.

    Args:
        sizes: The number of states by variable.
        scopes: The variables of each table, in the order of its axes.
        conditionals: For each table, the variable over which it sums to one for all states of the others, or
            None; None for all if nothing is known.

    Returns:
        The problem.

    Raises:
        ValueError: If a size is not positive; if a scope has an unknown variable, or one twice; if a variable
            is in no table; if the conditionals do not fit the scopes.
    """
    names = tuple(sizes)
    number = {name: v for v, name in enumerate(names)}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"Expected at least one state of {name!r}; got {size}. Count its states.")
    for i, scope in enumerate(scopes):
        for name in scope:
            if name not in number:
                hint = did_you_mean(str(name), map(str, names))
                raise ValueError(f"Expected variables with sizes in scope {i}; got {name!r}. {hint}")
        if len(set(scope)) < len(scope):
            raise ValueError(
                f"Expected different variables in scope {i}; got {tuple(scope)}. Take a diagonal."
            )
    missing = set(names).difference(*scopes)
    if missing:
        name = min(missing, key=number.__getitem__)
        raise ValueError(
            f"Expected each variable in a table; got {name!r} in none. Leave it out of the sizes."
        )
    own = [None] * len(scopes) if conditionals is None else list(conditionals)
    if len(own) != len(scopes) or any(
        n is not None and n not in s for n, s in zip(own, scopes, strict=False)
    ):
        raise ValueError(
            f"Expected for each of {len(scopes)} scopes one of its variables or None as conditionals; got "
            f"{own[:6]}. Name the variable over which each table sums to one."
        )
    return Problem(
        names,
        number,
        tuple(sizes.values()),
        tuple(tuple(number[name] for name in scope) for scope in scopes),
        tuple(tuple(sizes[name] for name in scope) for scope in scopes),
        tuple(None if name is None else number[name] for name in own),
    )
