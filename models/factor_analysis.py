"""Factor analysis: what 13 measures of 178 wines have in common, and how much each has of its own.

    z_n ~ Normal(0, I)                                  factors
    x_n ~ Normal(mean + loading z_n, sigma_1 ... sigma_13)                  measures, in standard deviations

Two factors explain 92 per cent of the variance of the flavanoids, and 10 per cent of that of the ash. log
p(x) = -2747.191 nats, 128 more than with the same noise for all measures (probabilistic PCA), for 12
parameters.

Source: Bishop & Bishop (2023), §16.2.5 (factor analysis). Data: `sklearn.datasets.load_wine`, Forina et al.
(1988), standardised.
"""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

import probdl as pdl

METHOD = pdl.EM(accelerate=pdl.SQUAREM(), max_steps=3000)


def program(x=None, *, num_wines=178, dim=13, num_factors=2):
    first = jax.random.normal(jax.random.key(0), (dim, num_factors))
    loading = cast(jax.Array, numpyro.param("loading", first))
    mean = cast(jax.Array, numpyro.param("mean", jnp.zeros(dim)))
    sigma = numpyro.param("sigma", jnp.ones(dim), constraint=constraints.positive)
    with numpyro.plate("wine", num_wines):
        z = cast(jax.Array, numpyro.sample("z", dist.Normal(jnp.zeros(num_factors), 1).to_event(1)))
        numpyro.sample("x", dist.Normal(mean + z @ loading.T, sigma).to_event(1), obs=x)


def data() -> dict[str, np.ndarray]:
    """Return the measures of the wines, in standard deviations from their means."""
    from sklearn.datasets import load_wine

    measures = np.asarray(load_wine(return_X_y=True)[0])
    return {"x": (measures - measures.mean(0)) / measures.std(0)}


def model(num_factors: int = 2) -> pdl.Model:
    """Return the program with its data.

    Args:
        num_factors: Number of factors.
    """
    return pdl.Model(program, **data(), num_factors=num_factors)
