"""Mixture of regressions: an inverse problem with three answers, each a line of its own.

    z_n ~ Categorical(weight)
    y_n ~ Normal(intercept[z_n] + slope[z_n] (x_n - 1/2), sigma[z_n])

Measured is x = y + 0.3 sin(2 pi y) + noise, and asked is y: for most x there are three answers, and one
regression gives their mean, which is none of them. The three have intercepts of 0.225, 0.501 and 0.772 and
slopes of 0.481, -0.830 and 0.493; log p(y) = 223.875 nats. There are many maxima of the likelihood: of 20
starts, some find this one.

Source: Bishop & Bishop (2023), §6.5 (the inverse problem of figure 6.16) and §15.2. Data: simulated as there.
"""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

import probdl as pdl

METHOD = pdl.EM(num_restarts=20, order_by="intercept")


def program(x, y=None, *, num_components=3):
    def param(name, value, constraint=constraints.real):
        return cast(jax.Array, numpyro.param(name, jnp.full(num_components, value), constraint=constraint))

    weight = param("weight", 1 / num_components, constraints.simplex)
    intercept, slope = param("intercept", 0.5), param("slope", 0.0)
    sigma = param("sigma", 0.2, constraints.positive)
    with numpyro.plate("answer", len(x)):
        z = numpyro.sample("z", dist.CategoricalProbs(weight))
        numpyro.sample("y", dist.Normal(intercept[z] + slope[z] * (x - 0.5), sigma[z]), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return what is measured and what is asked for."""
    rng = np.random.default_rng(0)
    y = rng.uniform(size=300)
    return {"x": y + 0.3 * np.sin(2 * np.pi * y) + rng.uniform(-0.1, 0.1, len(y)), "y": y}


def model(num_components: int = 3) -> pdl.Model:
    """Return the program with its data.

    Args:
        num_components: Number of regressions.
    """
    return pdl.Model(program, **data(), num_components=num_components)
