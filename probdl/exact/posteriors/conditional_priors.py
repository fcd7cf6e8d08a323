"""Priors of sites given sites drawn before them: trees of arrays that make NumPyro distributions."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, Int

from probdl.errors import NotApplicable
from probdl.exact.posteriors.marginal_distribution import normal, over_states
from probdl.exact.programs.potential import Space
from probdl.exact.programs.variables import Ref

INSTEAD = "Put all data into one model, or name other sites."


def no_chain(reason: str) -> NotApplicable:
    """Return the error of a posterior that is no chain of priors."""
    return NotApplicable("updated", f"the posterior cannot be written as priors: {reason}", INSTEAD)


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["index"], meta_fields=["name", "lengths", "aligned"]
)
@dataclass(frozen=True)
class Earlier:
    """Which element of a site drawn before each element of another site reads.

    Attributes:
        name: The site that is read.
        lengths: Lengths of its plates.
        aligned: Lengths along the plates of the reader, one where it has no such plate.
        index: Positions along its plates over those of the reader; none where all are aligned.
    """

    name: str
    lengths: tuple[int, ...]
    aligned: tuple[int, ...]
    index: tuple[Int[Array | np.ndarray, "*reader"], ...] = ()

    @classmethod
    def of(cls, space: Space, axes: Sequence[str], ref: Ref) -> Earlier:
        """Return what a ref of a site with some axes reads."""
        parent = space.variables[ref.name]
        shape = tuple(space.lengths[axis] for axis in axes)
        grid = dict(zip(axes, np.indices(shape), strict=True)) | dict(ref.at)
        index = tuple(np.broadcast_to(grid[axis], shape) for axis in parent.axes) if ref.at else ()
        aligned = tuple(n if a in parent.axes else 1 for a, n in zip(axes, shape, strict=True))
        return cls(ref.name, parent.lengths, aligned, index)

    def read(self, values: Mapping[str, Array]) -> Float[Array, "*reader entries"]:
        """Return the elements that are read, flat.

        Args:
            values: Values by site.

        Returns:
            The plates of the reader, of length one where it does not matter, then the entries.
        """
        elements = values[self.name].reshape(*self.lengths, -1)
        if self.index:
            return elements[self.index]
        return elements.reshape(*self.aligned, elements.shape[-1])


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["offset", "gain", "root", "slopes", "others", "by"],
    meta_fields=["inverse", "site_shape", "local_shape"],
)
@dataclass(frozen=True)
class GaussianPrior:
    """Normal distribution whose mean is affine in earlier sites; its precision may be linear in one of them.

    Attributes:
        offset: Mean where the others are zero: plates, coordinates.
        gain: Regression on the others: plates, coordinates, their coordinates.
        root: Lower triangular square root of the covariance, or None where this depends on a site.
        slopes: Precision by entries of that site: plates, entries, coordinates, coordinates.
        others: The sites that the mean reads.
        by: The site that the precision reads, or None.
        inverse: Whether the precision is linear in the inverse of that site: a variance.
        site_shape: Shape of the site.
        local_shape: Shape of one element.
    """

    offset: Float[Array | np.ndarray, "*plates k"]
    gain: Float[Array | np.ndarray, "*plates k rest"]
    root: Float[Array | np.ndarray, "*plates k k"] | None
    slopes: Float[Array | np.ndarray, "*plates entries k k"] | None
    others: tuple[Earlier, ...]
    by: Earlier | None
    inverse: bool
    site_shape: tuple[int, ...]
    local_shape: tuple[int, ...]

    def shape(self) -> tuple[int, ...]:
        """Return the shape of the site."""
        return self.site_shape

    def given(self, values: Mapping[str, Array]) -> dist.Distribution:
        """Return the distribution given the values of earlier sites."""
        loc = jnp.asarray(self.offset)
        if self.others:
            plates = self.offset.shape[:-1]
            read = [other.read(values) for other in self.others]
            rest = jnp.concatenate([jnp.broadcast_to(x, (*plates, x.shape[-1])) for x in read], -1)
            loc = loc + (self.gain * rest[..., None, :]).sum(-1)
        if self.by is None or self.slopes is None:
            return normal(loc, self.site_shape, self.local_shape, root=jnp.asarray(self.root))
        entries = statistics(self.by.read(values), inverse=self.inverse)
        precision = (entries[..., None, None] * self.slopes).sum(-3)
        return normal(loc, self.site_shape, self.local_shape, precision=precision)


def statistics(value: Float[Array, "*batch entries"], *, inverse: bool) -> Float[Array, "*batch entries"]:
    """Return the entries of numbers or square matrices, or of their inverses, flat.

    Args:
        value: Positive numbers or positive definite matrices, flat.
        inverse: Whether to invert them.

    Returns:
        As many entries.

    Example:
        >>> statistics(jnp.array([4.0]), inverse=True).tolist()
        [0.25]
    """
    if not inverse:
        return value
    if value.shape[-1] == 1:
        return 1 / value
    size = round(value.shape[-1] ** 0.5)
    return jnp.linalg.inv(value.reshape(*value.shape[:-1], size, size)).reshape(value.shape)


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["table", "others"],
    meta_fields=["starts", "start", "is_boolean", "site_shape"],
)
@dataclass(frozen=True)
class TablePrior:
    """Probabilities of the values of a discrete site by the values of earlier ones.

    Attributes:
        table: Probabilities: plates, states of the others, its own.
        others: The sites that are read.
        starts: Least value of each.
        start: Its own least value.
        is_boolean: Whether it is a Bernoulli site.
        site_shape: Shape of the site.
    """

    table: Float[Array | np.ndarray, "*plates *states state"]
    others: tuple[Earlier, ...]
    starts: tuple[int, ...]
    start: int
    is_boolean: bool
    site_shape: tuple[int, ...]

    def shape(self) -> tuple[int, ...]:
        """Return the shape of the site."""
        return self.site_shape

    def given(self, values: Mapping[str, Array]) -> dist.Distribution:
        """Return the distribution given the values of earlier sites."""
        left, plates = jnp.asarray(self.table), self.table.ndim - 1 - len(self.others)
        for other, least in zip(self.others, self.starts, strict=True):
            code = other.read(values)[..., 0].astype(int) - least
            hit = jax.nn.one_hot(code, left.shape[plates], dtype=left.dtype)
            left = (hit.reshape(*hit.shape, *(1,) * (left.ndim - plates - 1)) * left).sum(plates)
        whole = left.reshape(*self.site_shape, left.shape[-1])
        return over_states(whole, self.start, is_boolean=self.is_boolean)
