"""Which sites are conjugate given what is integrated after them, by their certificates."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.conjugacy.certificate import candidates, certify
from probdl.exact.conjugacy.conjugate import Interpolation, LogDensity, interpolation
from probdl.exact.conjugacy.mixing import mixed
from probdl.exact.programs.attempt import Search, example
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.local import NotIntegrable, Unaligned
from probdl.exact.programs.quadratic import find_kink, not_smooth
from probdl.exact.programs.steps import ConjugateStep
from probdl.exact.programs.variables import Kind, Variable
from probdl.program.bound import Arrays
from probdl.program.jaxprs import part
from probdl.program.runs import replicate
from probdl.program.sites import Site
from probdl.program.states import base

PROBES = 2
EXAMPLES, WIDE = 64, 4.0
MOST_TOGETHER = 64  # numbers of one element: each adds points at which all terms are evaluated


def add_conjugate(search: Search, site: Site) -> None:
    """Integrate a site if all terms that read it are of one family; keep the reason if not.

    Args:
        search: The search.
        site: The site.
    """
    if site.support is None:
        search.reasons[site.name] = "its support depends on other sites"
        return
    plain = Variable(site, Kind.CONJUGATE)
    families = candidates(base(site.support), plain.local_shape)
    together = math.prod(plain.local_shape)
    before = () if search.done is None else search.done.variables
    reason = f"no family of conjugate distributions has its support ({site.distribution})"
    if families and together > MOST_TOGETHER:
        reason = f"{together} of its numbers are in no plate, which would tell them apart"
        families = ()
    if families:
        reason = f"not conjugate: {site.distribution} prior"
        rough = not_smooth_in(search, site.name)
        if rough:
            reason, families = rough, ()
    prior = _prior_of(search, plain) if families else None
    for family in families:
        if prior is not None and not certify(prior, family).holds:
            continue
        variable = replace(plain, family=family, points=interpolation(family))
        kept = (search.done, search.steps)
        try:
            search.attempt([*before, variable])
        except (NotIntegrable, Unaligned) as error:
            reason = getattr(error, "reason", str(error))
            continue
        reason = _doubt(search, variable)
        if not reason:
            return
        search.done, search.steps = kept
    search.reasons.setdefault(site.name, reason)


def not_smooth_in(search: Search, name: str) -> str:
    """Return which distribution is made of a site in pieces: values that are compared alike may hide some.

    Args:
        search: The search.
        name: The site.

    Returns:
        A reason why the site is not conjugate, or nothing.
    """
    made = search.provenance
    moving = [own == name for own in made.inputs]
    for site in dict.fromkeys(leaf.site for leaf in made.outputs):
        own = [i for i, leaf in enumerate(made.outputs) if leaf.site == site]
        needed = part(made.jaxpr, own)
        flags = [flag for flag, used in zip(moving, needed.used, strict=True) if used]
        kink = find_kink(needed.jaxpr, flags) if any(flags) else None
        if kink is not None:
            return not_smooth(site, kink)
    return ""


def _prior_of(search: Search, variable: Variable) -> LogDensity | None:
    """Return the log-prior of each element of a variable; None if its elements do not lie side by side."""
    before = () if search.done is None else search.done.variables
    integral = search.integral([*before, variable])
    values = example(search, 0)
    values.pop(variable.name, None)
    try:
        integral.locals(search.arrays, values)[0].of(variable.name)
    except (NotIntegrable, Unaligned):
        return None
    return functools.partial(_prior, integral, variable.name, search.arrays, values)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _prior(integral: Integral, name: str, arrays: Arrays, values: Mapping[str, Array], x: Array) -> Array:
    """Return the log-prior of each element of a variable, given any values of what else is integrated."""
    whole, inputs = integral.locals(arrays, values)
    found = jnp.zeros(())
    for local in whole.of(name):
        variables = [integral.space.variables[ref.name] for ref in local.refs]
        found = found + local.run(inputs, [x if v.name == name else _any_element(v) for v in variables])
    return found


def _any_element(variable: Variable) -> Array:
    if variable.kind is not Kind.GAUSSIAN:
        return jnp.asarray(variable.states()[0])
    return jnp.zeros(variable.local_shape, variable.nothing.dtype)


def _doubt(search: Search, added: Variable) -> str:
    """Return why conjugate variables do not keep to their families when one is added, or nothing.

    In the order in which they are removed; each is then interpolated at values of its own magnitude.
    """
    for seed in range(PROBES):
        done = search.done
        blend = None if done is None else mixed(done, search.steps, search.arrays, example(search, seed))
        if blend is not None:
            name, summed = blend
            return f"given the data, '{name}' is a mixture over '{summed}', which is summed out before"
        for name in [step.names[0] for step in search.steps if isinstance(step, ConjugateStep)]:
            done = search.done
            if done is None:
                return ""
            log_density = functools.partial(_conditional, done, name, search.arrays, example(search, seed))
            variable = done.space.variables[name]
            certificate = certify(log_density, variable.known_family)
            if not certificate.holds:
                other = f"'{name}' would not be conjugate any more, given what is left without it"
                own = f"not conjugate to the terms that read it: {added.site.distribution} prior"
                return own if name == added.name else other
            if not certificate.is_proper:
                return "its conditional distribution is improper"
            if seed == 0:
                exact = replace(variable, points=certificate.interpolation)
                changed = tuple(exact if v.name == name else v for v in done.variables)
                search.done = replace(done, variables=changed)
    return ""


def drop_doubtful(search: Search) -> None:
    """Give conjugate sites up if their integral is no number at some values of the latents that stay.

    Args:
        search: The search.
    """
    drawn = functools.cache(functools.partial(_prior_draws, search))
    while search.done is not None:
        conjugate = [v for v in search.done.variables if v.kind is Kind.CONJUGATE]
        values = [example(search, seed, WIDE) for seed in range(EXAMPLES)] if conjugate else []
        if not conjugate or not values[0]:
            return
        prior = drawn()
        together = jax.tree.map(lambda *parts: jnp.stack(parts), *values)
        looked_at = [together] if prior is None else [together, {name: prior[name] for name in together}]
        found = [_at_examples(search.done, search.arrays, examples) for examples in looked_at]
        if not any(bool(jnp.isnan(x).any()) for x in found):
            return
        lost = conjugate[-1].name
        search.reasons[lost] = "it is not conjugate for all values of the sites that are sampled"
        search.attempt([v for v in search.done.variables if v.name != lost])


def _prior_draws(search: Search) -> dict[str, Array] | None:
    """Return draws of all latents from their prior; none where a prior is improper."""
    keys = jax.random.split(jax.random.key(0), EXAMPLES)
    try:
        return replicate(search.model.bound[0], (), search.arrays, keys, {})[0]
    except NotImplementedError:
        return None


@functools.partial(jax.jit, static_argnums=0)
def _at_examples(integral: Integral, arrays: Arrays, values: Mapping[str, Array]) -> Array:
    return jax.vmap(functools.partial(integral.log_density, arrays))(values)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _conditional(
    integral: Integral, name: str, arrays: Arrays, values: Mapping[str, Array], x: Array
) -> Array:
    """Return the log-density of each element of a conjugate variable, given what is integrated after it."""
    variable = integral.space.variables[name]
    count = 1 + variable.known_family.dimension
    point = Interpolation(x[None], jnp.zeros((1, count)), jnp.zeros((count, 1)))
    others = [replace(v, points=point) if v.name == name else v for v in integral.variables]
    steps = replace(integral, variables=tuple(others)).swept(arrays, values).steps
    return next(s.table for s in steps if isinstance(s, ConjugateStep) and s.name == name)[..., 0]
