"""Hidden Markov: calm and busy times of the Earth, from the number of large earthquakes of each year.

    rise_k ~ Exponential(1/15),  rate_k = rise_1 + ... + rise_k         states in order, calm ones first
    transition_k ~ Dirichlet(1, ..., 1)                                 from state k to each other
    z_0 ~ Categorical(stationary distribution of transition)
    z_t ~ Categorical(transition[z_{t-1}])
    y_t ~ Poisson(rate[z_t])

Hidden states form a chain, and each has an observation. `infer` sums the chain out, samples rise and
transition, and draws the states back. At the parameters of largest likelihood, rate =
(15.472, 26.125) and transition = ((0.934, 0.066), (0.129, 0.871)), log p(y) = -342.318 nats; with one state,
a Poisson distribution with a mean of 19.36, it is -391.919. A year says little alone: 21 earthquakes mean a
busy time with probability 0.988 in 1939, amid busy years, and with 0.385 in 1918, after the last of them.

Source: Bishop & Bishop (2023), §11.3.1 (hidden variables). Data: data/earthquakes.csv, earthquakes of
magnitude 7 or more in the world, 1900-2006; Zucchini & MacDonald, Hidden Markov Models for Time Series
(2009), table 1.1; both likelihoods are printed there.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

import probdl as pdl


def program(y=None, *, num_years=107, num_states=2):
    with numpyro.plate("state", num_states):
        rise = numpyro.sample("rise", dist.Exponential(1 / 15))
        transition = numpyro.sample("transition", dist.Dirichlet(jnp.ones(num_states)))
    rate = numpyro.deterministic("rate", jnp.cumsum(rise))

    def step(previous, count):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.take(transition, previous, axis=0)))
        numpyro.sample("y", dist.Poisson(jnp.take(rate, z)), obs=count)
        return z, None

    start = numpyro.sample("z_0", dist.CategoricalProbs(stationary(transition)))
    scan(step, start, y, length=num_years)


def stationary(transition):
    """Return the distribution p that a step of the chain leaves as it is: p transition = p, sum(p) = 1."""
    num_states = len(transition)
    return jnp.linalg.solve((jnp.eye(num_states) - transition + 1).T, jnp.ones(num_states))


def data() -> dict[str, np.ndarray]:
    """Return the number of earthquakes of each year."""
    file = Path(__file__).parent / "data" / "earthquakes.csv"
    return {"y": np.loadtxt(file, delimiter=",", skiprows=1, dtype=int)[:, 1]}


def model(num_states: int = 2) -> pdl.Model:
    """Return the program with its data.

    Args:
        num_states: Number of hidden states.
    """
    return pdl.Model(program, **data(), num_states=num_states)
