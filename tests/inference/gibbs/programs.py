"""Programs for Gibbs sampling, each with its exact posterior by means of its own."""

import itertools

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan
from scipy import special, stats

Y = np.array([-2.1, -1.2, 0.3, 1.4, 2.2])


def mixture(y):
    weights = numpyro.sample("w", dist.Dirichlet(jnp.array([2.0, 2.0])))
    with numpyro.plate("component", 2):
        mu = numpyro.sample("mu", dist.Normal(0.0, 3.0))
        variance = numpyro.sample("variance", dist.InverseGamma(3.0, 2.0))
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.Categorical(weights))
        numpyro.sample("y", dist.Normal(mu[z], jnp.sqrt(variance[z])), obs=y)


def mixture_posterior(y):
    """Return P(z0 = z4), P(z0 = z1), and the means of the mean and the variance of the component of y0."""
    mu, variance = np.meshgrid(np.linspace(-12, 12, 481), np.geomspace(0.02, 60, 401), indexing="ij")
    volume = np.gradient(mu[:, 0])[:, None] * np.gradient(variance[0])[None]
    prior = stats.norm.logpdf(mu, 0, 3) + stats.invgamma.logpdf(variance, 3, scale=2) + np.log(volume)
    terms = np.stack([stats.norm.logpdf(v, mu, np.sqrt(variance)) for v in y])
    log, means = {}, {}
    for members in itertools.product([0, 1], repeat=len(y)):
        density = prior + (np.array(members)[:, None, None] * terms).sum(0)
        log[members] = special.logsumexp(density)
        weight = np.exp(density - log[members])
        means[members] = (weight * mu).sum(), (weight * variance).sum()
    total, sums = 0.0, np.zeros(4)
    for z in itertools.product([0, 1], repeat=len(y)):
        other = tuple(1 - state for state in z)
        count = sum(z)
        weight = np.exp(special.betaln(2 + count, 2 + len(y) - count) + log[z] + log[other])
        of_first = means[z] if z[0] else means[other]
        total += weight
        sums += weight * np.array([z[0] == z[4], z[0] == z[1], *of_first])
    return sums / total


def lattice(coupling, field):
    """Spins of 0 or 1 on a square, without an order."""
    with numpyro.plate("row", 3, dim=-2), numpyro.plate("column", 3, dim=-1):
        spin = numpyro.sample("spin", dist.Bernoulli(0.5))
    s = 2 * spin - 1
    pairs = jnp.sum(s[1:] * s[:-1]) + jnp.sum(s[:, 1:] * s[:, :-1])
    numpyro.factor("energy", coupling * pairs + field * jnp.sum(s))


def lattice_posterior(coupling, field):
    """Return the probability of each spin, and that of each right neighbour to agree."""
    s = 2 * np.array(list(itertools.product([0, 1], repeat=9))).reshape(-1, 3, 3) - 1
    pairs = (s[:, 1:] * s[:, :-1]).sum((1, 2)) + (s[:, :, 1:] * s[:, :, :-1]).sum((1, 2))
    weight = np.exp(coupling * pairs + field * s.sum((1, 2)))
    weight /= weight.sum()
    return np.tensordot(weight, s > 0, 1), np.tensordot(weight, s[:, :, 1:] == s[:, :, :-1], 1)


COUNTS = np.array([2, 3, 1, 4, 7, 9, 6, 8])


def change_point(counts):
    day = numpyro.sample("day", dist.DiscreteUniform(1, len(counts) - 1))
    with numpyro.plate("period", 2):
        rate = numpyro.sample("rate", dist.Gamma(2.0, 0.5))
    late = jnp.arange(len(counts)) >= day
    with numpyro.plate("n", len(counts)):
        numpyro.sample("count", dist.Poisson(rate[late.astype(int)]), obs=counts)


def change_point_posterior(counts):
    """Return p(day), and the means of the rates."""
    n, days = len(counts), np.arange(1, len(counts))
    shapes = np.array([[2 + counts[:d].sum(), 2 + counts[d:].sum()] for d in days])
    rates = np.array([[0.5 + d, 0.5 + n - d] for d in days])
    log = (special.gammaln(shapes) - shapes * np.log(rates)).sum(1)
    p = special.softmax(log)
    return p, p @ (shapes / rates)


GROUPS = np.random.default_rng(5).normal([[1.0, 2.5, 0.2, -1.0]], 0.8, (3, 4))


