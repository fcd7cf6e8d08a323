r"""Messages along a chain of discrete states, by rescaled products instead of logarithms.

With weights $x_t$ of the states and matrices $A_t$ from step $t$ to the next, the messages are

$$f_t = q_t \odot x_t, \quad q_{t+1} = f_t A_t, \qquad v_t = b_t \odot x_t, \quad b_{t-1} = A_{t-1} v_t.$$

The overlap $w_t = \sum_i f_{ti} b_{ti}$ turns their products into marginals. Divisions keep them from
overflowing, but what falls below the smallest number `tiny` is lost. Each algorithm says what that can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class Messages(NamedTuple):
    """What the messages of both directions say of a chain.

    Attributes:
        log_normalizer: Logarithm of the sum over all paths.
        filtered: Share of each state, given the weights up to its step.
        states: Probability of each state, given all weights.
        pairs: Probability of each pair of neighbours, in the shape of the matrices: summed if they are one.
        margin: Underflow costs about `tiny` over this, of the probability of all paths.
    """

    log_normalizer: Float[Array, ""]
    filtered: Float[Array, "time state"]
    states: Float[Array, "time state"]
    pairs: Float[Array, "step state state"]
    margin: Float[Array, ""]


class Algorithm(Protocol):
    """An order in which the messages are computed; immutable and hashable."""

    def messages(
        self,
        start: Float[Array, " state"],
        matrices: Float[Array, "step state state"],
        weights: Float[Array, "time state"],
    ) -> Messages:
        """Return what the messages say.

        Args:
            start: Weights of the first state, beside those of the first step; none exceeds one.
            matrices: One [from, to] for each pair of neighbours, or a single one for all; so with these.
            weights: Weights of the state at each step; so with these.

        Returns:
            The marginals, and how far they can be trusted.
        """
        ...


@dataclass(frozen=True)
class Associative:
    """All steps at once, by a tree of matrix products: for one long chain of few states on an accelerator.

    The number of products in a row grows as the logarithm of the number of steps, but their work as the
    cube of the number of states, and a matrix for each step is held in memory.

    Each product is divided by its largest entry. What is smaller than `tiny` and lost is at most about `tiny`
    of the probability of all paths, over the overlap and over what the messages were divided by in all.

    Example:
        >>> import jax.numpy as jnp
        >>> weights = jnp.array([[0.5, 0.5], [1.0, 0.0]])
        >>> Associative().messages(jnp.ones(2), jnp.eye(2)[None], weights).states.tolist()
        [[1.0, 0.0], [1.0, 0.0]]

    Source:
        Särkkä and García-Fernández (2021), doi:10.1109/TAC.2020.2976316, section III; for discrete states
        Hassan, Särkkä and García-Fernández (2021), doi:10.1109/TSP.2021.3103338.
    """

    def messages(
        self,
        start: Float[Array, " state"],
        matrices: Float[Array, "step state state"],
        weights: Float[Array, "time state"],
    ) -> Messages:
        """Return what the messages say."""
        ones = jnp.ones_like(start)
        before, lost_before = _messages(start, matrices, weights)
        after, lost_after = (x[::-1] for x in _messages(ones, matrices.mT[::-1], weights[::-1]))
        raw, weighted = before * weights, after * weights
        shares, behind = raw.sum(1), weighted.sum(1)
        filtered = raw * reciprocal(shares)[:, None]
        onward = jnp.roll(weighted * reciprocal(behind)[:, None], -1, 0).at[-1].set(0)
        joint = filtered * after
        overlap = joint.sum(1)
        inverse = reciprocal(overlap)[:, None]
        pairs = paired(matrices, filtered, onward * inverse)
        divisors = jnp.roll(jnp.minimum(behind, lost_after), -1).at[-1].set(1)
        margin = (overlap * jnp.minimum(divisors, jnp.minimum(shares, lost_before))).min()
        return Messages(jnp.log(shares).sum(), filtered, joint * inverse, pairs, margin)


def _messages(start: Array, matrices: Array, weights: Array) -> tuple[Array, Array]:
    """Return $q_t$, and what the filtered states that it was made of were divided by in all."""
    num_steps, num_states = weights.shape
    ones = jnp.ones_like(weights[:, 0])
    if num_steps == 1:
        return start[None], ones
    matrices = jnp.broadcast_to(matrices, (num_steps - 1, num_states, num_states))
    factors = (weights[:-1, :, None] * matrices).at[0].multiply(start[:, None])
    products, divisors = lax.associative_scan(_product, _rescaled(factors, ones[1:]))
    weighted = jnp.concatenate([start[None], products[:-1].sum(1)]) * weights[:-1]
    shares = weighted.sum(1)
    states = weighted * reciprocal(shares)[:, None]
    messages = jnp.concatenate([start[None], jnp.einsum("ti,tij->tj", states, matrices)])
    return messages, ones.at[:-1].set(shares).at[1:-1].multiply(divisors[:-1])


def _product(before: tuple[Array, Array], after: tuple[Array, Array]) -> tuple[Array, Array]:
    """Multiply matrices, and keep what they were divided by."""
    return _rescaled(before[0] @ after[0], jnp.minimum(before[1], after[1]))


def _rescaled(matrices: Array, divisors: Array) -> tuple[Array, Array]:
    """Divide matrices by their largest entries."""
    largest = matrices.max((-2, -1))
    return matrices * reciprocal(largest)[..., None, None], divisors * jnp.minimum(largest, 1)


def paired(
    matrices: Float[Array, "step state state"],
    states: Float[Array, "time state"],
    onward: Float[Array, "time state"],
) -> Float[Array, "step state state"]:
    """Return the marginals of pairs of neighbours.

    Args:
        matrices: One for each pair of neighbours, or a single one for all, [from, to].
        states: Messages of the steps before, $f_t$.
        onward: Messages of the steps behind over the overlap, $v_{t+1} / w_t$; zero at the last step.

    Returns:
        The probability of each pair [step, from, to], summed if there is a single matrix.

    Example:
        >>> paired(jnp.ones((1, 1, 1)), jnp.ones((3, 1)), jnp.array([[1.0], [1.0], [0.0]])).tolist()
        [[[2.0]]]
    """
    if len(matrices) == 1:
        return matrices * (states.T @ onward)
    return matrices * states[:-1, :, None] * onward[:-1, None, :]


def link(matrices: Float[Array, "step state state"], time: Array) -> Float[Array, "state state"]:
    """Return the matrix from a step to the next; any, where there is none.

    Args:
        matrices: One for each pair of neighbours, or a single one for all, [from, to].
        time: Number of the step, from 0.

    Returns:
        The matrix [from, to].

    Example:
        >>> link(jnp.ones((1, 1, 1)), jnp.array(7)).tolist()
        [[1.0]]
    """
    if len(matrices) == 0:
        return jnp.zeros(matrices.shape[1:], matrices.dtype)
    return matrices[0] if len(matrices) == 1 else matrices[jnp.clip(time, 0, len(matrices) - 1)]


def reciprocal(x: Float[Array, ...]) -> Float[Array, ...]:
    """Return $1/x$, and zero where $x$ is zero.

    Args:
        x: Non-negative numbers.

    Returns:
        Their reciprocals.

    Example:
        >>> reciprocal(jnp.array([0.0, 4.0])).tolist()
        [0.0, 0.25]
    """
    positive = x > 0
    return jnp.where(positive, 1 / jnp.where(positive, x, 1), 0)


def floor(x: Float[Array, ...]) -> float:
    """Return the number that `tiny` must be divided by to be a rounding error: `tiny / eps`.

    Args:
        x: An array of the type that is asked about.

    Returns:
        The number.

    Example:
        >>> floor(jnp.zeros((), "float32")) < 1e-30
        True
    """
    numbers = jnp.finfo(x.dtype)
    return float(numbers.tiny / numbers.eps)
