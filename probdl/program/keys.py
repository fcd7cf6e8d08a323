"""Random keys."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array


def as_key(key: int | Array) -> Array:
    """Return a JAX key.

    Args:
        key: A seed, or a key as `jax.random.key` makes it.

    Returns:
        A typed key.

    Raises:
        TypeError: If it is neither.

    Example:
        >>> bool(as_key(3) == jax.random.key(3))
        True
    """
    check_key(key)
    if isinstance(key, int):
        return jax.random.key(key)
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)


def check_key(key: int | Array) -> None:
    """Check that something is a seed or a key; nothing is computed.

    Args:
        key: A seed, or a key as `jax.random.key` makes it.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(key, int) and not isinstance(key, bool):
        return
    if isinstance(key, jax.Array):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0:
            return
        if key.dtype == "uint32" and key.shape == (2,):
            return
    raise TypeError(f"Expected an int or a JAX key; got {key!r}. Pass key=0 or key=jax.random.key(0).")
