"""GARCH(1, 1): how far a rate of interest moves, calm and stormy quarters in clusters.

    mu ~ Normal(0, 1)
    spread ~ HalfNormal(2)                                                 in the long run
    weight ~ Dirichlet(1, 1, 1)                                            of three variances
    y_t ~ Normal(mu, sigma_t)
    sigma_{t+1}^2 = weight_1 spread^2 + weight_2 (y_t - mu)^2 + weight_3 sigma_t^2,   sigma_1 = spread

The variance of tomorrow is a weighted mean of that of the long run, of today's error and of today's variance:
it is no latent of its own, but follows from the past. In the usual letters alpha_0 = weight_1 spread^2,
alpha_1 = weight_2 and beta_1 = weight_3; that they are weights is what makes the series stationary.

Source: Bishop & Bishop (2023), §11.3 (sequence models). Bollerslev, Generalized autoregressive conditional
heteroskedasticity, Journal of Econometrics 31 (1986), 307-327. Data: `statsmodels.datasets.macrodata`,
quarterly changes of the rate of three-month Treasury bills of the United States, 1959-2009, in per cent.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

import probdl as pdl


def program(y=None, *, num_quarters=202):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    spread = numpyro.sample("spread", dist.HalfNormal(2))
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(3)))

    def step(variance, value):
        sigma = numpyro.deterministic("sigma", jnp.sqrt(variance))
        now = numpyro.sample("y", dist.Normal(mu, sigma), obs=value)
        sources = jnp.stack([jnp.square(spread), jnp.square(jnp.subtract(now, mu)), variance])
        return weight @ sources, None

    scan(step, jnp.square(spread), y, length=num_quarters)


def data() -> dict[str, np.ndarray]:
    """Return the changes of each quarter."""
    from statsmodels.datasets import macrodata

    table: Any = macrodata.load_pandas().data
    return {"y": np.diff(np.asarray(table["tbilrate"]))}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
