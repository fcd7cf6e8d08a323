"""Which sites are conjugate given all others, by their certificates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.attempt import Search, example
from probdl.exact.certificate import candidates, certify
from probdl.exact.integral import Integral
from probdl.exact.local import NotIntegrable, Unaligned
from probdl.exact.potential import land, landing
from probdl.exact.variables import Kind, Variable
from probdl.program.bound import Arrays
from probdl.program.sites import Site
from probdl.program.states import base

PROBES = 2


def add_conjugate(search: Search, site: Site) -> None:
    """Integrate a site if all terms that read it are of one family; keep the reason if not.

    Args:
        search: The search.
        site: The site.
    """
    if site.support is None:
        search.reasons[site.name] = "its support depends on other sites"
        return
    event = site.shape[len(site.shape) - site.event_dim :]
    plain = Variable(site, Kind.CONJUGATE)
    families = candidates(_support(site), event) if plain.local_shape == event else ()
    before = () if search.done is None else search.done.variables
    reason = f"no family of conjugate distributions has its support ({site.distribution})"
    if families:
        reason = f"not conjugate: {site.distribution} prior"
    for family in families:
        variable = replace(plain, family=family)
        if not _is_of(search, variable):
            continue
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


def _is_of(search: Search, variable: Variable) -> bool:
    """Whether the prior of a variable is of its family, if it reads nothing else that is integrated."""
    before = () if search.done is None else search.done.variables
    integral = search.integral([*before, variable])
    values = example(search, 0)
    values.pop(variable.name, None)

    def log_density(x: Array) -> Array:
        return elements_log_density(integral, variable.name, x, search.arrays, values, {variable.name})

    try:
        return certify(log_density, variable.known_family).holds
    except (NotIntegrable, Unaligned):
        return True


def _support(site: Site) -> Any:
    """Return the support of one element of a site."""
    support = site.support
    while hasattr(support, "base_constraint") and support.event_dim > site.event_dim:
        support = support.base_constraint
    return support if site.event_dim else base(support)


def _doubt(search: Search, variable: Variable) -> str:
    """Return why the terms of a variable are not of its family, or nothing."""
    if search.done is None:
        return ""
    for seed in range(PROBES):
        integral, values = search.done, example(search, seed)

        def log_density(x: Array, integral: Integral = integral, values: Any = values) -> Array:
            return elements_log_density(integral, variable.name, x, search.arrays, values)

        certificate = certify(log_density, variable.known_family)
        if not certificate.holds:
            return f"it is not conjugate: {variable.site.distribution} prior, and the terms that read it"
        if not certificate.is_proper:
            return "its conditional distribution is improper"
        if seed == 0:
            exact = replace(variable, points=certificate.interpolation)
            others = [v for v in integral.variables if v.name != variable.name]
            search.done = replace(integral, variables=(*others, exact))
    return ""


def elements_log_density(
    integral: Integral,
    name: str,
    x: Array,
    arrays: Arrays,
    values: Mapping[str, Array],
    terms: Collection[str] | None = None,
) -> Array:
    """Return the log-density of each element of a conjugate variable, discrete ones in their first state.

    Args:
        integral: The integral.
        name: The variable.
        x: The value of all of its elements.
        arrays: The data.
        values: The latents that are not integrated.
        terms: The terms that count; None for all.

    Returns:
        Nats, over the axes of the variable.
    """
    whole, inputs = integral.locals(arrays, values)
    space, found = integral.space, jnp.zeros(())
    for local in whole.all():
        own = [ref for ref in local.refs if ref.name == name]
        if own and (terms is None or local.name in terms):
            elements = [
                x if ref.name == name else _any_element(space.variables[ref.name]) for ref in local.refs
            ]
            value = local.run(inputs, elements)
            way = landing(space, local.axes, own)
            found = found + (value if way is None else land(space, local.axes, local.start, way, value))
    return found


def _any_element(variable: Variable) -> Array:
    if variable.kind is Kind.DISCRETE:
        return jnp.asarray(variable.states()[0])
    return jnp.zeros(variable.local_shape, variable.nothing.dtype)
