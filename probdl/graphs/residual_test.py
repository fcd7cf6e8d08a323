"""The test of independence for numbers of any kind: whether residuals of regressions go together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Array, Float

from probdl.graphs.conditional_independence import Outcome, checked, generator_of
from probdl.graphs.regression import (
    Regression,
    Residuals,
    left_over_by_forest,
    regression_on,
    regression_on_predictions,
)
from probdl.graphs.scores import (
    Column,
    Columns,
    indicators,
    is_categorical,
    joined,
    normal_scores,
    squashed,
    standardised,
    uniform_scores,
    waves_of,
)

MOST_ROWS = 5000
FEW_LEVELS = 8
ORDERS = np.array([2, 3])
LESS = 0.7
MOST_WEIGHTS = 6
RANGE = 2.5
UNEXPLAINED = 0.9


@dataclass(frozen=True)
class ResidualTest:
    """The test for numbers of any kind: it asks whether residuals of regressions on `given` go together.

    Normal scores of x and of y are regressed on `given`, their scale as well. Of what is left, waves (cosines
    of the ranks) are regressed again, so that the test sees more than linear dependence; products of those
    residuals, times functions of `given`, have mean 0 if x and y are independent given the rest, whatever
    their variances. Columns of few whole numbers are categories. Beyond 5000 rows, 5000 are used, evenly
    spaced.

    It is right as far as the regressions are: a sharp function of many given numbers takes many rows to be
    regressed, and what is left of it looks like dependence. A p-value below `doubt` is therefore checked by
    a regression of another kind, a random forest, and the larger is returned.

    Attributes:
        noise: Standard deviation of noise added to residuals of unit variance before they are compared, so
            that errors of a regression do not count where it leaves next to nothing over.
        doubt: p-value below which a forest is asked as well.

    Example:
        >>> x, y = np.random.default_rng(0).normal(size=(2, 500, 1))
        >>> ResidualTest()(x, y, x + y, key=0).p_value < 1e-6  # independent, but not given their sum
        True

    Source:
        Shah & Peters (2020), doi:10.1214/19-AOS1857, for residuals; Scheidegger, Hörrmann & Bühlmann (2022),
        jmlr.org/papers/v23/21-1328.html, for functions of `given`; the regressions and the waves are ours.
    """

    noise: float = 0.2
    doubt: float = 0.1

    def __call__(self, x: Columns, y: Columns, given: Columns, key: int | Array) -> Outcome:
        """Test it; `key` is for waves, noise and forest."""
        from threadpoolctl import threadpool_limits

        x, y, given = checked(x, y, given)
        if len(x) > MOST_ROWS:
            rows = np.linspace(0, len(x) - 1, MOST_ROWS).astype(int)
            x, y, given = x[rows], y[rows], given[rows]
        with threadpool_limits(1, user_api="blas"):  # many threads on small matrices wait for each other
            return self._tested(x, y, given, generator_of(key))

    def _tested(self, x: Columns, y: Columns, given: Columns, generator: np.random.Generator) -> Outcome:
        smooth = _Regressions(regression_on(given, generator), generator, self.noise)
        outcome = _compared(smooth.left_over(x), smooth.left_over(y), given)
        if not given.shape[1] or outcome.p_value >= self.doubt:
            return outcome
        jagged = replace(smooth, forest=partial(left_over_by_forest, given, generator=generator))
        other = _compared(jagged.left_over(x), jagged.left_over(y), given)
        return max(outcome, other, key=lambda found: found.p_value)


@dataclass(frozen=True)
class _Regressions:
    """How columns are regressed on what is given: smoothly, and by a forest if there is one.

    Attributes:
        regression: The smooth one.
        generator: Randomness.
        noise: Standard deviation of what is added to residuals.
        forest: The other one.
    """

    regression: Regression
    generator: np.random.Generator
    noise: float
    forest: Callable[[Columns], Residuals] | None = None

    def left_over(self, columns: Columns) -> Residuals:
        """Return what is left of functions of some columns, with unit variance, waves a little smaller."""
        found = []
        for column in columns.T:
            features = self._of_category if is_categorical(column, FEW_LEVELS) else self._of_number
            found.append(features(column))
        values = joined([part.values for part in found], len(columns))
        return Residuals(values, np.concatenate([part.freedom for part in found]))

    def _of_category(self, column: Column) -> Residuals:
        targets = indicators(column)
        left = self.forest(targets) if self.forest else self.regression.left_over(targets)
        return _normed(Residuals(self._noisy(left.values), left.freedom))

    def _of_number(self, column: Column) -> Residuals:
        targets = standardised(np.stack([normal_scores(column), squashed(column), _magnitude(column)], 1))
        left = self.regression.left_over(targets)
        predictions = self.regression.predicted(targets)[:, left.errors < UNEXPLAINED]
        if self.forest:
            left = self.forest(targets)
            predictions = np.column_stack([predictions, targets - left.values])
        again = regression_on_predictions(predictions, self.generator)

        def left_over(columns: Columns) -> Residuals:
            return self.regression.left_over(columns).better(again.left_over(columns))

        left = Residuals(left.values[:, :1], left.freedom[:1]).better(again.left_over(targets[:, :1]))
        rest = self._noisy(left.values)
        size = np.log(rest**2 + self.noise**2)
        rest = (rest * np.exp((left_over(size).values - size) / 2.0))[:, 0]
        waves = standardised(np.column_stack([normal_scores(rest), waves_of(uniform_scores(rest), ORDERS)]))
        features = left_over(waves)
        normed = _normed(Residuals(features.values, np.maximum(features.freedom, left.freedom)))
        weights = np.array([1.0, *([LESS] * (waves.shape[1] - 1))])
        return Residuals(normed.values * weights, normed.freedom)

    def _noisy(self, residuals: Columns) -> Columns:
        if not self.regression.bases:
            return residuals
        return residuals + self.noise * self.generator.normal(size=residuals.shape)


def _magnitude(column: Column) -> Column:
    """Return the logarithm of how far numbers are from 0, or from their median if some are negative."""
    size = np.abs(column - (0.0 if column.min() >= 0.0 else np.median(column)))
    return np.log(size + 1e-3 * np.median(size) + 1e-300)


def _normed(residuals: Residuals) -> Residuals:
    return Residuals(residuals.values / np.sqrt(residuals.errors), residuals.freedom)


def _compared(x: Residuals, y: Residuals, given: Columns) -> Outcome:
    """Test whether the products of residuals and of functions of `given` have mean 0."""
    count = len(given)
    products = _crossed(_crossed(x.values, y.values), _functions(given))
    mean = products.mean(0)
    statistic = count * float(mean @ mean)
    for freedom in (x.freedom.mean(), y.freedom.mean()):
        statistic *= math.sqrt(1.0 - min(freedom / count, 0.5))
    effect = np.abs(mean / np.sqrt((products**2).mean(0))).max()
    centred = products - mean
    spread = (centred.T @ centred if products.shape[1] < count else centred @ centred.T) / count
    return Outcome(statistic, _tail(statistic, spread), float(min(effect, 1.0)))


def _crossed(a: Columns, b: Columns) -> Columns:
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)


def _functions(given: Columns) -> Columns:
    """Return 1 and some functions of what is given, smaller the more there are."""
    count = len(given)
    parts = [indicators(c) if is_categorical(c) else normal_scores(c)[:, None] for c in given.T]
    columns = np.clip(joined(parts, count), -RANGE, RANGE)
    if columns.shape[1] > MOST_WEIGHTS:
        chosen = np.linspace(0, columns.shape[1] - 1, MOST_WEIGHTS).astype(int)
        columns = columns[:, chosen]
    columns = standardised(columns)
    return joined([np.ones((count, 1)), columns / math.sqrt(max(columns.shape[1], 1))], count)


def _tail(statistic: float, spread: Float[np.ndarray, "a a"]) -> float:
    """Return how probable a larger sum of squares of normal numbers of that covariance is.

    Source:
        Hall (1983) and Buckley & Eagleson (1988): a chi-square distribution with its first three cumulants.
    """
    from scipy.special import chdtrc

    square = spread @ spread
    first, second, third = np.trace(spread), 2.0 * np.trace(square), 8.0 * float((square * spread).sum())
    freedom = 8.0 * second**3 / third**2
    return float(chdtrc(freedom, max((statistic - first) * math.sqrt(2.0 * freedom / second) + freedom, 0.0)))
