"""Programs that the tests of inference share: module-level, so that they share compilations too."""

import numpy as np
import numpyro
import numpyro.distributions as dist

SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
HEIGHTS = np.array([1.3, -0.4, 0.9, 2.2, 0.5])


def schools(sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(sigma)):
        effect = numpyro.sample("effect", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * effect)
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def centred_schools(sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(sigma)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def gaussian(y):
    """Conjugate: the posterior of mu is Gaussian."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    with numpyro.plate("N", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def gaussian_posterior(y):
    """Return its mean and standard deviation: precisions add up."""
    precision = 1 / 4 + len(y)
    return (1 / 4 + np.sum(y)) / precision, precision**-0.5


def odd_names(y):
    w = numpyro.sample("net/l1.kernel", dist.Normal(0, 1).expand([2]).to_event(1))
    b = numpyro.sample("net/l1.bias", dist.Normal(0, 1))
    a = numpyro.sample("a:b", dist.Normal(0, 1))
    bold = numpyro.sample("<b>", dist.Normal(0, 1))
    mean = numpyro.deterministic("net", w.sum() + b + a + bold)
    numpyro.sample("y|x", dist.Normal(mean, 1), obs=y)


def unit_gaussian(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("N", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def spread(y):
    """A mean and a scale, the scale last."""
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.LogNormal(0, 0.5))
    with numpyro.plate("N", len(y)):
        numpyro.sample("y", dist.Normal(mu, sigma), obs=y)
