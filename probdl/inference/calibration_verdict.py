"""What is said of a test of many quantities together: p-values for all of them, and a verdict in words."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from probdl.inference.method import Method

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 10
LEAST_P = 1e-12


def checked_rate(rate: Any) -> float:
    """Return a rate of false alarms.

    Args:
        rate: What was given.

    Returns:
        The rate.

    Raises:
        ValueError: If it is not between 0 and 1.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not 0 < rate < 1:
        raise ValueError(
            f"Expected false_alarm_rate between 0 and 1; got {rate!r}. Pass for instance "
            f"false_alarm_rate=0.01."
        )
    return float(rate)


def family_wise(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Return p-values adjusted for their number: the least is below a level no more often than that.

    Args:
        p_values: p-values of tests, however they depend on each other.

    Returns:
        Adjusted ones.

    Example:
        >>> family_wise(np.array([0.01, 0.5, 0.02]))
        array([0.03, 0.5 , 0.04])

    Source:
        Holm (1979).
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def p_text(p_value: float) -> str:
    """Return a p-value as it is written.

    Args:
        p_value: The p-value.

    Returns:
        Two digits.

    Example:
        >>> p_text(0.1234), p_text(2.34e-7), p_text(0.0)
        ('0.12', '2e-07', 'below 1e-12')
    """
    if p_value < LEAST_P:
        return f"below {LEAST_P:g}"
    return f"{p_value:.2g}" if p_value >= 0.001 else f"{p_value:.0e}"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Verdict(abc.ABC):
    """What a test of many quantities found of a method. It prints itself; it is true if the method passes.

    Attributes:
        table: A row for each thing that was tested, with columns "p_value" and "adjusted": the latter for the
            number of rows.
        method: The method.
        false_alarm_rate: The probability, at most, that a right method fails: of all rows together.
        notes: What else is worth knowing.
    """

    table: pd.DataFrame
    method: Method
    false_alarm_rate: float
    notes: tuple[str, ...] = ()

    @property
    @abc.abstractmethod
    def test(self) -> str:
        """Name of the test, and in brackets how much was looked at."""

    @property
    def pvalue(self) -> float:
        """The probability, at most, that a right method strays so far in any row."""
        return float(self.table["adjusted"].to_numpy().min())

    @property
    def passed(self) -> bool:
        """Whether there is no sign that the method is wrong, at the rate of false alarms."""
        return self.pvalue > self.false_alarm_rate

    def __bool__(self) -> bool:
        """Return whether the method passed."""
        return self.passed

    @property
    def failing(self) -> pd.DataFrame:
        """The rows that fail, the least probable first."""
        order = np.argsort(self.table["p_value"].to_numpy(), kind="stable")
        return self.table.iloc[[i for i in order if self.table["adjusted"].iloc[i] <= self.false_alarm_rate]]

    @property
    def headline(self) -> str:
        """Whether the method passes, in a sentence."""
        return f"{self.method} {'passes' if self.passed else 'fails'} {self.test}: p = {p_text(self.pvalue)}."

    @property
    def promise(self) -> str:
        """How often a right method would fail, in a sentence."""
        return f"A method that is right fails with probability {self.false_alarm_rate:g} at most."

    def __str__(self) -> str:
        """Say whether the method passes, how often a right one would not, and what is wrong."""
        lines = [self.headline, self.promise]
        failing = self.failing
        if len(failing):
            worst = failing.head(MOST_ROWS)
            lines.append(worst.to_string(index=False, formatters=_formatters(worst)))
        if len(failing) > MOST_ROWS:
            lines.append(f"{len(failing) - MOST_ROWS} more fail.")
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__


def _formatters(rows: pd.DataFrame) -> Any:
    numbers = {name: "{:.2f}".format for name in rows if rows[name].dtype.kind == "f"}
    return {**numbers, "p_value": p_text, "adjusted": p_text}
