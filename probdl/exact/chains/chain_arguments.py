"""Log potentials of a chain, checked and brought to one type."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Potentials = tuple[Float[Array, " state"], Float[Array, "step state state"], Float[Array, "time state"]]


def chain_arguments(
    initial: Float[Array, " state"],
    transitions: Float[Array, "step state state"],
    emissions: Float[Array, "time state"],
) -> Potentials:
    """Return the log potentials of a chain, with one row of emissions for each step.

    Args:
        initial: Log potential of the first state, in nats, (state,).
        transitions: Log potentials [step, from, to], (time - 1, state, state), or (1, state, state) if they
            are the same at every step.
        emissions: Log potential of the state at each step, (time, state), or (1, state) if it is the same at
            every step and `transitions` says how many there are.

    Returns:
        The three, all of one floating type, emissions (time, state).

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> [array.shape for array in chain_arguments(jnp.zeros(2), jnp.zeros((4, 2, 2)), jnp.zeros((1, 2)))]
        [(2,), (4, 2, 2), (5, 2)]
    """
    arrays = [jnp.asarray(array) for array in (initial, transitions, emissions)]
    dtype = jnp.result_type(*arrays)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)
    initial, transitions, emissions = (array.astype(dtype) for array in arrays)
    if initial.ndim != 1 or len(initial) == 0:
        raise ValueError(
            f"Expected initial of shape (state,); got {initial.shape}. "
            f"Batch chains with jax.vmap, not with an axis."
        )
    num_states = len(initial)
    if transitions.ndim != 3 or transitions.shape[1:] != (num_states, num_states):
        raise ValueError(
            f"Expected transitions of shape (time - 1, {num_states}, {num_states}); got {transitions.shape}. "
            f"Pass one matrix with transitions[None] if it is the same at every step."
        )
    if emissions.ndim != 2 or emissions.shape[1] != num_states or len(emissions) == 0:
        raise ValueError(
            f"Expected emissions of shape (time, {num_states}); got {emissions.shape}. "
            f"Pass one row for each step, or a single one if it is the same at every step."
        )
    if len(emissions) == 1 and len(transitions) > 1:
        emissions = jnp.broadcast_to(emissions, (len(transitions) + 1, num_states))
    if len(transitions) not in (1, len(emissions) - 1):
        raise ValueError(
            f"Expected one matrix of transitions, or one fewer than rows of emissions; got "
            f"{len(transitions)} and {len(emissions)}. "
            f"Pass the transition into each step but the first."
        )
    return initial, transitions, emissions
