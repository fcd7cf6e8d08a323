"""Sequential estimation of a Gaussian."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.distributions.gaussian import GaussianVector


class Moments(NamedTuple):
    """Number, mean and scatter of values that come in batches: what a Gaussian is estimated from.

    Args:
        number: Number of values so far.
        mean: Their mean.
        scatter: Sum of outer products of their deviations from the mean.

    Example:
        >>> moments = Moments.none(1)
        >>> for batch in ([[1.0], [2.0]], [[6.0]]):
        ...     moments = moments.update(jnp.array(batch))
        >>> print(moments.gaussian().mean, moments.gaussian().covariance)
        [3.] [[4.6666665]]

    Source:
        Bishop & Bishop (2023), §3.2.7; Chan, Golub & LeVeque (1983), doi:10.1080/00031305.1983.10483115, for
        the merging of batches without cancellation.
    """

    number: Float[Array, ""]
    mean: Float[Array, " dim"]
    scatter: Float[Array, "dim dim"]

    @classmethod
    def none(cls, size: int) -> Moments:
        """Return the moments of no values.

        Args:
            size: Number of variables.

        Returns:
            Zeros.
        """
        return cls(jnp.zeros(()), jnp.zeros(size), jnp.zeros((size, size)))

    def update(self, x: Float[Array, "batch dim"]) -> Moments:
        """Return the moments after more values.

        Args:
            x: The values.

        Returns:
            Moments of all.
        """
        new = len(x)
        total = self.number + new
        mean = x.mean(0)
        deviation, step = x - mean, mean - self.mean
        merged = deviation.T @ deviation + jnp.outer(step, step) * self.number * new / total
        return Moments(total, self.mean + step * new / total, self.scatter + merged)

    def gaussian(self) -> GaussianVector:
        """Return the Gaussian of maximum likelihood.

        Returns:
            The distribution; its covariance is biased: the scatter over the number of values.
        """
        return GaussianVector._make((self.mean, self.scatter / self.number))
