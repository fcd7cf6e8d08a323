"""Neal's funnel: a scale that is itself unknown makes a density that no single step size fits.

    v ~ Normal(0, 3)
    x_k ~ Normal(0, exp(v / 2)),  k = 1, ..., 9

There are no data, so that everything is known: v is normal, and P(v < -5) = 0.048. Where v is small, the x
are squeezed into a neck that is exp(-5 / 2) = 0.08 wide and holds a twentieth of the probability. A sampler
that is given these coordinates diverges there, and misses the neck: METHOD is here to show that. Hierarchies
have this shape wherever data say little, such as `eight_schools_centred`. `infer(model(), key=0)`, without a
method, integrates x, samples v alone, and draws x back: no funnel is left.

Source: Bishop & Bishop (2023), §14.2 (Markov chain Monte Carlo). Neal, Slice sampling, Annals of Statistics
31 (2003), 705-767, §8.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

METHOD = pdl.NUTS()  # fails on purpose


def program(num_dimensions=9):
    v = numpyro.sample("v", dist.Normal(0, 3))
    with numpyro.plate("dimension", num_dimensions):
        numpyro.sample("x", dist.Normal(0, jnp.exp(v / 2)))


def data() -> dict[str, np.ndarray]:
    """Return nothing: the funnel has no data."""
    return {}


def model() -> pdl.Model:
    """Return the program."""
    return pdl.Model(program)
