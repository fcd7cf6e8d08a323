"""The highest point of a function of unconstrained positions, looked for from many starts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from probdl.program.layout import Layout

MOST_STEPS, MOST_HALVINGS, MEMORY = 500, 50, 10
ENOUGH, TINY = 1e-4, 1e-9
FAR = 50.0
STEEP = 1e-3

Function = Callable[[Any, Any, Array], Array]


@dataclass(frozen=True, eq=False)
class Highest:
    """The highest point that was found.

    Attributes:
        value: The value there; minus infinity if no start had a finite one.
        position: Where it is.
        gradient: The gradient there.
        ended: Whether the search ended by itself, not by its number of steps.
    """

    value: float
    position: Float[np.ndarray, " dim"]
    gradient: Float[np.ndarray, " dim"]
    ended: bool = True

    @property
    def is_found(self) -> bool:
        """Whether it is a highest point: not one from where the function rises further, far out."""
        if not np.isfinite(self.value) or not np.isfinite(self.gradient).all():
            return False
        scale = max(1.0, abs(self.value) * 1e-3) if self.ended else 1.0
        rising = np.abs(self.gradient) > STEEP * scale
        return not bool((rising & (np.abs(self.position) > FAR)).any())

    def where(self, layout: Layout) -> str:
        """Return the sites that lie far out."""
        far = np.abs(self.position) > FAR
        by_site = layout.unravel(far)  # pyright: ignore[reportArgumentType]
        names = [f"'{name}'" for name, part in by_site.items() if np.any(part)]
        return ", ".join(names) or "no single site"


def highest(function: Function, static: Any, arrays: Any, starts: Float[np.ndarray, "start dim"]) -> Highest:
    """Return the highest of the maxima that a quasi-Newton method finds from several starts.

    Args:
        function: Of the static half, the arrays and a position; defined at module level, so that it is
            compiled once.
        static: Its static half.
        arrays: Its arrays.
        starts: Where to begin.

    Returns:
        The highest point.
    """

    def measure(position: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _value_and_gradient(function, static, arrays, position)
        slope = np.asarray(gradient, float)
        return (float(value) if np.isfinite(slope).all() else -np.inf), slope

    found = [climb(measure, start) for start in starts]
    return max(found, key=lambda top: top.value)


def climb(measure: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray) -> Highest:
    """Return where a limited-memory quasi-Newton method with backtracking ends.

    A step is halved until it rises enough, which it also is where the function is not finite: line searches
    that interpolate fail there.

    Args:
        measure: Value and gradient of the function.
        start: Where to begin.

    Returns:
        The end; its value is minus infinity if the function is not finite at the start.

    Source:
        Nocedal & Wright (2006), algorithms 7.4 and 3.1.
    """
    position = np.asarray(start, float)
    value, gradient = measure(position)
    if not np.isfinite(value):
        return Highest(-np.inf, position, gradient)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    step, small = 1.0, 0
    for _ in range(MOST_STEPS):
        direction = _ascent(gradient, pairs)
        if not pairs:
            direction = direction * step / max(1.0, float(np.linalg.norm(direction)))
        moved = _line_search(measure, position, value, gradient, direction)
        if moved is None:
            break
        new, new_value, new_gradient = moved
        bend = float((new - position) @ (gradient - new_gradient))
        if bend > 1e-12 * float(np.linalg.norm(new - position) * np.linalg.norm(new_gradient - gradient)):
            pairs = [*pairs[1 - MEMORY :], (new - position, gradient - new_gradient)]
        else:
            pairs, step = [], 2 * step
        small = small + 1 if new_value - value <= TINY * max(1.0, abs(value)) else 0
        position, value, gradient = new, new_value, new_gradient
        if small > 1 or np.abs(gradient).max(initial=0.0) < TINY:
            break
    else:
        return Highest(value, position, gradient, ended=False)
    return Highest(value, position, gradient)


def _ascent(gradient: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the direction of ascent: the gradient times an estimate of the inverse curvature."""
    direction, factors = gradient.copy(), []
    for move, bend in reversed(pairs):
        factor = (move @ direction) / (move @ bend)
        factors.append(factor)
        direction = direction - factor * bend
    if pairs:
        move, bend = pairs[-1]
        direction = direction * (move @ bend) / (bend @ bend)
    for (move, bend), factor in zip(pairs, reversed(factors), strict=True):
        direction = direction + move * (factor - (bend @ direction) / (move @ bend))
    return direction


def _line_search(
    measure: Callable[[np.ndarray], tuple[float, np.ndarray]],
    position: np.ndarray,
    value: float,
    gradient: np.ndarray,
    direction: np.ndarray,
) -> tuple[np.ndarray, float, np.ndarray] | None:
    slope = float(gradient @ direction)
    if not slope > 0:
        return None
    for halvings in range(MOST_HALVINGS):
        new = position + direction * 0.5**halvings
        new_value, new_gradient = measure(new)
        if new_value >= value + ENOUGH * slope * 0.5**halvings:
            return new, new_value, new_gradient
    return None


@functools.partial(jax.jit, static_argnums=(0, 1))
def _value_and_gradient(function: Function, static: Any, arrays: Any, position: Array) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda z: function(static, arrays, z))(position)
