"""Car fuel gauge: an empty tank or a flat battery, and how the one explains the other away.

    battery ~ Bernoulli(0.9)                         1: charged
    fuel ~ Bernoulli(0.9)                            1: a full tank
    gauge ~ Bernoulli(p_full[battery, fuel])         1: the gauge shows "full"

    p_full         fuel = 0   fuel = 1
    battery = 0      0.1        0.2
    battery = 1      0.2        0.8

The gauge shows "empty", and p(fuel = 0 | gauge = 0) = 0.257, where it was 0.1. Then the battery is found
flat, which is reason enough for that: p(fuel = 0 | gauge = 0, battery = 0) = 0.111. Battery and fuel are
independent, but not given the gauge that both act on.

Source: Bishop & Bishop (2023), §11.2.2 (explaining away).
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(gauge=None):
    battery = numpyro.sample("battery", dist.Bernoulli(0.9))
    fuel = numpyro.sample("fuel", dist.Bernoulli(0.9))
    p_full = jnp.array([[0.1, 0.2], [0.2, 0.8]])
    numpyro.sample("gauge", dist.Bernoulli(p_full[battery, fuel]), obs=gauge)


def data() -> dict[str, np.ndarray]:
    """Return what the gauge shows: empty."""
    return {"gauge": np.array(0)}


def model() -> pdl.Model:
    """Return the program with its data; add what the battery shows with `condition(battery=0)`."""
    return pdl.Model(program, **data())
