"""Bayesian Gaussian mixture: how many kinds of waits for the next eruption there are.

    more ~ Categorical(1/3, 1/3, 1/3)                   kinds beside the first
    mu ~ Normal((-1, 1, 0), 0.3)                        short waits, long waits, middling ones
    share ~ Beta(1, (1, 19))                            of all waits, taken by the 2nd and the 3rd kind
    tau ~ Gamma(2, 0.5)                                 a precision: 1 / variance
    z_n ~ Categorical(weight[more])
    y_n ~ Normal(mu[z_n], tau^-1/2)

A mixture whose number of components is unknown, a mixture of mixtures: a further kind takes its share of all
waits from those before it, so that two kinds have weights (1 - share_1, share_1), and three have
(1 - share_2) of these, and share_2. `infer` sums z and more out, samples the rest, and draws both back. Each
kind has its place, so that no two swap their names, and the third is rare. A fourth kind, or a third one that
may be anywhere, finds places between which chains hardly move.

One kind is ruled out: at the best mean and variance log p(y) = -385.951 nats, with two at mu = (-1.20, 0.68),
share_1 = 0.64 and tau = 5.3 it is -324.672. Whether there are rare middling waits beside these two kinds 272
waits do not say: two and three kinds have posterior probabilities of about a half each.

Source: Bishop & Bishop (2023), §3.2.9 and §15.2 (mixtures of Gaussians), §15.4.3 (priors of parameters);
Richardson & Green, On Bayesian analysis of mixtures with an unknown number of components, Journal of the
Royal Statistical Society B 59 (1997), 731-792. Data: data/old_faithful.csv, the waits of gaussian_mixture.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

LOC = np.array([-1.0, 1, 0])
REST = np.array([1.0, 19])


def program(y=None, *, num_waits=272):
    most = len(LOC)
    more = numpyro.sample("more", dist.CategoricalProbs(np.full(most, 1 / most)))
    with numpyro.plate("component", most):
        mu = numpyro.sample("mu", dist.Normal(LOC, 0.3))
    with numpyro.plate("further", most - 1):
        share = numpyro.sample("share", dist.Beta(1, REST))
    tau = numpyro.sample("tau", dist.Gamma(2, 0.5))
    with numpyro.plate("wait", num_waits):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.take(weights(share), more, axis=0)))
        numpyro.sample("y", dist.Normal(jnp.take(mu, z), tau**-0.5), obs=y)


def weights(share):
    """Return the weights of all components in mixtures of the first one, two, ... of them, a row each."""
    rows = [jnp.eye(len(share) + 1)[0]]
    for k in range(len(share)):
        rows.append(((1 - share[k]) * rows[k]).at[k + 1].set(share[k]))
    return jnp.stack(rows)


def data() -> dict[str, np.ndarray]:
    """Return the minutes from each eruption to the next, with mean 0 and standard deviation 1."""
    file = Path(__file__).parent / "data" / "old_faithful.csv"
    wait = np.loadtxt(file, delimiter=",", skiprows=1)[:, 1]
    return {"y": (wait - wait.mean()) / wait.std()}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
