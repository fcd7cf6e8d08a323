"""Components of a fit in an order: their labels are exchanged where that changes nothing."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.inference.em.climb import Fit
from probdl.inference.em.expected import Expected, Seen, values_of

MOST_AXES = 10
ROUNDING = 1e-11  # of the objective

Axes = tuple[tuple[str, int], ...]


def ordered(expected: Expected, seen: Seen, fit: Fit, name: str) -> Fit:
    """Return a fit whose components are in ascending order of one of them.

    Components are exchanged along the first axis of that parameter, and along as many axes of all parameters
    as leave the objective as it is: weights, both axes of transitions, whatever belongs to the components.

    Args:
        expected: The program with its latents integrated.
        seen: The data.
        fit: The fit.
        name: The parameter; of one with more axes, the first element of each component.

    Returns:
        The fit; `unordered` if no exchange leaves the objective as it is.
    """
    values = {n: np.asarray(x) for n, x in values_of(expected, seen, fit.position).items()}
    order = np.argsort(values[name].reshape(len(values[name]), -1)[:, 0], kind="stable")
    if (np.diff(order) == 1).all():
        return fit
    before = float(_objective(expected, seen, fit.position))
    for axes in _choices(values, name):
        exchanged = dict(values)
        for site, axis in axes:
            exchanged[site] = np.take(exchanged[site], order, axis)
        after = np.asarray(_position(expected, seen, exchanged))
        if abs(float(_objective(expected, seen, after)) - before) <= ROUNDING * (1 + abs(before)):
            return fit._replace(position=after)
    return fit._replace(unordered=True)


def _choices(values: Mapping[str, np.ndarray], name: str) -> Iterator[Axes]:
    """Yield axes that may belong to the components, many first, always with the first axis of one site."""
    count = len(values[name])
    others = [
        (site, axis)
        for site, value in values.items()
        for axis, length in enumerate(value.shape)
        if length == count and (site, axis) != (name, 0)
    ][:MOST_AXES]
    for size in range(len(others), -1, -1):
        for chosen in itertools.combinations(others, size):
            yield ((name, 0), *chosen)


@functools.partial(jax.jit, static_argnums=0)
def _position(expected: Expected, seen: Seen, values: dict[str, Array]) -> Array:
    return expected.parameters.position(seen.arrays, {n: jnp.asarray(x) for n, x in values.items()})


@functools.partial(jax.jit, static_argnums=0)
def _objective(expected: Expected, seen: Seen, position: Array) -> Array:
    return expected.objective(seen, position)
