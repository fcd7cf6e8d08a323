"""Poisson regression: yearly counts of an epidemic whose growth slows down.

    beta_k ~ Normal(0, 5),  k = 0, 1, 2
    y_t ~ Poisson(lambda_t),  log lambda_t = beta_0 + beta_1 x_t + beta_2 x_t^2

x_t is the year, centred and in decades. Exponential growth alone would be a straight line on this scale; the
question is whether beta_2 is below zero.

Source: Bishop & Bishop (2023), §3.4 and §5.4 (exponential family, canonical link functions). Data:
data/belgium_aids.csv, new cases of AIDS in Belgium, 1981-1993, as printed in Wood, Generalized Additive
Models: An Introduction with R (2006), §2.3.2, who has them from Venables & Ripley.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(x, y=None):
    with numpyro.plate("power", 3):
        beta = numpyro.sample("beta", dist.Normal(0, 5))
    log_rate = x[:, None] ** jnp.arange(3) @ beta
    with numpyro.plate("year", len(x)):
        rate = numpyro.deterministic("lambda", jnp.exp(log_rate))
        numpyro.sample("y", dist.Poisson(rate), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return decades since 1987, and the number of new cases."""
    file = Path(__file__).parent / "data" / "belgium_aids.csv"
    year, cases = np.loadtxt(file, delimiter=",", skiprows=1, dtype=int).T
    return {"x": (year - 1987) / 10, "y": cases}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
