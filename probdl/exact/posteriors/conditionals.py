"""What is left of an elimination for single elements: the distribution of each given others."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from probdl.exact.chains.chain_segments import Ends, ends_of, segment
from probdl.exact.programs.chain_steps import ChainStep, log_sum_of_paths
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.joined import over_batch
from probdl.exact.programs.potential import Space
from probdl.exact.programs.steps import DiscreteStep, Step
from probdl.exact.programs.variables import Ref
from probdl.program.bound import Arrays

Index = Mapping[str, Int[np.ndarray, " row"]]
NOTHING = np.zeros(0)


class Conditionals(NamedTuple):
    """Tables over single elements, of one step of an elimination.

    Attributes:
        names: The sites of the elements.
        elements: Their numbers, one row a table; -1 where a table does not depend on it.
        logs: Logarithms: tables, then the states of each element.
    """

    names: tuple[str, ...]
    elements: Int[np.ndarray, "table element"]
    logs: Float[np.ndarray, "table ..."]


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


@jax.tree_util.register_static
@dataclass(frozen=True, eq=False)
class _Steps:
    """Steps without their arrays: what is known of them when they are compiled."""

    steps: tuple[DiscreteStep | ChainStep, ...]


def summed(integral: Integral, arrays: Arrays) -> list[DiscreteStep | ChainStep]:
    """Return the steps of an elimination that sum discrete variables out.

    Args:
        integral: The integral, over all latents.
        arrays: The data.

    Returns:
        The steps, in order.
    """
    known, tables = _summed(integral, arrays)
    return [replace(step, **own) for step, own in zip(known.steps, tables, strict=True)]


@functools.partial(jax.jit, static_argnums=0)
def _summed(integral: Integral, arrays: Arrays) -> tuple[_Steps, list[dict[str, Array]]]:
    known, tables = [], []
    for step in integral.swept(arrays, {}).steps:
        if isinstance(step, DiscreteStep):
            tables.append({"table": step.table})
        elif isinstance(step, ChainStep):
            tables.append({"transitions": step.transitions, "emissions": step.emissions})
        else:
            continue
        known.append(replace(step, **dict.fromkeys(tables[-1], NOTHING)))
    return _Steps(tuple(known)), tables


def conditionals(
    steps: Sequence[DiscreteStep | ChainStep], elements: Mapping[str, Sequence[int]]
) -> list[Conditionals]:
    r"""Return the posterior of some discrete elements as a product of tables.

    An elimination leaves $p(x_k \mid x_{>k})$ of what it removes. Together these are the posterior, and those
    of what nobody asks about sum to one: what matters are the elements, what they are given, and so on.

    Args:
        steps: What was summed out, in order.
        elements: Numbers of elements by variable.

    Returns:
        The tables. Their product, summed over elements that were not asked for, is proportional to the
        posterior of those that were.

    Source:
        Koller & Friedman (2009), §9.3 and §12.2: backward through an elimination.
    """
    wanted, found = {name: set(numbers) for name, numbers in elements.items()}, []
    for step in steps:
        rows = np.array(sorted(set().union(*(wanted.get(name, ()) for name in step.names))), int)
        if not len(rows):
            continue
        found.append(_of_chain(step, rows) if isinstance(step, ChainStep) else _of_states(step, rows))
        for name, own in zip(found[-1].names, found[-1].elements.T.tolist(), strict=True):
            wanted.setdefault(name, set()).update(number for number in own if number >= 0)
    return found


def _of_states(step: DiscreteStep, rows: Int[np.ndarray, " row"]) -> Conditionals:
    index = _index(step.space, step.axes, rows)
    table = np.asarray(step.table)
    table = table[tuple(at if n > 1 else 0 * at for at, n in zip(index.values(), table.shape, strict=False))]
    logs = np.broadcast_to(table, (len(rows), *table.shape[-len(step.others) - 1 :]))
    total = np.logaddexp.reduce(logs, axis=-1, keepdims=True)
    logs = logs - np.where(np.isneginf(total), 0, total)
    given = [_elements(step.space, ref, index, len(rows)) for ref in step.others]
    return Conditionals((*(ref.name for ref in step.others), step.name), np.stack([*given, rows], -1), logs)


def _of_chain(step: ChainStep, rows: Int[np.ndarray, " row"]) -> Conditionals:
    space, order = step.space, step.space.ordered({*step.axes, step.scan})
    whole = _index(space, order, rows)
    index = {axis: whole[axis] for axis in step.axes}
    lengths = [space.lengths[axis] for axis in order]
    chains = np.ravel_multi_index([index.get(a, 0 * rows) for a in order], lengths)
    ends = ends_of(chains, whole[step.scan])
    states = tuple(space.variables[ref.name].size for ref in step.others)
    sizes = [space.variables[name].size for name in step.names]
    terms = (jnp.asarray(step.transitions), jnp.asarray(step.emissions))
    logs = np.asarray(_segments(states, terms, tuple(index.values()), ends))
    given = [_elements(space, ref, index, len(rows)) for ref in step.others]
    stride = math.prod(lengths[order.index(step.scan) + 1 :])
    before = np.where(ends.before < 0, -1, rows + (ends.before - ends.step) * stride)
    columns = [*given, *[before] * len(sizes), *[rows] * len(sizes)]
    names = (*(ref.name for ref in step.others), *step.names, *step.names)
    return Conditionals(names, np.stack(columns, -1), logs.reshape(len(rows), *states, *sizes, *sizes))


@functools.partial(jax.jit, static_argnums=0)
def _segments(
    states: tuple[int, ...], terms: tuple[Array, Array], index: tuple[Array, ...], ends: Ends
) -> Float[Array, "row ..."]:
    """Return chains between the ends of their segments, given states of the others, normalised for each."""
    totals = over_batch(log_sum_of_paths, terms, (3, 2)) if states else jnp.zeros(())

    def once(row: tuple[tuple[Array, ...], Ends]) -> Array:
        place, own = row
        transitions, emissions = (_at(x, place, states, n) for x, n in zip(terms, (3, 2), strict=True))
        total = jnp.where(own.last, _at(totals, place, states, 0), 0)
        total = jnp.where(jnp.isneginf(total), total.max(), total)
        offset = jnp.where(jnp.isneginf(total.max()), 0, total - total.max())
        return segment(transitions, emissions, own) - offset[..., None, None]

    return lax.map(once, (tuple(map(jnp.asarray, index)), Ends(*map(jnp.asarray, ends))))


def _at(array: Array, index: Sequence[Array], states: Sequence[int], rank: int) -> Array:
    """Return what an array holds at a position of its axes: states, then its last axes."""
    lead, body = array.shape[: array.ndim - rank], array.shape[array.ndim - rank :]
    whole = array.reshape(*(1,) * (len(index) + len(states) - len(lead)), *lead, *body)
    found = whole[tuple(at if size > 1 else 0 for at, size in zip(index, whole.shape, strict=False))]
    return jnp.broadcast_to(found, (*states, *body))


def _index(space: Space, axes: Sequence[str], rows: Int[np.ndarray, " row"]) -> Index:
    """Return the positions of elements along their axes."""
    lengths = [space.lengths[axis] for axis in axes]
    return dict(zip(axes, np.unravel_index(rows, lengths), strict=True)) if axes else {}


def _elements(space: Space, ref: Ref, index: Index, count: int) -> Int[np.ndarray, " row"]:
    """Return the numbers of the elements that a ref reads."""
    at, places = dict(ref.at), list[Any]()
    for axis in space.variables[ref.name].axes:
        looked_up = at.get(axis)
        if looked_up is None:
            places.append(index[axis])
            continue
        whole = looked_up.reshape((1,) * (len(index) - looked_up.ndim) + looked_up.shape)
        pairs = zip(index.values(), whole.shape, strict=True)
        places.append(whole[tuple(own if size > 1 else 0 for own, size in pairs)])
    if not places:
        return np.zeros(count, int)
    found = np.ravel_multi_index(np.broadcast_arrays(*places), space.variables[ref.name].lengths)
    return np.broadcast_to(found, (count,))
