"""Markov switching: good and bad times of the economy of the United States, each with its own growth.

    z_t ~ Categorical(transition[z_{t-1}])
    y_t ~ Normal(mean[z_t] + rho y_{t-1}, sigma[z_t])   growth of a quarter, per cent a year

An autoregressive hidden Markov model: a quarter depends on its state and on the quarter before. The states
differ in their spread, 4.1 and 1.7, not in their growth: until 1984 the economy swings, then it is calm, but
around 1991, 2000 and 2008, which is known as the great moderation. log p(y) = -508.122 nats, with one state
-526.379.

Source: Bishop & Bishop (2023), §11.3.1; Hamilton, A new approach to the economic analysis of nonstationary
time series and the business cycle, Econometrica 57 (1989). Data: `statsmodels.datasets.macrodata`, real gross
domestic product of the United States, 1959-2009.
"""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints

import probdl as pdl

METHOD = pdl.EM(start=pdl.KMeansStart(), num_restarts=3, max_steps=2000, order_by="mean")


def program(before, y=None, *, num_states=2):
    def param(name, value, constraint=constraints.real):
        return cast(jax.Array, numpyro.param(name, value, constraint=constraint))

    states = jnp.ones(num_states)
    transition = param("transition", jnp.full((num_states, num_states), 1 / num_states), constraints.simplex)
    mean, rho = param("mean", 3.0 * states), param("rho", jnp.array(0.0))
    sigma = param("sigma", 3.0 * states, constraints.positive)

    def step(state, quarter):
        last, seen = quarter
        z = cast(jax.Array, numpyro.sample("z", dist.CategoricalProbs(transition[state])))
        numpyro.sample("y", dist.Normal(mean[z] + rho * last, sigma[z]), obs=seen)
        return z, None

    start = numpyro.sample("z_0", dist.CategoricalProbs(states / num_states))
    scan(step, start, (before, y), length=len(before))


def data() -> dict[str, np.ndarray]:
    """Return the growth of each quarter, and of the one before."""
    from statsmodels.datasets import macrodata

    table: Any = macrodata.load_pandas().data
    growth = 400 * np.diff(np.log(np.asarray(table["realgdp"])))
    return {"before": growth[:-1], "y": growth[1:]}


def model(num_states: int = 2) -> pdl.Model:
    """Return the program with its data.

    Args:
        num_states: Number of hidden states.
    """
    return pdl.Model(program, **data(), num_states=num_states)
