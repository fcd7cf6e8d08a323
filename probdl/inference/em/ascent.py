"""The M-step where it has no closed form: Newton steps by conjugate gradients, never downhill."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

HALVINGS = 30
SUFFICIENT = 1e-4
FORCING = 0.1

Position = Float[Array, " dim"]


class _Climbing(NamedTuple):
    number: Array
    halvings: Array
    point: Position
    value: Array
    way: Position
    rise: Array


def ascend(function: Callable[[Position], Array], start: Position, num_steps: int, most: int) -> Position:
    """Return a point at which a function is no lower than where it starts.

    Each step solves the Newton equation by conjugate gradients, which stop where the function curves up, and
    is halved until the function rises enough.

    Args:
        function: The function, smooth.
        start: Where to start.
        num_steps: The most steps.
        most: The most products with the second derivatives in a step.

    Returns:
        The point.

    Example:
        >>> found = ascend(lambda x: -jnp.sum((x - 3.0) ** 4), jnp.zeros(2), 20, 2)
        >>> bool((abs(found - 3.0) < 0.01).all())
        True

    Source:
        Nocedal & Wright (2006), Algorithm 7.1.
    """

    def going(now: _Climbing) -> Array:
        return (now.number <= num_steps) & (now.halvings < HALVINGS)

    def step(now: _Climbing) -> _Climbing:
        """Look at one point, and go on from there or halve the way to it; at first, at the start."""
        length = 0.5**now.halvings
        point = now.point + length * now.way
        (value, gradient), changes = jax.linearize(jax.value_and_grad(function), point)
        is_better = value >= now.value + SUFFICIENT * length * now.rise

        def on(_: None) -> tuple[Position, Array]:
            way = _newton(gradient, lambda v: -changes(v)[1], most)
            return way, gradient @ way

        is_next = is_better & (now.number < num_steps)
        way, rise = lax.cond(is_next, on, lambda _: (now.way, now.rise), None)
        halvings = jnp.where(is_better, jnp.where(rise > 0, 0, HALVINGS), now.halvings + 1)
        return _Climbing(
            now.number + is_better,
            halvings,
            jnp.where(is_better, point, now.point),
            jnp.where(is_better, value, now.value),
            way,
            rise,
        )

    zero, none = jnp.zeros((), start.dtype), jnp.zeros((), int)
    begin = _Climbing(none, none, start, zero - jnp.inf, jnp.zeros_like(start), zero)
    return lax.while_loop(going, step, begin).point


class _Solving(NamedTuple):
    number: Array
    solution: Position
    residual: Position
    way: Position
    is_done: Array


def _newton(gradient: Position, product: Callable[[Position], Position], most: int) -> Position:
    """Solve product(x) = gradient, as far as it pays off; by curvature alone while that is positive."""
    size = jnp.sqrt(gradient @ gradient)
    enough = jnp.minimum(FORCING, jnp.sqrt(size)) * size

    def going(now: _Solving) -> Array:
        return ~now.is_done & (now.number < most)

    def step(now: _Solving) -> _Solving:
        curved = product(now.way)
        curvature, squared = now.way @ curved, now.residual @ now.residual
        is_convex = curvature > 1e-12 * (now.way @ now.way)
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
