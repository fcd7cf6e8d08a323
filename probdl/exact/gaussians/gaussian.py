"""Potentials that are exponentials of quadratic functions, and their products."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Array, Float


class Canonical(NamedTuple):
    """The function exp(c + h'x - x'Jx / 2) of a vector x.

    Leading axes of the three arrays are a batch and broadcast. J need not be invertible: a likelihood of
    some coordinates says nothing of the others. Only the symmetric part of J counts.

    Attributes:
        log_scale: c, in nats.
        linear: h.
        precision: J.

    Example:
        >>> import jax.numpy as jnp
        >>> standard = Canonical(jnp.zeros(()), jnp.zeros(1), jnp.eye(1))
        >>> float(standard.log_value(jnp.array([2.0])))
        -2.0

    Source:
        Koller & Friedman (2009), §14.2.1.
    """

    log_scale: Float[Array, "*batch"]
    linear: Float[Array, "*batch n"]
    precision: Float[Array, "*batch n n"]

    @property
    def size(self) -> int:
        """Number of coordinates of x."""
        return self.linear.shape[-1]

    def log_value(self, x: Float[Array, "*batch n"]) -> Float[Array, "*batch"]:
        """Return the logarithm of the function at a point, in nats."""
        quadratic = (x * (self.precision @ x[..., None])[..., 0]).sum(-1)
        return self.log_scale + (self.linear * x).sum(-1) - quadratic / 2


class Moments(NamedTuple):
    """Mean and covariance of a random vector.

    Attributes:
        mean: Mean.
        covariance: Covariance matrix.
    """

    mean: Float[Array, "*batch n"]
    covariance: Float[Array, "*batch n n"]


def multiply(*potentials: Canonical) -> Canonical:
    """Return the product of potentials of the same variables.

    Args:
        *potentials: One or more; batch axes broadcast.

    Returns:
        Their product.

    Example:
        >>> import jax.numpy as jnp
        >>> half = Canonical(jnp.zeros(()), jnp.ones(1), jnp.eye(1))
        >>> multiply(half, half).linear.tolist()
        [2.0]
    """
    first, *others = potentials
    for other in others:
        first = Canonical(*(a + b for a, b in zip(first, other, strict=True)))
    return first


def shift(potential: Canonical, by: Float[Array, "*batch n"]) -> Canonical:
    """Return a potential as a function of the deviation from a point.

    Args:
        potential: A potential of x; batch axes are free.
        by: The point.

    Returns:
        The potential of x - by, which has the same integral.

    Example:
        >>> import jax.numpy as jnp
        >>> parabola = Canonical(jnp.zeros(()), jnp.array([2.0]), jnp.eye(1))
        >>> shift(parabola, jnp.array([2.0])).linear.tolist()
        [0.0]
    """
    precision = (potential.precision + potential.precision.mT) / 2
    pull = potential.linear - (precision @ by[..., None])[..., 0]
    return Canonical(potential.log_value(by), pull, potential.precision)
