r"""Warm-up of Hamiltonian chains: Stan's windows.

A first and a last buffer adapt only the step size. Between them, windows that double in length estimate the
covariance of the position, which becomes the inverse mass matrix at the end of each. The step size follows
by dual averaging, $\log \epsilon_t = \mu - \frac{\sqrt t}{\gamma} \bar H_t$, throughout.

Source:
    Hoffman and Gelman (2014), algorithm 5; Stan reference manual, section "HMC algorithm parameters".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from blackjax.adaptation.mass_matrix import mass_matrix_adaptation
from blackjax.adaptation.step_size import dual_averaging_adaptation
from jaxtyping import Array, Bool, Float, Int

FIRST_BUFFER, FIRST_WINDOW, LAST_BUFFER = 75, 25, 50
FEWEST_STEPS = 20
MOST_WINDOWS = 40


class Adaptation(NamedTuple):
    """What a chain has learnt so far.

    Attributes:
        dual_averaging: State of the step size.
        covariance: State of the inverse mass matrix.
    """

    dual_averaging: Any
    covariance: Any

    @property
    def inverse_mass_matrix(self) -> Float[Array, ...]:
        """The inverse mass matrix: its diagonal (dim,), or all of it (dim, dim)."""
        return self.covariance.inverse_mass_matrix


def start(dim: int, *, dense: bool, dtype: Any) -> Adaptation:
    """Return the state before the first step: unit step size, unit mass matrix."""
    covariance_init, _, _ = mass_matrix_adaptation(not dense)
    step_size_init, _, _ = dual_averaging_adaptation(0.8)
    return Adaptation(step_size_init(jnp.ones((), dtype)), covariance_init(dim))  # pyright: ignore[reportArgumentType]


def windows(step: Int[Array, ""], num_warmup: Int[Array, ""]) -> tuple[Bool[Array, ""], Bool[Array, ""]]:
    """Return whether a step is in a covariance window, and whether it is the last of one.

    Args:
        step: Number of the step, from 0.
        num_warmup: Number of steps of the warm-up.

    Returns:
        Two scalars.

    Example:
        >>> [t for t in range(1000) if windows(jnp.array(t), jnp.array(1000))[1]]
        [99, 149, 249, 449, 949]
    """
    fits = num_warmup >= FIRST_BUFFER + FIRST_WINDOW + LAST_BUFFER
    begin = jnp.where(fits, FIRST_BUFFER, (0.15 * num_warmup).astype(int))
    end = num_warmup - jnp.where(fits, LAST_BUFFER, (0.1 * num_warmup).astype(int))
    first = jnp.where(fits, FIRST_WINDOW, end - begin).astype(float)
    lengths = first * 2.0 ** jnp.arange(MOST_WINDOWS)
    begins = begin + lengths - first
    ends = jnp.where(3 * lengths <= end - begins, begins + lengths, end)
    inside = (begin <= step) & (step < end) & (num_warmup >= FEWEST_STEPS)
    return inside, inside & (step + 1 == ends).any()


def learn(
    adaptation: Adaptation,
    position: Float[Array, " dim"],
    acceptance_rate: Float[Array, ""],
    step: Int[Array, ""],
    num_warmup: Int[Array, ""],
    *,
    target_acceptance: float,
) -> tuple[Adaptation, Float[Array, ""]]:
    """Learn from one step of the warm-up.

    Args:
        adaptation: What was known before.
        position: The position after the step.
        acceptance_rate: Its mean acceptance probability.
        step: Number of the step, from 0.
        num_warmup: Number of steps of the warm-up.
        target_acceptance: The acceptance probability to aim at.

    Returns:
        What is known now, and the step size to use: after the last step the averaged one.
    """
    dense = adaptation.inverse_mass_matrix.ndim == 2
    _, covariance_update, covariance_final = mass_matrix_adaptation(not dense)
    average_init, average_update, average_final = dual_averaging_adaptation(target_acceptance)
    inside, last = windows(step, num_warmup)

    def close(average: Any, covariance: Any) -> tuple[Any, Any]:
        return average_init(average_final(average)), covariance_final(covariance)

    average = average_update(adaptation.dual_averaging, acceptance_rate)  # pyright: ignore[reportArgumentType]
    covariance = jax.lax.cond(
        inside, covariance_update, lambda state, _: state, adaptation.covariance, position
    )
    average, covariance = jax.lax.cond(last, _strongly(close), lambda *states: states, average, covariance)
    log_step_size = jnp.where(step + 1 == num_warmup, average.log_step_size_avg, average.log_step_size)
    return Adaptation(average, covariance), jnp.exp(log_step_size)


def _strongly(function: Any) -> Any:
    """Give the outputs of a function the types of its inputs: Python scalars become arrays."""

    def wrapped(*inputs: Any) -> Any:
        return jax.tree.map(lambda out, x: jnp.asarray(out, x.dtype), function(*inputs), inputs)

    return wrapped
