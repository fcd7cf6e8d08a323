"""Time series: an autoregression, and a variance that follows the past."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints

from .reference import Case, read


def autoregression(past, y=None):
    """Each value is linear in the five before it."""
    alpha = numpyro.sample("alpha", dist.Normal(0, 10))
    with numpyro.plate("lag", past.shape[1]):
        beta = numpyro.sample("beta", dist.Normal(0, 10))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    with numpyro.plate("time", len(past)):
        numpyro.sample("y", dist.Normal(alpha + past @ beta, sigma), obs=y)


def volatility(first_sigma, y=None):
    """GARCH(1, 1): today's variance from yesterday's variance and yesterday's error; flat priors."""
    mu = numpyro.sample("mu", dist.ImproperUniform(constraints.real, (), ()))
    alpha0 = numpyro.sample("alpha0", dist.ImproperUniform(constraints.positive, (), ()))
    alpha1 = numpyro.sample("alpha1", dist.Uniform(0, 1))
    beta1 = numpyro.sample("beta1", dist.Uniform(0, 1 - alpha1))

    def step(variance, value):
        numpyro.sample("y", dist.Normal(mu, jnp.sqrt(variance)), obs=value)
        return alpha0 + alpha1 * jnp.square(value - mu) + beta1 * variance, None

    scan(step, jnp.square(first_sigma), y)


def ark() -> Case:
    """Two hundred simulated values."""
    data, reference = read("arK")
    y, lags = data["y"], 5
    past = np.column_stack([y[lags - k : len(y) - k] for k in range(1, lags + 1)])
    return Case(program=autoregression, data={"past": past, "y": y[lags:]}, reference=reference)


def garch() -> Case:
    """Quarterly changes of the rate of three-month Treasury bills."""
    data, reference = read("garch")
    return Case(program=volatility, data={"first_sigma": 1.0, "y": data["y"]}, reference=reference)
