"""Gaussian algebra: marginals, conditionals, linear maps, products, Bayes' theorem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Float

from probdl.distributions.positive_definite import check_parameters, cholesky, log_determinant


class _Parts(NamedTuple):
    mean: Float[Array, " dim"]
    covariance: Float[Array, "dim dim"]


class GaussianVector(_Parts):
    """A multivariate normal distribution, and what can be computed with it.

    All methods can be traced, differentiated and mapped over. Outside a trace a matrix that is not positive
    definite is an error; inside one it gives numbers that are not finite.

    Args:
        mean: Mean vector.
        covariance: Covariance matrix, symmetric.

    Raises:
        ValueError: If the shapes do not fit, or if the covariance is known and not symmetric.

    Example:
        >>> both = GaussianVector(jnp.zeros(2), jnp.array([[1.0, 0.5], [0.5, 1.0]]))
        >>> given = both.condition([1], jnp.array([2.0]))
        >>> print(given.mean, given.covariance)
        [1.] [[0.75]]

    Source:
        Bishop & Bishop (2023), §3.2.
    """

    __slots__ = ()

    def __new__(cls, mean: Float[Array, " dim"], covariance: Float[Array, "dim dim"]) -> GaussianVector:
        """Check the arguments; more axes in front are those of a batch, for `jax.vmap`."""
        check_parameters(mean, covariance, "covariance")
        return cls._make((mean, covariance))

    @classmethod
    def from_precision(
        cls, shift: Float[Array, " dim"], precision: Float[Array, "dim dim"]
    ) -> GaussianVector:
        """Return the distribution proportional to exp(shift . x - x . precision x / 2).

        Args:
            shift: Precision times mean.
            precision: Inverse of the covariance.

        Returns:
            The distribution.

        Raises:
            ValueError: If the shapes do not fit, or the precision is not symmetric and positive definite.
        """
        check_parameters(shift, precision, "precision")
        factor = cholesky(precision, "precision")
        covariance = cho_solve((factor, True), jnp.eye(len(precision), dtype=precision.dtype))
        return cls._make((cho_solve((factor, True), shift), covariance))

    @property
    def precision(self) -> Float[Array, "dim dim"]:
        """Inverse of the covariance."""
        factor = cholesky(self.covariance, "covariance")
        return cho_solve((factor, True), jnp.eye(len(self.mean), dtype=self.covariance.dtype))

    def marginal(self, indices: Sequence[int]) -> GaussianVector:
        """Return the distribution of some of the variables.

        Args:
            indices: Their positions.

        Returns:
            The marginal distribution, in the order of the positions.

        Raises:
            ValueError: If a position is out of range or named twice.
        """
        kept = self._positions(indices)
        return self._make((self.mean[kept], self.covariance[np.ix_(kept, kept)]))

    def condition(self, indices: Sequence[int], values: Float[Array, " given"]) -> GaussianVector:
        """Return the distribution of the other variables, given the values of some.

        Args:
            indices: Positions of those that are known.
            values: Their values.

        Returns:
            The conditional distribution of the rest, in its order.

        Raises:
            ValueError: If a position is out of range or named twice, or if the covariance of the known
                variables is singular.
        """
        known = self._positions(indices)
        rest = np.setdiff1d(np.arange(len(self.mean)), known)
        factor = cholesky(self.covariance[np.ix_(known, known)], "covariance of the known variables")
        white = solve_triangular(factor, self.covariance[np.ix_(known, rest)], lower=True)
        error = solve_triangular(factor, jnp.asarray(values) - self.mean[known], lower=True)
        covariance = self.covariance[np.ix_(rest, rest)] - white.T @ white
        return self._make((self.mean[rest] + white.T @ error, covariance))

    def affine(
        self,
        matrix: Float[Array, "out dim"],
        shift: Float[Array, " out"] | float = 0.0,
        noise: Float[Array, "out out"] | float = 0.0,
    ) -> GaussianVector:
        """Return the distribution of matrix @ x + shift + e.

        Args:
            matrix: The linear map.
            shift: A constant.
            noise: Covariance of e, which is independent of x and has mean zero.

        Returns:
            The distribution of the sum.
        """
        return self._make((matrix @ self.mean + shift, matrix @ self.covariance @ matrix.T + noise))

    def product(self, other: GaussianVector) -> tuple[GaussianVector, Float[Array, ""]]:
        """Return the product of two densities of the same variables, normalised.

        Args:
            other: The other factor.

        Returns:
            The distribution, and the logarithm of the integral of the product, in nats.

        Raises:
            ValueError: If the sum of the covariances is singular.
        """
        identity = jnp.eye(len(self.mean), dtype=self.covariance.dtype)
        return self.bayes(identity, jnp.zeros_like(self.mean), other.covariance, other.mean)

    def bayes(
        self,
        matrix: Float[Array, "out dim"],
        shift: Float[Array, " out"] | float,
        noise: Float[Array, "out out"],
        y: Float[Array, " out"],
    ) -> tuple[GaussianVector, Float[Array, ""]]:
        """Apply Bayes' theorem: p(x | y) and log p(y) for y = matrix @ x + shift + e.

        Observations may be taken one after the other: each posterior is the prior of the next, and the log
        evidences add up.

        Args:
            matrix: The linear map.
            shift: A constant.
            noise: Covariance of e; it may be singular if that of y is not.
            y: What is observed.

        Returns:
            The posterior, and the log evidence, in nats.

        Raises:
            ValueError: If the covariance of y is singular.

        Source:
            Bishop & Bishop (2023), eqs. 3.99 to 3.104; the covariance in Joseph's form, which stays positive.
        """
        predicted = self.affine(matrix, shift, noise)
        factor = cholesky(predicted.covariance, "covariance of y")
        gain = cho_solve((factor, True), matrix @ self.covariance).T
        kept = jnp.eye(len(self.mean), dtype=self.covariance.dtype) - gain @ matrix
        covariance = kept @ self.covariance @ kept.T + gain @ noise @ gain.T
        return self._make((self.mean + gain @ (y - predicted.mean), covariance)), predicted.log_prob(y)

    def mahalanobis(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """Return the distance of values from the mean, in standard deviations.

        Args:
            x: Values.

        Returns:
            Distances: the square root of (x - mean) . precision (x - mean).

        Raises:
            ValueError: If the covariance is singular.
        """
        factor = cholesky(self.covariance, "covariance")
        return jnp.sqrt(jnp.sum(_whitened(factor, x - self.mean) ** 2, -1))

    def log_prob(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """Return the log-density.

        Args:
            x: Values.

        Returns:
            Log-densities, in nats.

        Raises:
            ValueError: If the covariance is singular.
        """
        factor = cholesky(self.covariance, "covariance")
        square = jnp.sum(_whitened(factor, x - self.mean) ** 2, -1)
        return -square / 2 - log_determinant(factor) / 2 - len(self.mean) / 2 * math.log(2 * math.pi)

    def entropy(self) -> Float[Array, ""]:
        """Return the differential entropy, log |2 pi e covariance| / 2.

        Returns:
            The entropy, in nats.

        Raises:
            ValueError: If the covariance is singular.
        """
        factor = cholesky(self.covariance, "covariance")
        return log_determinant(factor) / 2 + len(self.mean) / 2 * (1 + math.log(2 * math.pi))

    def kl(self, other: GaussianVector) -> Float[Array, ""]:
        """Return the Kullback-Leibler divergence KL(self || other).

        Args:
            other: The distribution that is compared with.

        Returns:
            The divergence, in nats.

        Raises:
            ValueError: If one of the covariances is singular.
        """
        own, factor = (cholesky(each.covariance, "covariance") for each in (self, other))
        spread = jnp.sum(solve_triangular(factor, own, lower=True) ** 2)
        distance = jnp.sum(_whitened(factor, self.mean - other.mean) ** 2)
        return (spread + distance - len(self.mean) + log_determinant(factor) - log_determinant(own)) / 2

    def mutual_information(self, first: Sequence[int], second: Sequence[int]) -> Float[Array, ""]:
        """Return the mutual information of two sets of variables.

        Args:
            first: Positions of the one.
            second: Positions of the other; the sets do not overlap.

        Returns:
            The mutual information, in nats: of two variables of correlation r, -log(1 - r^2) / 2.

        Raises:
            ValueError: If a position is out of range or named twice, or if the covariance is singular.
        """
        joint = self.marginal([*first, *second])
        return self.marginal(first).entropy() + self.marginal(second).entropy() - joint.entropy()

    def _positions(self, indices: Sequence[int]) -> np.ndarray:
        wanted, size = np.asarray(indices, int).reshape(-1), len(self.mean)
        if not ((wanted >= 0) & (wanted < size)).all() or len(set(wanted.tolist())) != len(wanted):
            raise ValueError(
                f"Expected different positions from 0 to {size - 1}; got {wanted.tolist()}. "
                "Name each variable once."
            )
        return wanted


# Trees are rebuilt without the checks: their leaves may be gradients, batches, or no arrays at all.
jax.tree_util.register_pytree_with_keys(
    GaussianVector,
    lambda g: (tuple((jax.tree_util.GetAttrKey(name), part) for name, part in g._asdict().items()), None),
    lambda _, parts: GaussianVector._make(parts),
)


def _whitened(factor: Float[Array, "dim dim"], x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
    flat = solve_triangular(factor, x.reshape(-1, x.shape[-1]).T, lower=True)
    return flat.T.reshape(x.shape)
