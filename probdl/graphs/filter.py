"""Whether data obey the independencies that a graph implies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array

from probdl.graphs.conditional_independence import FEWEST_ROWS, IndependenceTest, Outcome, choose_test
from probdl.graphs.elements import find_region
from probdl.graphs.independence import Independence
from probdl.graphs.independencies import Kind, independencies
from probdl.graphs.measured import WHERE, Measured, measure
from probdl.graphs.residual_test import ResidualTest
from probdl.graphs.scores import Columns, is_categorical
from probdl.graphs.separation import d_separated
from probdl.program.keys import as_key

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

MOST_COLUMNS = 4
MOST_READ = 10_000
ROWS_PER_COLUMN = 30
COLUMNS = ("statement", "test", "n", "effect", "statistic", "p_value", "adjusted")


@dataclass(frozen=True, eq=False)
class IndependenceReport:
    """Which of the independencies of a graph the data contradict. It prints itself.

    Attributes:
        table: A row for each statement that was tested: the statement, the test, its rows n, the effect
            (from 0 to 1, on the scale of a correlation), the statistic, its p-value, and that adjusted for
            the number of statements.
        statements: The statements, in the order of the rows.
        level: The share of false alarms among the failures that is accepted.
        notes: What was left out, and why.
    """

    table: pd.DataFrame
    statements: tuple[Independence, ...]
    level: float
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Independence, ...]:
        """The statements that the data contradict, the most certain first."""
        return tuple(self.statements[i] for i in self._failed_rows)

    @property
    def passed(self) -> bool:
        """Whether no statement fails."""
        return not self._failed_rows

    @property
    def _failed_rows(self) -> list[int]:
        order = np.lexsort((-self.table["effect"].to_numpy(float), self.table["p_value"].to_numpy(float)))
        return [int(i) for i in order if self.table["adjusted"].iloc[i] <= self.level]

    def __str__(self) -> str:
        """Say whether the graph holds, what fails, and what was left out."""
        lines, rows = [self.verdict], self._failed_rows
        if rows:
            failures = self.table.iloc[rows].assign(
                effect=[f"{value:.2f}" for value in self.table["effect"].iloc[rows]],
                p_value=[p_text(value) for value in self.table["p_value"].iloc[rows]],
                adjusted=[p_text(value) for value in self.table["adjusted"].iloc[rows]],
            )
            width = max(len(text) for text in failures["statement"])
            failures["statement"] = failures["statement"].str.ljust(width)
            lines.append(failures.drop(columns="statistic").to_string(index=False))
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__

    @property
    def verdict(self) -> str:
        """How many statements fail, in a sentence."""
        count, failures = len(self.table), len(self._failed_rows)
        if not count:
            return "No independency was tested."
        what = "independency" if count == 1 else "independencies"
        if not failures:
            return f"None of {count} {what} fails at level {self.level:g}."
        return f"{failures} of {count} {what} {'fails' if failures == 1 else 'fail'} at level {self.level:g}."


def check_independencies(
    graph: nx.DiGraph,
    data: Any,
    kind: Kind = "minimal",
    *,
    statements: Iterable[Independence] | None = None,
    level: float = 0.05,
    test: IndependenceTest | None = None,
    key: int | Array = 0,
    max_statements: int = 100,
    max_given: int = 10,
) -> IndependenceReport:
    """Test whether data obey the independencies that a graph implies.

    A graph is a filter: distributions pass that have all its independencies. Draws from the prior of a
    model pass through its own graph. Posterior draws pass given the observed sites: of the statements,
    those are tested that hold when these are given as well. They are thinned by their autocorrelation.

    Each statement is tested once: by a `GTest` if all its columns are categories with enough rows each, else
    by a `ResidualTest`. p-values are adjusted by Benjamini and Yekutieli's procedure, which holds however the
    tests depend on each other: of all the failures, an expected share of at most `level` are false alarms.
    Of an x or y of more than 4 columns, 4 are used, evenly spaced; rows with missing values are left out.

    Args:
        graph: The graph of a program, or any acyclic directed graph.
        data: A data frame or a mapping of arrays, by node or by element ("x[3]"), a draw a row; a Result;
            or what `model.sample(key, n)` returns.
        kind: Which independencies; see `independencies`.
        statements: These instead, if given.
        level: The share of false alarms among the failures that is accepted.
        test: The test of all statements; by default the one that fits the columns.
        key: A seed or a JAX key, for tests that draw.
        max_statements: After how many the test ends.
        max_given: Statements that are given more columns than these are left out, as are those for whose
            regression there are fewer than 30 rows a column: what it misses would look like dependence.

    Returns:
        The report, with a table of all statements.

    Raises:
        TypeError: If the data are of another type, or hold what is neither a number nor a category.
        SiteNotFound: If a name is unknown.
        ValueError: If no column is a node, if a shape does not fit, or if there are fewer than 40 rows.

    Example:
        >>> import networkx as nx
        >>> x, y = np.random.default_rng(0).normal(size=(2, 200))
        >>> collider = nx.DiGraph([("x", "z"), ("y", "z")])
        >>> print(check_independencies(collider, {"x": x, "y": y, "z": x + y}))
        None of 1 independency fails at level 0.05.
        >>> chain = nx.DiGraph([("x", "z"), ("z", "y")])
        >>> check_independencies(chain, {"x": x, "y": y, "z": x + y}).failed
        (Independence(x=('x',), y=('y',), given=('z',)),)

    Source:
        Bishop & Bishop (2023), §11.2.7; Benjamini & Yekutieli (2001), doi:10.1214/aos/1013699998.
    """
    import pandas as pd
    from scipy.stats import false_discovery_control

    measured = measure(graph, data)
    if measured.count < FEWEST_ROWS:
        raise ValueError(
            f"Expected at least {FEWEST_ROWS} independent rows in {WHERE}; got {measured.count}. "
            f"Measure or draw more."
        )
    asked = _asked(graph, independencies(graph, kind) if statements is None else statements, measured)
    left_out: Counter[str] = Counter()
    tested, rows = [], []
    for statement in asked:
        if len(tested) == max_statements:
            left_out[f"Only the first {max_statements} statements were tested: raise max_statements."] = 0
            break
        columns = _columns(graph, statement, measured)
        if isinstance(columns, str):
            left_out[columns] += 1
            continue
        chosen = test or choose_test(*columns)
        if reason := _too_many(columns[2], chosen, max_given):
            left_out[reason] += 1
            continue
        outcome = chosen(*columns, jax.random.fold_in(as_key(key), len(tested)))
        tested.append(statement)
        rows.append(_row(statement, chosen, len(columns[0]), outcome))
    table = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    table["adjusted"] = false_discovery_control(table["p_value"], method="by") if rows else table["p_value"]
    return IndependenceReport(table, tuple(tested), level, (*measured.notes, *_notes(left_out)))


def p_text(p_value: float) -> str:
    """Write a p-value with the digits that matter.

    Args:
        p_value: A p-value.

    Returns:
        The text.

    Example:
        >>> p_text(0.0234), p_text(3e-7), p_text(0.0)
        ('0.023', '3e-07', '<1e-16')
    """
    if p_value < 1e-16:
        return "<1e-16"
    return f"{p_value:.0e}" if p_value < 1e-3 else f"{p_value:.2g}"


def _asked(
    graph: nx.DiGraph, statements: Iterable[Independence], measured: Measured
) -> Iterator[Independence]:
    """Yield statements that hold when the observed nodes are given as well, each once."""
    seen = set()
    for statement in islice(statements, MOST_READ):
        if measured.observed:
            x, y, given = (
                tuple(name for name in names if _node(graph, name) not in measured.observed)
                for names in (statement.x, statement.y, statement.given)
            )
            given = (*given, *(node for node in graph if node in measured.observed))
            if not x or not y or not d_separated(graph, x, y, given):
                continue
            statement = Independence(x, y, given)
        if statement not in seen:
            seen.add(statement)
            yield statement


def _node(graph: nx.DiGraph, name: Hashable) -> Hashable:
    return find_region(graph, name, WHERE).node


def _columns(
    graph: nx.DiGraph, statement: Independence, measured: Measured
) -> tuple[Columns, Columns, Columns] | str:
    """Return the columns of a statement; or why it cannot be tested."""
    found, missing = [], {}
    for names in (statement.x, statement.y, statement.given):
        regions = [find_region(graph, name, WHERE) for name in names]
        regions = [region for region in regions if region.node not in measured.observed]
        parts = {region: measured.of(region) for region in regions}
        missing |= {str(region.node): None for region, part in parts.items() if part is None}
        found.append([part for part in parts.values() if part is not None])
    if missing:
        return f"no data of {', '.join(missing)}"
    x, y, given = (np.concatenate([np.zeros((measured.count, 0)), *parts], 1) for parts in found)
    x, y = (part[:, _spread(part.shape[1])] for part in (x, y))
    whole = np.isfinite(np.concatenate([x, y, given], 1)).all(1)
    if whole.sum() < FEWEST_ROWS:
        return f"fewer than {FEWEST_ROWS} rows without missing values"
    x, y, given = (part[whole] for part in (x, y, given))
    for names, part in ((statement.x, x), (statement.y, y)):
        if not np.ptp(part, axis=0).any():
            return f"the data of {', '.join(map(str, names))} do not vary"
    return x, y, given[:, np.ptp(given, axis=0) > 0.0]


def _too_many(given: Columns, test: IndependenceTest, max_given: int) -> str:
    """Return why so many columns cannot be given, if they cannot: regressions on them need rows."""
    rows, count = given.shape
    if isinstance(test, ResidualTest):
        levels = [len(np.unique(column)) if is_categorical(column) else 2 for column in given.T]
        if sum(levels) - count > rows / ROWS_PER_COLUMN:
            return f"{rows} rows are too few for a regression on all that is given"
    return f"more than {max_given} columns are given: see max_given" if count > max_given else ""


def _spread(count: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, MOST_COLUMNS)).astype(int)))


def _row(statement: Independence, test: IndependenceTest, count: int, outcome: Outcome) -> tuple[Any, ...]:
    name = getattr(test, "__name__", type(test).__name__)
    if not 0.0 <= outcome.p_value <= 1.0:
        raise ValueError(
            f"Expected a p-value from 0 to 1 from {name}; got {outcome.p_value}, of {statement}. Mend it."
        )
    return str(statement), name, count, outcome.effect, outcome.statistic, outcome.p_value


def _notes(left_out: Counter[str]) -> Iterator[str]:
    """Yield what was left out, in words."""
    for reason, count in left_out.items():
        yield f"{count} statement{'s' if count > 1 else ''} left out: {reason}." if count else reason
