"""Piecewise exponential densities above a log-concave one: tangents at a fixed number of points."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

FLAT = 1e-8  # a slope times a width below which an exponential is a constant


class Hull(NamedTuple):
    """Points of a log-density with its slopes, in order; those that are not used yet are infinite.

    Attributes:
        at: The points.
        log_density: The logarithm of the density there, in nats.
        slope: Its derivative there.
        points: How many points are used.
    """

    at: Float[Array, " point"]
    log_density: Float[Array, " point"]
    slope: Float[Array, " point"]
    points: Array

    @classmethod
    def empty(cls, size: int, kind: Any) -> Hull:
        """Return a hull without points.

        Args:
            size: The most points it can have.
            kind: Type of its numbers.
        """
        zeros = jnp.zeros(size, kind)
        return cls(jnp.full(size, jnp.inf, kind), zeros, zeros, jnp.zeros((), int))

    def with_point(self, at: Array, log_density: Array, slope: Array, *, wanted: Array | bool = True) -> Hull:
        """Return the hull with one point more, if there is room and it is a number.

        Args:
            at: The point.
            log_density: Logarithm of the density there.
            slope: Its derivative.
            wanted: Whether to take it.
        """
        size = self.at.shape[0]
        good = jnp.isfinite(at) & jnp.isfinite(log_density) & jnp.isfinite(slope)
        good &= jnp.all(self.at != at) & (self.points < size) & wanted
        place, number = jnp.searchsorted(self.at, at), jnp.arange(size)

        def inserted(values: Array, value: Array) -> Array:
            moved = jnp.where(number > place, jnp.roll(values, 1), values)
            return jnp.where(good, jnp.where(number == place, value, moved), values)

        return Hull(
            inserted(self.at, at),
            inserted(self.log_density, log_density),
            inserted(self.slope, slope),
            self.points + good,
        )

    @property
    def highest(self) -> Float[Array, ""]:
        """The largest log-density of all points, in nats."""
        return jnp.max(jnp.where(self.used, self.log_density, -jnp.inf))

    @property
    def used(self) -> Bool[Array, " point"]:
        """Which points are used."""
        return jnp.arange(self.at.shape[0]) < self.points

    @property
    def ends(self) -> tuple[Float[Array, " point"], Float[Array, " point"]]:
        """From where to where the tangent at each point is the lowest one."""
        after = (jnp.roll(a, -1) for a in self[:3])
        at, log_density, slope = self[:3]
        next_at, next_log, next_slope = after
        last = jnp.arange(at.shape[0]) >= self.points - 1
        bend = slope - next_slope
        crossing = (next_log - log_density - next_at * next_slope + at * slope) / jnp.where(bend > 0, bend, 1)
        crossing = jnp.where(bend > 0, jnp.clip(crossing, at, next_at), (at + next_at) / 2)
        right = jnp.where(last, jnp.inf, jnp.where(jnp.isfinite(next_at), crossing, jnp.inf))
        left = jnp.roll(right, 1).at[0].set(-jnp.inf)
        return left, right

    def upper(self, x: Array) -> Array:
        """Return the lowest of all tangents at a point, in nats."""
        tangents = self.log_density + self.slope * (x - jnp.where(self.used, self.at, 0))
        return jnp.min(jnp.where(self.used, tangents, jnp.inf))

    def draw(self, key: Array) -> Array:
        """Draw from the density whose logarithm is the lowest of all tangents."""
        left, right = self.ends
        at = jnp.where(self.used, self.at, 0)
        rising = self.slope > 0
        anchor = jnp.where(rising, right, left)
        rate, width = jnp.abs(self.slope), right - left
        flat = rate * width < FLAT
        safe = jnp.where(rate > 0, rate, 1)
        shrunk = -jnp.expm1(-safe * jnp.where(flat, 1, width))
        log_mass = self.log_density + self.slope * (anchor - at)
        log_mass = log_mass + jnp.where(flat, jnp.log(width), jnp.log(shrunk) - jnp.log(safe))
        log_mass = jnp.where(self.used & ~jnp.isnan(log_mass), log_mass, -jnp.inf)
        choice, place = jax.random.split(key)
        k = jax.random.categorical(choice, log_mass)
        uniform = jax.random.uniform(place, (), self.at.dtype)
        along = jnp.where(flat[k], uniform * width[k], -jnp.log1p(-uniform * shrunk[k]) / safe[k])
        return anchor[k] - jnp.where(rising[k], along, -along)

    def is_broken_by(self, x: Array, log_density: Array, slope: Array) -> Bool[Array, ""]:
        """Return whether a point is not on a concave function through the others.

        Args:
            x: The point.
            log_density: Logarithm of the density there.
            slope: Its derivative.

        Example:
            >>> hull = Hull.empty(4, float)
            >>> for x in (-1.0, 1.0):
            ...     hull = hull.with_point(jnp.array(x), jnp.array(-(x**2)), jnp.array(-2 * x))
            >>> zero = jnp.array(0.0)
            >>> [bool(hull.is_broken_by(zero, jnp.array(h), zero)) for h in (0.0, -1.5, 1.5)]
            [False, True, True]
        """
        slack = jnp.sqrt(jnp.finfo(self.at.dtype).eps)  # far above rounding, far below another form
        above = log_density > self.upper(x) + slack * (1 + jnp.abs(log_density))
        place = jnp.searchsorted(self.at, x)
        low, high = jnp.maximum(place - 1, 0), jnp.minimum(place, self.at.shape[0] - 1)
        inside = (place > 0) & (place < self.points)
        width = jnp.where(inside, self.at[high] - self.at[low], 1)
        share = jnp.where(inside, x - self.at[low], 0) / width
        chord = (1 - share) * self.log_density[low] + share * self.log_density[high]
        below = inside & (log_density < chord - slack * (1 + jnp.abs(chord)))
        steep = slack * (1 + jnp.abs(slope))
        turns = (place > 0) & (slope > self.slope[low] + steep)
        turns |= (place < self.points) & (slope < self.slope[high] - steep)
        return (above | below | turns) & (jnp.isfinite(log_density) | below)
