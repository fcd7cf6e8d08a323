"""Gaussian chains with their states integrated out: evidence, conditionals, moments."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.exact.block_tridiagonal import factorize
from probdl.exact.cholesky import gram, inverse, log_determinant, solve_lower, solve_upper
from probdl.exact.gaussian import Canonical
from probdl.exact.gaussian_chain import GaussianChain, assemble
from probdl.exact.gaussian_integral import Conditional, Regression
from probdl.exact.linear_recursion import covariances_backward, vectors_backward, vectors_forward


class Eliminated(NamedTuple):
    """A chain whose states are integrated out, one after the other, and how to bring them back.

    Attributes:
        steps: The distribution of x_t given (x_(t+1), o); the last one does not depend on its x_(t+1).
        border: The integral over all states, as a potential of the border.
    """

    steps: Conditional
    border: Canonical


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


def eliminate(chain: GaussianChain, factor: Float[Array, "time d d"] | None = None) -> Eliminated:
    """Integrate the states out from the first to the last, and keep what smoothing and sampling need.

    A block Cholesky decomposition of the precision. The integral is the difference of sums of squares: where
    the states are far from zero, `integrate_states` has more digits of it.

    Args:
        chain: The chain.
        factor: Cholesky factors of the precisions of the conditionals, if they are known from a chain with
            the same precisions.

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
    factor = factorize(blocks.diagonal, blocks.coupling) if factor is None else factor
    gain = -solve_upper(factor[:-1], solve_lower(factor[:-1], blocks.coupling))
    right = vectors_forward(gain, blocks.right)
    gain = jnp.pad(gain, ((0, 1), (0, 0), (0, 0)))
    half = solve_lower(factor, right)
    shift = solve_upper(factor, half)
    flat = half.reshape(length * d, -1)
    products = flat.T @ flat
    log_scale = (
        products[0, 0] / 2 - log_determinant(factor).sum() / 2 + length * d / 2 * math.log(2 * math.pi)
    )
    border = Canonical(
        blocks.border.log_scale + log_scale,
        blocks.border.linear + products[1:, 0],
        blocks.border.precision - products[1:, 1:],
    )
    return Eliminated(Conditional(jnp.concatenate([gain, shift[..., 1:]], -1), shift[..., 0], factor), border)


def chain_moments(steps: Conditional) -> ChainMoments:
    """Return the moments of all states given the border.

    Args:
        steps: The conditionals of the states, of `eliminate`.

    Returns:
        The moments.

    Example:
        >>> alone = Conditional(jnp.zeros((1, 1, 1)), jnp.ones((1, 1)), 2 * jnp.ones((1, 1, 1)))
        >>> chain_moments(alone).covariance.tolist()
        [[[0.25]]]

    Source:
        Rauch, Tung & Striebel (1965), in terms of the conditionals.
    """
    d = steps.offset.shape[-1]
    gain = steps.gain[..., :d]
    shift = jnp.concatenate([steps.offset[..., None], steps.gain[..., d:]], -1)
    moved = vectors_backward(gain, shift)
    covariance = covariances_backward(gain, inverse(steps.cholesky))
    lagged = gram(gain[:-1].mT, covariance[1:])
    return ChainMoments(moved[..., 1:], moved[..., 0], covariance, lagged)
