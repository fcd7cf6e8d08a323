"""Whether latents have a prior that is Gaussian, all of them jointly, given all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.programs.quadratic import find_kink, not_smooth
from probdl.exact.programs.search import is_real
from probdl.program.checks import support_name
from probdl.program.density import Density
from probdl.program.jaxprs import part
from probdl.program.model import Model
from probdl.program.precision import Precision


def not_gaussian(model: Model, names: Sequence[str]) -> str | None:
    """Return why the prior of some latents, given all others, is not Gaussian.

    The logarithm of each of their densities has to be quadratic in all of them: its second derivative,
    traced, reads none.

    Args:
        model: The model.
        names: The latents.

    Returns:
        The site and the reason; None if the prior is Gaussian.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program():
        ...     scale = numpyro.sample("scale", dist.HalfNormal(1.0))
        ...     numpyro.sample("x", dist.Normal(0.0, scale))
        >>> print(not_gaussian(Model(program), ["x"]))
        None
        >>> not_gaussian(Model(program), ["x", "scale"])
        "the prior of site 'scale' is not Gaussian (HalfNormal, numbers from 0 up)"
    """
    for name in names:
        site = model.sites[name]
        if not is_real(site):
            what = (
                site.distribution
                if site.support is None
                else (f"{site.distribution}, {support_name(site.support)}")
            )
            return f"the prior of site '{name}' is not Gaussian ({what})"
    with Precision.DOUBLE.active():
        arrays = model.arrays(Precision.DOUBLE)
        whole = model.density
        start = jnp.asarray(whole.points(arrays, jax.random.key(0)[None], 0)[0])
        values = whole.values(arrays, start)
        layout = whole.layout.only(names)
        held = {name: value for name, value in values.items() if name not in names}
        for name in names:
            density = Density(whole.bound, layout, frozenset([name]))

            def term(position: Array, density: Density = density) -> Array:
                return jnp.asarray(density.log_density(arrays, position, held))

            if (why := _departure(term, layout.dim, name)) is not None:
                return f"the prior of site '{name}' ({model.sites[name].distribution}) is not Gaussian: {why}"
    return None


def _departure(term: Callable[[Array], Array], dim: int, name: str) -> str | None:
    """Return what in a term is not quadratic in a position."""
    zero = jnp.zeros(dim)
    forward = part(jax.make_jaxpr(term)(zero), [0])
    kink = find_kink(forward.jaxpr, [used for used in forward.used if used])
    if kink == "while":
        return not_smooth(name, kink)
    second = jax.make_jaxpr(lambda x, v: jax.jvp(jax.grad(term), (x,), (v,))[1])(zero, jnp.ones(dim))
    if part(second, [0]).used[0]:
        return "its scale, or its form, depends on latents whose prior is part of it"
    return None if kink is None else not_smooth(name, kink)
