"""Tests of whether columns of numbers are independent, given others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from probdl.graphs.scores import LEVELS, Columns, is_categorical
from probdl.program.keys import as_key

FEWEST_ROWS = 40
ROWS_PER_STRATUM = 20
ROWS_PER_CELL = 2
SMALL = 5.0
SMALL_SHARE = 0.2
TABLES = 1000
MOST_TABLES = 20_000
ENOUGH = 20
COLLINEAR = 1e-10


@dataclass(frozen=True)
class Outcome:
    """What a test found.

    Attributes:
        statistic: The statistic of the test.
        p_value: How probable one at least as large is for independent columns.
        effect: How strong the dependence looks, from 0 to 1 on the scale of a correlation.
    """

    statistic: float
    p_value: float
    effect: float


@runtime_checkable
class IndependenceTest(Protocol):
    """A test of whether x and y are independent, given others; any callable of this form serves."""

    def __call__(self, x: Columns, y: Columns, given: Columns, key: int | Array) -> Outcome:
        """Test it.

        Args:
            x: Columns of numbers.
            y: Columns of numbers, row by row with x.
            given: The same; it may have no columns.
            key: A seed or a JAX key.

        Returns:
            What was found.
        """
        ...


@dataclass(frozen=True)
class PartialCorrelation:
    """The test for numbers that are jointly normal, by Fisher's z; of several columns, Wilks's by Bartlett.

    It sees linear dependence alone, and takes what a curved function of `given` leaves for dependence:
    use it where the program is linear and Gaussian, and few rows are at hand.

    Example:
        >>> x, y, z = np.random.default_rng(0).normal(size=(3, 200, 1))
        >>> PartialCorrelation()(x + z, y + z, z, key=0).p_value > 0.05
        True

    Source:
        Fisher (1924); Bartlett (1938) for several columns.
    """

    def __call__(self, x: Columns, y: Columns, given: Columns, key: int | Array) -> Outcome:
        """Test it; `key` is not used."""
        x, y, given = checked(x, y, given)
        rest_x, rest_y = _left_over(x, given), _left_over(y, given)
        sizes = rest_x.shape[1], rest_y.shape[1]
        if 0 in sizes:
            return Outcome(0.0, 1.0, 0.0)
        from scipy.special import chdtrc, ndtr

        held = given.shape[1]
        found = np.linalg.svd(rest_x.T @ rest_y, compute_uv=False).clip(0.0, 1.0 - 1e-15)
        if sizes == (1, 1):
            score = math.sqrt(max(len(x) - held - 3, 1)) * math.atanh(found[0])
            return Outcome(score, float(2.0 * ndtr(-score)), float(found[0]))
        scale = max(len(x) - 1 - held - (sum(sizes) + 1) / 2, 1.0)
        statistic = -scale * float(np.log1p(-(found**2)).sum())
        return Outcome(statistic, float(chdtrc(math.prod(sizes), statistic)), float(found.max()))


@dataclass(frozen=True)
class GTest:
    """The likelihood-ratio test of a contingency table in each stratum of `given`.

    Every distinct row is a category. Where counts are small, tables with the same margins are drawn instead
    of using the chi-square distribution.

    Example:
        >>> x, y = np.array([[0], [0], [1], [1]] * 50), np.array([[0], [1], [0], [1]] * 50)
        >>> GTest()(x, y, x[:, :0], key=0).p_value
        1.0
        >>> GTest()(x, y, x ^ y, key=0).p_value < 1e-6  # independent, but not given their sum
        True

    Source:
        Agresti (2013), Categorical Data Analysis, §3.2; Besag & Clifford (1991), doi:10.1093/biomet/78.2.301,
        for how many tables are drawn.
    """

    def __call__(self, x: Columns, y: Columns, given: Columns, key: int | Array) -> Outcome:
        """Test it; `key` is for tables that are drawn."""
        from scipy.special import chdtrc

        x, y, given = checked(x, y, given)
        strata = [table for table in _tables(codes(x), codes(y), codes(given)) if min(table.shape) > 1]
        if not strata:
            return Outcome(0.0, 1.0, 0.0)
        means = [np.outer(t.sum(1), t.sum(0)) / t.sum() for t in strata]
        statistic = sum(float(_likelihood_ratio(t, m)) for t, m in zip(strata, means, strict=True))
        smallest = np.concatenate([mean.ravel() for mean in means])
        if (smallest < SMALL).mean() > SMALL_SHARE or smallest.min() < 1.0:
            p_value = _drawn_p_value(strata, means, statistic, generator_of(key))
        else:
            freedom = sum((rows - 1) * (columns - 1) for rows, columns in (t.shape for t in strata))
            p_value = float(chdtrc(freedom, statistic))
        return Outcome(statistic, p_value, math.sqrt(-math.expm1(-statistic / len(x))))


def choose_test(x: Columns, y: Columns, given: Columns) -> IndependenceTest:
    """Return the test whose assumptions hold: of tables if all columns are categories and rows are many.

    Args:
        x: Columns of numbers.
        y: Columns of numbers.
        given: Columns of numbers.

    Returns:
        A `GTest` or a `ResidualTest`.

    Example:
        >>> coin = np.array([[0.0], [1.0]] * 100)
        >>> choose_test(coin, coin, coin[:, :0]), choose_test(coin, coin, np.arange(200.0)[:, None])
        (GTest(), ResidualTest(noise=0.2, doubt=0.1))
    """
    from probdl.graphs.residual_test import ResidualTest

    if all(is_categorical(c) for part in (x, y, given) for c in part.T):
        kinds = [int(codes(part).max()) + 1 for part in (x, y, given)]
        if max(kinds[:2]) <= LEVELS and len(x) >= max(
            ROWS_PER_STRATUM * kinds[2], ROWS_PER_CELL * math.prod(kinds)
        ):
            return GTest()
    return ResidualTest()


def checked(x: Columns, y: Columns, given: Columns) -> tuple[Columns, Columns, Columns]:
    """Return columns as matrices of numbers, without those of `given` that do not vary.

    Args:
        x: Columns, or one.
        y: The same.
        given: The same.

    Returns:
        The three matrices.

    Raises:
        ValueError: If the rows are too few, not alike in number or not finite, or if x or y does not vary.
    """
    found = []
    for name, part in (("x", x), ("y", y), ("given", given)):
        matrix = np.asarray(part, float)
        matrix = matrix[:, None] if matrix.ndim == 1 else matrix
        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            what = f"shape {matrix.shape}" if matrix.ndim != 2 else "NaN or infinite values"
            raise ValueError(
                f"Expected {name} as finite numbers in rows and columns; got {what}. Drop those rows."
            )
        if name != "given" and (not matrix.shape[1] or (np.ptp(matrix, axis=0) == 0.0).all()):
            raise ValueError(
                f"Expected {name} to vary; got one value in all rows. What is constant is independent of all."
            )
        found.append(matrix)
    rows = {len(part) for part in found}
    if len(rows) > 1 or min(rows) < FEWEST_ROWS:
        raise ValueError(
            f"Expected at least {FEWEST_ROWS} rows, the same for x, y and given; got "
            f"{', '.join(str(len(part)) for part in found)}. Measure or draw more."
        )
    x, y, given = (part[:, np.ptp(part, axis=0) > 0.0] for part in found)
    return x, y, given


def codes(columns: Columns) -> Int[np.ndarray, " row"]:
    """Return the number of each distinct row.

    Args:
        columns: The columns; none are one category.

    Returns:
        Whole numbers from 0.

    Example:
        >>> codes(np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0]])).tolist()
        [0, 1, 0]
    """
    if not columns.shape[1]:
        return np.zeros(len(columns), int)
    return np.unique(columns, axis=0, return_inverse=True)[1].ravel()


def generator_of(key: int | Array) -> np.random.Generator:
    """Return NumPy's randomness for a key of JAX.

    Args:
        key: A seed or a JAX key.

    Returns:
        The generator.
    """
    return np.random.default_rng(np.asarray(jax.random.key_data(as_key(key))))


def _left_over(columns: Columns, given: Columns) -> Columns:
    """Return an orthonormal basis of what is left of columns after a linear regression."""
    span = _orthonormal(given - given.mean(0), given.std(0))
    centred = columns - columns.mean(0)
    return _orthonormal(centred - span @ (span.T @ centred), columns.std(0))


def _orthonormal(columns: Columns, scale: Float[np.ndarray, " column"]) -> Columns:
    axes, lengths, _ = np.linalg.svd(columns / (scale * math.sqrt(len(columns))), full_matrices=False)
    return axes[:, lengths > COLLINEAR]


def _tables(
    x: Int[np.ndarray, " row"], y: Int[np.ndarray, " row"], given: Int[np.ndarray, " row"]
) -> Iterator[Int[np.ndarray, "x y"]]:
    """Yield the contingency table of each stratum, without empty rows and columns."""
    order = np.argsort(given, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(given[order])) + 1):
        (a, i), (b, j) = (np.unique(part[rows], return_inverse=True) for part in (x, y))
        yield np.bincount(i * len(b) + j, minlength=len(a) * len(b)).reshape(len(a), len(b))


def _likelihood_ratio(
    tables: Float[np.ndarray, "*draw x y"], mean: Float[np.ndarray, "x y"]
) -> Float[np.ndarray, "*draw"]:
    from scipy.special import xlogy

    return 2.0 * xlogy(tables, tables / mean).sum((-2, -1))


def _drawn_p_value(
    strata: list[Int[np.ndarray, "x y"]],
    means: list[Float[np.ndarray, "x y"]],
    statistic: float,
    generator: np.random.Generator,
) -> float:
    """Compare with tables of the same margins; as many as it takes to see twenty that are as extreme."""
    from scipy.stats import random_table

    drawn = extreme = 0
    while extreme < ENOUGH and drawn < MOST_TABLES:
        total = np.zeros(TABLES)
        for table, mean in zip(strata, means, strict=True):
            rows, columns = table.sum(1), table.sum(0)
            total += _likelihood_ratio(random_table(rows, columns).rvs(TABLES, random_state=generator), mean)
        drawn, extreme = drawn + TABLES, extreme + int((total >= statistic - 1e-9).sum())
    return (extreme + 1) / (drawn + 1)
