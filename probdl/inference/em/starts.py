"""Where EM begins: as the program says, and around that as far as one observation allows."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.em.climb import Fall
from probdl.inference.em.expected import Expected, Seen

MOST_EXACT, PROBES = 64, 32
MOST_BENT = 1.0


def starts(
    key: Array, expected: Expected, seen: Seen, num_restarts: int, num_observations: int
) -> Float[np.ndarray, "restart dim"]:
    """Return starting positions: the program's own first, others around it.

    Others are drawn from a normal distribution whose standard deviation is what a single observation would
    leave of each coordinate, by the curvature of the bound at the first start; of a logarithm or a logit it
    is at most one, since rare states hardly bend the bound.

    Args:
        key: A key.
        expected: The program with its latents integrated.
        seen: The data.
        num_restarts: How many.
        num_observations: How many observations the data are.
    """
    own = np.stack(
        [np.asarray(_own(expected, seen, key, np.uint32(number))) for number in range(num_restarts)]
    )
    if num_restarts == 1:
        return own
    bend = np.asarray(_curvature(expected, seen, jax.random.fold_in(key, num_restarts), own[0]))
    known = np.isfinite(bend) & (bend > 0)
    spread = np.sqrt(np.where(known, num_observations / np.where(known, bend, 1.0), 1.0))
    bent = expected.parameters.layout.places(expected.parameters.bent)
    spread[bent] = np.minimum(spread[bent], MOST_BENT)
    noise = np.array(jax.random.normal(jax.random.fold_in(key, num_restarts + 1), own.shape))
    noise[0] = 0.0
    return own + spread * noise


@functools.partial(jax.jit, static_argnums=0)
def _own(expected: Expected, seen: Seen, key: Array, number: np.uint32) -> Float[Array, " dim"]:
    return expected.parameters.start(seen.arrays, jax.random.fold_in(key, number))


@functools.partial(jax.jit, static_argnums=0)
def _curvature(expected: Expected, seen: Seen, key: Array, position: Array) -> Float[Array, " dim"]:
    """Return minus the second derivatives of the bound by each coordinate; of many, estimates."""
    weights = expected.e_step(seen, position).weights
    slope = jax.grad(lambda x: expected.bound(seen, x, weights))
    _, product = jax.linearize(slope, position)
    dim = position.size
    if dim <= MOST_EXACT:
        return -jnp.diagonal(jax.vmap(product)(jnp.eye(dim)))
    signs = jax.random.rademacher(key, (PROBES, dim), position.dtype)
    return -jnp.mean(signs * jax.lax.map(product, signs), 0)


def impossible(expected: Expected, seen: Seen, position: Float[np.ndarray, " dim"]) -> ValueError:
    """Return the error for a start at which the log-likelihood is not finite; it names the site, if it can.

    Args:
        expected: The program with its latents integrated.
        seen: The data.
        position: The start.
    """
    factors, _ = expected.factors(seen, jnp.asarray(position))
    placed = {factor.name: factor.potential(factor.parts) for factor in factors}
    tables = {name: np.asarray(f.log) for name, f in placed.items()}
    states = {name: tuple(range(len(f.axes), f.log.ndim)) for name, f in placed.items()}
    bad = [n for n, t in tables.items() if (np.isnan(t) | np.isneginf(t)).all(states[n]).any()]
    where = f", at site '{bad[0]}'" if bad else ""
    values = expected.parameters.values(seen.arrays, jnp.asarray(position))
    listed = ", ".join(f"{name}={np.array2string(np.asarray(v), threshold=4)}" for name, v in values.items())
    return ValueError(
        f"Expected a finite log-likelihood at the start; got none{where}: {listed}. Have params begin at "
        f"other values, inside of their constraints, and sites at likelier ones, by narrower priors."
    )


def fallen(expected: Expected, seen: Seen, fall: Fall) -> ArithmeticError:
    """Return the error for an objective that fell; it names the site whose terms lost the most.

    Args:
        expected: The program with its latents integrated.
        seen: The data.
        fall: What happened.
    """
    losses = expected.losses(seen, jnp.asarray(fall.before), jnp.asarray(fall.after))
    worst = max(losses, key=lambda name: losses[name], default="")
    site = f"; the terms of '{worst}' lost {losses[worst]:.3g}" if worst else ""
    before, after = fall.objectives
    return ArithmeticError(
        f"Expected an objective that never falls; got {after:.10g} after {before:.10g}{site}. Its density "
        f"may not be the one that its distribution declares: check log_prob, masks and scales there."
    )
