"""An observed site as a member of an exponential family: natural parameters, and statistics of its data.

The log-density of a value x is eta . T(x) - A(eta) + log h(x). Normal values are measured from their mean, in
standard deviations, so that sums of T keep their digits.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.members import bare

LOWEST = -1e-8


@dataclass(frozen=True)
class Member:
    """An observed site that belongs to an exponential family. Static.

    Attributes:
        name: The site.
        family: The family.
        rank: How many first axes of its value are no part of a draw: scan, plates.
        along: The axis along which its data are averaged to be measured from there, if they are.
        in_scan: Whether this is a step of a scan.
    """

    name: str
    family: ExponentialFamily
    rank: int
    along: int | None
    in_scan: bool

    def statistics(self, data: Data, value: Array) -> Float[Array, "*batch statistics"]:
        """Return T of values, those of a draw together, followed by a one.

        Args:
            data: What the values are measured by.
            value: The values.
        """
        found = self.family.sufficient_statistics(self._measured(data, value))
        found = found[..., _firsts(self.family)].reshape(*value.shape[: self.rank], -1)
        return jnp.concatenate([found, jnp.ones((*found.shape[:-1], 1), found.dtype)], -1)

    def log_base(self, data: Data, value: Array) -> Float[Array, "*batch"]:
        """Return log h of values, in nats; minus infinity where they are impossible.

        Args:
            data: What the values are measured by.
            value: The values.
        """
        found = self.family.log_base_measure(self._measured(data, value))
        found = jnp.where(self.family.support(value), found, -jnp.inf)
        found = found.reshape(*value.shape[: self.rank], -1).sum(-1)
        if data.unit is None:
            return found
        scale = jnp.broadcast_to(data.unit.scale, value.shape)
        return found - jnp.log(scale).reshape(*value.shape[: self.rank], -1).sum(-1)

    def natural(self, data: Data, fn: Any, value: Array) -> Float[Array, "*batch statistics"]:
        """Return eta of the distribution of values, those of a draw together, followed by minus A.

        Args:
            data: What the values are measured by.
            fn: The distribution.
            value: The values: of one step of a scan.
        """
        family, rank = self.family, self.rank - self.in_scan
        inner = bare(fn)
        natural = family.read(inner if data.unit is None else _moved(inner, data.unit))
        elements = value.shape[: value.ndim - len(family.event_shape)]
        log_normalizer = jnp.broadcast_to(family.log_normalizer(natural), elements)
        if len(_firsts(family)) < family.dimension:  # or infinite ones, times zero, would be no numbers
            natural = natural @ _merging(family)
        natural = jnp.broadcast_to(natural, (*elements, len(_firsts(family))))
        lead = value.shape[:rank]
        total = log_normalizer.reshape(*lead, -1).sum(-1, keepdims=True)
        found = jnp.concatenate([natural.reshape(*lead, -1), -total], -1)
        return jnp.maximum(found, LOWEST * jnp.finfo(found.dtype).max)  # times a statistic of zero it is zero

    @property
    def size(self) -> int:
        """How many different statistics a draw has."""
        return len(_firsts(self.family))

    def vector_and_matrix(self, natural: Array) -> tuple[Array, Array]:
        """Return what belongs to x, and what to its products, of a normal family.

        Args:
            natural: Statistics of a draw, or anything of their shape.
        """
        dim = self.family.event_shape[0]
        places = np.searchsorted(_firsts(self.family), _equals(self.family)[dim:])
        return natural[..., :dim], natural[..., places].reshape(*natural.shape[:-1], dim, dim)

    def shift_and_precision(self, natural: Array) -> tuple[Array, Array]:
        """Return precision times mean, and the precision, of a normal family.

        Args:
            natural: Natural parameters.
        """
        shift, both = self.vector_and_matrix(natural)
        return shift, -both * (
            1 + jnp.eye(shift.shape[-1])
        )  # what is off the diagonal stands for two entries

    def _measured(self, data: Data, value: Array) -> Array:
        return value if data.unit is None else (value - data.unit.mean) / data.unit.scale


class Unit(NamedTuple):
    """What normal data are measured by.

    Attributes:
        mean: From where.
        scale: In what unit.
    """

    mean: Array
    scale: Array


class Data(NamedTuple):
    """What is known of the data of a site once and for all.

    Attributes:
        unit: What they are measured by; None if as they are.
        statistics: T of each draw, followed by a one.
        log_base: log h of each draw, in nats.
    """

    unit: Unit | None = None
    statistics: Array | None = None
    log_base: Array | None = None


@functools.cache
def _firsts(family: ExponentialFamily) -> np.ndarray:
    """Return which statistics differ from all before them."""
    return np.flatnonzero(_equals(family) == np.arange(family.dimension))


@functools.cache
def _merging(family: ExponentialFamily) -> np.ndarray:
    """Return the matrix that adds the parameters of equal statistics up."""
    return (_equals(family)[:, None] == _firsts(family)).astype(float)


@functools.cache
def _equals(family: ExponentialFamily) -> np.ndarray:
    """Return for each statistic the first one that is always equal to it."""
    size = family.event_shape[0] if family.event_shape else 0
    if dist.MultivariateNormal not in family.members:
        return np.arange(family.dimension)
    rows, columns = np.divmod(np.arange(size**2), size)
    return np.concatenate(
        [np.arange(size), size + np.minimum(rows, columns) * size + np.maximum(rows, columns)]
    )


def _moved(fn: Any, unit: Unit) -> Any:
    """Return the normal distribution of measured values."""
    loc = (fn.loc - unit.mean) / unit.scale
    if isinstance(fn, dist.MultivariateNormal):
        factor = jnp.asarray(fn.scale_tril)  # pyright: ignore[reportArgumentType]
        return dist.MultivariateNormal(loc, scale_tril=factor / unit.scale[..., :, None])
    return dist.Normal(loc, fn.scale / unit.scale)
