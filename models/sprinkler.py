"""Sprinkler: the grass is wet; was it the sprinkler or the rain?

    cloudy ~ Bernoulli(0.5)
    sprinkler ~ Bernoulli(0.1 if cloudy else 0.5)
    rain ~ Bernoulli(0.8 if cloudy else 0.2)
    wet ~ Bernoulli(p_wet[sprinkler, rain])

    p_wet           rain = 0   rain = 1
    sprinkler = 0     0.0        0.9
    sprinkler = 1     0.9        0.99

The grass is wet: p(sprinkler = 1) = 0.430 and p(rain = 1) = 0.708. It has rained, too: p(sprinkler = 1) =
0.1945, for the rain explains the grass. To turn the sprinkler on is not to see it on: after `do(sprinkler=1)`
the sky is what it was, p(cloudy = 1) = 0.5, while a sprinkler seen running makes it p(cloudy = 1) = 0.167.

Source: Bishop & Bishop (2023), §11.2.2 (explaining away). The story is that of Pearl, Probabilistic reasoning
in intelligent systems (1988); the tables and the first three numbers are those of Murphy, A brief
introduction to graphical models and Bayesian networks (1998).
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(wet=None):
    cloudy = numpyro.sample("cloudy", dist.Bernoulli(0.5))
    sprinkler = numpyro.sample("sprinkler", dist.Bernoulli(jnp.where(cloudy, 0.1, 0.5)))
    rain = numpyro.sample("rain", dist.Bernoulli(jnp.where(cloudy, 0.8, 0.2)))
    p_wet = jnp.array([[0.0, 0.9], [0.9, 0.99]])
    numpyro.sample("wet", dist.Bernoulli(p_wet[sprinkler, rain]), obs=wet)


def data() -> dict[str, np.ndarray]:
    """Return what is seen in the morning: wet grass."""
    return {"wet": np.array(1)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