def hierarchy(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 2.0))
    between = numpyro.sample("between", dist.InverseGamma(3.0, 2.0))
    within = numpyro.sample("within", dist.InverseGamma(3.0, 2.0))
    with numpyro.plate("group", y.shape[1]):
        theta = numpyro.sample("theta", dist.Normal(mu, jnp.sqrt(between)))
        with numpyro.plate("n", y.shape[0]):
            numpyro.sample("y", dist.Normal(theta, jnp.sqrt(within)), obs=y)


def hierarchy_posterior(y):
    """Return the means of mu, between, within and theta, on a grid of the two variances."""
    n, groups = y.shape
    grid = np.geomspace(0.05, 40, 161)
    volume = np.gradient(grid)
    mean, total, sums = y.mean(0), 0.0, np.zeros(3 + groups)
    squares = ((y - mean) ** 2).sum()
    logs, moments = [], []
    for i, between in enumerate(grid):
        for j, within in enumerate(grid):
            spread = between + within / n
            covariance = spread * np.eye(groups) + 4.0
            log = stats.multivariate_normal.logpdf(mean, np.zeros(groups), covariance)
            log -= squares / 2 / within + groups * (n - 1) / 2 * np.log(within)
            log += stats.invgamma.logpdf([between, within], 3, scale=2).sum()
            logs.append(log + np.log(volume[i] * volume[j]))
            precision = 1 / 4 + groups / spread
            mu = mean.sum() / spread / precision
            theta = (mean * between + mu * within / n) / spread
            moments.append([mu, between, within, *theta])
    weight = special.softmax(np.array(logs))
    total, sums = 1.0, weight @ np.array(moments)
    return sums / total


SIGNAL = np.array([-1.1, -0.7, 1.3, 0.9, 1.6, -0.4])


def hidden_markov(y):
    with numpyro.plate("state", 2):
        rows = numpyro.sample("rows", dist.Dirichlet(jnp.array([2.0, 2.0])))
        level = numpyro.sample("level", dist.Normal(jnp.array([-1.0, 1.0]), 1.0))

    def step(before, value):
        z = numpyro.sample("z", dist.Categorical(rows[before]))
        numpyro.sample("y", dist.Normal(level[z], 0.7), obs=value)
        return z, None

    scan(step, 0, y)


def hidden_markov_posterior(y):
    """Return P(z_t = 1), and the means of the levels and of rows[0, 0]."""
    centre = np.array([-1.0, 1.0])
    logs, moments = [], []
    for z in itertools.product([0, 1], repeat=len(y)):
        path = np.array([0, *z])
        moves = np.zeros((2, 2))
        np.add.at(moves, (path[:-1], path[1:]), 1)
        log = special.betaln(*(2 + moves).T).sum()
        levels = np.zeros(2)
        for state in (0, 1):
            own = y[np.array(z) == state]
            covariance = 0.49 * np.eye(len(own)) + 1.0
            if len(own):
                log += stats.multivariate_normal.logpdf(own, centre[state] * np.ones(len(own)), covariance)
            precision = 1 + len(own) / 0.49
            levels[state] = (centre[state] + own.sum() / 0.49) / precision
        logs.append(log)
        moments.append([*z, *levels, (2 + moves[0, 0]) / (4 + moves[0].sum())])
    found = special.softmax(np.array(logs)) @ np.array(moments)
    return found[: len(y)], found[len(y) : -1], found[-1]


X = np.array([-1.5, -1.0, -0.4, 0.1, 0.6, 0.9, 1.7, 2.0])
WON = np.array([0, 0, 1, 0, 1, 1, 1, 1])


def selected_regression(x, won):
    """Logistic regression; an indicator says whether the slope is used."""
    used = numpyro.sample("used", dist.Bernoulli(0.4))
    slope = numpyro.sample("slope", dist.Normal(0.0, 2.0))
    offset = numpyro.sample("offset", dist.Normal(0.0, 1.5))
    with numpyro.plate("n", len(x)):
        numpyro.sample("won", dist.Bernoulli(logits=offset + used * slope * x), obs=won)


def selected_regression_posterior(x, won):
    """Return P(used), and the means of slope and offset."""
    slope, offset = np.meshgrid(np.linspace(-14, 14, 401), np.linspace(-9, 9, 301), indexing="ij")
    prior = stats.norm.logpdf(slope, 0, 2) + stats.norm.logpdf(offset, 0, 1.5)
    logs = []
    for used in (0, 1):
        logits = offset[..., None] + used * slope[..., None] * x
        likelihood = (won * logits - np.logaddexp(0, logits)).sum(-1)
        logs.append(prior + likelihood + np.log([0.6, 0.4][used]))
    weight = np.exp(np.array(logs) - np.max(logs))
    weight /= weight.sum()
    return weight[1].sum(), (weight * slope).sum(), (weight * offset).sum()
