"""Potentials: what a term, or what is left of several, says of the variables that it still reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.exact.programs.local import NotIntegrable, Unaligned
from probdl.exact.programs.positions import over
from probdl.exact.programs.variables import Kind, Ref, Variable
from probdl.exact.tables.limits import MOST_ENTRIES


@dataclass(frozen=True, eq=False)
class Space:
    """The variables, and the plates and scans along which they repeat.

    Attributes:
        variables: The variables by name.
        lengths: Lengths of plates and scans; their order is that of the axes of every potential.
        max_table: The most entries that a table may have.
    """

    variables: Mapping[str, Variable]
    lengths: Mapping[str, int]
    max_table: int = MOST_ENTRIES

    def ordered(self, axes: set[str]) -> tuple[str, ...]:
        """Return axes in the order that potentials have."""
        return tuple(name for name in self.lengths if name in axes)

    def aligned(self, ref: Ref) -> tuple[str, ...]:
        """Return the axes along which a ref reads the same position."""
        return tuple(axis for axis in self.variables[ref.name].axes if axis not in ref.gathered)

    def is_tabulated(self, ref: Ref) -> bool:
        """Whether a ref is to a variable of tables: a discrete one, or a conjugate one at its points."""
        return self.variables[ref.name].kind is not Kind.GAUSSIAN


@dataclass(frozen=True, eq=False)
class Potential:
    """A function of variables: a table over the discrete and conjugate ones, of functions of Gaussian ones.

    Attributes:
        axes: Its plates and scans. An array has length one along those that it does not depend on.
        refs: What it reads, variables of tables first.
        log: Its logarithm where all others are zero: axes, then states of the former (points, if conjugate).
        linear: Linear coefficients of Gaussian variables, one after the other; None without these. Axes,
            states, coefficients.
        precision: Minus the second derivatives by Gaussian variables, or None.
        start: The first step of its scan that it holds for.
    """

    axes: tuple[str, ...]
    refs: tuple[Ref, ...]
    log: Array
    linear: Array | None = None
    precision: Array | None = None
    start: int = 0

    def arrays(self, change: Callable[[Array], Array]) -> Potential:
        """Return the potential with all of its arrays changed."""
        linear, precision = (None if x is None else change(x) for x in (self.linear, self.precision))
        return replace(self, log=change(self.log), linear=linear, precision=precision)


class Landing(NamedTuple):
    """Where the elements of a potential end up when some of its axes are multiplied out.

    Attributes:
        summed: Axes that disappear.
        looked_up: Axes that become others, by the positions in `at`.
        at: Positions by new axis, over the old axes.
        refs: What is read then.
        axes: The axes that are left.
    """

    summed: tuple[str, ...]
    looked_up: tuple[str, ...]
    at: tuple[tuple[str, np.ndarray], ...]
    refs: tuple[Ref, ...]
    axes: tuple[str, ...]


def landing(space: Space, axes: Sequence[str], refs: Sequence[Ref], *, stuck: bool = False) -> Landing | None:
    """Return how axes that no variable needs any more can be multiplied out.

    Args:
        space: The variables.
        axes: Axes of the potential.
        refs: What it reads.
        stuck: Whether positions that are the same for all elements are looked up although other variables
            could be integrated first.

    Returns:
        The landing, or None if nothing changes.

    Raises:
        Unaligned: If two elements of a variable meet.
    """
    held = {axis for ref in refs for axis in space.aligned(ref)}
    free = [axis for axis in axes if axis not in held]
    targets: dict[str, np.ndarray] = {}
    waiting: set[str] = set()
    landed = []
    for ref in refs:
        read = {axes[a] for _, at in ref.at for a in range(at.ndim) if at.shape[a] > 1}
        constant = not read and len(refs) > 1 and not stuck
        if not ref.at or not read <= set(free) or constant:
            waiting |= read
            landed.append(ref)
            continue
        for axis, at in ref.at:
            if axis in held or (axis in targets and not np.array_equal(targets[axis], at)):
                raise Unaligned(ref.name, axis, f"a term reads two elements of '{ref.name}' along '{axis}'")
            targets[axis] = at
        landed.append(Ref(ref.name, ref.lag))
    used = {axes[a] for at in targets.values() for a in range(at.ndim) if at.shape[a] > 1}
    looked_up = tuple(axis for axis in axes if axis in used and axis not in waiting)
    if used & waiting:
        return None
    summed = tuple(axis for axis in free if axis not in used and axis not in waiting)
    if not summed and not targets:
        return None
    left = {axis for axis in axes if axis not in summed and axis not in looked_up}
    new = space.ordered(left | set(targets))
    moved = tuple(ref._replace(at=tuple((a, over(at, axes, new)) for a, at in ref.at)) for ref in landed)
    return Landing(summed, looked_up, tuple(targets.items()), moved, new)


def land(space: Space, axes: Sequence[str], start: int, way: Landing, array: Array) -> Array:
    """Multiply axes of an array of logarithms out.

    Args:
        space: The variables.
        axes: Its first axes.
        start: The first step of the scan that it holds for.
        way: Where its elements end up.
        array: The array.

    Returns:
        The array over the axes of the landing.
    """

    def length(axis: str) -> int:
        return space.lengths[axis] - (start if axis == axes[0] else 0)

    for axis in way.summed:
        if array.shape[axes.index(axis)] == 1:
            array = array * length(axis)
    array = jnp.sum(array, axis=tuple(axes.index(axis) for axis in way.summed), keepdims=True)
    rest = [axis for axis in axes if axis not in way.summed and axis not in way.looked_up]
    whole = list(array.shape)
    for axis in way.looked_up:
        whole[axes.index(axis)] = length(axis)
    array = jnp.broadcast_to(array, whole)
    dropped = tuple(axes.index(axis) for axis in way.summed)
    moved = jnp.moveaxis(array, [axes.index(a) for a in way.looked_up], range(len(way.looked_up)))
    kept = [a for a in axes if a not in way.looked_up]
    moved = jnp.squeeze(moved, tuple(len(way.looked_up) + kept.index(axes[i]) for i in dropped))
    if not way.at:
        return moved
    new = [axis for axis, _ in way.at]
    sizes = [space.lengths[axis] for axis in new]
    rows = [length(axis) for axis in way.looked_up]
    places = [_rows(at, axes, way.looked_up, rows) for _, at in way.at]
    flat = np.ravel_multi_index(places, sizes) if places else np.zeros(1, int)
    body = moved.shape[len(rows) :]
    sums = jax.ops.segment_sum(moved.reshape(-1, *body), jnp.asarray(flat), int(np.prod(sizes)))
    found = sums.reshape(*sizes, *body)
    names = [*new, *rest]
    return jnp.moveaxis(found, [names.index(axis) for axis in way.axes], range(len(names)))


def _rows(at: np.ndarray, axes: Sequence[str], looked_up: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """Return positions as one row for each element that is looked up."""
    shape = [at.shape[axes.index(axis)] for axis in looked_up]
    table = at.reshape(shape)
    if looked_up and looked_up[0] == axes[0] and shape[0] > 1:
        table = table[len(table) - rows[0] :]
    return np.broadcast_to(table, rows).reshape(-1)


def settled(space: Space, potential: Potential, *, stuck: bool = False) -> Potential:
    """Return a potential without the axes that no variable needs any more.

    Args:
        space: The variables.
        potential: The potential.
        stuck: Whether nothing else is left to do first.

    Returns:
        The potential.
    """
    way = landing(space, potential.axes, potential.refs, stuck=stuck)
    if way is None:
        return potential
    axes = potential.axes
    changed = potential.arrays(lambda x: land(space, axes, potential.start, way, x))
    start = potential.start if way.axes[:1] == axes[:1] else 0
    return replace(changed, axes=way.axes, refs=way.refs, start=start)


def scope_of(space: Space, potentials: Sequence[Potential]) -> tuple[list[Ref], list[Ref]]:
    """Return the discrete and the other refs of potentials, each once."""
    found: dict[tuple, Ref] = {}
    for ref in (ref for potential in potentials for ref in potential.refs):
        found.setdefault(key_of(ref), ref)
    discrete = [ref for ref in found.values() if space.is_tabulated(ref)]
    return discrete, [ref for ref in found.values() if not space.is_tabulated(ref)]


def check_table(space: Space, lengths: Sequence[int], refs: Sequence[Ref]) -> None:
    """Check that a table is not too large to be made.

    Args:
        space: The variables.
        lengths: The lengths of its axes: one along those that it does not depend on.
        refs: The variables of tables that it depends on.

    Raises:
        NotIntegrable: If it is; the message names the variables and the size.
    """
    sizes = {key_of(ref): space.variables[ref.name].log_size for ref in refs}
    entries = log_entries(space, lengths, refs)
    if refs and entries > math.log(space.max_table):
        every = list(dict.fromkeys(ref.name for ref in refs))
        names = ", ".join(f"'{name}'" for name in every[:3])
        names += f" and {len(every) - 3} more" if len(every) > 3 else ""
        power = entries / math.log(10)
        count = f"{round(math.exp(entries)):,}" if power < 9 else f"1e{power:.0f}"
        raise NotIntegrable(
            max(sizes, key=lambda key: sizes[key])[0],
            f"a table over {names} would have {count} entries, more than max_table={space.max_table:,}: "
            f"observe {'one of them' if len(every) > 1 else 'it'}, or raise max_table",
        )


def log_entries(space: Space, lengths: Sequence[int], refs: Sequence[Ref]) -> float:
    """Return the logarithm of the number of entries of a table."""
    sizes = {key_of(ref): space.variables[ref.name].log_size for ref in refs}
    return sum(sizes.values()) + sum(math.log(max(length, 1)) for length in lengths)


def key_of(ref: Ref) -> tuple:
    """Return what tells refs apart."""
    return ref.name, ref.lag, tuple((axis, at.shape, at.tobytes()) for axis, at in ref.at)


def spread(space: Space, potential: Potential, discrete: Sequence[Ref], array: Array) -> Array:
    """Return an array of a potential as a table over all of some discrete refs, of length one for others."""
    own = [key_of(ref) for ref in potential.refs if space.is_tabulated(ref)]
    lead = len(potential.axes)
    wanted = [key_of(ref) for ref in discrete]
    order = [own.index(key) for key in wanted if key in own]
    trailing = range(lead + len(own), array.ndim)
    moved = jnp.transpose(array, [*range(lead), *(lead + i for i in order), *trailing])
    missing = tuple(lead + i for i, key in enumerate(wanted) if key not in own)
    return jnp.expand_dims(moved, missing)
