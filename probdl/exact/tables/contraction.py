"""One product of two tables, summed over some variables, in the form that NumPy does fastest."""

from __future__ import annotations

import functools
import math
import string
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float

Axes = tuple[int, ...]
Values = Float[np.ndarray, "..."]

# Microseconds: a call, a matrix of a batch, a product in a matrix, a vector, a product in a vector.
CALL, MATRIX, IN_MATRIX, VECTOR, IN_VECTOR = 1.0, 0.2, 2.5e-4, 0.02, 6e-4


@dataclass(frozen=True, slots=True)
class Contraction(ABC):
    """A product of two tables, or one alone, that is summed over variables which both have.

    Attributes:
        taken: The variables of the tables that it takes, in the order in which their axes are laid out.
        laid: The shapes in which it takes them.
        scope: The variables of the table that it makes, in the order of its axes.
        shape: The shape of what it makes.
    """

    taken: tuple[Axes, ...]
    laid: tuple[Axes, ...]
    scope: Axes
    shape: Axes

    @abstractmethod
    def forward(self, *tables: Values) -> Values:
        """Return the product, summed.

        Args:
            *tables: The tables (laid).

        Returns:
            A table (shape).
        """

    @abstractmethod
    def outside(self, place: int, outside: Values, *others: Values) -> Values:
        """Return a derivative in one of the tables, given the derivative in what was made of them.

        Args:
            place: Which of the tables.
            outside: The derivative in the table that is made (shape).
            *others: The other table, if it takes two.

        Returns:
            The derivative in the table (laid).
        """

    @abstractmethod
    def maximum(self, *tables: Values) -> Values:
        """Return the product, maximised where `forward` sums.

        Args:
            *tables: The tables (laid).

        Returns:
            A table (shape).
        """


def contraction(
    sizes: Sequence[int], first: Axes, second: Axes, summed: frozenset[int], rank: Sequence[int]
) -> Contraction:
    """Return the contraction of two tables in the form that takes least time.

    Args:
        sizes: The number of states of each variable.
        first: The variables of the first table.
        second: Those of the second.
        summed: What is summed out: variables that both have.
        rank: Axes are laid out in falling rank, where there is a choice.

    Returns:
        A product that is broadcast if nothing is summed out, else one of matrices, or of vectors if the
        matrices were many and small.

    Example:
        >>> made = contraction([2, 3, 4], (0, 1), (1, 2), frozenset({1}), [0, 0, 0])
        >>> made.scope, made.forward(np.ones((2, 3)), np.ones((3, 4))).tolist()[0]
        ((0, 2), [3.0, 3.0, 3.0, 3.0])
    """
    if not summed:
        return _broadcast(sizes, first, second)
    order = sorted({*first, *second}, key=lambda v: (-rank[v], v))
    inner = tuple(v for v in order if v in summed)
    batch = tuple(v for v in order if v in first and v in second and v not in summed)
    rows = tuple(v for v in order if v not in second)
    columns = tuple(v for v in order if v not in first)
    b, m, n, k = (math.prod(sizes[v] for v in group) for group in (batch, rows, columns, inner))
    if b == 1:
        taken = (batch + rows + inner, inner + columns + batch)
        return Matrices(taken, ((m, k), (k, n)), batch + rows + columns, (m, n))
    if CALL + b * (MATRIX + m * n * k * IN_MATRIX) < 2 * CALL + m * n * k * (VECTOR + b * IN_VECTOR):
        taken = (batch + rows + inner, batch + inner + columns)
        return BatchedMatrices(taken, ((b, m, k), (b, k, n)), batch + rows + columns, (b, m, n))
    taken = (inner + rows + batch, inner + columns + batch)
    return Vectors(taken, ((k, m, b), (k, n, b)), rows + columns + batch, (m, n, b))


def summation(sizes: Sequence[int], scope: Axes, summed: frozenset[int]) -> Contraction:
    """Return the sum of one table over some variables.

    Args:
        sizes: The number of states of each variable.
        scope: The variables of the table.
        summed: Those that are summed out.

    Returns:
        A product with a vector of ones.

    Example:
        >>> summation([2, 3], (0, 1), frozenset({1})).forward(np.ones((2, 3))).tolist()
        [3.0, 3.0]
    """
    rest = tuple(v for v in scope if v not in summed)
    inner = tuple(v for v in scope if v in summed)
    m, k = (math.prod(sizes[v] for v in group) for group in (rest, inner))
    return Summation((rest + inner,), ((m, k),), rest, (m,), np.ones(k))


@dataclass(frozen=True, slots=True)
class Summation(Contraction):
    """The sum of the rows of one table."""

    ones: Values

    def forward(self, *tables: Values) -> Values:
        """Return sum_k a_mk."""
        return tables[0].dot(self.ones)

    def outside(self, place: int, outside: Values, *others: Values) -> Values:
        """Return the same derivative for all that was summed."""
        return outside[:, None] * self.ones

    def maximum(self, *tables: Values) -> Values:
        """Return max_k a_mk."""
        return tables[0].max(axis=1)


