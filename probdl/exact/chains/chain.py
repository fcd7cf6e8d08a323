r"""Chains of discrete states: their log normalizer, and the marginals of states and of pairs.

A chain is an unnormalised density over paths $z_{0:T-1}$ of discrete states,

$$p(z) = \frac1Z \exp\Bigl(a(z_0) + \sum_{t=1}^{T-1} B_t(z_{t-1}, z_t) + \sum_{t=0}^{T-1} e_t(z_t)\Bigr),$$

given by logarithms in nats, where -inf means impossible. In a hidden Markov model $a$ and $B$ are log
probabilities, $e_t$ is the log density of the data at step $t$ given the state, $\log Z$ the log evidence.

The recursions run on rescaled numbers, not on logarithms. Messages from both ends bound what underflow can
have lost; where that could matter, the chain is computed again on logarithms.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from probdl.exact.chains.chain_arguments import chain_arguments
from probdl.exact.chains.chain_logarithms import filtered_in_logs, smoothed_in_logs
from probdl.exact.chains.chain_messages import Algorithm, floor
from probdl.exact.chains.chain_sweeps import Sequential

SEQUENTIAL = Sequential()


class Filtered(NamedTuple):
    r"""What the potentials up to each step say about its state.

    Attributes:
        log_normalizer: $\log Z$ in nats; -inf if every path is impossible.
        log_states: $\log p(z_t \mid e_{0:t})$ in nats, -inf where impossible.
    """

    log_normalizer: Float[Array, ""]
    log_states: Float[Array, "time state"]


class Smoothed(NamedTuple):
    r"""What all potentials of a chain say about its states; zeros if every path is impossible.

    Attributes:
        log_normalizer: $\log Z$ in nats; -inf if every path is impossible.
        states: Probability of each state at each step.
        pairs: Probability of each pair of neighbours [step, from, to]; if all steps share one matrix, their
            sum, the expected number of times each transition is taken, [1, from, to].
    """

    log_normalizer: Float[Array, ""]
    states: Float[Array, "time state"]
    pairs: Float[Array, "step state state"]


def log_normalizer(
    initial: Float[Array, " state"],
    transitions: Float[Array, "step state state"],
    emissions: Float[Array, "time state"],
    *,
    algorithm: Algorithm = SEQUENTIAL,
) -> Float[Array, ""]:
    r"""Return the log of the sum over all paths of a chain.

    Its gradient costs one `smooth`: by `initial` and `emissions` it is the marginals of the states, by
    `transitions` those of the pairs. It can be compiled, batched with `jax.vmap` and differentiated once.

    Args:
        initial: Log potential of the first state, in nats, (state,).
        transitions: Log potentials [step, from, to], (time - 1, state, state), or (1, state, state) if they
            are the same at every step.
        emissions: Log potential of the state at each step, (time, state), or (1, state) if it is the same at
            every step and `transitions` says how many there are.
        algorithm: How the messages are computed.

    Returns:
        $\log Z$ in nats, a scalar; -inf, with a gradient of zeros, if every path is impossible.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> initial, transitions, emissions = jnp.zeros(2), jnp.zeros((1, 2, 2)), jnp.zeros((10, 2))
        >>> round(float(log_normalizer(initial, transitions, emissions) / jnp.log(2)), 3)
        10.0
        >>> jax.grad(log_normalizer)(initial, transitions, emissions).tolist()
        [0.5, 0.5]

    Source:
        Rabiner (1989), doi:10.1109/5.18626, sections III.A and V.A (scaling).
    """
    return _log_normalizer(*chain_arguments(initial, transitions, emissions), algorithm)


def smooth(
    initial: Float[Array, " state"],
    transitions: Float[Array, "step state state"],
    emissions: Float[Array, "time state"],
    *,
    algorithm: Algorithm = SEQUENTIAL,
) -> Smoothed:
    r"""Return the marginals of the states and of the pairs of neighbours: forward-backward.

    $$p(z_t) \propto f_t(z_t) b_t(z_t), \qquad
    p(z_{t-1}, z_t) \propto f_{t-1}(z_{t-1}) \exp(B_t(z_{t-1}, z_t) + e_t(z_t)) b_t(z_t)$$

    Args:
        initial: Log potential of the first state, in nats, (state,).
        transitions: Log potentials [step, from, to], (time - 1, state, state), or (1, state, state) if they
            are the same at every step.
        emissions: Log potential of the state at each step, (time, state), or (1, state) if it is the same at
            every step and `transitions` says how many there are.
        algorithm: How the messages are computed.

    Returns:
        $\log Z$, the marginals of the states (time, state), those of the pairs in the shape of `transitions`.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> stay = jnp.log(jnp.array([[[0.75, 0.25], [0.25, 0.75]]]))
        >>> seen = jnp.log(jnp.array([[1.0, 0.0], [1.0, 1.0]]))
        >>> found = smooth(jnp.zeros(2), stay, seen)
        >>> found.states.round(4).tolist(), found.pairs.round(4).tolist()
        ([[1.0, 0.0], [0.75, 0.25]], [[[0.75, 0.25], [0.0, 0.0]]])

    Source:
        Rabiner (1989), doi:10.1109/5.18626, sections III.A and V.A (scaling).
    """
    return _smooth(*chain_arguments(initial, transitions, emissions), algorithm)


def filtered(
    initial: Float[Array, " state"],
    transitions: Float[Array, "step state state"],
    emissions: Float[Array, "time state"],
    *,
    algorithm: Algorithm = SEQUENTIAL,
) -> Filtered:
    r"""Return what the potentials up to each step say about its state.

    Args:
        initial: Log potential of the first state, in nats, (state,).
        transitions: Log potentials [step, from, to], (time - 1, state, state), or (1, state, state) if they
            are the same at every step.
        emissions: Log potential of the state at each step, (time, state), or (1, state) if it is the same at
            every step and `transitions` says how many there are.
        algorithm: How the messages are computed.

    Returns:
        $\log Z$, and $\log p(z_t \mid e_{0:t})$ in nats, (time, state).

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> stay = jnp.log(jnp.array([[[0.75, 0.25], [0.25, 0.75]]]))
        >>> seen = jnp.log(jnp.array([[1.0, 0.0], [1.0, 1.0]]))
        >>> jnp.exp(filtered(jnp.zeros(2), stay, seen).log_states).round(4).tolist()
        [[1.0, 0.0], [0.75, 0.25]]
    """
    return _filtered(*chain_arguments(initial, transitions, emissions), algorithm)


class _Quick(NamedTuple):
    """What the rescaled messages give, and whether underflow cannot matter."""

    log_normalizer: Float[Array, ""]
    filtered: Float[Array, "time state"]
    states: Float[Array, "time state"]
    pairs: Float[Array, "step state state"]
    trusted: Bool[Array, ""]


def _quick(initial: Array, transitions: Array, emissions: Array, algorithm: Algorithm) -> _Quick:
    """Run forward-backward on numbers scaled by the peak of each table."""
    first, start = _scaled(initial, (0,))
    between, matrices = _scaled(transitions, (1, 2))
    peaks, weights = _scaled(emissions, (1,))
    found = algorithm.messages(start, matrices, weights)
    if len(transitions) == 1:
        between = between * (len(emissions) - 1)
    total = first.sum() + between.sum() + peaks.sum() + found.log_normalizer
    trusted = found.margin > floor(found.margin)
    return _Quick(total, found.filtered, found.states, found.pairs, trusted)


def _scaled(logs: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Split logarithms into their peak along axes and what is left of it, no longer a logarithm."""
    peak = logs.max(axes, keepdims=True)
    peak = jnp.where(jnp.isneginf(peak), 0, peak)
    return peak, jnp.exp(logs - peak)


