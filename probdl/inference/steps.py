"""Latents that a density reads by steps only, so that its gradient says nothing of them."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.errors import NotApplicable
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Fix, is_factor
from probdl.program.jaxprs import part
from probdl.program.model import Model

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain

Scans = tuple[tuple[str, str], ...]
Shapes = tuple[tuple[str, tuple[int, ...], type], ...]  # name, shape and kind of each latent


def by_steps(
    method: MarkovChain, model: Model, moved: Collection[str], arrays: Arrays
) -> NotApplicable | None:
    """Return the error for a model with a site that reads a latent by steps only, or None if there is none.

    The derivative of a `round`, of a comparison or of an index is zero wherever there is one: what a site
    reads in no other way, a gradient does not see. Factors are left out: they may be constraints.

    Args:
        method: A method that follows gradients.
        model: The model.
        moved: The continuous latents that it moves.
        arrays: The dynamic half of the model.

    Returns:
        The error; it names both sites.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl import NUTS
        >>> def program():
        ...     x = numpyro.sample("x", dist.Normal(0.0, 1.0))
        ...     numpyro.sample("y", dist.Normal(jnp.round(x), 1.0), obs=0.3)
        >>> model = Model(program)
        >>> print(by_steps(NUTS(), model, ("x",), model.arrays(NUTS().precision)))
        NUTS is not applicable: the density of 'y' depends on 'x' by steps alone (a round, ...
    """
    scans = model.declarations.scan_of(model.latents)
    kept = {name: model.sites[name] for name in model.latents}
    shapes = tuple((n, site.shape, int if site.is_discrete else float) for n, site in kept.items())
    leaves, kind = jax.tree.flatten(arrays)
    kinds = tuple((np.shape(leaf), np.dtype(jnp.result_type(leaf)).name) for leaf in leaves)
    edges = _by_steps(model.bound[0], scans, shapes, kind, kinds)
    latent, site = next((edge for edge in edges if edge[0] in moved), (None, None))
    if site is None:
        return None
    return NotApplicable(
        type(method).__name__,
        f"the density of '{site}' depends on '{latent}' by steps alone (a round, a comparison, an index or a "
        f"stop_gradient), of which the gradient is zero",
        "Call Metropolis() or Slice(), or write a smooth function in its place.",
    )


@functools.lru_cache(maxsize=128)
def _by_steps(
    bound: BoundProgram, scans: Scans, shapes: Shapes, kind: Any, kinds: tuple
) -> tuple[tuple[str, str], ...]:
    """Return pairs of a latent and a site that depends on it without a derivative."""
    arrays = jax.tree.unflatten(kind, [jax.ShapeDtypeStruct(shape, name) for shape, name in kinds])
    values = {name: jax.ShapeDtypeStruct(shape, jnp.result_type(dtype)) for name, shape, dtype in shapes}
    smooth = {name: value for name, value in values.items() if value.dtype.kind == "f"}
    others = {name: value for name, value in values.items() if name not in smooth}
    if not smooth:
        return ()
    names: list[str] = []

    def terms(arrays: Arrays, others: dict[str, Array], smooth: dict[str, Array]) -> list[Array]:
        trace = bound.trace(arrays, Fix(None, {**others, **smooth}, dict(scans)))
        sites = {n: m for n, m in trace.items() if m["type"] == "sample" and not is_factor(m)}
        names[:] = sites
        return [jnp.sum(m["fn"].log_prob(jnp.asarray(m["value"]))) for m in sites.values()]

    def slopes(arrays: Arrays, others: dict[str, Array], smooth: dict[str, Array], changes: Any) -> Any:
        return jax.jvp(functools.partial(terms, arrays, others), (smooth,), (changes,))[1]

    plain = jax.make_jaxpr(terms)(arrays, others, smooth)
    tangent = jax.make_jaxpr(slopes)(arrays, others, smooth, smooth)
    count, latents = len(smooth), sorted(smooth)
    found = []
    for number, site in enumerate(names):
        read, followed = (part(closed, [number]).used[-count:] for closed in (plain, tangent))
        pairs = zip(latents, read, followed, strict=True)
        found += [(name, site) for name, is_read, has_slope in pairs if is_read > has_slope and name != site]
    return tuple(found)
