"""The M-step where it has no closed form: Newton steps that never go downhill, whatever the units."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

SHORTER, MOST_TIMES = 0.25, 40
SUFFICIENT = 1e-4
MOST_DENSE, MOST_PRODUCTS, PROBES = 64, 50, 8
LEAST_CURVATURE = 1e-8
FORCING, ENOUGH = 0.01, 1e-8

Position = Float[Array, " dim"]


class Ascent(NamedTuple):
    """Where an ascent came to.

    Attributes:
        point: The point.
        promise: By how much the function would have risen from the start if it were quadratic; NaN if its
            slope is no number there.
    """

    point: Position
    promise: Float[Array, ""]


class _Climbing(NamedTuple):
    number: Array
    cuts: Array
    point: Position
    value: Array
    way: Position
    rise: Array
    promise: Array


def ascend(function: Callable[[Position], Array], start: Position, num_steps: int) -> Ascent:
    """Return a point at which a function is no lower than where it starts.

    Each step solves the Newton equation, with all curvatures taken as downward ones, in units in which the
    curvature along each coordinate is one; above 64 coordinates by conjugate gradients. It is cut to a
    quarter until the function rises enough.

    Args:
        function: The function, smooth.
        start: Where to start.
        num_steps: The most steps.

    Example:
        >>> found = ascend(lambda x: -jnp.sum((x - 3.0) ** 4), jnp.zeros(2), 20)
        >>> bool((abs(found.point - 3.0) < 0.1).all())
        True

    Source:
        Nocedal & Wright (2006), §3.4 and Algorithm 7.1.
    """

    def going(now: _Climbing) -> Array:
        return (now.number <= num_steps) & (now.cuts < MOST_TIMES)

    def step(now: _Climbing) -> _Climbing:
        """Look at one point, and go on from there or cut the way to it; at first, at the start."""
        length = SHORTER**now.cuts
        point = now.point + length * now.way
        (value, gradient), changes = jax.linearize(jax.value_and_grad(function), point)
        is_better = value >= now.value + SUFFICIENT * length * now.rise

        def on(_: None) -> tuple[Position, Array]:
            way = _newton(gradient, lambda v: -changes(v)[1])
            return way, gradient @ way

        is_next = is_better & (now.number < num_steps)
        way, rise = lax.cond(is_next, on, lambda _: (now.way, now.rise), None)
        goes_on = rise > ENOUGH * jnp.maximum(now.promise, 0.0)
        cuts = jnp.where(is_better, jnp.where(goes_on, 0, MOST_TIMES), now.cuts + 1)
        return _Climbing(
            now.number + is_better,
            cuts,
            jnp.where(is_better, point, now.point),
            jnp.where(is_better, value, now.value),
            way,
            rise,
            jnp.where(now.number == 0, rise / 2, now.promise),
        )

    zero, none = jnp.zeros((), start.dtype), jnp.zeros((), int)
    begin = _Climbing(none, none, start, zero - jnp.inf, jnp.zeros_like(start), zero, zero)
    found = lax.while_loop(going, step, begin)
    return Ascent(found.point, found.promise)


def _newton(gradient: Position, product: Callable[[Position], Position]) -> Position:
    """Solve product(x) = gradient, with curvatures of the wrong sign turned."""
    dim = gradient.size
    if dim <= MOST_DENSE:
        matrix = jax.vmap(product)(jnp.eye(dim, dtype=gradient.dtype))
        unit = _units(jnp.abs(jnp.diagonal(matrix)))
        values, vectors = jnp.linalg.eigh(unit[:, None] * (matrix + matrix.T) / 2 * unit)
        size = jnp.maximum(jnp.abs(values), LEAST_CURVATURE * jnp.abs(values).max())
        turned = vectors.T @ (unit * gradient)
        return unit * (vectors @ (turned / jnp.where(size > 0, size, 1.0)))
    signs = jax.random.rademacher(jax.random.key(0), (PROBES, dim), gradient.dtype)
    unit = _units(jnp.sqrt(jnp.mean(lax.map(product, signs) ** 2, 0)))
    return unit * _solved(unit * gradient, lambda v: unit * product(unit * v))


def _units(curvature: Position) -> Position:
    """Return lengths along which curvatures are one; one where there is none."""
    return jnp.where(curvature > 0, 1 / jnp.sqrt(jnp.where(curvature > 0, curvature, 1.0)), 1.0)


class _Solving(NamedTuple):
    number: Array
    solution: Position
    residual: Position
    way: Position
    is_done: Array


def _solved(gradient: Position, product: Callable[[Position], Position]) -> Position:
    """Solve product(x) = gradient by conjugate gradients, while the curvature is positive."""
    size = jnp.sqrt(gradient @ gradient)
    enough = FORCING * size

    def going(now: _Solving) -> Array:
        return ~now.is_done & (now.number < MOST_PRODUCTS)

    def step(now: _Solving) -> _Solving:
        curved = product(now.way)
        curvature, squared = now.way @ curved, now.residual @ now.residual
        is_convex = curvature > LEAST_CURVATURE * (now.way @ now.way)
        length = squared / jnp.where(is_convex, curvature, 1.0)
        solution = jnp.where(is_convex, now.solution + length * now.way, now.solution)
        residual = now.residual - length * curved
        after = residual @ residual
        way = residual + after / jnp.where(squared > 0, squared, 1.0) * now.way
        is_done = ~is_convex | (jnp.sqrt(after) <= enough)
        return _Solving(now.number + 1, solution, residual, way, is_done)

    zero = jnp.zeros_like(gradient)
    found = lax.while_loop(going, step, _Solving(jnp.zeros((), int), zero, gradient, gradient, size == 0))
    return jnp.where((found.solution == 0).all(), gradient, found.solution)
