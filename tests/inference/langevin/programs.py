"""Programs with a subsampled plate, and what is known of their posteriors."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

RNG = np.random.default_rng(5)
X = RNG.normal(size=(400, 2)) @ np.array([[1.0, 0.7], [0.0, 0.6]])
LABELS = (RNG.random(400) < 1 / (1 + np.exp(-(0.5 + X @ [1.0, -0.8])))).astype(int)
Y = RNG.normal(0.7, 1.0, 24)


def classes(x, labels, *, seen=40):
    """A logistic regression, by minibatches."""
    alpha = numpyro.sample("alpha", dist.Normal(0, 2))
    beta = numpyro.sample("beta", dist.Normal(0, 2).expand([2]).to_event(1))
    with numpyro.plate("N", len(x), subsample_size=seen):
        logits = alpha + numpyro.subsample(x, 1) @ beta
        numpyro.sample("label", dist.Bernoulli(logits=logits), obs=numpyro.subsample(labels, 0))


def heights(y, *, seen=6):
    """Conjugate: the posterior of mu is Gaussian."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    with numpyro.plate("N", len(y), subsample_size=seen):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=numpyro.subsample(y, 0))


def streamed_heights(y):
    """The same, of which only a batch of `Y` is given."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    with numpyro.plate("N", len(Y), subsample_size=len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def undefined_heights(y):
    """The same, but for a density that is never a number."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    with numpyro.plate("N", len(Y), subsample_size=len(y)):
        numpyro.sample("y", dist.Normal(jnp.log(-1 - mu**2), 1.0), obs=y)


def floored_heights(y):
    """The same, but for a loop that has no gradient."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    far = jax.lax.while_loop(lambda m: m > 1.0, lambda m: m / 2, mu)
    with numpyro.plate("N", len(Y), subsample_size=len(y)):
        numpyro.sample("y", dist.Normal(far, 1.0), obs=y)


def batches(seed=1, size=6):
    """Yield all rows of `Y` once, in batches."""
    for rows in np.random.default_rng(seed).permutation(len(Y)).reshape(-1, size):
        yield rows, {"y": Y[rows]}


def correlated():
    """Five coordinates of unequal scales; two are correlated."""
    mixing = np.diag([3.0, 0.5, 1.0, 1.0, 0.1])
    mixing[1, 0] = 2.0
    numpyro.sample("x", dist.MultivariateNormal(jnp.arange(5.0), scale_tril=jnp.asarray(mixing)))


def own_latents(y):
    """Each row has a latent of its own."""
    with numpyro.plate("N", len(y), subsample_size=2):
        z = numpyro.sample("z", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(z, 1.0), obs=numpyro.subsample(y, 0))


def labels(y):
    """A mixture, with its labels."""
    low = numpyro.sample("low", dist.Normal(0, 2))
    with numpyro.plate("N", len(y)):
        z = numpyro.sample("z", dist.Bernoulli(0.5))
        numpyro.sample("y", dist.Normal(low + z, 1.0), obs=y)
