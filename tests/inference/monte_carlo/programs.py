"""Programs with known evidence: module-level, so that tests share compilations."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan
from scipy import stats
from scipy.special import betaln, comb, logsumexp

MOVES = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.25, 0.25, 0.5]])
LOCS = np.array([-2.0, 0.5, 3.0])
SEEN = np.array([-1.7, 0.2, 1.4, 0.9, -0.3, 1.1])
POINTS = np.array([-2.1, -1.4, -2.6, 1.2, 1.9])


def coin(heads, flips=10):
    bias = numpyro.sample("bias", dist.Beta(2.0, 3.0))
    numpyro.sample("heads", dist.Binomial(flips, bias), obs=heads)


def coin_evidence(heads, flips=10):
    return np.log(comb(flips, heads)) + betaln(2 + heads, 3 + flips - heads) - betaln(2, 3)


def line(x, y):
    a = numpyro.sample("a", dist.Normal(0, 2))
    b = numpyro.sample("b", dist.Normal(0, 1))
    with numpyro.plate("n", len(x)):
        mean = numpyro.deterministic("mean", a + b * x)
        numpyro.sample("y", dist.Normal(mean, 0.7), obs=y)


X = np.array([-1.0, 0.0, 1.0, 2.0])
LINE = np.array([-0.4, 0.3, 1.5, 2.2])


def line_evidence():
    covariance = 0.49 * np.eye(4) + 4.0 + np.outer(X, X)
    return stats.multivariate_normal(np.zeros(4), covariance).logpdf(LINE)


def mixture(y):
    """Two components of known weights: discrete and continuous latents."""
    loc = numpyro.sample("loc", dist.Normal(0.0, 2.0))
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.Bernoulli(0.4))
        numpyro.sample("y", dist.Normal(jnp.where(z == 1, loc, -2.0), 1.0), obs=y)


def mixture_evidence(y=POINTS):
    grid = np.linspace(-15, 15, 20001)
    inside = np.logaddexp(
        np.log(0.4) + stats.norm(grid[:, None], 1).logpdf(y), np.log(0.6) + stats.norm(-2, 1).logpdf(y)
    ).sum(1)
    return logsumexp(inside + stats.norm(0, 2).logpdf(grid)) + np.log(grid[1] - grid[0])


def hidden_markov(y):
    def step(z, y_t):
        z = numpyro.sample("z", dist.Categorical(jnp.asarray(MOVES)[z]))
        numpyro.sample("y", dist.Normal(jnp.asarray(LOCS)[z], 1.0), obs=y_t)
        return z, None

    scan(step, 0, y)


def walk(y, *, drift=None, sd=0.5):
    drift = numpyro.sample("drift", dist.Normal(0, 1), obs=drift)
    start = numpyro.sample("x_0", dist.Normal(0, 1))

    def step(x, y_t):
        x = numpyro.sample("x", dist.Normal(0.9 * x + drift, 0.6))
        numpyro.sample("y", dist.Normal(x, sd), obs=y_t)
        return x, 2 * x

    _, twice = scan(step, start, y)
    numpyro.deterministic("largest", twice.max())


def two_lags(y):
    def step(carry, y_t):
        last, earlier = carry
        x = numpyro.sample("x", dist.Normal(0.6 * last - 0.2 * earlier, 0.8))
        numpyro.sample("y", dist.Normal(x, 0.6), obs=y_t)
        return (x, last), None

    scan(step, (0.0, 0.0), y)
