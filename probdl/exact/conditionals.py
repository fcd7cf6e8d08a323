"""What is left of an elimination for single elements: the distribution of each given others."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from probdl.exact.chain_segments import Ends, ends_of, segment
from probdl.exact.chain_steps import ChainStep, log_sum_of_paths
from probdl.exact.integral import Integral
from probdl.exact.joined import over_batch
from probdl.exact.logarithms import log_sum
from probdl.exact.potential import Space
from probdl.exact.steps import DiscreteStep, Step, looked_up
from probdl.exact.variables import Kind, Ref
from probdl.program.bound import Arrays

Numbers = Mapping[str, Int[Array, " row"]]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Scope:
    """Sites, one for each element that a table is over."""

    names: tuple[str, ...]


class Conditionals(NamedTuple):
    """Tables over single elements, of one step of an elimination.

    Attributes:
        scope: The sites of the elements.
        elements: Their numbers, one row a table; -1 where a table does not depend on it.
        logs: Logarithms: tables, then the states of each element.
    """

    scope: Scope
    elements: Int[Array, "table element"]
    logs: Float[Array, "table ..."]


def ancestors(steps: Sequence[Step], names: Sequence[str]) -> tuple[str, ...]:
    """Return the variables of tables that some discrete ones are distributed given, and what these are given.

    Args:
        steps: The steps of an elimination.
        names: The discrete variables.

    Returns:
        The variables, those that were asked for among them.
    """
    found = dict.fromkeys(names)
    for step in steps:
        if any(name in found for name in step.names):
            found |= dict.fromkeys((*step.names, *(ref.name for ref in step.given)))
    return tuple(found)


@functools.partial(jax.jit, static_argnums=0)
def conditionals(integral: Integral, arrays: Arrays, elements: Numbers) -> list[Conditionals]:
    r"""Return the posterior of some discrete elements as a product of tables.

    An elimination leaves $p(x_k \mid x_{>k})$ of what it removes. Together these are the posterior, and those
    of what nobody asks about sum to one: what matters are the elements, what they are given, and so on.

    Args:
        integral: The integral, over all latents.
        arrays: The data.
        elements: Numbers of elements by discrete variable.

    Returns:
        The tables. Their product, summed over elements that were not asked for, is proportional to the
        posterior of those that were.

    Source:
        Koller & Friedman (2009), §9.3 and §12.2: backward through an elimination.
    """
    space = integral.space
    numbers = {
        v.name: jnp.arange(math.prod(v.lengths)).reshape(v.lengths)
        for v in integral.variables
        if v.kind is Kind.DISCRETE
    }
    wanted, found = dict(elements), []
    for step in integral.swept(arrays, {}).steps:
        own = [wanted[name] for name in step.names if name in wanted]
        if not own:
            continue
        rows = _once(jnp.concatenate(own), numbers[step.names[0]].size)
        if isinstance(step, ChainStep):
            found.append(_of_chain(space, step, rows, numbers))
        elif isinstance(step, DiscreteStep):
            found.append(_of_states(space, step, rows, numbers))
        for ref, own in zip(found[-1].scope.names, found[-1].elements.T, strict=True):
            if ref not in step.names:
                wanted[ref] = jnp.concatenate([wanted[ref], own]) if ref in wanted else own
    return found


def _once(numbers: Int[Array, " row"], most: int) -> Int[Array, " row"]:
    """Return numbers once each, the first again in the place of those that were there before."""
    return jnp.unique(numbers, size=min(len(numbers), most), fill_value=numbers.min())


def _at(array: Array, index: Sequence[Array], states: Sequence[int], rank: int) -> Array:
    """Return what an array holds at a position of its axes: states, then its last axes."""
    lead, body = array.shape[: array.ndim - rank], array.shape[array.ndim - rank :]
    whole = array.reshape(*(1,) * (len(index) + len(states) - len(lead)), *lead, *body)
    found = whole[tuple(at if size > 1 else 0 for at, size in zip(index, whole.shape, strict=False))]
    return jnp.broadcast_to(found, (*states, *body))


def _given(
    space: Space, step: Step, axes: Sequence[str], index: Sequence[Array], numbers: Mapping[str, Array]
) -> list[Int[Array, " row"]]:
    """Return the numbers of the elements that each row is given."""
    return [looked_up(space, ref, axes, numbers)[tuple(index)] for ref in step.given]


def _of_states(space: Space, step: DiscreteStep, rows: Array, numbers: Mapping[str, Array]) -> Conditionals:
    lengths = [space.lengths[axis] for axis in step.axes]
    states = [space.variables[ref.name].size for ref in (*step.others, Ref(step.name))]
    index = jnp.unravel_index(rows, lengths) if lengths else ()
    table = jax.vmap(lambda at, _: _at(step.table, at, states, 0))(tuple(index), rows)
    total = log_sum(table, -1)[..., None]
    logs = table - jnp.where(jnp.isneginf(total), 0, total)
    given = [jnp.broadcast_to(x, rows.shape) for x in _given(space, step, step.axes, index, numbers)]
    names = (*(ref.name for ref in step.others), step.name)
    return Conditionals(Scope(names), jnp.stack([*given, rows], -1), logs)


def _of_chain(space: Space, step: ChainStep, rows: Array, numbers: Mapping[str, Array]) -> Conditionals:
    order = space.ordered({*step.axes, step.scan})
    at = dict(zip(order, jnp.unravel_index(rows, [space.lengths[axis] for axis in order]), strict=True))
    index, lengths = [at[axis] for axis in step.axes], [space.lengths[axis] for axis in step.axes]
    chains = jnp.ravel_multi_index(index, lengths, mode="clip") if index else jnp.zeros_like(rows)
    states = [space.variables[ref.name].size for ref in step.others]
    terms = (step.transitions, step.emissions)
    totals = over_batch(log_sum_of_paths, terms, (3, 2))

    def table(row: tuple[tuple[Array, ...], Ends]) -> Array:
        place, ends = row
        transitions, emissions = (_at(x, place, states, rank) for x, rank in zip(terms, (3, 2), strict=True))
        total = jnp.where(ends.last, _at(totals, place, states, 0), 0)
        peak = total.max()
        total = total - jnp.where(jnp.isneginf(peak), 0, peak)
        return (
            segment(transitions, emissions, ends) - jnp.where(jnp.isneginf(total), 0, total)[..., None, None]
        )

    ends = ends_of(chains, at[step.scan])
    sizes = [space.variables[name].size for name in step.names]
    logs = lax.map(table, (tuple(index), ends)).reshape(len(rows), *states, *sizes, *sizes)
    given = [jnp.broadcast_to(x, rows.shape) for x in _given(space, step, step.axes, index, numbers)]
    stride = math.prod(space.lengths[axis] for axis in order[order.index(step.scan) + 1 :])
    before = jnp.where(ends.before < 0, -1, rows + (ends.before - ends.step) * stride)
    columns = [*given, *[before] * len(sizes), *[rows] * len(sizes)]
    names = (*(ref.name for ref in step.others), *step.names, *step.names)
    return Conditionals(Scope(names), jnp.stack(columns, -1), logs)
