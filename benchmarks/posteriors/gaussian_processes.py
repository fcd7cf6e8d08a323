"""Gaussian processes with a squared exponential kernel, of eleven points."""

from __future__ import annotations

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from .reference import Case, read

JITTER = 1e-10


def kernel(x, alpha, rho):
    """Return the covariances alpha^2 exp(-(x - x')^2 / (2 rho^2))."""
    return alpha**2 * jnp.exp(-0.5 * jnp.square((x[:, None] - x) / rho))


def regression(x, y):
    """Noisy values of a function, which is integrated."""
    rho = numpyro.sample("rho", dist.Gamma(25, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    covariance = kernel(x, alpha, rho) + sigma * jnp.eye(len(x))
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(x)), covariance), obs=y)


def counts(x, k):
    """Counts whose logarithmic rate is such a function."""
    rho = numpyro.sample("rho", dist.Gamma(25, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    root = jnp.linalg.cholesky(kernel(x, alpha, rho) + JITTER * jnp.eye(len(x)))
    with numpyro.plate("point", len(x)):
        f_tilde = numpyro.sample("f_tilde", dist.Normal(0, 1))
        f = numpyro.deterministic("f", root @ f_tilde)
        numpyro.sample("k", dist.Poisson(jnp.exp(f)), obs=k)


def gp_regr() -> Case:
    """Eleven values."""
    data, reference = read("gp_regr")
    return Case(program=regression, data={"x": data["x"].astype(float), "y": data["y"]}, reference=reference)


def gp_pois_regr() -> Case:
    """Eleven counts at the same points."""
    data, reference = read("gp_pois_regr")
    return Case(program=counts, data={"x": data["x"].astype(float), "k": data["k"]}, reference=reference)
