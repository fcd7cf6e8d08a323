"""The observed sites of a program that belong to exponential families, and their natural parameters, traced.

Of a site whose natural parameters do not change along a plate, the data of the plate matter by sums of
statistics alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.families import family_of
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.describe import masks_of
from probdl.program.handlers import Everywhere, Fix, Message
from probdl.program.member import Data, Member, Unit
from probdl.program.model import Model
from probdl.program.terms import Terms, traced_terms

NATURAL = "natural parameters of "


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
