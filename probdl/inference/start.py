"""Where chains start: at a point whose log-density is finite, or nowhere, with the reason."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.errors import NotApplicable
from probdl.inference.assemble import constant_arrays, observations
from probdl.program.bound import Arrays
from probdl.program.handlers import LOG_DET
from probdl.program.jaxprs import without_derivative
from probdl.program.model import Model
from probdl.program.sites import SiteKind
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain

MOST_ATTEMPTS = 100
START = 2**32 - 1


@functools.partial(jax.jit, static_argnames=("kernel", "density", "num_chains"))
def start(
    kernel: MarkovChain, density: Sampled, num_chains: int, arrays: Arrays, key: Array
) -> tuple[Array, Any, Array]:
    """Start chains, each at the first of some random points where its state is finite.

    Args:
        kernel: The method.
        density: The static half of the target.
        num_chains: Number of chains.
        arrays: The dynamic half.
        key: The key of the run; chain c has the key fold_in(key, c).

    Returns:
        Keys of the chains, their states, and whether each state is finite.
    """
    target = density.target(arrays)

    def attempt(chain_key: Array, number: Any) -> tuple[Any, Array]:
        state = kernel.init(jax.random.fold_in(jax.random.fold_in(chain_key, START), number), target)
        return strong(state), _is_finite(state)

    def begin(chain_key: Array) -> tuple[Any, Array]:
        def again(carry: tuple) -> tuple:
            number, _, _ = carry
            return number + 1, *attempt(chain_key, number)

        def go_on(carry: tuple) -> Array:
            number, _, good = carry
            return ~good & (number < MOST_ATTEMPTS)

        shapes = jax.eval_shape(attempt, chain_key, 0)[0]
        nowhere = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        _, state, good = jax.lax.while_loop(go_on, again, (0, nowhere, jnp.zeros((), bool)))
        return state, good

    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(num_chains))
    return keys, *jax.vmap(begin)(keys)


def strong(tree: Any) -> Any:
    """Return arrays of definite types, so that a step sees the same types whatever went before."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), tree)


def _is_finite(state: Any) -> Array:
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()


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
        bad = ~np.isfinite(np.asarray(term))
        if bad.any():
            causes.append(_site(model, name, np.asarray(term), bad))
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


def _site(model: Model, name: str, term: np.ndarray, bad: np.ndarray) -> str:
    index = tuple(int(i) for i in np.argwhere(bad)[0])
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
