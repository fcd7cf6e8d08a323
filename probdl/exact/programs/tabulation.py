"""Terms as potentials: tables over discrete and conjugate variables, quadratic functions of Gaussian ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.programs.local import Local, NotIntegrable
from probdl.exact.programs.potential import Potential, Space, check_table, land, landing, log_entries
from probdl.exact.programs.variables import Ref
from probdl.program.jaxprs import without_derivative

Parts = tuple[Array, Array | None, Array | None]
Term = Callable[[Sequence[Array]], Array]


def tabulated(space: Space, local: Local, inputs: Sequence[Array]) -> Potential:
    """Return a term as a potential.

    What no variable needs is multiplied out before anything is tabulated, so that the cost does not grow
    with the square of a plate.

    Args:
        space: The variables.
        local: The term.
        inputs: The flat inputs of the terms.

    Returns:
        The potential.
    """
    refs = ordered(space, local)
    way = landing(space, local.axes, refs)
    axes = local.axes if way is None else way.axes

    def landed(value: Array) -> Array:
        return value if way is None else land(space, local.axes, local.start, way, value)

    log, linear, precision = parts(space, local, inputs, axes, expanded, landed)
    after = refs if way is None else way.refs
    start = local.start if axes[:1] == local.axes[:1] else 0
    return Potential(axes, tuple(after), jnp.asarray(log), linear, precision, start)


def ordered(space: Space, local: Local) -> tuple[Ref, ...]:
    """Return what a term reads, variables of tables first."""
    return tuple(sorted(local.refs, key=lambda ref: not space.is_tabulated(ref)))


def parts(
    space: Space,
    local: Local,
    inputs: Sequence[Array],
    axes: Sequence[str],
    expand: Callable[[Space, Sequence[Ref], Term], Callable[..., Parts]],
    change: Callable[[Array], Array] = lambda value: value,
) -> Parts:
    """Return what a term is for all states of the variables of tables that it reads.

    Args:
        space: The variables.
        local: The term.
        inputs: The flat inputs of the terms.
        axes: The first axes of the result.
        expand: Makes a function of one state of each of these variables out of the term.
        change: What is done to the term first.

    Returns:
        Arrays over axes, then states, then what the function adds.
    """
    refs = ordered(space, local)
    listed = [ref for ref in refs if space.is_tabulated(ref)]
    others = list(refs[len(listed) :])
    places = [local.refs.index(ref) for ref in refs]

    def term(elements: Sequence[Array]) -> Array:
        by_place = dict(zip(places, elements, strict=True))
        return change(local.run(inputs, [by_place[i] for i in range(len(by_place))]))

    states = [jnp.asarray(space.variables[ref.name].states()) for ref in listed]
    run = expand(space, others, term)
    if log_entries(space, [space.lengths[axis] for axis in axes], listed) > math.log(space.max_table):
        shape = jax.eval_shape(run, *(values[0] for values in states))[0].shape
        check_table(space, shape[: len(axes)], listed)
    for i in reversed(range(len(states))):
        run = jax.vmap(run, in_axes=tuple(0 if k == i else None for k in range(len(states))))
    try:
        found = run(*states)
    except (TypeError, ValueError) as error:
        raise _undifferentiable(space, local, others, term, states) or error from None
    lead = len(axes)

    def arranged(array: Array | None) -> Array | None:
        if array is None:
            return None
        return jnp.moveaxis(array, range(len(states)), range(lead, lead + len(states)))

    log, linear, precision = (arranged(array) for array in found)
    return jnp.asarray(log), linear, precision


def _undifferentiable(
    space: Space,
    local: Local,
    others: Sequence[Ref],
    term: Term,
    states: Sequence[Array],
) -> NotIntegrable | None:
    """Return why a term cannot be differentiated twice by Gaussian variables, if that is what failed."""
    origins = [space.variables[ref.name].origin for ref in others]
    if not others:
        return None
    traced = jax.make_jaxpr(term)([*(values[0] for values in states), *origins])
    why = without_derivative(traced.jaxpr)
    reason = f"the log density of '{local.name}' has no second derivative in it: {why}"
    return NotIntegrable(others[-1].name, reason) if why else None


def expanded(space: Space, others: Sequence[Ref], term: Term) -> Callable[..., Parts]:
    """Return what maps one state of each ref of tables to the quadratic function of the other refs."""
    if not others:
        return lambda *states: (term(states), None, None)

    def coefficients(*states: Array) -> Parts:
        along, zero = shifted(space, others, term, states)
        if jax.eval_shape(along, zero).shape:
            return along(zero), jax.jacfwd(along)(zero), -jax.jacfwd(jax.jacfwd(along))(zero)
        return along(zero), jax.grad(along)(zero), -jax.jacfwd(jax.grad(along))(zero)

    return coefficients


def shifted(
    space: Space, others: Sequence[Ref], term: Term, states: Sequence[Array]
) -> tuple[Callable[[Array], Array], Array]:
    """Return a term as a function of the coordinates of all refs to Gaussian variables, and their origin."""
    origins = [space.variables[ref.name].origin for ref in others]
    ends = list(itertools.accumulate(origin.size for origin in origins))

    def along(u: Array) -> Array:
        moves = jnp.split(u, ends[:-1])
        return term([*states, *(x + move for x, move in zip(origins, moves, strict=True))])

    return along, jnp.zeros(ends[-1])
