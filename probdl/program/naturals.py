"""Observed sites as members of exponential families: natural parameters, and statistics of the data.

The log-density of a value x is eta . T(x) - A(eta) + log h(x). Of a site whose eta does not change along a
plate, the data of the plate matter by sums of T alone. Normal values are measured from their mean, in
standard deviations, so that these sums keep their digits.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.families import family_of
from probdl.distributions.members import bare
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.describe import masks_of
from probdl.program.handlers import Everywhere, Fix, Message
from probdl.program.model import Model
from probdl.program.terms import Terms, traced_terms

NATURAL = "natural parameters of "


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
        natural = jnp.broadcast_to(natural @ _merging(family), (*elements, len(_firsts(family))))
        lead = value.shape[:rank]
        total = log_normalizer.reshape(*lead, -1).sum(-1, keepdims=True)
        return jnp.concatenate([natural.reshape(*lead, -1), -total], -1)

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


class _Look(Everywhere):
    """Note the families of observed sites."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, ExponentialFamily] = {}

    def visit(self, msg: Message) -> None:
        """Note the family of a site."""
        if msg["type"] == "sample" and msg["is_observed"] and not self.nested:
            try:
                self.found[msg["name"]] = family_of(msg["fn"])
            except (TypeError, ValueError):
                self.found.pop(msg["name"], None)


def members(model: Model, arrays: Arrays) -> tuple[Member, ...]:
    """Return the observed sites of a program that belong to families, and are neither masked nor scaled.

    Args:
        model: The model.
        arrays: Its data.
    """
    look, plain = _Look(), set[str]()

    def run(arrays: Arrays, key: Array) -> None:
        trace = model.bound[0].trace(arrays, look, key)
        known = ((name, trace[name]) for name in look.found if name in trace)
        plain.update(name for name, msg in known if msg["scale"] is None and not masks_of(msg["fn"]))

    jax.eval_shape(run, arrays, jax.random.key(0))
    found = []
    for name in sorted(plain):
        site, family = model.sites[name], look.found[name]
        rank, known = len(site.shape) - site.event_dim, {axis for _, axis in site.axes}
        if any(n > 1 for i, n in enumerate(site.shape[:rank]) if i not in known):
            continue
        moves = rank > 0 and any(kind in (dist.Normal, dist.MultivariateNormal) for kind in family.members)
        longest = 0 if site.scan is not None else int(np.argmax(site.shape[:rank] or (0,)))
        found.append(Member(name, family, rank, longest if moves else None, site.scan is not None))
    return tuple(found)


@functools.partial(jax.jit, static_argnums=(0, 1))
def data_of(bound: BoundProgram, sites: tuple[Member, ...], arrays: Arrays) -> dict[str, Data]:
    """Return what is known of the data of some sites, by name.

    Args:
        bound: The program.
        sites: The sites.
        arrays: The data.
    """
    trace = bound.trace(arrays, Everywhere())
    found = {}
    for site in sites:
        value = jnp.asarray(trace[site.name]["value"])
        measured = Data()
        if site.along is not None:
            mean, spread = (f(value, axis=site.along, keepdims=not site.in_scan) for f in (jnp.mean, jnp.std))
            measured = Data(Unit(mean, jnp.where(spread > 0, spread, 1.0)))
        parts = site.statistics(measured, value), site.log_base(measured, value)
        found[site.name] = Data(measured.unit, *parts)
    return found


class _Naturals(Fix):
    """Run at given values of the latents; keep the natural parameters of some sites."""

    def __init__(self, values: Any, scan_of: Any, sites: Sequence[Member], data: dict[str, Data]) -> None:
        super().__init__(None, values, scan_of)
        self.sites, self.data = {site.name: site for site in sites}, data

    def visit(self, msg: Message) -> None:
        """Give a held site its value, or keep what a site is distributed by."""
        super().visit(msg)
        if msg["type"] == "sample" and msg["name"] in self.sites:
            name = msg["name"]
            found = self.sites[name].natural(self.data[name], msg["fn"], jnp.asarray(msg["value"]))
            numpyro.deterministic(NATURAL + name, found)


@functools.lru_cache(maxsize=64)
def naturals(
    bound: BoundProgram,
    scan_of: tuple[tuple[str, str], ...],
    sites: tuple[Member, ...],
    leaves: tuple[Any, ...],
    structure: Any,
) -> Terms:
    """Trace the natural parameters of sites. No array is computed.

    Args:
        bound: The program.
        scan_of: The scan of each latent that is in one.
        sites: The sites.
        leaves: Shapes and types of the inputs: arrays of the model, values of the latents, data by site.
        structure: Their tree.

    Returns:
        One term a site that the trace shows; its last axis is that of `Member.natural`.
    """

    def run(arrays: Arrays, values: dict[str, Any], data: dict[str, Data]) -> dict[str, Array]:
        trace = bound.trace(arrays, _Naturals(values, dict(scan_of), sites, data))
        kept = {name.partition(NATURAL)[2]: msg["value"] for name, msg in trace.items() if NATURAL in name}
        return {site.name: kept[site.name] for site in sites if site.name in kept}

    return traced_terms(run, leaves, structure, trailing=1)


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
