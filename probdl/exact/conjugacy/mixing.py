"""Which conjugate sites a sum over discrete states turns into mixtures: their form is then another."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from probdl.exact.chains.logarithms import log_sum
from probdl.exact.conjugacy.certificate import ROUNDING
from probdl.exact.programs.chain_steps import ChainStep, log_sum_of_paths
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.joined import over_batch
from probdl.exact.programs.steps import DiscreteStep, Step
from probdl.exact.programs.variables import Kind
from probdl.program.bound import Arrays


def mixed(
    integral: Integral, steps: Sequence[Step], arrays: Arrays, values: Mapping[str, Array]
) -> tuple[str, str] | None:
    """Return a conjugate variable of which a sum over states is a mixture, and a variable that is summed.

    A sum of several densities of a family is not of that family. It may look so at values where one of them
    outweighs the others, so that this is asked of the terms of the sum and not of the sum: it keeps to the
    family where all terms depend on the variable in the same way, or the sum does not depend on it.

    Args:
        integral: What is integrated.
        steps: Its steps, with arrays of any kind.
        arrays: What the program reads.
        values: The latents that are not integrated.

    Returns:
        Two names, or None.
    """
    pairs = tuple(
        (number, place)
        for number, step in enumerate(steps)
        if isinstance(step, DiscreteStep | ChainStep)
        for place, ref in enumerate(step.given)
        if integral.space.variables[ref.name].kind is Kind.CONJUGATE
    )
    if not pairs:
        return None
    for (number, place), found in zip(pairs, _mixed(integral, pairs, arrays, values), strict=True):
        if bool(found):
            return steps[number].given[place].name, steps[number].names[0]
    return None


@functools.partial(jax.jit, static_argnums=(0, 1))
def _mixed(
    integral: Integral, pairs: tuple[tuple[int, int], ...], arrays: Arrays, values: Mapping[str, Array]
) -> list[Bool[Array, ""]]:
    steps = integral.swept(arrays, values).steps
    return [_is_mixture(steps[number], place) for number, place in pairs]


def _is_mixture(step: Step, place: int) -> Bool[Array, ""]:
    """Whether a sum depends on a variable in another way than each of its terms."""
    if isinstance(step, ChainStep):
        terms = (step.transitions, step.emissions)
        total = over_batch(log_sum_of_paths, terms, (3, 2))
    elif isinstance(step, DiscreteStep):
        terms, total = (step.table,), log_sum(step.table, -1)
    else:
        raise TypeError(f"Expected a step that sums over states; got {type(step).__name__}.")
    scope = len(step.axes) + len(step.others)
    axis = len(step.axes) + place
    is_same = functools.reduce(jnp.logical_and, [_is_same(table, axis, scope) for table in terms])
    return ~(is_same | _is_same(total[..., None], axis, scope, alone=True)).all()


def _is_same(table: Array, axis: int, scope: int, *, alone: bool = False) -> Array:
    """Whether what a table changes by along an axis is the same for all terms, or nothing."""
    first = jnp.take(table, jnp.array([0]), axis)
    impossible = jnp.isneginf(table) & jnp.isneginf(first)
    change = table - jnp.where(impossible, 0, first)
    terms = tuple(range(scope, table.ndim))
    size = jnp.where(jnp.isfinite(table), jnp.abs(table), 0).max((axis, *terms), keepdims=True)
    highest = jnp.where(impossible, -jnp.inf, change).max(terms, keepdims=True)
    lowest = jnp.where(impossible, jnp.inf, change).min(terms, keepdims=True)
    spread = jnp.maximum(jnp.abs(highest), jnp.abs(lowest)) if alone else highest - lowest
    spread = jnp.where(impossible.all(terms, keepdims=True), 0, spread)
    return (spread <= ROUNDING * (1 + size)).all((axis, *terms))
