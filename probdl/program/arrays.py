"""Data on their way into a run: converted without loss, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from probdl.program.precision import Precision


def convert(value: Any, precision: Precision, name: str) -> Any:
    """Return an array in the types of a precision.

    Floating-point arrays and integers take the precision's types: narrow integers would wrap around in
    arithmetic, wide ones are narrowed if every value fits.

    Args:
        value: An array.
        precision: The precision of the run.
        name: The site or argument, for the message.

    Returns:
        A NumPy array, or a JAX array where one was given.

    Raises:
        OverflowError: If an integer does not fit.
        TypeError: If the array holds no real numbers.

    Example:
        >>> convert(np.array([1, 2]), Precision.SINGLE, "y").dtype
        dtype('int32')
    """
    kind = value.dtype.kind if not jnp.issubdtype(value.dtype, jax.dtypes.extended) else "key"
    if kind == "f":
        return value.astype(precision.floating)
    if kind in "iu":
        return _fitted(np.asarray(value), precision.integer, name)
    if kind in "OUSMmc":
        raise TypeError(
            f"Expected real numbers for '{name}'; got an array of {value.dtype}. Encode it as numbers, for "
            f"instance with pandas.factorize."
        )
    return value


def widened(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return arrays in double precision where nothing is lost; others as they are.

    Args:
        arrays: Arrays of any type, by name.

    Returns:
        The arrays.

    Example:
        >>> wide = widened({"a": np.zeros(2, "float32"), "b": np.array(["c"])})
        >>> wide["a"].dtype, wide["b"].dtype.kind
        (dtype('float64'), 'U')
    """
    with Precision.DOUBLE.active():
        return {name: _wide(value) for name, value in arrays.items()}


def _wide(value: Any) -> Any:
    if not jnp.issubdtype(value.dtype, jax.dtypes.extended):
        for kinds, precise in (("f", np.float64), ("iu", np.int64)):
            if value.dtype.kind in kinds and np.can_cast(value.dtype, precise):
                return value.astype(precise)
    return value


def _fitted(value: np.ndarray, dtype: np.dtype, name: str) -> np.ndarray:
    limits = np.iinfo(dtype)
    outside = (value > limits.max) if value.dtype.kind == "u" else (value > limits.max) | (value < limits.min)
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        raise OverflowError(
            f"Expected integers of '{name}' between {limits.min} and {limits.max} ({dtype}); got "
            f"{value[index]} at index {list(index)}. Run in double precision, rescale it, or pass floats."
        )
    return value.astype(dtype)
