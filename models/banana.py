"""The banana: two variables, one of which follows the square of the other.

    x_1 ~ Normal(1, sqrt(10))
    x_2 ~ Normal(x_1^2, sqrt(1 / 10))

This is Rosenbrock's function as a density, exp(-(100 (x_2 - x_1^2)^2 + (1 - x_1)^2) / 20): a ridge that is
0.3 wide and bends over a length of 100. A sampler has to follow it with steps as short as the ridge is
narrow: METHOD does. All is known: E x_1 = 1, Var x_1 = 10, E x_2 = 11, Var x_2 = 240.1. Without a method
`infer` integrates x_2 and samples x_1 alone.

Source: Bishop & Bishop (2023), §14.2 (Markov chain Monte Carlo). Rosenbrock, An automatic method for finding
the greatest or least value of a function, The Computer Journal 3 (1960), 175-184; as a density: Goodman &
Weare, Ensemble samplers with affine invariance, CAMCoS 5 (2010), 65-80.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

METHOD = pdl.NUTS()  # hard on purpose


def program():
    x_1 = numpyro.sample("x_1", dist.Normal(1, jnp.sqrt(10)))
    numpyro.sample("x_2", dist.Normal(jnp.square(x_1), jnp.sqrt(1 / 10)))


def data() -> dict[str, np.ndarray]:
    """Return nothing: the banana has no data."""
    return {}


def model() -> pdl.Model:
    """Return the program."""
    return pdl.Model(program)
