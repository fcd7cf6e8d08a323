"""Columns of numbers made comparable: categories, ranks, normal scores."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

Columns = Float[np.ndarray, "row column"]
Column = Float[np.ndarray, " row"]

LEVELS = 16
"""A column of at most so many whole numbers is a set of categories."""

RANGE = 5.0


def is_categorical(column: Column, levels: int = LEVELS) -> bool:
    """Return whether a column is a set of categories: of two values, or of a few whole numbers.

    Args:
        column: The column.
        levels: How many are few.

    Returns:
        Whether it is.

    Example:
        >>> is_categorical(np.array([0.0, 1.0, 4.0])), is_categorical(np.array([0.5, 1.0, 4.0]))
        (True, False)
    """
    found = np.unique(column)
    return len(found) <= 2 or (len(found) <= levels and bool((found == np.round(found)).all()))


def indicators(column: Column) -> Columns:
    """Return one column for each category, standardised; one alone for two."""
    found = np.unique(column)
    return standardised((column[:, None] == found[len(found) == 2 :]).astype(float))


def normal_scores(column: Column) -> Column:
    """Return the normal quantiles of the ranks.

    Args:
        column: Numbers.

    Returns:
        Numbers of about a standard normal distribution; equal ones stay equal.

    Example:
        >>> normal_scores(np.array([-1e9, 0.0, 3.0])).round(2).tolist()
        [-0.97, 0.0, 0.97]
    """
    from scipy.special import ndtri

    return ndtri(uniform_scores(column))


def uniform_scores(column: Column) -> Column:
    """Return the ranks of numbers, between 0 and 1."""
    from scipy.stats import rankdata

    return (rankdata(column) - 0.5) / len(column)


def squashed(column: Column) -> Column:
    """Return numbers centred and scaled by their quartiles, the outermost ones moved inward."""
    low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
    scale = (high - low) / 1.35 or column.std()
    return np.clip((column - middle) / scale, -RANGE, RANGE)


def standardised(columns: Columns) -> Columns:
    """Return the columns that vary, with mean 0 and variance 1."""
    centred = columns - columns.mean(0)
    scale = centred.std(0)
    varies = scale > 1e-10
    return centred[:, varies] / scale[varies]


def joined(parts: Iterable[Columns], count: int) -> Columns:
    """Return columns side by side; none at all have `count` rows."""
    return np.concatenate([np.zeros((count, 0)), *parts], axis=1)


def waves_of(scores: Column, orders: Int[np.ndarray, " order"]) -> Columns:
    """Return cosines of a number between 0 and 1: orthonormal where it is uniform."""
    return math.sqrt(2.0) * np.cos(np.pi * np.outer(scores, orders))
