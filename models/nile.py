"""The Nile: a level that drifts, seen through noise, as a state-space model.

    sigma_level ~ LogNormal(log 50, 1),  sigma_flow ~ LogNormal(log 100, 1)
    x_0 ~ Normal(1000, 500)
    x_t ~ Normal(x_{t-1}, sigma_level)
    y_t ~ Normal(x_t, sigma_flow)

The local level model. Its graph is that of every sequence model: a chain of hidden states, each with an
observation. `scan` says so in one step. Given both sigmas all levels are jointly Gaussian: `infer` integrates
them by a Kalman filter, samples the sigmas alone, and draws the levels back by a smoother. At the sigmas of
largest likelihood, 38.33 and 122.88, log p(y) = -639.714 nats, and the level of 1970 is 798.4 +- 63.5.

Source: Bishop & Bishop (2023), §11.3 (sequence models). Data: `statsmodels.datasets.nile`, the yearly flow at
Aswan in 10^8 m^3, 1871-1970; Durbin & Koopman, Time Series Analysis by State Space Methods (2012), §2.2.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

import probdl as pdl


def program(y=None, *, num_years=100):
    sigma_level = numpyro.sample("sigma_level", dist.LogNormal(jnp.log(50.0), 1))
    sigma_flow = numpyro.sample("sigma_flow", dist.LogNormal(jnp.log(100.0), 1))
    start = numpyro.sample("x_0", dist.Normal(1000, 500))

    def step(previous, flow):
        level = numpyro.sample("x", dist.Normal(previous, sigma_level))
        numpyro.sample("y", dist.Normal(level, sigma_flow), obs=flow)
        return level, None

    scan(step, start, y, length=num_years)


def data() -> dict[str, np.ndarray]:
    """Return the flow of each year."""
    from statsmodels.datasets import nile

    return {"y": np.asarray(nile.load_pandas().data)[:, 1]}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
