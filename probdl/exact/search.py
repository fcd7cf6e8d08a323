"""Which latents of a model can be integrated exactly, and what prevents it for the others."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpyro.distributions import constraints

from probdl.exact.attempt import Search, example
from probdl.exact.conjugate_search import add_conjugate
from probdl.exact.integral import Integral
from probdl.exact.quadratic import ROUNDING, departure
from probdl.exact.steps import Step
from probdl.exact.variables import Kind, Variable
from probdl.program.bound import Arrays
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.sites import Site
from probdl.program.states import base, finite_range
from probdl.program.target import Layout

PROBES = 2


@dataclass(frozen=True)
class Found:
    """What can be integrated.

    Attributes:
        integral: The integral, or None if nothing can.
        layout: Where the other latents lie in an unconstrained position.
        steps: The integrated sites in the order in which they are removed, with abstract arrays.
        reasons: Why each other latent is not integrated.
    """

    integral: Integral | None
    layout: Layout
    steps: tuple[Step, ...]
    reasons: Mapping[str, str]

    @property
    def integrated(self) -> dict[str, Kind]:
        """How each integrated site is integrated."""
        return {} if self.integral is None else {v.name: v.kind for v in self.integral.variables}

    @property
    def rest(self) -> tuple[str, ...]:
        """The latents that are left."""
        return self.layout.names


ALL_KINDS = frozenset(Kind)


def find(model: Model, names: Iterable[str] | None = None, kinds: frozenset[Kind] = ALL_KINDS) -> Found:
    """Find what can be integrated: discrete sites, then Gaussian blocks, then conjugate sites.

    Args:
        model: The model.
        names: The latents that may be integrated; None for all.
        kinds: How they may be.

    Returns:
        What was found.
    """
    return _find(model, None if names is None else frozenset(names), kinds)


@functools.lru_cache(maxsize=16)
def _find(model: Model, names: frozenset[str] | None, kinds: frozenset[Kind]) -> Found:
    allowed = set(model.latents) if names is None else names
    with Precision.DOUBLE.active():
        search = Search(model)
        for name, plate in model.declarations.plates.items():
            if plate.seen < plate.size:
                search.reasons |= dict.fromkeys(model.latents, f"plate '{name}' is subsampled")
                return _found(search)
        latents = [model.sites[name] for name in model.latents if name in allowed]
        if Kind.DISCRETE in kinds:
            _add_all(search, [Variable(s, Kind.DISCRETE) for s in latents if _is_finite(s, search.reasons)])
        if Kind.GAUSSIAN in kinds:
            real = [site for site in latents if _is_real(site)]
            largest = sorted(real, key=lambda site: -int(np.prod(site.shape)))
            _add_all(search, [Variable(site, Kind.GAUSSIAN) for site in largest])
            _guard(search)
        if Kind.CONJUGATE in kinds:
            done = set() if search.done is None else {v.name for v in search.done.variables}
            for site in sorted(latents, key=lambda site: -int(np.prod(site.shape))):
                if not site.is_discrete and site.name not in done:
                    add_conjugate(search, site)
    return _found(search)


def _is_finite(site: Site, reasons: dict[str, str]) -> bool:
    if site.is_discrete and finite_range(site) is None:
        reasons[site.name] = f"its support is not finite ({site.distribution})"
    return site.is_discrete and finite_range(site) is not None


def _is_real(site: Site) -> bool:
    return not site.is_discrete and base(site.support) is base(constraints.real) and site.dtype.kind == "f"


def _add_all(search: Search, variables: Sequence[Variable]) -> None:
    if variables and not search.add(variables):
        for variable in variables:
            search.add([variable])


def _guard(search: Search) -> None:
    """Compare the terms with quadratic functions at far points: derivatives may have been given by hand."""
    if search.done is None or not any(v.kind is Kind.GAUSSIAN for v in search.done.variables):
        return
    far, total = _looked_at(search.done, jax.random.key(0), search.arrays, example(search, 0))
    quadratic = bool((far <= ROUNDING).all())
    if quadratic and bool(jnp.isfinite(total)):
        return
    why = "its distribution given the rest is improper" if quadratic else "a term is quadratic near zero only"
    gaussian = [v for v in search.done.variables if v.kind is Kind.GAUSSIAN]
    search.reasons |= {v.name: why for v in gaussian}
    discrete = [v for v in search.done.variables if v.kind is Kind.DISCRETE]
    search.done, search.steps = None, ()
    if discrete:
        search.attempt(discrete)
    for variable in gaussian if quadratic and len(gaussian) > 1 else ():
        kept = (search.done, search.steps)
        if search.add([variable]):
            total = _looked_at(search.done, jax.random.key(0), search.arrays, example(search, 0))[1]
            if not bool(jnp.isfinite(total)):
                search.done, search.steps = kept


@functools.partial(jax.jit, static_argnums=0)
def _looked_at(
    integral: Integral, key: Array, arrays: Arrays, values: dict[str, Array]
) -> tuple[Array, Array]:
    return departure(integral, key, arrays, values), integral.log_density(arrays, values)


def _found(search: Search) -> Found:
    model, done = search.model, search.done
    integrated = set() if done is None else {v.name for v in done.variables}
    whole = model.density.layout
    rest = [(n, s) for n, s in zip(whole.names, whole.shapes, strict=True) if n not in integrated]
    scans = model.declarations.scan_of([name for name, _ in rest])
    layout = Layout(tuple(n for n, _ in rest), tuple(s for _, s in rest), scans)
    reasons = {name: why for name, why in search.reasons.items() if name not in integrated}
    return Found(done, layout, search.steps, reasons)
