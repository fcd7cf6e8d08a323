r"""Forward-backward on logarithms: slow, and exact where rescaled numbers underflow.

$$\log q_{t+1}(j) = \log \sum_i \exp(\log f_t(i) + B_{t+1}(i, j)), \qquad f_t \propto q_t \exp(e_t)$$
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.chains.chain_messages import link
from probdl.exact.chains.logarithms import log_sum

Carry = tuple[Array, Array]


def filtered_in_logs(
    initial: Float[Array, " state"],
    transitions: Float[Array, "step state state"],
    emissions: Float[Array, "time state"],
) -> tuple[Float[Array, ""], Float[Array, "time state"]]:
    r"""Return the log normalizer and the log of the filtered states.

    Args:
        initial: Log potential of the first state, in nats, (state,).
        transitions: Log potentials [step, from, to], one a step or one for all.
        emissions: Log potential of the state at each step, (time, state).

    Returns:
        $\log Z$, and $\log p(z_t \mid e_{0:t})$, (time, state), in nats.

    Example:
        >>> import jax.numpy as jnp
        >>> value, _ = filtered_in_logs(jnp.zeros(2), jnp.zeros((1, 2, 2)), jnp.full((3, 2), -2000.0))
        >>> round(float(value + 6000), 2)
        2.08
    """

    def step(carry: Carry, time: Array) -> tuple[Carry, Array]:
        message, total = carry
        state, share = normalized(message + emissions[time])
        message = log_sum(state[:, None] + link(transitions, time), 0)
        return (message, total + share), state

    start = initial, jnp.zeros((), initial.dtype)
    (_, total), states = lax.scan(step, start, jnp.arange(len(emissions)))
    return total, states


def smoothed_in_logs(
    initial: Float[Array, " state"],
    transitions: Float[Array, "step state state"],
    emissions: Float[Array, "time state"],
) -> tuple[Float[Array, ""], Float[Array, "time state"], Float[Array, "step state state"]]:
    r"""Return the log normalizer, the marginals of the states and those of the pairs.

    Args:
        initial: Log potential of the first state, in nats, (state,).
        transitions: Log potentials [step, from, to], one a step or one for all.
        emissions: Log potential of the state at each step, (time, state).

    Returns:
        $\log Z$ in nats, the marginals of the states (time, state), and those of the pairs, in the shape of
        `transitions`.

    Example:
        >>> import jax.numpy as jnp
        >>> _, states, pairs = smoothed_in_logs(jnp.zeros(2), jnp.zeros((1, 2, 2)), jnp.zeros((3, 2)))
        >>> states.tolist(), pairs.tolist()
        ([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], [[[0.5, 0.5], [0.5, 0.5]]])
    """
    total, filtered = filtered_in_logs(initial, transitions, emissions)
    last, shared = len(emissions) - 1, len(transitions) == 1

    def step(
        carry: tuple[Array, Array], time: Array
    ) -> tuple[tuple[Array, Array], tuple[Array, Array | None]]:
        message, counts = carry
        onward, _ = normalized(message + emissions[time + 1])
        joint = link(transitions, time) + onward
        pair = jnp.exp(normalized(filtered[time][:, None] + joint)[0])
        message = log_sum(joint, 1)
        state = jnp.exp(normalized(filtered[time] + message)[0])
        return (message, counts + pair if shared else counts), (state, None if shared else pair)

    start = jnp.zeros_like(initial), jnp.zeros_like(transitions[0]) if shared else jnp.zeros(())
    (_, counts), (states, pairs) = lax.scan(step, start, jnp.arange(last), reverse=True)
    states = jnp.concatenate([states, jnp.exp(filtered[-1:])])
    pairs = counts[None] if pairs is None else pairs
    return total, states, pairs


def normalized(logs: Float[Array, ...]) -> tuple[Float[Array, ...], Float[Array, ""]]:
    """Return logarithms of shares that sum to one, and the logarithm of what they were divided by.

    Args:
        logs: Logarithms, in nats.

    Returns:
        The shares, unchanged if all are zero, and the log of their sum.

    Example:
        >>> [array.tolist() for array in normalized(jnp.array([0.0, -jnp.inf]))]
        [[0.0, -inf], 0.0]
    """
    total = log_sum(logs)
    return logs - jnp.where(jnp.isneginf(total), 0, total), total
