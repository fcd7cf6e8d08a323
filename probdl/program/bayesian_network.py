"""A Bayesian network of finite variables: states, parents and tables that are a NumPyro program."""

from __future__ import annotations

import functools
import graphlib
import hashlib
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from probdl.errors import CyclicGraph, SiteNotFound, did_you_mean

ROUNDING = 2e-3  # thirds that are written with three digits
EXACT = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class BayesianNetwork:
    """A Bayesian network of finite variables, which is a NumPyro program.

    Called, it draws each variable from a categorical distribution given its parents; the values of its sites
    are codes, the positions of the states. `Model(network)` keeps the tables as constants of the program.
    `Model(network, dict(network.tables))` hands them over as data: other tables then need no compilation.
    Two networks are equal if they have the same variables, states, parents and tables.

    Args:
        states: Names of the states by variable.
        parents: Parents by variable.
        tables: Probabilities by variable; the axes are those of the parents, then that of its own states.
            Rows that sum to one but for rounding are normalised.

    Attributes:
        variables: The variables, parents before children, else in the order given.

    Raises:
        SiteNotFound: If a parent is no variable.
        CyclicGraph: If a variable is among its own ancestors.
        ValueError: If states, parents or tables do not fit together; the message names variable and row.

    Example:
        >>> network = BayesianNetwork(
        ...     {"rain": ("yes", "no"), "wet": ("yes", "no")},
        ...     {"rain": (), "wet": ("rain",)},
        ...     {"rain": np.array([0.2, 0.8]), "wet": np.array([[0.9, 0.1], [0.3, 0.7]])},
        ... )
        >>> from probdl.program.model import Model
        >>> model = Model(network).condition(**network.codes(wet="yes"))
        >>> print(f"{np.exp(model.log_joint(network.codes(rain='yes'))):.2f}")  # 0.2 * 0.9
        0.18
    """

    states: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        """Check that all parts fit, and put them in order."""
        _check_names(self.states, self.parents, self.tables)
        order = _in_order(self.parents)
        states = {name: tuple(self.states[name]) for name in order}
        parents = {name: tuple(self.parents[name]) for name in order}
        tables = {}
        for name in order:
            table = np.array(self.tables[name], dtype=np.float64)
            axes = [*parents[name], name]
            shape = tuple(len(states[axis]) for axis in axes)
            if table.shape != shape:
                raise ValueError(
                    f"Expected a table of shape {shape} for '{name}', one axis each for {', '.join(axes)}; "
                    f"got shape {table.shape}. Give {shape[-1]} probabilities for each state of the parents."
                )
            check_rows(name, table, functools.partial(given, parents[name], states), "Correct that row.")
            tables[name] = _normalised(table)
            tables[name].setflags(write=False)
        for field, value in (("states", states), ("parents", parents), ("tables", tables)):
            object.__setattr__(self, field, MappingProxyType(value))

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables, parents before children."""
        return tuple(self.parents)

    def __call__(self, tables: Mapping[str, Any] | None = None) -> None:
        """Run the program.

        Args:
            tables: Tables to use in the place of its own, of the same shapes.
        """
        used = self.tables if tables is None else tables
        drawn: dict[str, Any] = {}
        for name, parents in self.parents.items():
            # The type is named: JAX keeps the type that a constant array had in another precision.
            table = jnp.asarray(used[name], jnp.result_type(float))
            index = tuple(_as_index(drawn[parent]) for parent in parents)
            drawn[name] = numpyro.sample(name, dist.CategoricalProbs(table[index] if index else table))

    def codes(self, /, **states: Any) -> dict[str, Any]:
        """Return the codes of states that are given by name, as `condition` and `do` want them.

        Args:
            **states: The name of a state by variable, or an array of them.

        Returns:
            An integer by variable, or an array of integers.

        Raises:
            SiteNotFound: If a name is no variable.
            ValueError: If a variable has no such state.
        """
        found = {}
        for name, wanted in states.items():
            number = {state: code for code, state in enumerate(self._states_of(name, "codes"))}
            labels = np.asarray(wanted)
            for label in labels.ravel().tolist():
                if label not in number:
                    raise ValueError(
                        f"Expected a state of '{name}'; got {label!r}. {did_you_mean(str(label), number)}"
                    )
            codes = np.array([number[label] for label in labels.ravel().tolist()], int)
            found[name] = codes.reshape(labels.shape) if labels.ndim else int(codes[0])
        return found

    def labels(self, /, **codes: Any) -> dict[str, Any]:
        """Return the names of states that are given by code: the inverse of `codes`.

        Args:
            **codes: An integer by variable, or an array of integers, such as draws.

        Returns:
            The name of a state by variable, or an array of them.

        Raises:
            SiteNotFound: If a name is no variable.
            ValueError: If a variable has no such code.
        """
        found = {}
        for name, value in codes.items():
            states, code = np.array(self._states_of(name, "labels")), np.asarray(value)
            known = np.isin(code, np.arange(len(states)))
            if not known.all():
                raise ValueError(
                    f"Expected codes of '{name}' from 0 to {len(states) - 1}; got {code[~known].flat[0]}. "
                    f"Give the positions of states: {did_you_mean('', states.tolist())}"
                )
            labels = states[code.astype(int)]
            found[name] = labels if code.ndim else str(labels)
        return found

    def with_tables(self, tables: Mapping[str, Any] | None = None) -> BayesianNetwork:
        """Return the network with other tables: takes what a model of this program is given.

        Args:
            tables: Tables of the same shapes, or None for its own.

        Returns:
            A network.
        """
        return self if tables is None else BayesianNetwork(self.states, self.parents, tables)

    def _states_of(self, name: str, where: str) -> tuple[str, ...]:
        if name not in self.states:
            raise SiteNotFound(name, self.states, where)
        return self.states[name]

    @functools.cached_property
    def _digest(self) -> bytes:
        digest = hashlib.sha256(repr((dict(self.states), dict(self.parents))).encode())
        for table in self.tables.values():
            digest.update(np.ascontiguousarray(table).tobytes())
        return digest.digest()

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, BayesianNetwork) and self._digest == other._digest

    def __hash__(self) -> int:
        """Hash the content; the tables are read once."""
        return hash(self._digest)

    def __repr__(self) -> str:
        """Return a line without the tables."""
        edges = sum(map(len, self.parents.values()))
        return f"BayesianNetwork({len(self.parents)} variables, {edges} edges)"


def given(parents: Sequence[str], states: Mapping[str, Sequence[Any]], index: Sequence[int]) -> str:
    """Return a row of a table in words, as a part of a message: ' given rain=yes', '' without parents."""
    named = ", ".join(f"{parent}={states[parent][i]}" for parent, i in zip(parents, index, strict=True))
    return f" given {named}" if parents else ""


def check_rows(name: str, table: np.ndarray, where: Callable[[tuple[int, ...]], str], remedy: str) -> None:
    """Check that each row of a table is a distribution, but for rounding.

    Args:
        name: The variable.
        table: Its table; rows lie along the last axis.
        where: Says which row an index means, as a part of the message.
        remedy: What to do about it, the end of the message.

    Raises:
        ValueError: If a row has a negative entry, or does not sum to one; the message names it.
    """
    good = (table >= 0).all(axis=-1) & (np.abs(table.sum(axis=-1) - 1) <= ROUNDING)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        row = table[index]
        values = ", ".join(f"{value:g}" for value in row[:6]) + (", ..." if len(row) > 6 else "")
        raise ValueError(
            f"Expected probabilities of '{name}'{where(index)} that are not negative and sum to 1; got "
            f"{values}, which sum to {row.sum():.6g}. {remedy}"
        )


def _normalised(table: np.ndarray) -> np.ndarray:
    """Divide rows by their sums, but not exact ones: what is written and read again must not change."""
    total = table.sum(axis=-1, keepdims=True)
    return np.where(np.abs(total - 1) > EXACT, table / total, table)


def _as_index(value: Any) -> Any:
    """Return codes as integers: a Boolean would select, a float is no index."""
    is_integer = jnp.issubdtype(jnp.result_type(value), jnp.integer)
    return value if is_integer else jnp.asarray(value).astype(int)


def _check_names(
    states: Mapping[str, Sequence[str]], parents: Mapping[str, Sequence[str]], tables: Mapping[str, Any]
) -> None:
    for what, found in (("parents", parents), ("tables", tables)):
        if set(found) != set(states):
            odd = sorted(set(found) ^ set(states))[0]
            raise ValueError(
                f"Expected the same variables in states and {what}; got '{odd}' in one of them alone. Give "
                f"each variable its states, its parents, () if it has none, and its table."
            )
    for name in states:
        for what, found in (("states", states[name]), ("parents", parents[name])):
            twice = next((item for i, item in enumerate(found) if item in found[:i]), None)
            if twice is not None:
                raise ValueError(
                    f"Expected different {what} of '{name}'; got '{twice}' twice. Rename or remove one."
                )
        if not states[name]:
            raise ValueError(f"Expected at least one state of '{name}'; got none. Name its states.")
        for parent in parents[name]:
            if parent not in states:
                raise SiteNotFound(parent, states, f"the parents of '{name}'")


def _in_order(parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the variables with parents before children, else in the order given."""
    sorter = graphlib.TopologicalSorter(parents)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise CyclicGraph(error.args[1][:-1]) from None
    names = list(parents)
    place = {name: i for i, name in enumerate(names)}
    ready = sorted(place[name] for name in sorter.get_ready())
    order = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        sorter.done(name)
        for free in sorter.get_ready():
            heapq.heappush(ready, place[free])
    return order
