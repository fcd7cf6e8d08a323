"""Autoregression: sunspots from those of the years before, the first series that was ever treated so.

    alpha ~ Normal(0, 100)
    beta_k ~ Normal(0, 1),  k = 1, ..., K
    sigma ~ HalfNormal(50)
    y_t ~ Normal(alpha + beta_1 y_{t-1} + ... + beta_K y_{t-K}, sigma)

Each value has the K before it as parents; the first K are given. With K = 2 least squares give beta =
(1.336, -0.650): a damped oscillation with a period of 10.57 years.

Source: Bishop & Bishop (2023), §11.3 (sequence models). Data: `statsmodels.datasets.sunspots`, yearly numbers
of sunspots 1749-1924, the years of Yule, On a method of investigating periodicities in disturbed series,
Philosophical Transactions of the Royal Society A 226 (1927), 267-298.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

import probdl as pdl


def program(start, y=None, *, num_years=174):
    alpha = numpyro.sample("alpha", dist.Normal(0, 100))
    with numpyro.plate("lag", len(start)):
        beta = numpyro.sample("beta", dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(50))

    def step(past, value):
        now = numpyro.sample("y", dist.Normal(alpha + past @ beta, sigma), obs=value)
        return jnp.concatenate([jnp.expand_dims(now, 0), past[:-1]]), None

    scan(step, start, y, length=num_years)


def data(order: int = 2) -> dict[str, np.ndarray]:
    """Return the numbers of sunspots: the first years, the latest of them first, and all others.

    Args:
        order: How many years each year depends on.
    """
    from statsmodels.datasets import sunspots

    year, number = np.asarray(sunspots.load_pandas().data).T
    number = number[(year >= 1749) & (year <= 1924)]
    return {"start": number[:order][::-1].copy(), "y": number[order:]}


def model(order: int = 2) -> pdl.Model:
    """Return the program with its data.

    Args:
        order: How many years each year depends on.
    """
    known = data(order)
    return pdl.Model(program, **known, num_years=len(known["y"]))
