"""Multivariate Gaussian mixture: the species of 150 irises, of which nobody says which is which.

    z_n ~ Categorical(weight)
    x_n ~ Normal(mean[z_n], covariance[z_n])            four measures of a flower, in cm

The params weight, mean and covariance are those of largest likelihood, by EM from the clusters of k-means;
components are in the order of their first mean. Covariances are `full`, or `tied` (one for all), `diagonal`
or `spherical`: model(diagonal), say. The log-likelihood is -180.185 nats with full covariances, -256.354 with
a tied one, -306.860 with diagonal and -384.314 with spherical ones; by the Bayesian criterion (581, 633, 744,
854) full ones are worth their parameters. All setosa are one component; of the others five are in the
component of the wrong species.

Source: Bishop & Bishop (2023), §15.2 and §15.3. Data: `sklearn.datasets.load_iris`, Fisher (1936).
"""

from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

import probdl as pdl

METHOD = pdl.EM(start=pdl.KMeansStart(), num_restarts=3, order_by="mean")
Component = Callable[[jax.Array], dist.Distribution]


def program(x=None, *, num_flowers=150, dim=4, num_components=3, components=None):
    weight = param("weight", jnp.ones(num_components) / num_components, constraints.simplex)
    mean = param("mean", jnp.zeros((num_components, dim)), constraints.real)
    component = (components or full)(mean)
    with numpyro.plate("flower", num_flowers):
        z = numpyro.sample("z", dist.CategoricalProbs(weight))
        numpyro.sample("x", component(cast(jax.Array, z)), obs=x)


def param(name: str, value: jax.Array, constraint: constraints.Constraint) -> jax.Array:
    """Return a param."""
    return cast(jax.Array, numpyro.param(name, value, constraint=constraint))


def full(mean: jax.Array) -> Component:
    """Return normal distributions, each with a covariance of its own."""
    count, dim = mean.shape
    start = jnp.broadcast_to(jnp.eye(dim), (count, dim, dim))
    covariance = param("covariance", start, constraints.positive_definite)
    return lambda z: dist.MultivariateNormal(mean[z], covariance_matrix=covariance[z])


def tied(mean: jax.Array) -> Component:
    """Return normal distributions that share a covariance."""
    covariance = param("covariance", jnp.eye(mean.shape[1]), constraints.positive_definite)
    return lambda z: dist.MultivariateNormal(mean[z], covariance_matrix=covariance)


def diagonal(mean: jax.Array) -> Component:
    """Return normal distributions whose coordinates are independent."""
    variance = param("variance", jnp.ones(mean.shape), constraints.positive)
    return lambda z: dist.Normal(mean[z], jnp.sqrt(variance)[z]).to_event(1)


def spherical(mean: jax.Array) -> Component:
    """Return normal distributions that are as wide in all directions."""
    variance = param("variance", jnp.ones(len(mean)), constraints.positive)
    return lambda z: dist.Normal(mean[z], jnp.sqrt(variance)[z][..., None]).to_event(1)


def data() -> dict[str, np.ndarray]:
    """Return the measures of the flowers."""
    from sklearn.datasets import load_iris

    return {"x": np.asarray(load_iris(return_X_y=True)[0])}


def model(components: Callable[[jax.Array], Component] = full) -> pdl.Model:
    """Return the program with its data.

    Args:
        components: Makes the distributions of the components from their means.
    """
    return pdl.Model(program, **data(), components=components)
