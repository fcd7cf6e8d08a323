"""Joint posterior probabilities of any discrete elements: the log evidence with each of their states held."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.entries import Entry, entries
from probdl.exact.integral import Integral
from probdl.exact.solved import Solved
from probdl.exact.variables import Kind
from probdl.exact.weighing import log_evidence_weighed, scattered
from probdl.program.bound import Arrays
from probdl.program.precision import Precision
from probdl.program.states import finite_range

MOST_STATES = 2**16
MOST_ELEMENTS = 16  # more have more joint states than that
AT_ONCE = 32


def joint_probabilities(solved: Solved, names: Sequence[str]) -> tuple[list[Entry], Float[np.ndarray, ...]]:
    r"""Return the joint posterior of discrete elements.

    $p(s_1, \dots, s_k) \propto Z(s_1, \dots, s_k)$: an elimination for each of their joint states.

    Args:
        solved: The model.
        names: Sites, elements or slices of discrete sites.

    Returns:
        The elements, and a table with one axis an element, its values in increasing order.

    Raises:
        SiteNotFound: If a name is that of no latent site.
        ValueError: If a site is not discrete, or if the table would be too large; it says how large.
    """
    wanted = entries(solved.integral.variables, names, "joint", MOST_ELEMENTS)
    for entry in wanted:
        solved.variable(entry.variable.name, Kind.DISCRETE)
    shape = [len(values_of(entry)) for entry in wanted]
    if math.prod(shape) > MOST_STATES:
        raise ValueError(
            f"Expected elements of at most {MOST_STATES} joint states; got {math.prod(shape)}, of "
            f"{', '.join(entry.name for entry in wanted)}. Ask for fewer, or count draws of `sample`."
        )
    with Precision.DOUBLE.active():
        logs = _log_evidences(
            solved.integral,
            tuple(entry.variable.name for entry in wanted),
            solved.arrays,
            jnp.array([entry.element for entry in wanted]),
            tuple(jnp.asarray(_hits(entry)) for entry in wanted),
            jnp.asarray(np.indices(shape).reshape(len(shape), -1).T),
        )
    logs = np.asarray(logs).reshape(shape)
    if np.isnan(logs).any():
        raise ValueError(
            f"Expected joint probabilities of {', '.join(entry.name for entry in wanted)}; got NaN: given "
            f"some of their states the evidence is no number. Check scales and covariances."
        )
    table = np.exp(logs - logs.max())
    return wanted, table / table.sum()


def values_of(entry: Entry) -> range:
    """Return the values that an entry of a discrete site can have."""
    return finite_range(entry.variable.site) or range(0)


def _hits(entry: Entry) -> np.ndarray:
    """Return which states of the element have each value of the entry: (values, states)."""
    variable = entry.variable
    states = np.asarray(variable.states()).reshape(variable.size, -1)[:, entry.coordinate]
    return np.array(values_of(entry))[:, None] == states


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
