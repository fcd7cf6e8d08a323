"""A mixture of two normal distributions, labelled by the order of their means."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

from .reference import Case, read


def parameters() -> tuple[Any, Any, Any]:
    """Draw the parameters."""
    weight = numpyro.sample("weight", dist.Beta(5, 5))
    mu = numpyro.sample("mu", dist.ImproperUniform(constraints.ordered_vector, (), (2,)))
    numpyro.factor("prior of mu", dist.Normal(70, 20).log_prob(mu).sum())
    with numpyro.plate("part", 2):
        sigma = numpyro.sample("sigma", dist.HalfNormal(10))
    return jnp.stack([weight, 1 - weight]), mu, sigma


def summed(y):
    """The parts summed out."""
    weights, mu, sigma = parameters()
    with numpyro.plate("row", len(y)):
        parts = dist.MixtureSameFamily(dist.Categorical(weights), dist.Normal(mu, sigma))
        numpyro.sample("y", parts, obs=y)


def with_parts(y):
    """The part of each observation as a site."""
    weights, mu, sigma = parameters()
    with numpyro.plate("row", len(y)):
        part: Any = dist.Categorical(weights)
        z = numpyro.sample("z", part)
        numpyro.sample("y", dist.Normal(jnp.take(mu, z), jnp.take(sigma, z)), obs=y)


def gaussian_mixture() -> Case:
    """Waits for the geyser Old Faithful, in minutes."""
    data, reference = read("gaussian_mixture")
    return Case(program=summed, data={"y": data["y"].astype(float)}, reference=reference, discrete=with_parts)
