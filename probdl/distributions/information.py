"""Entropy and mutual information of tables of probabilities, in nats."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import entr, rel_entr
from jaxtyping import Array, ArrayLike, Float

ROUNDING = 1e-5  # what sums of probabilities in single precision may be off


def entropy(table: ArrayLike) -> Float[Array, ""]:
    """Return the entropy of a table, -sum p log p.

    Args:
        table: Probabilities of all outcomes, of any shape.

    Returns:
        The entropy, in nats.

    Raises:
        TypeError: If a table is none, but a distribution, say.
        ValueError: If the table holds no probabilities that sum to one.

    Example:
        >>> print(f"{entropy(jnp.full((2, 2), 0.25)):.4f}")  # log 4
        1.3863

    Source:
        Bishop & Bishop (2023), eq. 2.86.
    """
    return entr(_checked(table)).sum()


def kl_divergence(table: ArrayLike, other: ArrayLike) -> Float[Array, ""]:
    """Return the Kullback-Leibler divergence of two tables, sum p log(p / q).

    Args:
        table: Probabilities p.
        other: Probabilities q, of the same shape.

    Returns:
        The divergence, in nats; infinite if q is zero where p is not.

    Raises:
        TypeError: If a table is none, but a distribution, say.
        ValueError: If a table holds no probabilities that sum to one, or if the shapes differ.

    Example:
        >>> print(f"{kl_divergence(jnp.array([0.5, 0.5]), jnp.array([0.9, 0.1])):.4f}")
        0.5108

    Source:
        Bishop & Bishop (2023), eq. 2.100.
    """
    p, q = _checked(table), _checked(other)
    if p.shape != q.shape:
        raise ValueError(
            f"Expected tables of one shape; got {p.shape} and {q.shape}. Bring both to the same axes."
        )
    return rel_entr(p, q).sum()


def mutual_information(table: ArrayLike, first: Sequence[int], second: Sequence[int]) -> Float[Array, ""]:
    """Return the mutual information of two sets of variables, H(x) + H(y) - H(x, y).

    Args:
        table: Joint probabilities, an axis a variable.
        first: Axes of x.
        second: Axes of y; axes that are in neither set are summed out.

    Returns:
        The mutual information, in nats.

    Raises:
        TypeError: If a table is none, but a distribution, say.
        ValueError: If the table holds no probabilities that sum to one, or if an axis does not exist or is in
            both sets.

    Example:
        >>> print(f"{mutual_information(jnp.eye(2) / 2, [0], [1]):.4f}")  # log 2
        0.6931

    Source:
        Bishop & Bishop (2023), eq. 2.110.
    """
    return conditional_mutual_information(table, first, second, ())


def conditional_mutual_information(
    table: ArrayLike, first: Sequence[int], second: Sequence[int], given: Sequence[int]
) -> Float[Array, ""]:
    """Return what x and y tell of each other if z is known, H(x, z) + H(y, z) - H(x, y, z) - H(z).

    Args:
        table: Joint probabilities, an axis a variable.
        first: Axes of x.
        second: Axes of y.
        given: Axes of z; axes that are in no set are summed out.

    Returns:
        The conditional mutual information, in nats: zero if x and y are independent given z.

    Raises:
        TypeError: If a table is none, but a distribution, say.
        ValueError: If the table holds no probabilities that sum to one, or if an axis does not exist or is in
            two sets.

    Example:
        >>> exclusive_or = jnp.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]) / 4
        >>> print(f"{conditional_mutual_information(exclusive_or, [0], [1], [2]):.4f}")
        0.6931

    Source:
        Cover & Thomas (2006), eq. 2.60.
    """
    p = _checked(table)
    _check_axes(p.ndim, first, second, given)

    def of(*axes: int) -> Float[Array, ""]:
        return entr(p.sum(tuple(axis for axis in range(p.ndim) if axis not in axes))).sum()

    return of(*first, *given) + of(*second, *given) - of(*first, *second, *given) - of(*given)


def _check_axes(number: int, *sets: Sequence[int]) -> None:
    axes = [axis for group in sets for axis in group]
    if not set(axes) <= set(range(number)) or len(set(axes)) != len(axes):
        raise ValueError(
            f"Expected different axes from 0 to {number - 1}; got {axes}. Name each axis in one set, once."
        )


def _checked(table: ArrayLike) -> Float[Array, "*axes"]:
    try:
        values = jnp.asarray(table)
    except (TypeError, ValueError):
        raise TypeError(
            f"Expected a table of probabilities; got {_short(table)}. Pass an array of them; of a NumPyro "
            f"distribution, call its `entropy()`, or `numpyro.distributions.kl_divergence(p, q)`."
        ) from None
    p = values.astype(jnp.result_type(float, values))
    if not isinstance(p, Tracer):
        total, least = float(np.sum(p)), float(np.min(p)) if p.size else 0.0
        if not (least >= 0 and abs(total - 1) < ROUNDING):
            raise ValueError(
                f"Expected probabilities that sum to one; got a sum of {total:.6g} and {least:.3g} as the "
                "least. Divide counts by their sum."
            )
    return p


def _short(value: object) -> str:
    return repr(value) if isinstance(value, list | tuple | str | None) else f"a {type(value).__name__}"
