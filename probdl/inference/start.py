"""Where chains start: at a point whose log-density is finite, or nowhere, with the reason."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.errors import NotApplicable
from probdl.inference.assemble import constant_arrays, observations
from probdl.inference.chunks import Moving
from probdl.program.bound import Arrays
from probdl.program.handlers import LOG_DET
from probdl.program.jaxprs import without_derivative
from probdl.program.model import Model
from probdl.program.sites import SiteKind
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain

MOST_ATTEMPTS = 100


@functools.partial(jax.jit, static_argnums=1)
def chain_keys(key: Array, num_chains: int) -> Array:
    """Return the keys of the chains: that of chain c is fold_in(key, c)."""
    return jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(num_chains))


def started(
    begin: Callable[[np.ndarray], Moving], draw: Callable[[int], np.ndarray]
) -> tuple[Moving, np.ndarray]:
    """Start chains, each at the first of some random points where its state is finite.

    Args:
        begin: Makes the states of chains at points (chain, dim).
        draw: Draws the points of an attempt.

    Returns:
        The chains, and whether each state is finite.
    """
    positions = draw(0)
    moving = begin(positions)
    for attempt in range(1, MOST_ATTEMPTS):
        good = _finite(moving.states)
        if good.all():
            break
        positions = np.where(good[:, None], positions, draw(attempt))
        moving = begin(positions)
    return moving, _finite(moving.states)


def _finite(states: Any) -> np.ndarray:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(states)]
    finite = [np.isfinite(a).reshape(len(a), -1).all(1) for a in leaves if a.dtype.kind == "f"]
    return np.stack(finite).all(0)


def no_gradient(method: MarkovChain, density: Sampled, arrays: Arrays) -> NotApplicable | None:
    """Return the error for a model whose log-density has no gradient, or None if that is not what failed.

    Args:
        method: The method.
        density: What is sampled of the model.
        arrays: Its arrays.

    Returns:
        The error.
    """
    position = jax.ShapeDtypeStruct((density.layout.dim,), jnp.result_type(float))
    traced = jax.make_jaxpr(density.target(arrays).log_density)(position)
    why = without_derivative(traced.jaxpr)
    if why is None:
        return None
    reason = f"the log-density has no gradient: the program has {why}"
    return NotApplicable(type(method).__name__, reason, "Write that part with operations that JAX derives.")


def no_start(model: Model, density: Sampled, arrays: Arrays, position: Array) -> ValueError:
    """Return the error for a model that is finite nowhere: it names what is not finite.

    Args:
        model: The model.
        density: What is sampled of it.
        arrays: Its arrays.
        position: One of the points that were tried.

    Returns:
        The error.
    """
    terms = _terms(density, arrays, position)
    causes = _arguments(model)
    for name, term in terms.items():
        if not np.isfinite(np.asarray(term)).all():
            causes.append(not_finite(model, name, np.asarray(term)))
    if not causes:
        gradient = _gradient(density, arrays, position)
        bad_sites = [k for k, v in density.layout.unravel(gradient).items() if not np.isfinite(v).all()]
        causes.append(
            f"the log-density is finite but its gradient is not, in {', '.join(map(repr, bad_sites))} "
            f"(a sqrt, log or division inside a `where`, at the edge of its domain?)"
        )
    return ValueError(
        f"Expected a finite log-density at one of {MOST_ATTEMPTS} random starting points; got none: "
        f"{'; '.join(causes)}. Correct the data, or keep the parameters of these distributions in their "
        f"domain whatever the latents are (a scale by exp or softplus)."
    )


@functools.partial(jax.jit, static_argnums=0)
def _terms(density: Sampled, arrays: Arrays, position: Array) -> dict[str, Array]:
    return density.site_log_probs(arrays, position)


@functools.partial(jax.jit, static_argnums=0)
def _gradient(density: Sampled, arrays: Arrays, position: Array) -> Array:
    return jax.grad(density.target(arrays).log_density)(position)


def _arguments(model: Model) -> list[str]:
    causes = []
    for name, array in constant_arrays(model, {}).items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            where = f" at {list(index)}" if index else ""
            causes.append(f"argument '{name}' has {array[index]}{where}")
    return causes


def not_finite(model: Model, name: str, term: np.ndarray) -> str:
    """Return in words which entry of the log-probability of a site is not finite.

    Args:
        model: The model.
        name: The site.
        term: Its log-probability, unreduced; not all finite.
    """
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(term))[0])
    where = f" at {list(index)}" if index else ""
    if name not in model.sites:
        inner = name.partition(LOG_DET)[2]
        return f"the Jacobian of site '{inner}' is {term[index]}{where}"
    site = model.sites[name]
    if site.kind is SiteKind.FACTOR:
        return f"factor '{name}' is {term[index]}{where}"
    text = f"the log-probability of site '{name}' is {term[index]}{where}"
    if site.is_observed:
        value = observations(model)[name]
        if value.ndim >= len(index):
            text += f", where the observation is {value[index]}"
    return text
