"""Gaussian chains with their states integrated out: evidence, conditionals, moments."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.exact.gaussians.block_tridiagonal import Factor, factorize
from probdl.exact.gaussians.gaussian import Canonical
from probdl.exact.gaussians.gaussian_chain import Blocks, GaussianChain, assemble
from probdl.exact.gaussians.gaussian_integral import Conditional, Regression
from probdl.exact.gaussians.gaussian_steady import (
    SHORTEST,
    factorize_invariant,
    settled_covariances,
    written_out,
)
from probdl.exact.gaussians.linear_recursion import covariances_backward, vectors_backward, vectors_forward


class Eliminated(NamedTuple):
    """A chain whose states are integrated out, one after the other, and how to bring them back.

    Attributes:
        steps: The distribution of x_t given (x_(t+1), o); the last one does not depend on its x_(t+1).
        border: The integral over all states, as a potential of the border.
        means: Mean of each state given the border: where the border is zero, then its slopes, as columns.
        factor: The factor of the precision of the states.
    """

    steps: Conditional
    border: Canonical
    means: Float[Array, "time d columns"]
    factor: Factor


class ChainMoments(NamedTuple):
    """Moments of the states given the border: x_t given o is N(gain o + offset, covariance).

    Attributes:
        gain: Matrix of the regression of each state on the border.
        offset: Mean of each state where the border is zero.
        covariance: Covariance of each state given the border.
        lagged: Covariance of x_t and x_(t+1) given the border.
    """

    gain: Float[Array, "time d border"]
    offset: Float[Array, "time d"]
    covariance: Float[Array, "time d d"]
    lagged: Float[Array, "before d d"]

    def at_first(self) -> Regression:
        """Return the distribution of x_0 given the border."""
        return Regression(self.gain[0], self.offset[0], self.covariance[0])

    def single(self) -> Regression:
        """Return the distributions of x_t given the border."""
        return Regression(self.gain, self.offset, self.covariance)

    def double(self) -> Regression:
        """Return the distributions of (x_t, x_(t+1)) given the border."""
        above = jnp.concatenate([self.covariance[:-1], self.lagged], -1)
        below = jnp.concatenate([self.lagged.mT, self.covariance[1:]], -1)
        gain, offset = (jnp.concatenate([x[:-1], x[1:]], 1) for x in (self.gain, self.offset))
        return Regression(gain, offset, jnp.concatenate([above, below], -2))


def eliminate(chain: GaussianChain, factor: Factor | None = None) -> Eliminated:
    """Integrate the states out from the first to the last, and keep what smoothing and sampling need.

    A block Cholesky decomposition of the precision. The integral is the difference of sums of squares: where
    the states are far from zero, `condition_states` has more digits of it.

    Args:
        chain: The chain.
        factor: The factor of its precision, if it is known from a chain with the same precisions.

    Returns:
        The conditionals of the states, and the integral.

    Example:
        >>> zero = jnp.zeros(1)
        >>> start = Canonical(jnp.zeros(()), jnp.ones(1), jnp.eye(1))
        >>> none = Canonical(zero, zero[None], zero[None, None])
        >>> pair = Canonical(zero, jnp.zeros((1, 2)), jnp.zeros((1, 2, 2)))
        >>> eliminate(GaussianChain(start, none, pair, length=1)).steps.offset.tolist()
        [[1.0]]
    """
    blocks = assemble(chain)
    length, d = blocks.right.shape[:2]
    factor = _factorized(blocks) if factor is None else factor
    shift, products = vectors_forward(factor.gain, factor.covariance, blocks.right)
    log_scale = (products[0, 0] - factor.log_determinant + length * d * math.log(2 * math.pi)) / 2
    squares = (products[1:, 1:] + products[1:, 1:].T) / 2
    border = Canonical(
        blocks.border.log_scale + log_scale,
        blocks.border.linear + products[1:, 0],
        blocks.border.precision - squares,
    )
    gain = jnp.concatenate([factor.gain, shift[..., 1:]], -1)
    steps = Conditional(gain, shift[..., 0], factor.cholesky)
    return Eliminated(steps, border, vectors_backward(factor.gain, shift), factor)


def chain_moments(eliminated: Eliminated) -> ChainMoments:
    """Return the moments of all states given the border.

    Args:
        eliminated: The chain, of `eliminate`.

    Returns:
        The moments.

    Example:
        >>> zero = jnp.zeros(1)
        >>> start = Canonical(jnp.zeros(()), zero, 4 * jnp.eye(1))
        >>> none = Canonical(zero, zero[None], zero[None, None])
        >>> pair = Canonical(zero, jnp.zeros((1, 2)), jnp.zeros((1, 2, 2)))
        >>> chain_moments(eliminate(GaussianChain(start, none, pair, length=1))).covariance.tolist()
        [[[0.25]]]

    Source:
        Rauch, Tung & Striebel (1965), in terms of the conditionals.
    """
    factor, means = eliminated.factor, eliminated.means
    if factor.settled is None:
        covariance, lagged = covariances_backward(factor.gain, factor.covariance)
    else:
        covariance, lagged = settled_covariances(factor)
    return ChainMoments(means[..., 1:], means[..., 0], covariance, lagged)


def _factorized(blocks: Blocks) -> Factor:
    length = len(blocks.right)
    if not blocks.is_invariant:
        return factorize(blocks.diagonal, blocks.coupling)
    if length >= SHORTEST:
        return factorize_invariant(blocks.diagonal, blocks.coupling, length)
    return factorize(*written_out(blocks.diagonal, blocks.coupling, length))
