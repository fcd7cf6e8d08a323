"""The donut: a ring of probability about an empty middle.

    x_k ~ Normal(0, 3),  k = 1, 2
    p(x) is multiplied by exp(-(|x| - 3)^2 / (2 * 0.2^2))

A term that is no distribution enters by `numpyro.factor`: the ring, of radius 3 and width 0.2. Every angle is
as probable as every other, the mean is at the centre, where nothing is, and no linear map makes the ring
simple: a sampler that walks at random needs long to go round. The distance |x| has mean 3.000 and standard
deviation 0.199.

Source: Bishop & Bishop (2023), §14.2 (Markov chain Monte Carlo); Betancourt, A conceptual introduction to
Hamiltonian Monte Carlo (2017), arXiv:1701.02434, on densities that live in a thin shell.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(radius=3.0, width=0.2):
    with numpyro.plate("dimension", 2):
        x = numpyro.sample("x", dist.Normal(0, 3))
    distance = numpyro.deterministic("distance", jnp.linalg.norm(x))
    numpyro.factor("ring", -jnp.square((distance - radius) / width) / 2)


def data() -> dict[str, np.ndarray]:
    """Return nothing: the donut has no data."""
    return {}


def model() -> pdl.Model:
    """Return the program."""
    return pdl.Model(program)
