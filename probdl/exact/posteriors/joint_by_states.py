"""Joint posterior probabilities of discrete elements, by the log evidence with each of their states held.

An elimination may leave a discrete site given a conjugate one, of which tables know points and no states: no
table of the two can be summed. The evidence with a state held is an integral that has a closed form.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.posteriors.entries import Entry
from probdl.exact.posteriors.solved import Solved
from probdl.exact.posteriors.weighing import log_evidence_weighed, scattered
from probdl.exact.programs.integral import Integral
from probdl.program.bound import Arrays
from probdl.program.precision import Precision

MOST_STATES = 2**16
AT_ONCE = 32


def joint_by_states(
    solved: Solved, wanted: Sequence[Entry], values: Sequence[range]
) -> Float[np.ndarray, ...]:
    r"""Return the joint posterior of discrete elements.

    $p(s_1, \dots, s_k) \propto Z(s_1, \dots, s_k)$: an elimination for each of their joint states.

    Args:
        solved: The model.
        wanted: The elements.
        values: The values of each.

    Returns:
        A table with one axis an element.

    Raises:
        ValueError: If there are too many joint states, or if some evidence is no number.
    """
    shape = [len(own) for own in values]
    named = ", ".join(entry.name for entry in wanted)
    if math.prod(shape) > MOST_STATES:
        raise ValueError(
            f"Expected elements of at most {MOST_STATES} joint states, which depend on conjugate sites; got "
            f"{math.prod(shape)}, of {named}. Ask for fewer, or count draws of `sample`."
        )
    with Precision.DOUBLE.active():
        logs = _log_evidences(
            solved.integral,
            tuple(entry.variable.name for entry in wanted),
            solved.arrays,
            jnp.array([entry.element for entry in wanted]),
            tuple(jnp.asarray(_hits(*item)) for item in zip(wanted, values, strict=True)),
            jnp.asarray(np.indices(shape).reshape(len(shape), -1).T),
        )
    logs = np.asarray(logs).reshape(shape)
    if np.isnan(logs).any():
        raise ValueError(
            f"Expected joint probabilities of {named}; got NaN: given some of their states the evidence is "
            f"no number. Check scales and covariances."
        )
    table = np.exp(logs - logs.max())
    return table / table.sum()


def _hits(entry: Entry, values: range) -> np.ndarray:
    """Return which states of the element have each value of the entry: (values, states)."""
    variable = entry.variable
    states = np.asarray(variable.states()).reshape(variable.size, -1)[:, entry.coordinate]
    return np.array(values)[:, None] == states


@functools.partial(jax.jit, static_argnums=(0, 1))
def _log_evidences(
    integral: Integral,
    names: tuple[str, ...],
    arrays: Arrays,
    elements: Array,
    hits: tuple[Array, ...],
    rows: Array,
) -> Array:
    """Return the log evidence with the states of each row held, in nats."""

    def once(row: Array) -> Array:
        weights: dict[str, Array] = {}
        for i, name in enumerate(names):
            forbidden = jnp.where(hits[i][row[i]], 0.0, -jnp.inf)[None]
            now = scattered(integral, name, elements[i : i + 1], forbidden)
            weights[name] = weights[name] + now if name in weights else now
        return log_evidence_weighed(integral, arrays, weights)

    return lax.map(once, rows, batch_size=min(AT_ONCE, len(rows)))