@dataclass(frozen=True, slots=True)
class Matrices(Contraction):
    """The product of two matrices."""

    def forward(self, *tables: Values) -> Values:
        """Return sum_k a_mk b_kn."""
        return tables[0].dot(tables[1])

    def outside(self, place: int, outside: Values, *others: Values) -> Values:
        """Return sum_n d_mn b_kn, or sum_m a_mk d_mn."""
        return outside.dot(others[0].T) if place == 0 else others[0].T.dot(outside)

    def maximum(self, *tables: Values) -> Values:
        """Return max_k a_mk b_kn."""
        a, b = tables
        return _greatest(a[:, k, None] * b[k] for k in range(len(b)))


@dataclass(frozen=True, slots=True)
class BatchedMatrices(Contraction):
    """The products of many pairs of matrices."""

    def forward(self, *tables: Values) -> Values:
        """Return sum_k a_bmk b_bkn."""
        return np.matmul(tables[0], tables[1])

    def outside(self, place: int, outside: Values, *others: Values) -> Values:
        """Return sum_n d_bmn b_bkn, or sum_m a_bmk d_bmn."""
        turned = others[0].transpose(0, 2, 1)
        return np.matmul(outside, turned) if place == 0 else np.matmul(turned, outside)

    def maximum(self, *tables: Values) -> Values:
        """Return max_k a_bmk b_bkn."""
        a, b = tables
        return _greatest(a[:, :, k, None] * b[:, k, None, :] for k in range(b.shape[1]))


@dataclass(frozen=True, slots=True)
class Vectors(Contraction):
    """The products of matrices whose entries are long vectors."""

    def forward(self, *tables: Values) -> Values:
        """Return sum_k a_kmb b_knb."""
        return np.einsum("kmb,knb->mnb", *tables)

    def outside(self, place: int, outside: Values, *others: Values) -> Values:
        """Return sum_n d_mnb b_knb, or sum_m d_mnb a_kmb."""
        return np.einsum("mnb,knb->kmb" if place == 0 else "mnb,kmb->knb", outside, *others)

    def maximum(self, *tables: Values) -> Values:
        """Return max_k a_kmb b_knb."""
        return _greatest(a[:, None, :] * b for a, b in zip(*tables, strict=True))


@dataclass(frozen=True, slots=True)
class Broadcast(Contraction):
    """A product in which nothing is summed out.

    Attributes:
        reductions: For each of the tables: None if it has all axes, else the Einstein sum of its derivative,
            with the shape of the other table without axes of its own.
    """

    reductions: tuple[tuple[str, Axes] | None, ...]

    def forward(self, *tables: Values) -> Values:
        """Return a * b."""
        return tables[0] * tables[1]

    def outside(self, place: int, outside: Values, *others: Values) -> Values:
        """Return the sum of d * b, or of d * a, over the axes that the table lacks."""
        reduction = self.reductions[place]
        if reduction is None:
            return outside * others[0]
        equation, dense = reduction
        return np.einsum(equation, outside, others[0].reshape(dense)).reshape(self.laid[place])

    def maximum(self, *tables: Values) -> Values:
        """Return a * b."""
        return tables[0] * tables[1]


def _greatest(products: Iterator[Values]) -> Values:
    """Return the greatest of products entry by entry, without holding all of them."""
    return functools.reduce(np.maximum, products)


def _broadcast(sizes: Sequence[int], first: Axes, second: Axes) -> Broadcast:
    """Keep the axes of the larger table in their order, and lay out the smaller along them."""
    if math.prod(sizes[v] for v in first) > math.prod(sizes[v] for v in second):
        larger, smaller, places = first, second, (1, 0)
    else:
        larger, smaller, places = second, first, (0, 1)
    scope = tuple(v for v in smaller if v not in larger) + larger
    groups = [(has, tuple(run)) for has, run in groupby(scope, lambda v: (v in smaller, v in larger))]
    lengths = tuple(math.prod(sizes[v] for v in run) for _, run in groups)
    letters = string.ascii_letters[: len(groups)]
    taken = (tuple(v for v in scope if v in smaller), larger)
    laid, names, dense = [], [], []
    for side in (0, 1):
        laid.append(
            tuple(length if has[side] else 1 for (has, _), length in zip(groups, lengths, strict=True))
        )
        names.append("".join(x for (has, _), x in zip(groups, letters, strict=True) if has[side]))
        dense.append(tuple(x for (has, _), x in zip(groups, lengths, strict=True) if has[side]))
    reductions = [
        None if names[i] == letters else (f"{letters},{names[1 - i]}->{names[i]}", dense[1 - i])
        for i in (0, 1)
    ]
    return Broadcast(
        tuple(taken[i] for i in places),
        tuple(laid[i] for i in places),
        scope,
        lengths,
        tuple(reductions[i] for i in places),
    )
