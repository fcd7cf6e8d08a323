"""Floating-point precision, chosen for a run and given back afterwards."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np


class Precision(enum.Enum):
    """Precision of a run: the type of its floating-point numbers and of its default integers."""

    SINGLE = "float32"
    DOUBLE = "float64"

    @property
    def floating(self) -> np.dtype:
        """Type of the floating-point numbers."""
        return np.dtype(self.value)

    @property
    def integer(self) -> np.dtype:
        """Type of the integers."""
        return np.dtype("int64" if self is Precision.DOUBLE else "int32")

    @contextmanager
    def active(self) -> Iterator[None]:
        """Run a block of JAX code in this precision.

        Only this thread and only this block are touched: the user's `jax_enable_x64` is as before
        afterwards, even after an error.

        Example:
            >>> import jax.numpy as jnp
            >>> with Precision.DOUBLE.active():
            ...     print(jnp.zeros(()).dtype)
            float64
        """
        with jax.enable_x64(self is Precision.DOUBLE):
            yield


def concrete(tree: Any) -> Any:
    """Return JAX arrays as NumPy ones, whose precision does not depend on the flags of JAX.

    Args:
        tree: Arrays, none of them traced.

    Returns:
        The same tree; a single number is a NumPy scalar.

    Example:
        >>> import jax.numpy as jnp
        >>> with Precision.DOUBLE.active():
        ...     found = concrete(jnp.zeros(()))
        >>> (found + 1).dtype
        dtype('float64')
    """
    return jax.tree.map(lambda leaf: np.asarray(leaf)[()], tree)