def _or_else[Tree](
    quick: Tree,
    trusted: Array,
    exact: Callable[[Array, Array, Array], Tree],
    chain: tuple[Array, Array, Array],
) -> Tree:
    """Return the quick answer if it is trusted: by a loop, since a batched `cond` runs both branches.

    The barrier ties the chain to the state of the loop: what does not change in a loop is computed before it,
    whether the loop runs or not.
    """

    def once(found: tuple[Array, Tree]) -> tuple[Array, Tree]:
        held, _ = lax.optimization_barrier((chain, found[0]))
        return jnp.ones((), bool), exact(*held)

    return lax.while_loop(lambda found: ~found[0], once, (trusted, quick))[1]


@partial(jax.jit, static_argnums=3)
def _smooth(initial: Array, transitions: Array, emissions: Array, algorithm: Algorithm) -> Smoothed:
    found = _quick(initial, transitions, emissions, algorithm)
    quick = Smoothed(found.log_normalizer, found.states, found.pairs)
    chain = initial, transitions, emissions
    return _or_else(quick, found.trusted, lambda *held: Smoothed(*smoothed_in_logs(*held)), chain)


@partial(jax.jit, static_argnums=3)
def _filtered(initial: Array, transitions: Array, emissions: Array, algorithm: Algorithm) -> Filtered:
    found = _quick(initial, transitions, emissions, algorithm)
    quick = Filtered(found.log_normalizer, jnp.log(found.filtered))
    chain = initial, transitions, emissions
    return _or_else(quick, found.trusted, lambda *held: Filtered(*filtered_in_logs(*held)), chain)


@partial(jax.jit, static_argnums=3)
def _value(initial: Array, transitions: Array, emissions: Array, algorithm: Algorithm) -> Array:
    found = _quick(initial, transitions, emissions, algorithm)
    chain = initial, transitions, emissions
    return _or_else(found.log_normalizer, found.trusted, lambda *held: filtered_in_logs(*held)[0], chain)


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def _log_normalizer(initial: Array, transitions: Array, emissions: Array, algorithm: Algorithm) -> Array:
    return _value(initial, transitions, emissions, algorithm)


@_log_normalizer.defjvp
def _log_normalizer_jvp(
    algorithm: Algorithm, primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """Return the value and its derivative: the tangents, averaged over the marginals."""
    value, states, pairs = _smooth(*primals, algorithm)
    initial, transitions, emissions = tangents
    return value, jnp.vdot(states[0], initial) + jnp.vdot(pairs, transitions) + jnp.vdot(states, emissions)
