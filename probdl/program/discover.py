"""The sites of a program, found by one abstract run: no array is computed."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import biject_to, constraints

from probdl.program.allowances import Allowance
from probdl.program.bound import CONCRETENESS_ERRORS, Arrays, BoundProgram
from probdl.program.declarations import Declaration, Declarations, Plate
from probdl.program.declaring import check_names, declaration_error, parameter_error, twice
from probdl.program.describe import (
    distribution_name,
    is_abstract,
    mask_of,
    matrices_of,
    refused_parameter,
    support_of,
    value_dtype,
)
from probdl.program.handlers import Everywhere, Message, is_factor
from probdl.program.precision import Precision
from probdl.program.sites import Site, SiteKind


class Discover(Everywhere):
    """Record each site; give the latents abstract values, but those of `concrete` real ones.

    Args:
        concrete: Names of latents.
        judging: Whether to look for the first site whose distribution has parameters that it refuses.
    """

    def __init__(self, concrete: frozenset[str] = frozenset(), *, judging: bool = False) -> None:
        super().__init__()
        self.concrete = concrete
        self.judging = judging
        self.refused: tuple[str, str] | None = None
        self.unit: Any = None
        self.found: dict[str, Declaration] = {}
        self.plates: dict[str, Plate] = {}

    def visit(self, msg: Message) -> None:
        """Record a plate, or a site with a value."""
        if msg["type"] == "plate":
            if msg["name"] in self.found:
                raise ValueError(twice(msg["name"]))
            size, seen = msg["args"]
            if seen is not None and seen > size:
                raise ValueError(
                    f"Expected a subsample_size of at most {size}, the size of plate '{msg['name']}'; got "
                    f"{seen}. Lower it, or leave it out to see all."
                )
            self.plates[msg["name"]] = Plate(size, size if seen is None else seen)
        elif msg["type"] == "sample":
            empty = {f.name: Plate(0, 0) for f in msg["cond_indep_stack"] if f.size == 0}
            self.plates |= empty
            if self.judging and self.refused is None and (parameter := refused_parameter(msg["fn"])):
                self.refused = msg["name"], parameter
            self.found[msg["name"]] = self._sample(msg)
        elif msg["type"] == "deterministic":
            kind = SiteKind.INTERVENED if msg.get("intervened") else SiteKind.DETERMINISTIC
            shape = self._steps() + jnp.shape(msg["value"])
            self._declare(msg, kind, shape, jnp.result_type(msg["value"]), 0)

    def postprocess_message(self, msg: Message) -> None:
        """Record a param, whose value other handlers have made."""
        if msg["type"] == "param" and not msg.get("_control_flow_done", False):
            leaves = jax.tree.leaves(msg["value"])
            single = leaves[0] if len(leaves) == 1 else np.zeros(())
            event_dim = msg["kwargs"].get("event_dim")
            frames = msg["cond_indep_stack"] if event_dim is not None else []
            self._declare(
                {**msg, "cond_indep_stack": frames},
                SiteKind.PARAM,
                jnp.shape(single),
                jnp.result_type(single),
                event_dim or 0,
                msg["kwargs"].get("constraint", constraints.real),
            )

    def _steps(self) -> tuple[int, ...]:
        return () if self.scan is None else (self.scans[self.scan],)

    def _declare(
        self, msg: Message, kind: SiteKind, shape: tuple, dtype: Any, event_dim: int, support: Any = None
    ) -> None:
        site = Site(msg["name"], kind, tuple(shape), np.dtype(dtype), event_dim, support=support)
        site = _locate(site, msg, self.scan)
        self.found[msg["name"]] = Declaration(site)

    def _sample(self, msg: Message) -> Declaration:
        fn, name = msg["fn"], msg["name"]
        batch = tuple(msg["kwargs"].get("sample_shape", ())) + fn.batch_shape
        shape, dtype = batch + fn.event_shape, value_dtype(fn)
        observed = bool(msg["is_observed"])
        if is_factor(msg):
            site = Site(name, SiteKind.FACTOR, self._steps() + batch, np.dtype(float), 0)
            return Declaration(_locate(site, msg, self.scan), batch)
        if observed and not hasattr(msg["value"], "shape") and np.ndim(msg["value"]):
            raise TypeError(
                f"Expected an array as the observation of site '{name}'; got a "
                f"{type(msg['value']).__name__}. Pass it as numpy.asarray(...)."
            )
        if observed:
            shape, dtype = jnp.shape(msg["value"]), jnp.result_type(msg["value"])
        elif msg["value"] is None:
            unit = 0.5 if name in self.concrete else self.unit
            msg["value"] = (np if name in self.concrete else jnp).broadcast_to(unit, shape).astype(dtype)
        support = support_of(fn)
        site = Site(
            name,
            SiteKind.OBSERVED if observed else SiteKind.LATENT,
            self._steps() + tuple(shape),
            np.dtype(dtype),
            fn.event_dim,
            distribution=distribution_name(fn),
            support=None if is_abstract(support) else support,
            is_discrete=bool(getattr(support, "is_discrete", False)),
        )
        value = msg["value"] if observed and not is_abstract(msg["value"]) else None
        unconstrained = None
        if not observed and support is not None and not site.is_discrete:
            inner = tuple(biject_to(support).inverse_shape(shape))
            unconstrained = self._steps() + inner
        return Declaration(
            _locate(site, msg, self.scan),
            batch,
            tuple(fn.event_shape),
            unconstrained,
            value,
            mask_of(fn),
            matrices=matrices_of(fn),
        )


def _locate(site: Site, msg: Message, scan: str | None) -> Site:
    frames = sorted(msg.get("cond_indep_stack", ()), key=lambda frame: frame.dim)
    axes = [] if scan is None else [(scan, 0)]
    first = len(axes)
    for frame in frames:
        axis = len(site.shape) - site.event_dim + frame.dim
        if axis >= first and site.shape[axis] == frame.size:
            axes.append((frame.name, axis))
    located = {name for name, _ in axes}
    nesting = (frame.name for frame in reversed(msg.get("cond_indep_stack", ())))
    plates = tuple(name for name in nesting if site.kind is not SiteKind.PARAM or name in located)
    return replace(site, plates=plates, scan=scan, axes=tuple(axes))


def discover(bound: BoundProgram, arrays: Arrays) -> tuple[BoundProgram, Declarations]:
    """Find the sites of a program.

    Args:
        bound: The program.
        arrays: Its data, which stay as they are: only latents are abstract.

    Returns:
        The program with the way of tracing that it turned out to need, and its declarations.

    Raises:
        ValueError: If two sites share a name, or if the program branches in Python on a latent.
    """
    allowed: tuple[Allowance, ...] = ()
    for extra in ((), (Allowance.NUMPY_ON_LATENTS,), (Allowance.JAX_INPUTS,), (Allowance.EAGER_DATA,)):
        allowed += extra
        way = replace(bound, allowances=allowed)
        attempt = Discover()
        try:
            return way, _run(way, arrays, attempt)
        except CONCRETENESS_ERRORS as error:
            reason = error
        except ValueError as error:
            if "invalid" in str(error) and "parameter" in str(error):
                last = next(reversed(attempt.found), None)
                raise parameter_error(error, last, _refused(way, arrays)) from error
            raise
        except AssertionError as error:
            if "size of plate" not in str(error):
                raise declaration_error(error) from error
            way = replace(way, allowances=(*allowed, Allowance.EMPTY_PLATES))
            return way, _run(way, arrays, Discover())
    raise _branch_error(way, arrays) from reason


def _refused(bound: BoundProgram, arrays: Arrays) -> tuple[str, str] | None:
    """Return the first site, and the parameter, that its distribution refuses."""
    attempt = Discover(judging=True)
    with contextlib.suppress(*CONCRETENESS_ERRORS, ValueError):
        _run(bound, arrays, attempt, validate=False)
    return attempt.refused


def _run(bound: BoundProgram, arrays: Arrays, handler: Discover, *, validate: bool = True) -> Declarations:
    def run(unit: jax.Array) -> dict[str, dict[str, Any]]:
        handler.unit = unit
        trace = bound.trace(arrays, handler, validate=validate)
        check_names(trace, handler.found, handler.plates, handler.scans)
        return {
            kind: {name: msg["value"] for name, msg in trace.items() if msg["type"] == kind}
            for kind in ("param", "mutable")
        }

    with Precision.DOUBLE.active():
        values = jax.eval_shape(run, jax.ShapeDtypeStruct((), jnp.result_type(float)))
    found = {name: replace(d, value=values["param"].get(name)) for name, d in handler.found.items()}
    return Declarations(found, handler.plates, handler.scans, values["mutable"], handler.nested)


def abstract_run(bound: BoundProgram, arrays: Arrays, unit: jax.Array) -> list[Any]:
    """Run the program with every latent abstract.

    Args:
        bound: The program.
        arrays: Its data, abstract or not.
        unit: An abstract number that the latents are made of.

    Returns:
        All arrays that its distributions and observations are made of.
    """
    handler = Discover()
    handler.unit = unit
    trace = bound.trace(arrays, handler)
    samples = (msg for msg in trace.values() if msg["type"] == "sample")
    leaves = leaves_of([(msg["fn"], msg["value"], msg["scale"]) for msg in samples])
    return [leaf for leaf in leaves if isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int)]


def leaves_of(tree: Any) -> list[Any]:
    """Return the leaves in an order that is the same in every process: NumPyro flattens a set of names."""

    def has_names(node: Any) -> bool:
        return hasattr(node, "gather_pytree_data_fields")

    found: list[Any] = []
    for node in jax.tree.leaves(tree, is_leaf=has_names):
        if has_names(node):
            names = sorted(node.gather_pytree_data_fields())
            found += leaves_of([getattr(node, name, None) for name in names])
        else:
            found.append(node)
    return found


def _branch_error(bound: BoundProgram, arrays: Arrays) -> ValueError:
    """Find the latent that the program branches on: the one that alone has to be concrete."""
    attempt = Discover()
    with contextlib.suppress(*CONCRETENESS_ERRORS):
        _run(bound, arrays, attempt)
    latents = [name for name, declaration in attempt.found.items() if declaration.site.is_latent]
    culprit = latents[-1] if latents else "?"
    for name in latents:
        try:
            _run(bound, arrays, Discover(concrete=frozenset(latents) - {name}))
        except CONCRETENESS_ERRORS:
            culprit = name
            break
    return ValueError(
        f"Expected a program whose structure does not depend on latent values; got one that uses the value "
        f"of site '{culprit}' in Python (an `if`, a loop bound, a shape or an index). Use `jnp.where`, "
        f"`jax.lax.cond` or `numpyro.contrib.control_flow.cond` instead, or condition on '{culprit}'."
    )
