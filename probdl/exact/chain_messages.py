r"""Messages along a chain of discrete states, by rescaled products instead of logarithms.

With weights $x_t$ of the states and matrices $A_t$ from step $t$ to the next, the filtered states are

$$f_t = \frac{q_t \odot x_t}{c_t}, \qquad q_{t+1} = f_t A_t, \qquad c_t = \sum_i q_{ti} x_{ti},$$

and from behind

$$v_t = \frac{b_t \odot x_t}{d_t}, \qquad b_{t-1} = A_{t-1} v_t, \qquad d_t = \sum_i b_{ti} x_{ti}.$$

Nothing overflows, but what falls below the smallest number `tiny` is lost. Of each state that is at most
$\mathrm{tiny} / c_t$ in $f_t$ and $\mathrm{tiny} / d_{t+1}$ in $v_{t+1}$. If weights and matrices are at most
one, that much over the overlap $w_t = \sum_i f_{ti} b_{ti}$ is lost of the probability of all paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Carry = tuple[Array, Array, Array]


class Forward(NamedTuple):
    r"""The messages of the steps before.

    Attributes:
        filtered: Share of each state, given the weights up to its step.
        shares: The $c_t$, whose product is the normalizer.
        divisors: What the filtered state was divided by in all: underflow costs it `tiny` over this.
    """

    filtered: Float[Array, "time state"]
    shares: Float[Array, " time"]
    divisors: Float[Array, " time"]


class Backward(NamedTuple):
    r"""What the messages of the steps behind make of the filtered states.

    Attributes:
        states: Probability of each state, given all weights.
        onward: $v_{t+1} / w_t$, which makes pairs of the filtered states; zero at the last step.
        overlap: The $w_t$.
        divisors: What $v_{t+1}$ was divided by in all; one at the last step.
    """

    states: Float[Array, "time state"]
    onward: Float[Array, "time state"]
    overlap: Float[Array, " time"]
    divisors: Float[Array, " time"]


class Algorithm(Protocol):
    """An order in which the messages are computed; immutable and hashable.

    `matrices` has one matrix [from, to] for each pair of neighbours, or a single one for all.
    """

    def forward(
        self,
        start: Float[Array, " state"],
        matrices: Float[Array, "step state state"],
        weights: Float[Array, "time state"],
    ) -> Forward:
        """Return the filtered states."""
        ...

    def backward(
        self,
        filtered: Float[Array, "time state"],
        matrices: Float[Array, "step state state"],
        weights: Float[Array, "time state"],
    ) -> Backward:
        """Return the smoothed states."""
        ...


@dataclass(frozen=True)
class Sequential:
    """One step after the other: the fastest on a CPU, and for a batch of many chains.

    Example:
        >>> import jax.numpy as jnp
        >>> weights = jnp.array([[0.5, 0.5], [1.0, 0.0]])
        >>> Sequential().forward(jnp.ones(2), jnp.eye(2)[None], weights).shares.tolist()
        [1.0, 0.5]
    """

    def forward(
        self,
        start: Float[Array, " state"],
        matrices: Float[Array, "step state state"],
        weights: Float[Array, "time state"],
    ) -> Forward:
        """Return the filtered states."""

        def step(message: Array, time: Array) -> tuple[Array, Forward]:
            weighted = message * weights[time]
            share = weighted.sum()
            state = weighted * reciprocal(share)
            return state @ link(matrices, time), Forward(state, share, share)

        return lax.scan(step, start, jnp.arange(len(weights)))[1]

    def backward(
        self,
        filtered: Float[Array, "time state"],
        matrices: Float[Array, "step state state"],
        weights: Float[Array, "time state"],
    ) -> Backward:
        """Return the smoothed states."""

        def step(carry: Carry, time: Array) -> tuple[Carry, Backward]:
            message, onward, divisor = carry
            joint, weighted = filtered[time] * message, message * weights[time]
            overlap, share = joint.sum(), weighted.sum()
            inverse = reciprocal(overlap)
            before = weighted * reciprocal(share)
            found = Backward(joint * inverse, onward * inverse, overlap, divisor)
            return (link(matrices, time - 1) @ before, before, share), found

        ones = jnp.ones_like(filtered[0])
        start = ones, jnp.zeros_like(ones), ones[0]
        return lax.scan(step, start, jnp.arange(len(weights)), reverse=True)[1]


@dataclass(frozen=True)
class Associative:
    """All steps at once, by a tree of matrix products: for one long chain of few states on an accelerator.

    The number of products in a row grows as the logarithm of the number of steps, but their work as the
    cube of the number of states, and a matrix for each step is held in memory.

    Example:
        >>> import jax.numpy as jnp
        >>> weights = jnp.array([[0.5, 0.5], [1.0, 0.0]])
        >>> Associative().forward(jnp.ones(2), jnp.eye(2)[None], weights).shares.tolist()
        [1.0, 0.5]

    Source:
        Särkkä and García-Fernández (2021), doi:10.1109/TAC.2020.2976316, section III; for discrete states
        Hassan, Särkkä and García-Fernández (2021), doi:10.1109/TSP.2021.3103338.
    """

    def forward(
        self,
        start: Float[Array, " state"],
        matrices: Float[Array, "step state state"],
        weights: Float[Array, "time state"],
    ) -> Forward:
        """Return the filtered states."""
        messages, divisors = _messages(start, matrices, weights)
        weighted = messages * weights
        shares = weighted.sum(1)
        states = weighted * reciprocal(shares)[:, None]
        return Forward(states, shares, jnp.minimum(shares, divisors))

    def backward(
        self,
        filtered: Float[Array, "time state"],
        matrices: Float[Array, "step state state"],
        weights: Float[Array, "time state"],
    ) -> Backward:
        """Return the smoothed states."""
        ones = jnp.ones_like(filtered[0])
        messages, divisors = (x[::-1] for x in _messages(ones, matrices.mT[::-1], weights[::-1]))
        joint, weighted = filtered * messages, messages * weights
        overlap, shares = joint.sum(1), weighted.sum(1)
        inverse = reciprocal(overlap)[:, None]
        onward = jnp.roll(weighted * reciprocal(shares)[:, None], -1, 0).at[-1].set(0)
        divisors = jnp.roll(jnp.minimum(shares, divisors), -1).at[-1].set(1)
        return Backward(joint * inverse, onward * inverse, overlap, divisors)


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
