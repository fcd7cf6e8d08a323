"""Gaussian mixture: short and long waits for the next eruption of the geyser Old Faithful.

    low ~ Normal(60, 20),  gap_k ~ HalfNormal(30)
    mu = (low, low + gap_1, low + gap_1 + gap_2, ...)                   components in order, short waits first
    sigma_k ~ HalfNormal(10),  weight ~ Dirichlet(1, ..., 1)
    z_n ~ Categorical(weight)
    y_n ~ Normal(mu[z_n], sigma[z_n])

Each wait has a component that nobody saw, and the sum over it is a mixture. The means are in order, so that
no two components can swap their names. `infer` sums z out, samples the parameters, and draws z back. At the
parameters of largest likelihood, weight = (0.361, 0.639), mu = (54.615, 80.091) and sigma = (5.871, 5.868),
log p(y) = -1034.002 nats; with one component it is -1095.289. A wait of 66 minutes is then a long one with
probability 0.394, and one of 70 minutes with 0.926.

Source: Bishop & Bishop (2023), §3.2.9 and §15.2 (mixtures of Gaussians). Data: data/old_faithful.csv, 272
waits in minutes, as published in R's `faithful`: Härdle, Smoothing Techniques (1991), and Azzalini & Bowman,
A look at some data on the Old Faithful geyser, Applied Statistics 39 (1990), 357-365. The parameters of
largest likelihood are printed by Benaglia et al., mixtools, Journal of Statistical Software 32(6) (2009).
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(y=None, *, num_waits=272, num_components=2):
    low = numpyro.sample("low", dist.Normal(60, 20))
    with numpyro.plate("step", num_components - 1):
        gap = numpyro.sample("gap", dist.HalfNormal(30))
    mu = numpyro.deterministic("mu", low + jnp.cumsum(jnp.pad(gap, (1, 0))))
    with numpyro.plate("component", num_components):
        sigma = numpyro.sample("sigma", dist.HalfNormal(10))
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(num_components)))
    with numpyro.plate("wait", num_waits):
        z = numpyro.sample("z", dist.CategoricalProbs(weight))
        numpyro.sample("y", dist.Normal(jnp.take(mu, z), jnp.take(sigma, z)), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return the minutes from each eruption to the next."""
    file = Path(__file__).parent / "data" / "old_faithful.csv"
    return {"y": np.loadtxt(file, delimiter=",", skiprows=1)[:, 1]}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
