"""Arguments of normal distributions, of one or more dimensions; and those of any factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, override

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array
from numpyro.distributions import constraints

from probdl.distributions.trials import CategoricalFamily
from probdl.exact.programs.collapsed import Collapsed
from probdl.exact.programs.potential import Potential
from probdl.exact.programs.variables import Ref
from probdl.inference.em.arguments import (
    FORMS,
    POSITIVE,
    Argument,
    Chances,
    Form,
    Formed,
    Group,
    Mean,
    OfFamily,
    Shares,
)
from probdl.program.member import Data

OF_VARIANCE = (Form(jnp.sqrt, POSITIVE), Form(lambda x: x, POSITIVE), Form(lambda x: 1 / x, POSITIVE))
DEFINITE = (constraints.positive_definite,)
OF_COVARIANCE = (Form(lambda x: x, DEFINITE), Form(jnp.linalg.inv, DEFINITE))


@dataclass(frozen=True)
class Location(OfFamily):
    """The mean of a normal distribution of one or more dimensions."""

    @property
    @override
    def supports(self) -> tuple[Any, ...]:
        return (constraints.real,)

    @override
    def read(self, log: Array, data: Mapping[str, Data]) -> Array:
        mean, scale = self.unit(data)
        return mean + scale * self._of(log)

    def _of(self, log: Array) -> Array:
        natural = self.natural(log)
        if not self.site.family.event_shape:
            return natural[..., 0] / (-2 * natural[..., 1])
        shift, precision = self.site.shift_and_precision(natural)
        found = jnp.linalg.solve(precision, shift[..., None])[..., 0]
        return found.reshape(*found.shape[:-2], -1)

    @override
    def sums(self, weights: Array, data: Mapping[str, Data], location: Array | None) -> tuple[Array, Array]:
        natural, (mean, scale) = self.natural(weights), self.unit(data)
        count = self.count(weights)
        if not self.site.family.event_shape:
            first = natural[..., 0]
        else:
            first = self.site.vector_and_matrix(natural)[0]
            first = first.reshape(*first.shape[:-2], -1)
        return mean * count + scale * first, jnp.broadcast_to(count, first.shape)


@dataclass(frozen=True)
class Spread(Formed):
    """A function of the variance, or of the covariance, of a normal distribution."""

    @override
    def is_like(self, other: Argument) -> bool:
        return isinstance(other, Spread) and self.form is other.form

    @override
    def read(self, log: Array, data: Mapping[str, Data]) -> Array:
        natural, (_, scale) = self.natural(log), self.unit(data)
        if not self.site.family.event_shape:
            return self.form.of(scale**2 / (-2 * natural[..., 1]))
        _, precision = self.site.shift_and_precision(natural)
        return self.form.of(self._in_units(jnp.linalg.inv(precision), scale))

    @override
    def sums(self, weights: Array, data: Mapping[str, Data], location: Array | None) -> tuple[Array, Array]:
        natural, (mean, scale) = self.natural(weights), self.unit(data)
        count = self.count(weights)
        centre = (jnp.asarray(location) - mean) / scale
        if not self.site.family.event_shape:
            first, second = natural[..., 0], natural[..., 1]
            top = scale**2 * (second - 2 * centre * first + count * centre**2)
            return top, jnp.broadcast_to(count, top.shape)
        first, second = self.site.vector_and_matrix(natural)
        centre = centre.reshape(first.shape)
        cross = first[..., :, None] * centre[..., None, :]
        square = centre[..., :, None] * centre[..., None, :]
        top = self._in_units(
            second - cross - jnp.swapaxes(cross, -1, -2) + count[..., None, None] * square, scale
        )
        return top, jnp.broadcast_to(count[..., None, None], top.shape)

    @override
    def value(self, mean: Array) -> Array:
        return self.form.of(mean)

    def _in_units(self, matrix: Array, scale: Array) -> Array:
        size = self.site.family.event_shape[0]
        if not scale.ndim:
            return matrix
        unit = scale.reshape(*scale.shape[:-1], -1, size)
        return matrix * unit[..., :, None] * unit[..., None, :]


def arguments_of(number: int, name: str, source: Potential | Collapsed) -> tuple[Group, ...]:
    """Return the arguments of the distribution of a factor, each in all ways in which it may be written.

    Args:
        number: The number of the factor.
        name: Its site.
        source: What it is made of.

    Returns:
        The arguments; none if its maximum has no closed form.
    """
    if isinstance(source, Potential):
        return _of_table(number, name, source)
    refs = source.local.refs
    if any(not source.space.is_tabulated(ref) for ref in refs):
        return ()
    site, states = source.member, len(refs)
    kept = source.kept
    family = site.family
    if isinstance(family, CategoricalFamily):
        return ((Shares(number, site, kept, states),),)
    if type(family) in FORMS:
        return (tuple(Mean(number, site, kept, states, form) for form in FORMS[type(family)]),)
    if any(kind in (dist.Normal, dist.MultivariateNormal) for kind in family.members):
        forms = OF_COVARIANCE if family.event_shape else OF_VARIANCE
        spreads = tuple(Spread(number, site, kept, states, form) for form in forms)
        return (Location(number, site, kept, states),), spreads
    return ()


def _of_table(number: int, name: str, table: Potential) -> tuple[Group, ...]:
    own = {_step(ref): i for i, ref in enumerate(table.refs) if ref.name == name and not ref.lag}
    if table.linear is not None or not own:
        return ()
    axis = len(table.axes) + own[max(own)]
    ways: list[Argument] = [Chances(number, axis)]
    if table.log.shape[axis] == 2:
        ways += [Chances(number, axis, only=1)]
    return (tuple(ways),)


def _step(ref: Ref) -> int:
    """Return the step of a scan that a ref is to, in a factor that belongs to one step; else zero."""
    return max((int(at.max()) for _, at in ref.at), default=0)
