"""Medical screening: a positive test for a rare cancer, and how worried one should be.

    cancer ~ Bernoulli(0.01)
    positive ~ Bernoulli(0.90 if cancer else 0.03)

One test in 26 is positive, p(positive = 1) = 0.0387. Of these fewer than one in four come from a cancer:
p(cancer = 1 | positive = 1) = 0.233, since the healthy are so many. It was 0.01 before the test.

Source: Bishop & Bishop (2023), §2.1 (medical screening, Bayes' theorem) and §11.1 (Bayes' theorem as a
graph).
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(positive=None):
    cancer = numpyro.sample("cancer", dist.Bernoulli(0.01))
    numpyro.sample("positive", dist.Bernoulli(jnp.where(cancer, 0.90, 0.03)), obs=positive)


def data() -> dict[str, np.ndarray]:
    """Return the outcome of the test: positive."""
    return {"positive": np.array(1)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
