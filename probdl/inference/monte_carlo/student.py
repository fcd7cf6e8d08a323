"""A multivariate Student distribution, of which the normal one is the limit."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import gammaln
from jaxtyping import Array, Float


class Student(NamedTuple):
    """A multivariate Student distribution.

    Attributes:
        location: Its centre.
        scale: Lower triangular factor of its scale matrix: the covariance of the normal limit.
        degrees_of_freedom: How light its tails are; infinite for a normal distribution.
    """

    location: Float[Array, " dim"]
    scale: Float[Array, "dim dim"]
    degrees_of_freedom: Float[Array, ""]

    def draw(self, key: Array) -> Float[Array, " dim"]:
        """Return a draw."""
        first, second = jax.random.split(key)
        normal = jax.random.normal(first, self.location.shape)
        half = jnp.where(jnp.isinf(self.degrees_of_freedom), 1.0, self.degrees_of_freedom / 2)
        stretch = jnp.where(
            jnp.isinf(self.degrees_of_freedom), 1.0, jnp.sqrt(jax.random.gamma(second, half) / half)
        )
        return self.location + self.scale @ normal / stretch

    def log_density(self, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-density of a position, in nats."""
        dim = position.shape[0]
        squared = jnp.sum(solve_triangular(self.scale, position - self.location, lower=True) ** 2)
        volume = jnp.sum(jnp.log(jnp.abs(jnp.diagonal(self.scale))))
        is_normal = jnp.isinf(self.degrees_of_freedom)
        nu = jnp.where(is_normal, 1.0, self.degrees_of_freedom)
        normal = -0.5 * squared - dim / 2 * np.log(2 * np.pi)
        heavy = gammaln((nu + dim) / 2) - gammaln(nu / 2) - dim / 2 * jnp.log(nu * np.pi)
        heavy = heavy - (nu + dim) / 2 * jnp.log1p(squared / nu)
        return jnp.where(is_normal, normal, heavy) - volume
