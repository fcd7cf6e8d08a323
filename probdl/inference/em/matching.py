"""Which arguments of distributions are entries of params: told by their values at random params."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from probdl.inference.em.arguments import Argument, Chances, Group
from probdl.inference.em.normal_arguments import Location, Spread
from probdl.program.bound import Constant
from probdl.program.states import base

CLOSE = 1e-9


@dataclass(frozen=True)
class Use:
    """Where a param is an argument of a distribution. Static.

    Attributes:
        argument: Which argument it is.
        param: The param.
        entries: Which entry of the param, flat, each entry of the argument is.
        location: For a spread, the location if it is no param.
    """

    argument: Argument
    param: str
    entries: Constant
    location: Constant | None = None


class Looked(NamedTuple):
    """What the program makes of some position."""

    values: dict[str, np.ndarray]
    arguments: list[np.ndarray]
    factors: list[np.ndarray]
    rest: np.ndarray


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two arrays are not the same."""
    return not np.array_equal(one, other, equal_nan=True)


class Matching:
    """Arguments at two random positions beside the params there.

    Args:
        arguments: The arguments.
        first: What the program makes of one position.
        second: And of another.
        supports: The constraint on each param.
    """

    def __init__(
        self, arguments: Sequence[Argument], first: Looked, second: Looked, supports: Mapping[str, Any]
    ) -> None:
        self._supports = supports
        self._read = {a: (x, y) for a, x, y in zip(arguments, first.arguments, second.arguments, strict=True)}
        self._values = {
            name: (first.values[name].reshape(-1), second.values[name].reshape(-1)) for name in first.values
        }

    def firsts(self, name: str) -> np.ndarray:
        """Return the first entry of a param that is always equal to each entry."""
        found = self._entries(self._values[name], name)
        return np.arange(self._values[name][0].size) if found is None else found

    def uses(self, group: Group, touched: Mapping[str, set[int]]) -> list[Use]:
        """Return the way in which an argument is a param, if it is.

        Args:
            group: The argument, in all ways in which it may be written.
            touched: The factors that change with each param.
        """
        whole = self._read[group[0]]
        if isinstance(group[0], Chances) and not all(np.allclose(x.sum(group[0].axis), 1) for x in whole):
            return []
        for argument in group:
            for name, factors in touched.items():
                is_free = any(base(self._supports[name]) is base(free) for free in argument.supports)
                may_be = argument.factor in factors and is_free
                entries = self._entries(self._read[argument], name) if may_be else None
                if entries is not None:
                    return [Use(argument, name, Constant.of(entries), self._location(argument))]
        return []

    def are_sound(self, name: str, uses: Sequence[Use], groups: Sequence[Group], factors: set[int]) -> bool:
        """Return whether the maximum by one param is a mean over what it is an argument of.

        Args:
            name: The param.
            uses: How params are arguments.
            groups: All arguments.
            factors: The factors that change with the param.
        """
        own = [use for use in uses if use.param == name]
        first = own[0].argument
        used = {use.argument for use in uses}
        others = [group for group in groups if group[0].factor in factors]
        return (
            {use.argument.factor for use in own} == factors
            and all(first.is_like(use.argument) for use in own)
            and all(self._is_constant(group) or used & {*group} for group in others)
            and (not isinstance(first, Location) or self._share_spread(own, others))
        )

    def _is_constant(self, group: Group) -> bool:
        return not differ(*self._read[group[0]])

    def _location(self, argument: Argument) -> Constant | None:
        """Return the location that belongs to a spread, if it is constant."""
        if not isinstance(argument, Spread):
            return None
        own = next(a for a in self._read if isinstance(a, Location) and a.factor == argument.factor)
        return Constant.of(self._read[own][0]) if self._is_constant((own,)) else None

    def _share_spread(self, own: Sequence[Use], groups: Sequence[Group]) -> bool:
        """Return whether all places that share an entry of a location have one spread."""
        seen: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for use in own:
            spread = next(
                self._read[group[0]][0]
                for group in groups
                if isinstance(group[0], Spread) and group[0].factor == use.argument.factor
            )
            entries = np.asarray(use.entries.array)
            size = spread.shape[-1] if spread.ndim > entries.ndim else 1
            rows = entries.reshape(-1, size)
            lead = (
                entries.shape if size == 1 else (*entries.shape[:-1], entries.shape[-1] // size, size, size)
            )
            blocks = np.broadcast_to(spread, lead).reshape(len(rows), -1)
            for row, block in zip(rows, blocks, strict=True):
                for entry in row:
                    known = seen.setdefault(int(entry), (row, block))
                    if not (np.array_equal(known[0], row) and np.allclose(known[1], block, rtol=CLOSE)):
                        return False
        return True

    def _entries(self, read: tuple[np.ndarray, np.ndarray], name: str) -> np.ndarray | None:
        one, other = self._values[name]
        order = np.argsort(one, kind="stable")
        if not read[0].size or not np.isfinite(read[0]).all():
            return None
        size = np.abs(one).max()
        places = np.searchsorted(one[order], read[0] - CLOSE * size)
        found = order[np.minimum(places, len(order) - 1)]
        is_equal = all(
            np.allclose(x, y[found], rtol=CLOSE, atol=CLOSE * np.abs(y).max())
            for x, y in zip(read, (one, other), strict=True)
        )
        return found if is_equal else None
