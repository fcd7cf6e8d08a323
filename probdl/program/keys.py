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
    if isinstance(key, int) and not isinstance(key, bool):
        return jax.random.key(key)
    if isinstance(key, jax.Array):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0:
            return key
        if key.dtype == "uint32" and key.shape == (2,):
            return jax.random.wrap_key_data(key)
    raise TypeError(f"Expected an int or a JAX key; got {key!r}. Pass key=0 or key=jax.random.key(0).")
