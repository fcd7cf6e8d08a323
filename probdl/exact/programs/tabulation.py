"""Terms as potentials: tables over discrete and conjugate variables, quadratic functions of Gaussian ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.programs.local import Local, NotIntegrable
from probdl.exact.programs.potential import Potential, Space, check_table, land, landing, log_entries
from probdl.exact.programs.variables import Ref
from probdl.program.jaxprs import without_derivative


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
    listed = [ref for ref in local.refs if space.is_tabulated(ref)]
    others = [ref for ref in local.refs if not space.is_tabulated(ref)]
    refs = (*listed, *others)
    places = [local.refs.index(ref) for ref in refs]
    way = landing(space, local.axes, refs)

    def term(elements: Sequence[Array]) -> Array:
        by_place = dict(zip(places, elements, strict=True))
        value = local.run(inputs, [by_place[i] for i in range(len(by_place))])
        return value if way is None else land(space, local.axes, local.start, way, value)

    axes = local.axes if way is None else way.axes
    states = [jnp.asarray(space.variables[ref.name].states()) for ref in listed]
    run = _function(space, others, term)
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
    after = refs if way is None else way.refs
    start = local.start if axes[:1] == local.axes[:1] else 0
    return Potential(axes, tuple(after), jnp.asarray(log), linear, precision, start)


def _undifferentiable(
    space: Space,
    local: Local,
    others: Sequence[Ref],
    term: Callable[[Sequence[Array]], Array],
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


Parts = tuple[Array, Array | None, Array | None]


def _function(
    space: Space, others: Sequence[Ref], term: Callable[[Sequence[Array]], Array]
) -> Callable[..., Parts]:
    """Return what maps one state of each ref of tables to the quadratic function of the other refs."""
    if not others:
        return lambda *states: (term(states), None, None)
    origins = [space.variables[ref.name].origin for ref in others]
    sizes = [origin.size for origin in origins]

    def expanded(*states: Array) -> Parts:
        def along(u: Array) -> Array:
            ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
            parts = jnp.split(u, ends[:-1])
            return term([*states, *(x + part for x, part in zip(origins, parts, strict=True))])

        zero = jnp.zeros(sum(sizes))
        shape = jax.eval_shape(along, zero).shape
        if shape:
            return along(zero), jax.jacfwd(along)(zero), -jax.jacfwd(jax.jacfwd(along))(zero)
        return along(zero), jax.grad(along)(zero), -jax.jacfwd(jax.grad(along))(zero)

    return expanded
