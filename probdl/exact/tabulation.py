"""Terms as potentials: tables over discrete variables, quadratic functions of Gaussian ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.conjugate import interpolation, solve
from probdl.exact.local import Local, NotIntegrable
from probdl.exact.potential import Potential, Space, land, landing
from probdl.exact.variables import Kind, Ref, Variable


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
    discrete = [ref for ref in local.refs if space.is_discrete(ref)]
    others = [ref for ref in local.refs if not space.is_discrete(ref)]
    refs = (*discrete, *others)
    places = [local.refs.index(ref) for ref in refs]
    way = landing(space, local.axes, refs)

    def term(elements: Sequence[Array]) -> Array:
        by_place = dict(zip(places, elements, strict=True))
        value = local.run(inputs, [by_place[i] for i in range(len(by_place))])
        return value if way is None else land(space, local.axes, local.start, way, value)

    axes = local.axes if way is None else way.axes
    states = [jnp.asarray(space.variables[ref.name].states()) for ref in discrete]
    run = _function(space, others, term, local.name)
    for i in reversed(range(len(states))):
        run = jax.vmap(run, in_axes=tuple(0 if k == i else None for k in range(len(states))))
    found = run(*states)
    lead = len(axes)

    def arranged(array: Array | None) -> Array | None:
        if array is None:
            return None
        return jnp.moveaxis(array, range(len(states)), range(lead, lead + len(states)))

    log, linear, precision = (arranged(array) for array in found)
    after = refs if way is None else way.refs
    start = local.start if axes[:1] == local.axes[:1] else 0
    return Potential(axes, tuple(after), jnp.asarray(log), linear, precision, start)


Parts = tuple[Array, Array | None, Array | None]


def _function(
    space: Space, others: Sequence[Ref], term: Callable[[Sequence[Array]], Array], name: str
) -> Callable[..., Parts]:
    """Return what maps one state of each discrete ref to the function of the other refs."""
    variables = [space.variables[ref.name] for ref in others]
    if not variables:
        return lambda *states: (term(states), None, None)
    conjugate = [variable for variable in variables if variable.kind is Kind.CONJUGATE]
    if conjugate and len(variables) > 1:
        beside = dict.fromkeys(v.name for v in variables if v.name not in (conjugate[-1].name, name))
        too = f" and on {' and '.join(map(repr, beside))}" if beside else ""
        raise NotIntegrable(conjugate[-1].name, f"'{name}' depends on it{too}, integrated as well")
    if conjugate:
        return functools.partial(_interpolated, variables[0], term)
    sizes = [variable.size for variable in variables]

    def expanded(*states: Array) -> Parts:
        def along(u: Array) -> Array:
            ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
            parts = jnp.split(u, ends[:-1])
            return term([*states, *parts])

        zero = jnp.zeros(sum(sizes))
        shape = jax.eval_shape(along, zero).shape
        if shape:
            return along(zero), jax.jacfwd(along)(zero), -jax.jacfwd(jax.jacfwd(along))(zero)
        return along(zero), jax.grad(along)(zero), -jax.jacfwd(jax.grad(along))(zero)

    return expanded


def _interpolated(variable: Variable, term: Callable[[Sequence[Array]], Array], *states: Array) -> Parts:
    points = variable.points
    if points is None:
        with jax.ensure_compile_time_eval():
            points = interpolation(variable.known_family)
    values = jax.vmap(lambda x: term([*states, x]))(jnp.asarray(points.points))
    found = solve(points, values)
    return found.log_constant, found.natural, None
