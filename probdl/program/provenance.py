"""A program with every site cut: a jaxpr from the values of sites to what the sites are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from numpyro.distributions import Distribution

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.declarations import Declarations
from probdl.program.handlers import Everywhere, Message, is_factor
from probdl.program.precision import Precision
from probdl.program.sites import Site, SiteKind

WHOLE = frozenset({SiteKind.DETERMINISTIC, SiteKind.OBSERVED})


@dataclass(frozen=True)
class Leaf:
    """One array that a site is made of.

    Attributes:
        site: The site that reads it: a parameter of its distribution, or what it is computed from.
        trailing: How many of its rightmost axes do not belong to the batch of the site.
    """

    site: str
    trailing: int


@dataclass(frozen=True)
class Provenance:
    """A traced program, cut at its sites.

    Attributes:
        jaxpr: From the values of the sites to the leaves; closed over the data.
        inputs: The site, or the state of a network, of each input.
        outputs: What each output is.
    """

    jaxpr: Any
    inputs: tuple[str, ...]
    outputs: tuple[Leaf, ...]


class _Cut(Everywhere):
    """Give every site a value of its own and keep what it was computed from as `args`."""

    def visit(self, msg: Message) -> None:
        name = msg.get("name")
        observed = msg["type"] == "sample" and msg["is_observed"]
        if observed or (msg["type"] == "deterministic" and name in self.values):
            if not msg.get("intervened"):
                msg["args"] = (msg["value"],)
            msg["kwargs"] = msg.get("kwargs", {})
        if name not in self.values:
            return
        if msg["type"] == "mutable":
            msg["value"] = dict(self.value(name))
        elif msg["type"] in ("sample", "deterministic", "param"):
            msg["value"] = self.value(name)


def provenance(
    bound: BoundProgram, arrays: Arrays, declared: Declarations, *, latent_only: bool = False
) -> Provenance:
    """Trace a program with every site cut. No array is computed.

    Args:
        bound: The program.
        arrays: Its data; they stay constants, so that known indices and masks are known.
        declared: What it declares.
        latent_only: Whether deterministic and observed sites are left whole: what the former are made of is
            read through them, the latter are their data.

    Returns:
        The jaxpr and what goes in and comes out.
    """
    sources = {
        name: jax.ShapeDtypeStruct(d.site.shape, d.site.dtype) if d.value is None else d.value
        for name, d in declared.sites.items()
        if d.site.kind is not SiteKind.FACTOR and not (latent_only and d.site.kind in WHOLE)
    } | declared.states
    scan_of = {name: d.site.scan for name, d in declared.sites.items() if d.site.scan is not None}
    outputs: list[Leaf] = []

    def run(values: Mapping[str, Any]) -> list[Any]:
        trace = bound.trace(arrays, _Cut(None, values, scan_of))
        outputs.clear()
        leaves = []
        for name, msg in trace.items():
            if name in declared.sites:
                for array, trailing in _made_of(msg, declared.sites[name].site):
                    outputs.append(Leaf(name, trailing))
                    leaves.append(array)
        return leaves

    with Precision.DOUBLE.active():
        jaxpr = jax.make_jaxpr(run)(sources)
    inputs = tuple(path[0].key for path, _ in jax.tree_util.tree_leaves_with_path(sources))
    return Provenance(jaxpr, inputs, tuple(outputs))


def _made_of(msg: Message, site: Site) -> Iterator[tuple[Any, int]]:
    if msg["type"] == "sample":
        yield from _leaves(msg["fn"], 0)
        if isinstance(msg["scale"], Tracer):
            yield msg["scale"], 0
    if msg["type"] == "deterministic" or (msg["type"] == "sample" and not is_factor(msg)):
        for value in msg.get("args", ()):
            if isinstance(value, Tracer):
                yield value, site.event_dim


def _leaves(fn: Any, extra: int) -> Iterator[tuple[Any, int]]:
    """Yield the traced arrays in a distribution, each with its number of axes beyond the outer batch."""
    constraints = getattr(fn, "arg_constraints", {})
    for name, value in vars(fn).items():
        for part in jax.tree.leaves(value, is_leaf=lambda x: isinstance(x, Distribution)):
            if isinstance(part, Distribution):
                yield from _leaves(part, extra + max(0, len(part.batch_shape) - len(fn.batch_shape)))
            elif isinstance(part, Tracer):
                own = 0 if name == "_mask" else _event_dim(constraints.get(name), fn)
                yield part, min(extra + own, jnp.ndim(part))
            elif callable(part):
                for cell in getattr(part, "__closure__", None) or ():
                    for held in jax.tree.leaves(cell.cell_contents):
                        if isinstance(held, Tracer):
                            yield held, jnp.ndim(held)


def _event_dim(constraint: Any, fn: Any) -> int:
    try:
        return int(constraint.event_dim)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return len(fn.event_shape)
