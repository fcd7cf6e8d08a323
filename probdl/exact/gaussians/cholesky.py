"""Cholesky factors of many small matrices: unrolled where a library call would cost more than the work."""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

UNROLLED = 6  # up to this size the entries are written out, which XLA makes one loop without calls


def cholesky(matrix: Float[Array, "*batch n n"]) -> Float[Array, "*batch n n"]:
    """Return the lower Cholesky factor L of a matrix, A = L L'.

    Only the symmetric part of the matrix counts. A pivot that is not positive, or that is no more than
    the rounding of its own diagonal entry, makes the factor NaN: a singular matrix never passes for another.

    Args:
        matrix: Matrices of size n.

    Returns:
        Their factors, zero above the diagonal; NaN where a matrix is not positive definite.

    Example:
        >>> cholesky(jnp.array([[4.0, 2.0], [2.0, 10.0]])).tolist()
        [[2.0, 0.0], [1.0, 3.0]]
        >>> bool(jnp.isnan(cholesky(jnp.ones((2, 2)))).any())
        True
    """
    n = matrix.shape[-1]
    matrix = (matrix + jnp.swapaxes(matrix, -1, -2)) / 2
    floor = n * jnp.finfo(matrix.dtype).eps * jnp.diagonal(matrix, axis1=-2, axis2=-1)
    if n > UNROLLED:
        factor = jnp.linalg.cholesky(matrix, symmetrize_input=False)
        pivots = jnp.diagonal(factor, axis1=-2, axis2=-1)
        regular = jnp.all(pivots * pivots > floor, -1)
        return jnp.where(regular[..., None, None], factor, jnp.nan)
    rows: list[list[Array]] = []
    for i in range(n):
        row: list[Array] = []
        for j in range(i):
            row.append(_less(matrix[..., i, j], row, rows[j][:j]) / rows[j][j])
        pivot = _less(matrix[..., i, i], row, row)
        row.append(jnp.sqrt(jnp.where(pivot > floor[..., i], pivot, jnp.nan)))
        rows.append(row)
    zero = jnp.zeros(matrix.shape[:-2], matrix.dtype)
    return _stacked([[*row, *[zero] * (n - len(row))] for row in rows], matrix)


def solve_lower(
    factor: Float[Array, "*batch n n"], right: Float[Array, "*batch n c"]
) -> Float[Array, "*batch n c"]:
    """Solve L x = b for a lower triangular matrix.

    Args:
        factor: Lower triangular matrices L.
        right: Right-hand sides b, as columns; batch axes broadcast.

    Returns:
        The solutions x, as columns.

    Example:
        >>> solve_lower(jnp.array([[2.0, 0.0], [1.0, 3.0]]), jnp.array([[2.0], [7.0]])).tolist()
        [[1.0], [2.0]]
    """
    n = factor.shape[-1]
    if n > UNROLLED:
        return solve_triangular(*_broadcast(factor, right), lower=True)
    rows: list[Array] = []
    for i in range(n):
        rest = _less(right[..., i, :], [factor[..., i, j, None] for j in range(i)], rows)
        rows.append(rest / factor[..., i, i, None])
    return jnp.stack(rows, -2) if rows else right


def solve_upper(
    factor: Float[Array, "*batch n n"], right: Float[Array, "*batch n c"]
) -> Float[Array, "*batch n c"]:
    """Solve L' x = b for a lower triangular matrix.

    Args:
        factor: Lower triangular matrices L.
        right: Right-hand sides b, as columns; batch axes broadcast.

    Returns:
        The solutions x, as columns.

    Example:
        >>> solve_upper(jnp.array([[2.0, 0.0], [1.0, 3.0]]), jnp.array([[4.0], [6.0]])).tolist()
        [[1.0], [2.0]]
    """
    n = factor.shape[-1]
    if n > UNROLLED:
        return solve_triangular(*_broadcast(factor, right), lower=True, trans=1)
    rows: list[Array] = []
    for i in reversed(range(n)):
        rest = _less(right[..., i, :], [factor[..., j, i, None] for j in range(n - 1, i, -1)], rows)
        rows.append(rest / factor[..., i, i, None])
    return jnp.stack(rows[::-1], -2) if rows else right


def gram(left: Float[Array, "*batch n a"], right: Float[Array, "*batch n b"]) -> Float[Array, "*batch a b"]:
    """Return A'B; for few rows as a sum of outer products, which needs no call a matrix.

    Args:
        left: Matrices A.
        right: Matrices B; batch axes broadcast.

    Returns:
        The products.

    Example:
        >>> gram(jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 4.0]])).tolist()
        [[3.0, 4.0], [6.0, 8.0]]
    """
    n = left.shape[-2]
    if n > UNROLLED:
        return jnp.swapaxes(left, -1, -2) @ right
    shape = (*jnp.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-1], right.shape[-1])
    outer = (left[..., i, :, None] * right[..., i, None, :] for i in range(n))
    return sum(outer, start=jnp.zeros(shape, left.dtype))


def inverse(factor: Float[Array, "*batch n n"]) -> Float[Array, "*batch n n"]:
    """Return the inverse of L L'.

    Args:
        factor: Lower triangular matrices L.

    Returns:
        Symmetric matrices.

    Example:
        >>> inverse(jnp.array([[2.0]])).tolist()
        [[0.25]]
    """
    half = solve_lower(factor, jnp.broadcast_to(jnp.eye(factor.shape[-1], dtype=factor.dtype), factor.shape))
    return gram(half, half)


def log_determinant(factor: Float[Array, "*batch n n"]) -> Float[Array, "*batch"]:
    """Return the log determinant of L L'.

    Args:
        factor: Lower triangular matrices L with a positive diagonal.

    Returns:
        Log determinants.

    Example:
        >>> float(log_determinant(jnp.eye(3)))
        0.0
    """
    return 2 * jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)


def _less(value: Array, left: list[Array], right: list[Array]) -> Array:
    for a, b in zip(left, right, strict=True):
        value = value - a * b
    return value


def _stacked(rows: list[list[Array]], like: Array) -> Array:
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2) if rows else like


def _broadcast(factor: Array, right: Array) -> tuple[Array, Array]:
    batch = jnp.broadcast_shapes(factor.shape[:-2], right.shape[:-2])
    return (
        jnp.broadcast_to(factor, (*batch, *factor.shape[-2:])),
        jnp.broadcast_to(right, (*batch, *right.shape[-2:])),
    )
