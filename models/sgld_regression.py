"""A logistic regression on a million rows, by minibatches of a thousand.

    alpha ~ Normal(0, 5)
    beta_d ~ Normal(0, 1)
    P(y_n = 1) = 1 / (1 + exp(-alpha - x_n . beta))

Each gradient of the log-density on all rows reads them all. The plate sees `subsample_size` of them at a
time, and NumPyro scales their terms up, so that the gradient is right on average: that is all that `SGLD`
asks for. It finds the mode first, by a few passes over the data; around it the gradient of a minibatch
differs from the one at the mode by little, and this difference alone is noisy.

Source: Bishop & Bishop (2023), §5.4 for the model, §14.3 for Langevin sampling. Data: simulated, with
correlated features, intercept -2 and weights from 1 down to -1.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

NUM_ROWS, NUM_FEATURES = 1_000_000, 10
METHOD = pdl.SGLD(num_samples=1000, num_warmup=200, thinning=10)


def program(x, y=None, *, subsample_size=1000):
    num_rows, num_features = x.shape
    alpha = numpyro.sample("alpha", dist.Normal(0, 5))
    with numpyro.plate("feature", num_features):
        beta = numpyro.sample("beta", dist.Normal(0, 1))
    with numpyro.plate("rows", num_rows, subsample_size=subsample_size):
        some_x = jnp.asarray(numpyro.subsample(x, event_dim=1))
        some_y = None if y is None else numpyro.subsample(y, event_dim=0)
        numpyro.sample("y", dist.Bernoulli(logits=alpha + some_x @ beta), obs=some_y)


def data() -> dict[str, np.ndarray]:
    """Return features (row, feature), and classes 0 or 1."""
    rng = np.random.default_rng(14)
    common = rng.normal(size=(NUM_ROWS, 1))
    x = 0.6 * common + 0.8 * rng.normal(size=(NUM_ROWS, NUM_FEATURES))
    logits = -2 + x @ np.linspace(1, -1, NUM_FEATURES)
    return {"x": x, "y": (rng.random(NUM_ROWS) < 1 / (1 + np.exp(-logits))).astype(int)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
