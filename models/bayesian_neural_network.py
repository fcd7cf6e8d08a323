"""A Bayesian neural network: next year's sunspots from the four years before.

    every weight and bias of net ~ Normal(0, 1)
    sigma ~ HalfNormal(1)
    y_t ~ Normal(net(y_{t-1}, ..., y_{t-4}), sigma)

An equinox network with one layer of eight tanh units; y is the square root of the sunspot number,
standardised. Hidden units can be exchanged and their signs flipped without any change in what the network
computes, so that chains disagree about the weights and agree about `fit`: judge this model by the latter.

Source: Bishop & Bishop (2023), §6.2 (deep networks), §9.2 (weight decay as a prior). Data:
`statsmodels.datasets.sunspots`, yearly means, 1700-2008; the task is that of Weigend, Huberman & Rumelhart,
Predicting the future: a connectionist approach (1990), who train up to 1920.
"""

import equinox as eqx
import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.module import random_eqx_module

import probdl as pdl

METHOD = pdl.NUTS(num_samples=300, num_warmup=300, num_chains=2, max_tree_depth=7)
LAGS = 4


def program(x, y=None):
    num_years, num_lags = x.shape
    layers = eqx.nn.MLP(num_lags, "scalar", 8, depth=1, activation=jax.nn.tanh, key=jax.random.key(0))
    net = random_eqx_module("net", layers, prior=dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("year", num_years):
        fit = numpyro.deterministic("fit", jax.vmap(net)(x))
        numpyro.sample("y", dist.Normal(fit, sigma), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return the four years before (year, lag), the nearest first, and each year itself: 1704-1920."""
    from statsmodels.datasets import sunspots

    root = np.sqrt(np.asarray(sunspots.load_pandas().endog)[: 1921 - 1700])
    series = (root - root.mean()) / root.std()
    windows = np.lib.stride_tricks.sliding_window_view(series, LAGS + 1)
    return {"x": windows[:, LAGS - 1 :: -1], "y": windows[:, LAGS]}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
