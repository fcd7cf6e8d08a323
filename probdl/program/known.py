"""What a program makes of its data alone, where the abstract run that finds its sites cannot tell."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, override

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jaxtyping import Array

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.describe import element_masks_of, is_abstract
from probdl.program.discover import Discover
from probdl.program.handlers import Message, bare, is_factor
from probdl.program.jaxprs import part
from probdl.program.precision import Precision
from probdl.program.terms import abstractly

if TYPE_CHECKING:
    from probdl.program.model import Model

MASK = "mask of "


@dataclass(frozen=True)
class Known:
    """Arrays by site that depend on no latent; steps of a scan first.

    Attributes:
        observations: Observed values.
        masks: Which elements of an observation count, as arrays that fit it; a site whose mask is latent has
            none.
        factors: Cholesky factors of covariances.
    """

    observations: Mapping[str, np.ndarray] = field(default_factory=dict)
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)


@functools.lru_cache(maxsize=16)
def known(model: Model) -> Known:
    """Return what a program computes from its data alone; nothing runs where all of it is given.

    Args:
        model: The model.

    Returns:
        Observations that are computed or in a scan, masks and covariances that are no plain arrays.
    """
    declared = model.declarations
    parts = {name for name, plate in declared.plates.items() if plate.seen < plate.size}
    observed = {
        n: d for n, d in declared.sites.items() if d.site.is_observed and not parts & {*d.site.plates}
    }
    values = {n for n, d in observed.items() if d.observation is None and n not in model.observed}
    # What is around a scan is not seen inside.
    masks = {n for n, d in observed.items() if is_abstract(d.mask) or d.site.scan is not None}
    factors = {n for n, d in declared.sites.items() if is_abstract(d.matrices)}
    wanted = _Wanted(frozenset(values), frozenset(masks), frozenset(factors))
    if not any(wanted):
        return Known()
    arrays = model.arrays(Precision.DOUBLE)
    with Precision.DOUBLE.active():
        labels, run = _recipe(model.bound[0], wanted, *abstractly(arrays))
        found = jax.tree.map(np.asarray, run(arrays))
    own: list[dict[str, np.ndarray]] = [{}, {}, {}]
    for (number, name), array in zip(labels, found, strict=True):
        own[number][name] = array
    return Known(*own)


def observation_of(model: Model, name: str) -> Any:
    """Return what a site is observed at; None if it is latent, or if that is not known before a run.

    Args:
        model: The model.
        name: The site.
    """
    declared = model.declarations.sites[name]
    if not declared.site.is_observed:
        return None
    return model.observed.get(name, known(model).observations.get(name, declared.observation))


class _Wanted(NamedTuple):
    """The sites of which something is asked."""

    observations: frozenset[str]
    masks: frozenset[str]
    factors: frozenset[str]


class _Look(Discover):
    """Find the sites; keep the masks of each step of a scan, which NumPyro stacks without their shapes."""

    @override
    def visit(self, msg: Message) -> None:
        """Record a site, and in a scan its masks; the name says how many these are."""
        super().visit(msg)
        if self.scan is not None and msg["type"] == "sample" and msg["is_observed"] and not is_factor(msg):
            masks = element_masks_of(msg["fn"])
            numpyro.deterministic(f"{MASK}{len(masks)}/{msg['name']}", _all(masks, msg["fn"].shape()))


def _all(masks: Sequence[Any], shape: tuple[int, ...]) -> Array:
    return functools.reduce(jnp.logical_and, masks, jnp.ones(shape, bool))


def _mask(trace: Mapping[str, Message], name: str, steps: Mapping[str, str]) -> Array:
    """Return the mask of an observation: of a scanned one that of its steps, and those around the scan."""
    fn = trace[name]["fn"]
    if name not in steps:
        return _all(element_masks_of(fn), fn.shape())
    inside, masks = trace[steps[name]]["value"], element_masks_of(fn)
    count = int(steps[name].removeprefix(MASK).split("/", 1)[0])
    return functools.reduce(jnp.logical_and, masks[: len(masks) - count], inside)


@functools.lru_cache(maxsize=64)
def _recipe(
    bound: BoundProgram, wanted: _Wanted, leaves: tuple[Any, ...], structure: Any
) -> tuple[tuple[tuple[int, str], ...], Callable[[Arrays], list[Array]]]:
    """Return a compiled function of the data, and what its results are: of which kind, and of which site."""
    labels: list[tuple[int, str]] = []

    def run(arrays: Arrays, unit: Array) -> list[Array]:
        handler = _Look()
        handler.unit = unit
        trace = bound.trace(arrays, handler)
        steps = {name.split("/", 1)[1]: name for name in trace if name.startswith(MASK)}
        found = {(0, n): jnp.asarray(trace[n]["value"]) for n in wanted.observations}
        found |= {(1, n): _mask(trace, n, steps) for n in wanted.masks}
        found |= {(2, n): bare(trace[n]["fn"]).scale_tril for n in wanted.factors}
        labels[:] = found
        return list(found.values())

    abstract = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    closed = jax.make_jaxpr(run)(abstract, jax.ShapeDtypeStruct((), jnp.result_type(float)))
    latent = part(closed, range(len(labels))).used[-1]
    kept = [i for i in range(len(labels)) if not (latent and part(closed, [i]).used[-1])]
    pure = part(closed, kept)
    function = jax.jit(lambda arrays: pure.run(*jax.tree.leaves(arrays), None))
    return tuple(labels[i] for i in kept), function if kept else lambda _: []
