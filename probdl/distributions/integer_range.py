"""A distribution over consecutive integers, given by their probabilities."""

from __future__ import annotations

from typing import Any, override

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Float, Int
from numpyro.distributions import constraints


class IntegerRange(dist.Distribution):
    """Distribution over the integers from `low` on: a categorical one that need not begin at zero.

    Args:
        probs: Probabilities, the integers last.
        low: The least integer.

    Example:
        >>> known = IntegerRange(jnp.array([0.25, 0.75]), -1)
        >>> [f"{x:.3f}" for x in known.log_prob(jnp.array([-1, 1])).tolist()]
        ['-1.386', '-inf']
    """

    arg_constraints = {"probs": constraints.simplex}
    has_enumerate_support = True
    pytree_data_fields = ("probs",)
    pytree_aux_fields = ("low",)

    def __init__(
        self, probs: Float[ArrayLike, "*batch integers"], low: int, *, validate_args: bool | None = None
    ) -> None:
        self.probs, self.low = jnp.asarray(probs), low
        super().__init__(self.probs.shape[:-1], validate_args=validate_args)

    @property
    @override
    def support(self) -> constraints.Constraint:
        return constraints.integer_interval(self.low, self.low + self.probs.shape[-1] - 1)

    @property
    def _values(self) -> Int[Array, " integers"]:
        return self.low + jnp.arange(self.probs.shape[-1])

    @property
    @override
    def mean(self) -> Float[Array, "*batch"]:
        return self.probs @ self._values.astype(self.probs.dtype)

    @property
    @override
    def variance(self) -> Float[Array, "*batch"]:
        away = self._values - self.mean[..., None]
        return (self.probs * away**2).sum(-1)

    @override
    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Int[Array, "*shape"]:
        return self.low + jax.random.categorical(
            key, jnp.log(self.probs), shape=sample_shape + self.batch_shape
        )

    @override
    def log_prob(self, value: ArrayLike, intermediates: list[Any] | None = None) -> Float[Array, "*shape"]:
        hit = jnp.asarray(value)[..., None] == self._values
        return jnp.log(jnp.where(hit, self.probs, 0).sum(-1))

    @override
    def enumerate_support(self, expand: bool = True) -> Int[Array, " integers *batch"]:
        values = self._values.reshape(-1, *(1,) * len(self.batch_shape))
        return jnp.broadcast_to(values, (len(values), *self.batch_shape)) if expand else values
