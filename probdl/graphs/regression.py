"""What is left of numbers after a regression: on smooth functions of others, or by a forest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

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

SHRINKAGE = 10.0 ** np.arange(-5, 3)
SLIGHT = 0.998
FOLDS = 10
WAVES = 150
WIDTHS = (2.0, 1.0, 0.5, 0.25)
LINEAR, CURVED, WAVY = 10.0, 3.0, math.sqrt(20.0)
MOST_PAIRED = 24
MOST_TRIPLED = 5
TREES = 100
LEAF = 3


@dataclass(frozen=True)
class Residuals:
    """What is left of some columns after a regression.

    Attributes:
        values: The residuals; each from a fit without its own row.
        freedom: How many degrees of freedom each fit took.
    """

    values: Columns
    freedom: Float[np.ndarray, " column"]

    @property
    def errors(self) -> Float[np.ndarray, " column"]:
        """Their mean squares."""
        return (self.values**2).mean(0)

    def is_beaten_by(self, other: Residuals) -> Bool[np.ndarray, " column"]:
        """Return for which columns another fit predicts better."""
        return other.errors < SLIGHT * self.errors

    def better(self, other: Residuals) -> Residuals:
        """Return for each column the fit that predicts better."""
        takes = self.is_beaten_by(other)
        return Residuals(
            np.where(takes, other.values, self.values), np.where(takes, other.freedom, self.freedom)
        )


@dataclass(frozen=True)
class Basis:
    """A set of functions of the rows, or what a ridge regression on them keeps.

    Attributes:
        axes: Orthonormal columns that span them.
        weights: The squared lengths that the functions have along each; or the share that is kept.
    """

    axes: Columns
    weights: Float[np.ndarray, " column"]


@dataclass(frozen=True)
class Regression:
    """Ridge regression; basis and shrinkage are those that predict rows best which the fit has not seen.

    Attributes:
        bases: What may be chosen; none for the mean alone.
    """

    bases: tuple[Basis, ...] = ()

    def left_over(self, targets: Columns) -> Residuals:
        """Return what is left of some columns.

        Args:
            targets: The columns.

        Returns:
            The residuals of leaving one row out at a time, by the rule that needs one fit alone.
        """
        return self._search(targets)[0]

    def predicted(self, targets: Columns) -> Columns:
        """Predict some columns, a tenth of the rows at a time from the others.

        Unlike the rest of a single row, that of many does not betray what was left out.

        Args:
            targets: The columns.

        Returns:
            The predictions.
        """
        count, smoothers = len(targets), self._search(targets)[1]
        centred = targets - targets.mean(0)
        predictions = np.zeros(targets.shape)
        for j, smoother in enumerate(smoothers):
            if smoother is None:
                continue
            axes, kept = smoother.axes, smoother.weights
            fitted = axes @ (kept * (axes.T @ centred[:, j]))
            for fold in range(FOLDS):
                rows = np.arange(fold, count, FOLDS)
                own = 1.0 / count + (axes[rows] * kept) @ axes[rows].T
                rest = np.linalg.solve(np.eye(len(rows)) - own, centred[rows, j] - fitted[rows])
                predictions[rows, j] = centred[rows, j] - rest
        return predictions

    def _search(self, targets: Columns) -> tuple[Residuals, list[Basis | None]]:
        """Return the best fit of each column, and how much of each axis it keeps."""
        count, smoothers = len(targets), [None] * targets.shape[1]
        centred = targets - targets.mean(0)
        best = Residuals(centred * (count / (count - 1)), np.ones(targets.shape[1]))
        for basis in self.bases:
            along, squares = basis.axes.T @ centred, basis.axes**2
            for penalty in count * SHRINKAGE:
                kept = basis.weights / (basis.weights + penalty)
                freedom = 1.0 + kept.sum()
                if freedom < count / 3:
                    rest = centred - basis.axes @ (kept[:, None] * along)
                    rest /= (1.0 - 1.0 / count - squares @ kept)[:, None]
                    fit = Residuals(rest, np.full(targets.shape[1], freedom))
                    for j in np.flatnonzero(best.is_beaten_by(fit)):
                        smoothers[j] = Basis(basis.axes, kept)
                    best = best.better(fit)
        return best, smoothers


def regression_on(given: Columns, generator: np.random.Generator) -> Regression:
    """Return the regression on smooth functions of some columns.

    Linear ones of values and of normal scores, products of two and three, curves of each column, and random
    waves of all of them at several lengths.

    Args:
        given: The columns; whole numbers of few values are categories.
        generator: Randomness of the waves.

    Returns:
        The regression.

    Source:
        Rahimi & Recht (2007), Random features for large-scale kernel machines.
    """
    varying = [column for column in given.T if np.ptp(column) > 0.0]
    categories = [c for c in varying if is_categorical(c)]
    numbers = [c for c in varying if not is_categorical(c)]
    if not varying:
        return Regression()
    count = len(given)
    coded = joined([indicators(c) for c in categories], count)
    scores = joined([normal_scores(c)[:, None] for c in numbers], count)
    values = joined([squashed(c)[:, None] for c in numbers], count)
    plain, curved = [LINEAR * part for part in (scores, values, coded)], []
    if scores.shape[1] + coded.shape[1] <= MOST_PAIRED:
        curved += [_products(joined([values, coded], count), 2), _products(scores, 2)]
    if values.shape[1] <= MOST_TRIPLED:
        curved.append(_products(values, 3))
    curved += [_curves(c, 20 if len(varying) == 1 else 8) for c in numbers]
    smooth = joined([*plain, *(CURVED * part for part in curved)], count)
    widths = WIDTHS[: 0 if not numbers else 4 if len(varying) <= 2 else 3]
    scaled = joined([scores, coded], count) / math.sqrt(len(varying))
    return Regression(
        tuple(
            _basis(part)
            for part in (
                joined(plain, count),
                smooth,
                *(joined([smooth, _waves(scaled / width, WAVES, generator)], count) for width in widths),
            )
        )
    )


def regression_on_predictions(predictions: Columns, generator: np.random.Generator) -> Regression:
    """Return the regression on functions of what other regressions predict.

    What depends on many columns often does so through a number or two: their location, their scale.

    Args:
        predictions: The predictions.
        generator: Randomness of the waves.

    Returns:
        The regression.
    """
    varying = [column for column in predictions.T if np.ptp(column) > 0.0]
    if not varying:
        return Regression()
    count = len(predictions)
    scores = joined([normal_scores(c)[:, None] for c in varying], count)
    parts = [LINEAR * scores, LINEAR * standardised(np.stack(varying, 1)), CURVED * _products(scores, 2)]
    smooth = joined([*parts, *(CURVED * _curves(c, 15) for c in varying)], count)
    waves = [_waves(scores / width / math.sqrt(len(varying)), WAVES // 2, generator) for width in (1.0, 0.5)]
    return Regression(tuple(_basis(part) for part in (smooth, *(joined([smooth, w], count) for w in waves))))


def left_over_by_forest(given: Columns, targets: Columns, generator: np.random.Generator) -> Residuals:
    """Return what is left of columns after a regression by a random forest: good at steps, poor at slopes.

    Args:
        given: What it may use.
        targets: The columns.
        generator: Its randomness.

    Returns:
        The residuals; each from the trees that have not seen its row.

    Source:
        Breiman (2001), Random forests, doi:10.1023/A:1010933404324.
    """
    from sklearn.ensemble import RandomForestRegressor

    seed = int(generator.integers(2**31))
    forest = RandomForestRegressor(TREES, min_samples_leaf=LEAF, oob_score=True, random_state=seed)
    forest.fit(given, targets if targets.shape[1] > 1 else targets[:, 0])
    return Residuals(targets - forest.oob_prediction_.reshape(targets.shape), np.ones(targets.shape[1]))


def _curves(column: Column, most: int) -> Columns:
    """Return smooth functions of one column, the more wiggly ones smaller."""
    orders, scores = np.arange(2, most), normal_scores(column)
    return joined(
        [waves_of(uniform_scores(column), orders) * (2.0 / orders), standardised(scores[:, None] ** [2, 3])],
        len(column),
    )


def _products(columns: Columns, size: int) -> Columns:
    chosen = list(combinations(range(columns.shape[1]), size))
    return standardised(joined([columns[:, list(c)].prod(1)[:, None] for c in chosen], len(columns)))


def _waves(columns: Columns, count: int, generator: np.random.Generator) -> Columns:
    directions = generator.normal(size=(columns.shape[1], count))
    return WAVY / math.sqrt(count) * np.cos(columns @ directions + generator.uniform(0, 2 * np.pi, count))


def _basis(columns: Columns) -> Basis:
    centred = columns - columns.mean(0)
    weights, turn = np.linalg.eigh(centred.T @ centred)
    kept = weights > 1e-10 * weights[-1]
    return Basis(centred @ turn[:, kept] / np.sqrt(weights[kept]), weights[kept])
