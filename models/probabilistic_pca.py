"""Probabilistic PCA: 178 wines, of which 13 measures are known, on a plane.

    z_n ~ Normal(0, I)                                  place on the plane
    x_n ~ Normal(mean + loading z_n, sigma)             measures, in standard deviations

The solution is known: the columns of the loading span the first two eigenvectors of the covariance of the
measures, whose eigenvalues, 4.706 and 2.497, are 55 per cent of their variance; the square of sigma is the
mean of the others, 0.527. log p(x) = -2875.636 nats.

Source: Bishop & Bishop (2023), §16.2; Tipping & Bishop, Probabilistic principal component analysis (1999).
Data: `sklearn.datasets.load_wine`, Forina et al. (1988), standardised.
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
    sigma = numpyro.param("sigma", 1.0, constraint=constraints.positive)
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
        num_factors: Number of dimensions of the plane.
    """
    return pdl.Model(program, **data(), num_factors=num_factors)
