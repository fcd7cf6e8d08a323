"""The density of some latents of a model given all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from probdl.program.density import Density
from probdl.program.model import Model
from probdl.program.sites import SiteKind


def conditional(
    model: Model, names: Sequence[str], children: Mapping[str, set[str]], *, own: bool
) -> Density:
    """Return the density of some latents given all others: of the terms that read them alone.

    Args:
        model: The model.
        names: The latents.
        children: The sites that are made of each latent.
        own: Whether positions hold the values of the sites, not unconstrained ones.

    Returns:
        The density.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program():
        ...     x = numpyro.sample("x", dist.Normal(0, 1))
        ...     z = numpyro.sample("z", dist.Normal(x, 1))
        ...     numpyro.sample("y", dist.Normal(z, 1), obs=1.0)
        >>> sorted(conditional(Model(program), ["x"], {"x": {"z"}, "z": {"y"}}, own=False).read)
        ['x', 'z']
    """
    layout = model.declarations.layout(frozenset(names) if own else frozenset()).only(names)
    read = {*names, *(child for name in names for child in children[name])}
    terms = {n for n, s in model.sites.items() if s.is_random or s.kind is SiteKind.FACTOR}
    return Density(model.bound[0], layout, frozenset(read & terms))
