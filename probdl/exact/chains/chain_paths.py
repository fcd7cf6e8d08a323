"""Single paths of a chain of discrete states: the most probable one, and random ones."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from probdl.exact.chains.chain import SEQUENTIAL, filtered
from probdl.exact.chains.chain_arguments import chain_arguments
from probdl.exact.chains.chain_messages import Algorithm, link
from probdl.program.keys import as_key


class MostProbable(NamedTuple):
    """A path that no other one surpasses.

    Attributes:
        path: The state at each step; meaningless if every path is impossible.
        log_prob: Sum of its log potentials, in nats: minus the log normalizer, its log probability.
    """

    path: Int[Array, " time"]
    log_prob: Float[Array, ""]


def most_probable(
    initial: Float[Array, " state"],
    transitions: Float[Array, "step state state"],
    emissions: Float[Array, "time state"],
) -> MostProbable:
    r"""Return a path of largest probability, by Viterbi's algorithm.

    $$m_t(j) = e_t(j) + \max_i \bigl(m_{t-1}(i) + B_t(i, j)\bigr), \qquad
    z_{t-1} = \arg\max_i \bigl(m_{t-1}(i) + B_t(i, z_t)\bigr)$$

    Args:
        initial: Log potential of the first state, in nats, (state,).
        transitions: Log potentials [step, from, to], (time - 1, state, state), or (1, state, state) if they
            are the same at every step.
        emissions: Log potential of the state at each step, (time, state), or (1, state) if it is the same at
            every step and `transitions` says how many there are.

    Returns:
        The path (time,), of ties the one of lowest states from the end, and the sum of its log potentials;
        -inf if every path is impossible.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> stay = jnp.log(jnp.array([[[0.9, 0.1], [0.1, 0.9]]]))
        >>> seen = jnp.log(jnp.array([[0.8, 0.2], [0.4, 0.6], [0.8, 0.2]]))
        >>> most_probable(jnp.zeros(2), stay, seen).path.tolist()
        [0, 0, 0]

    Source:
        Viterbi (1967), doi:10.1109/TIT.1967.1054010; Rabiner (1989), doi:10.1109/5.18626, section III.B.
    """
    return _most_probable(*chain_arguments(initial, transitions, emissions))


def sample(
    key: int | Array,
    initial: Float[Array, " state"],
    transitions: Float[Array, "step state state"],
    emissions: Float[Array, "time state"],
    *,
    algorithm: Algorithm = SEQUENTIAL,
) -> Int[Array, " time"]:
    r"""Draw a path: filter forward, then draw backward.

    $$z_{T-1} \sim f_{T-1}, \qquad z_t \sim f_t(\cdot) \exp B_{t+1}(\cdot, z_{t+1})$$

    With `jax.vmap` over keys alone the filter runs once for all paths.

    Args:
        key: Random key, or a seed.
        initial: Log potential of the first state, in nats, (state,).
        transitions: Log potentials [step, from, to], (time - 1, state, state), or (1, state, state) if they
            are the same at every step.
        emissions: Log potential of the state at each step, (time, state), or (1, state) if it is the same at
            every step and `transitions` says how many there are.
        algorithm: How the filter is computed.

    Returns:
        The state at each step, (time,); meaningless if every path is impossible.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> stay = jnp.log(jnp.array([[[1.0, 0.0], [0.0, 1.0]]]))
        >>> path = sample(0, jnp.zeros(2), stay, jnp.zeros((100, 2)))
        >>> len(path), len(set(path.tolist()))
        (100, 1)

    Source:
        Scott (2002), doi:10.1198/016214502753479464, section 2.1.1.
    """
    potentials = chain_arguments(initial, transitions, emissions)
    found = filtered(*potentials, algorithm=algorithm)
    return _drawn_backward(as_key(key), found.log_states, potentials[1])


@jax.jit
def _most_probable(initial: Array, transitions: Array, emissions: Array) -> MostProbable:
    def step(message: Array, time: Array) -> tuple[Array, Array]:
        best = message + emissions[time]
        return (best[:, None] + link(transitions, time)).max(0), best

    _, bests = lax.scan(step, initial, jnp.arange(len(emissions)))
    return MostProbable(_backward(bests, transitions), bests[-1].max())


@jax.jit
def _drawn_backward(key: Array, log_states: Array, transitions: Array) -> Array:
    noise = jax.random.gumbel(key, log_states.shape, log_states.dtype)
    return _backward(log_states + noise, transitions)


def _backward(scores: Array, transitions: Array) -> Int[Array, " time"]:
    """Take the state of highest score, from the last step to the first, each given the next."""

    def step(behind: Array, time: Array) -> tuple[Array, Array]:
        state = (scores[time] + behind).argmax()
        return link(transitions, time - 1)[:, state], state

    start = jnp.zeros_like(scores[0])
    return lax.scan(step, start, jnp.arange(len(scores)), reverse=True)[1]
