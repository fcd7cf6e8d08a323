r"""Which sites are sampled in which coordinates: chosen by a variational approximation.

Where the data say much of the elements of a hierarchical site, its own (centred) coordinates mix well; where
they say little, standardised ones do. The degree between both, one an element, is chosen with a factorised
Gaussian approximation in these coordinates: the degree for which its ELBO is largest.

Source:
    Gorinova, Moore and Hoffman (2020), §4.2 (VIP).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from probdl.errors import SiteNotFound
from probdl.graphs.read import graph
from probdl.program.bound import Arrays
from probdl.program.centring import CENTRING, has_location_and_scale
from probdl.program.model import Model
from probdl.program.target import Sampled

STEPS, DRAWS, RATE = 1500, 8, 0.05
PILOT = 2**32 - 3


@dataclass(frozen=True)
class Reparametrization:
    """The degree of centring of each hierarchical site.

    Args:
        degrees: Sites with their degrees, in [0, 1]: 1 as the program has it, 0 standardised. None: all sites
            of a family with location and scale that depend on latents, each element with the degree for which
            the ELBO of a Gaussian approximation is largest.

    Raises:
        ValueError: If a degree is out of range.

    Example:
        >>> Reparametrization((("theta", 0.0),)).degrees
        (('theta', 0.0),)
    """

    degrees: tuple[tuple[str, float], ...] | None = None

    def __post_init__(self) -> None:
        """Check the degrees."""
        for name, degree in self.degrees or ():
            if not 0 <= degree <= 1:
                raise ValueError(
                    f"Expected a degree of centring between 0 and 1 for site '{name}'; got {degree!r}. "
                    f"Pass 1 for the program's own coordinates, 0 for standardised ones."
                )

    def chosen(self, key: Array, model: Model, density: Sampled, arrays: Arrays) -> Arrays:
        """Return the arrays with the degrees of centring of the sites.

        Args:
            key: A key, for the approximation.
            model: The model.
            density: What is sampled of it.
            arrays: Its arrays.

        Raises:
            SiteNotFound: If a name is no site that can be reparametrised.
        """
        able = hierarchical_sites(model, density)
        shapes = dict(zip(density.layout.names, density.layout.shapes, strict=True))
        if self.degrees is not None:
            for name, _ in self.degrees:
                if name not in able:
                    raise SiteNotFound(
                        name, able, "reparametrize", "a site with location and scale that depend on latents"
                    )
            fixed = {CENTRING + name: jnp.full(shapes[name], degree) for name, degree in self.degrees}
            return replace(arrays, centring=fixed)
        if not able:
            return arrays
        start = {CENTRING + name: np.zeros(shapes[name]) for name in able}
        position = density.points(arrays, key[None], 0)[0]
        degrees = _fitted(density, arrays, jax.random.fold_in(key, PILOT), position, start)
        return replace(arrays, centring={name: np.asarray(value) for name, value in degrees.items()})


def hierarchical_sites(model: Model, density: Sampled) -> tuple[str, ...]:
    """Return the sampled sites whose location or scale depends on latents.

    Args:
        model: The model.
        density: What is sampled of it.

    Returns:
        Their names.
    """
    import networkx as nx

    read, latents = graph(model), set(model.latents)
    names = (n for n in density.layout.names if has_location_and_scale(model.sites[n].distribution))
    return tuple(name for name in names if nx.ancestors(read, name) & latents)


@functools.partial(jax.jit, static_argnums=0)
def _fitted(
    density: Sampled, arrays: Arrays, key: Array, position: Array, start: dict[str, Array]
) -> dict[str, Array]:
    """Return the degrees with the largest ELBO."""
    dim = density.layout.dim

    def degrees(parameters: dict) -> dict[str, Array]:
        return jax.tree.map(jax.nn.sigmoid, parameters["degrees"])

    def loss(parameters: dict, key: Array) -> Array:
        noise = jax.random.normal(key, (DRAWS // 2, dim), position.dtype)
        noise = jnp.concatenate([noise, -noise])
        at = parameters["mean"] + jnp.exp(parameters["log_sd"]) * noise
        target = density.target(replace(arrays, centring=degrees(parameters)))
        values = jax.vmap(target.log_density)(at)
        finite = jnp.isfinite(values)
        mean = jnp.where(finite, values, 0).sum() / jnp.maximum(finite.sum(), 1)
        return -(mean + parameters["log_sd"].sum())

    rate = optax.cosine_decay_schedule(RATE, STEPS)
    optimiser = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(rate))
    parameters = {
        "mean": jnp.asarray(position) / 4,
        "log_sd": jnp.full(dim, -2.0, position.dtype),
        "degrees": start,
    }

    def body(number: Array, carry: tuple) -> tuple:
        parameters, state = carry
        gradient = jax.grad(loss)(parameters, jax.random.fold_in(key, number))
        gradient = jax.tree.map(lambda leaf: jnp.nan_to_num(leaf, posinf=0.0, neginf=0.0), gradient)
        updates, state = optimiser.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state

    return degrees(jax.lax.fori_loop(0, STEPS, body, (parameters, optimiser.init(parameters)))[0])
