"""Which latents of a model can be integrated exactly, and what prevents it for the others."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpyro.distributions import constraints

from probdl.exact.conjugacy.conjugate_search import add_conjugate, drop_doubtful
from probdl.exact.programs.attempt import Search, example
from probdl.exact.programs.integral import MOST_LOG_STATES, Integral
from probdl.exact.programs.quadratic import ROUNDING, departure
from probdl.exact.programs.steps import GaussianStep, Step
from probdl.exact.programs.variables import Kind, Variable
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.program.bound import Arrays
from probdl.program.layout import Layout
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.sites import Site
from probdl.program.states import base, finite_range

DRAWS = 8
LEAST_PIVOT = 1e-10  # of a diagonal entry: of what is left when the others are known, six digits are right
FAR = 1e3  # in units of the spread of what is drawn


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


def find(
    model: Model,
    names: Iterable[str] | None = None,
    kinds: frozenset[Kind] = ALL_KINDS,
    max_table: int = MOST_ENTRIES,
) -> Found:
    """Find what can be integrated: discrete sites, then Gaussian blocks, then conjugate sites.

    Args:
        model: The model.
        names: The latents that may be integrated; None for all.
        kinds: How they may be.
        max_table: The most entries that a table may have.

    Returns:
        What was found.
    """
    return _find(model, None if names is None else frozenset(names), kinds, max_table)


@functools.lru_cache(maxsize=16)
def _find(model: Model, names: frozenset[str] | None, kinds: frozenset[Kind], max_table: int) -> Found:
    allowed = set(model.latents) if names is None else names
    with Precision.DOUBLE.active():
        search = Search(model, max_table)
        for name, plate in model.declarations.plates.items():
            if plate.seen < plate.size:
                search.reasons |= dict.fromkeys(model.latents, f"plate '{name}' is subsampled")
                return _found(search)
        search.reasons |= {n: why for n in model.latents if (why := _obstacle(model, n))}
        latents = [model.sites[n] for n in model.latents if n in allowed and n not in search.reasons]
        if Kind.DISCRETE in kinds:
            _add_all(search, [Variable(s, Kind.DISCRETE) for s in latents if _is_finite(s, search.reasons)])
        if Kind.GAUSSIAN in kinds:
            real = [site for site in latents if is_real(site)]
            largest = sorted(real, key=lambda site: -int(np.prod(site.shape)))
            _add_all(search, [Variable(site, Kind.GAUSSIAN) for site in largest])
            _guard(search)
        if Kind.CONJUGATE in kinds:
            done = set() if search.done is None else {v.name for v in search.done.variables}
            refused = {site.name for site in latents if Kind.GAUSSIAN in kinds and is_real(site)}
            for site in sorted(latents, key=lambda site: -int(np.prod(site.shape))):
                if not site.is_discrete and site.name not in done | refused:
                    add_conjugate(search, site)
            drop_doubtful(search)
    return _found(search)


def _obstacle(model: Model, name: str) -> str:
    """Return why a latent has no density that could be integrated, or nothing."""
    site = model.sites[name]
    if site.distribution == "Delta":
        return f"it is a Delta, which has no density: write numpyro.deterministic('{name}', ...)"
    if site.scan is not None and not math.prod(site.shape):
        return "its scan has no steps"
    return ""


def _is_finite(site: Site, reasons: dict[str, str]) -> bool:
    if not site.is_discrete:
        return False
    if finite_range(site) is None:
        why = "its support is not finite"
        if site.event_dim:
            why = "its values are vectors of counts, which are not enumerated"
        elif site.support is None or base(site.support) is None:
            why = "its support depends on other sites"
        reasons[site.name] = f"{why} ({site.distribution})"
        return False
    variable = Variable(site, Kind.DISCRETE)
    if variable.log_size > MOST_LOG_STATES:
        count = f"10^{variable.log_size / np.log(10):.0f}"
        alone = "elements that are in no plate go together"
        reasons[site.name] = f"it has {count} joint states: {alone}, put them in a plate"
        return False
    return True


def is_real(site: Site) -> bool:
    """Return whether the values of a site are any real numbers."""
    return not site.is_discrete and base(site.support) is base(constraints.real) and site.dtype.kind == "f"


def _add_all(search: Search, variables: Sequence[Variable]) -> None:
    if variables and not search.add(variables):
        for variable in variables:
            search.add([variable])


def _guard(search: Search) -> None:
    """Look at the integral itself: it has to be a number, its terms quadratic at far points as well.

    The latter is a theorem where JAX derives all derivatives; a program may give some by hand.
    """
    if search.done is None or not any(v.kind is Kind.GAUSSIAN for v in search.done.variables):
        return
    key, arrays, values = jax.random.key(0), search.arrays, example(search, 0)
    total, drawn = _looked_at(search.done, key, arrays, values)
    far = jnp.zeros(0)
    if search.by_hand or not _is_proper(total):
        far = _departure(search.done, key, arrays, values)
    quadratic = bool((far <= ROUNDING).all())
    if quadratic:
        centred = _centred(search.done, drawn)
        if centred != search.done and not _is_proper(total):
            total = _looked_at(centred, key, arrays, values)[0]
        if _is_proper(total):
            search.done = centred
            return
    why = "its distribution given the rest is improper, or scales are so far apart that digits are lost"
    if all(bool(jnp.isfinite(x).all()) for x in drawn.values()):
        why = "its digits are lost: scales, or values, differ by too many orders of magnitude. Rescale them"
    if not quadratic:
        why = "a term is quadratic near zero only"
        if bool(jnp.isnan(far).any()):
            why = "a term is not a number at possible values of all sites, as where a covariance is singular"
    gaussian = [v for v in search.done.variables if v.kind is Kind.GAUSSIAN]
    search.reasons |= {v.name: why for v in gaussian}
    discrete = [v for v in search.done.variables if v.kind is Kind.DISCRETE]
    search.done, search.steps = None, ()
    if discrete:
        search.attempt(discrete)
    for variable in gaussian if quadratic and len(gaussian) > 1 else ():
        kept = (search.done, search.steps)
        if search.add([variable]):
            total = _looked_at(search.done, key, arrays, example(search, 0))[0]
            if not _is_proper(total):
                search.done, search.steps = kept


def _is_proper(log_density: Array) -> bool:
    """Whether an integral exists: it is a number, or the example makes the data impossible."""
    return bool(jnp.isfinite(log_density) | jnp.isneginf(log_density))


_departure = jax.jit(departure, static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def _looked_at(
    integral: Integral, key: Array, arrays: Arrays, values: dict[str, Array]
) -> tuple[Array, dict[str, Array]]:
    """Return the logarithm of the integral, NaN if too few of its digits are left, and draws."""
    swept = integral.swept(arrays, values)
    keys = jax.random.split(key, DRAWS)
    drawn = jax.vmap(lambda key: integral.drawn(key, swept.steps, arrays, values))(keys)
    total = swept.log_normalizer
    for step in swept.steps:
        if isinstance(step, GaussianStep):
            total = jnp.where(_is_known(step.conditional.cholesky), total, jnp.nan)
    return total, drawn


def _is_known(cholesky: Array) -> Array:
    """Whether no coordinate is so nearly a function of others that its precision given them is rounding."""
    pivots = jnp.diagonal(cholesky, axis1=-2, axis2=-1) ** 2
    return (pivots > LEAST_PIVOT * (cholesky**2).sum(-1)).all() | jnp.isnan(cholesky).any()


def _centred(integral: Integral, drawn: dict[str, Array]) -> Integral:
    """Expand terms about a draw where values are so far from zero that they would cost their digits."""

    def moved(v: Variable) -> Variable:
        if v.kind is not Kind.GAUSSIAN:
            return v
        batch = tuple(axis for axis in range(len(v.site.shape)) if axis not in v.local_axes)
        values = np.asarray(drawn[v.name])
        along = tuple(axis + 1 for axis in batch)
        centre, spread = values.mean((0, *along)).reshape(-1), values.std(0).mean(batch).reshape(-1)
        far = np.abs(centre) > FAR * spread
        return replace(v, centre=tuple(np.where(far, centre, 0.0).tolist())) if far.any() else v

    return replace(integral, variables=tuple(moved(v) for v in integral.variables))


def _found(search: Search) -> Found:
    model, done = search.model, search.done
    integrated = set() if done is None else {v.name for v in done.variables}
    whole = model.density.layout
    layout = whole.only([name for name in whole.continuous if name not in integrated])
    reasons = {name: why for name, why in search.reasons.items() if name not in integrated}
    return Found(done, layout, search.steps, reasons)
