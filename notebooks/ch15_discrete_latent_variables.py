# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Discrete latent variables
#
# *Bishop & Bishop (2023), chapter 15.* Data come in kinds that nobody has named. A latent variable names the
# kind of each observation, and *expectation maximisation* finds the parameters of all kinds together: first
# the probabilities of the kinds given the parameters, then the parameters given these probabilities. Here the
# chapter is run on real data: k-means and its use for images, mixtures of Gaussians step by step, mixtures of
# Bernoulli distributions for digits, and the lower bound that shows why all of it works. Where another
# program or a formula knows the answer, the notebook stops if it disagrees.

# %%
import os
import warnings

warnings.filterwarnings("ignore", message="IProgress")  # tqdm does without widgets

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints
from scipy import special, stats
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_sample_image
from sklearn.mixture import GaussianMixture

import probdl as pdl
from models import gaussian_mixture, k_means

SMALL = os.environ.get("PROBDL_SMALL") == "1"  # less of all, for a quick check that everything runs
numpyro.enable_x64()

plt.rcParams.update({"figure.dpi": 110, "axes.spines.right": False, "axes.spines.top": False})
plt.rcParams.update({"legend.frameon": False, "legend.fontsize": 9, "lines.markersize": 4})
BLUE, ORANGE, GREEN, GREY, INK = "#0072b2", "#d55e00", "#009e73", "#79828e", "#1b1f24"
COLOURS = np.array([[0, 114, 178], [213, 94, 0], [0, 158, 115]]) / 255


def fit(model, method, key=0):
    """Fit; what is wrong is shown where it is the subject, not as a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pdl.InferenceWarning)
        return pdl.infer(model, method, key=key, progress=False)


def responsibilities(result):
    """Probabilities of the kinds of each observation."""
    return result.data["responsibilities"]["z"].to_numpy()


# %% [markdown]
# ## 15.1 K-means clustering
#
# The geyser Old Faithful lets people wait. Each point is a wait with the one before it, in standard
# deviations, and there are three clouds: after a long wait comes a short one or a long one, after a short
# wait a long one.
#
# Choose three centres. Give each point to the nearest centre, then move each centre to the mean of its
# points; repeat. Each half of a step lowers the cost $J = \sum_n \min_k \lVert x_n - \mu_k \rVert^2$, and
# there are only so many ways to give points away, so that it comes to an end. As a program k-means is a
# mixture of points with a little width: as the width goes to zero, each observation belongs to one centre
# alone, and EM is k-means.

# %%
waits = gaussian_mixture.data()["y"]
pairs = np.stack([waits[:-1], waits[1:]], 1)
x = (pairs - pairs.mean(0)) / pairs.std(0)
FIRST = np.array([[-1.5, -1.5], [0.0, -1.8], [1.8, -1.2]])
WIDTH = 0.02


def points(x, first, width=WIDTH):
    mean = numpyro.param("mean", first)
    with numpyro.plate("n", len(x)):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.ones(3) / 3))
        numpyro.sample("x", dist.Normal(mean[z], width).to_event(1), obs=x)


def cost(mean):
    """The sum of the squared distances to the nearest centre."""
    return np.square(x[:, None] - mean).sum(-1).min(1).sum()


def scatter(axes, weights, title):
    """Draw points in the colours of their kinds, mixed by their probabilities."""
    axes.scatter(*x.T, c=np.clip(weights @ COLOURS, 0, 1), s=7, linewidth=0, alpha=0.8)
    axes.set(
        title=title, xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal", xticks=[-2, 0, 2], yticks=[-2, 0, 2]
    )


centres = [FIRST]
for steps in range(1, 9):
    centres.append(fit(pdl.Model(points, x, FIRST), pdl.EM(max_steps=steps)).parameters["mean"])
fig, panels = plt.subplots(1, 5, figsize=(13, 2.9), sharey=True)
for axes, step in zip(panels, (0, 1, 2, 4, 8), strict=True):
    nearest = np.square(x[:, None] - centres[step]).sum(-1).argmin(1)
    scatter(axes, np.eye(3)[nearest], f"after {step} steps, $J$ = {cost(centres[step]):.1f}")
    for mean, colour in zip(centres[step], COLOURS, strict=True):
        axes.plot(*mean, "X", color=colour, markersize=11, markeredgecolor="white")
panels[0].set(ylabel="next wait")
panels[2].set_xlabel("wait")
lloyd = KMeans(3, init=FIRST, n_init=1, algorithm="lloyd", tol=0).fit(x)
np.testing.assert_allclose(centres[-1], lloyd.cluster_centers_, atol=1e-3)
assert (np.diff([cost(mean) for mean in centres]) <= 1e-9).all()

# %% [markdown]
# A crosswise start ends in a worse place as often as not. *K-means++* takes the first centre among the points
# at random, and each further one far from those before; several starts do the rest. `KMeansStart` begins EM
# from such clusters, for any program whose latents are discrete.
#
# ### 15.1.1 Image segmentation
#
# A pixel is a point in the space of red, green and blue. Give each the colour of its cluster, and the image
# falls into regions; with $K$ colours it needs $\log_2 K$ bits a pixel and the table of colours, instead of
# 24.

# %%
step = 8 if SMALL else 3
photograph = load_sample_image("china.jpg")[::step, ::step] / 255
pixels = photograph.reshape(-1, 3)
sizes = (2, 4) if SMALL else (2, 4, 10)
fig, panels = plt.subplots(1, len(sizes) + 1, figsize=(13, 2.6))
for axes, count in zip(panels, sizes, strict=False):
    model = pdl.Model(k_means.program, pixels, num_pixels=len(pixels), num_colours=count)
    found = fit(model, pdl.EM(start=pdl.KMeansStart(), max_steps=100))
    colour, kind = found.parameters["colour"], responsibilities(found).argmax(-1)
    axes.imshow(colour[kind].reshape(photograph.shape).clip(0, 1))
    share = (24 * count + len(pixels) * np.log2(count)) / (24 * len(pixels))
    axes.set_title(f"{count} colours, {share:.1%} of the bits")
panels[-1].imshow(photograph)
panels[-1].set_title("photograph")
for axes in panels:
    axes.set_axis_off()

# %% [markdown]
# ## 15.2 Mixtures of Gaussians
#
# A hard choice says too much about a point between two centres. Let the kind $z$ of an observation have
# probabilities $\pi_k$, and the observation a Gaussian of its kind: summed over kinds, its density is $p(x) =
# \sum_k \pi_k\, \mathcal{N}(x \mid \mu_k, \Sigma_k)$. The program says just that, and its graph is that of
# the book.


# %%
START = np.array([[-0.5, 0.2], [0.5, 0.5], [0.2, -0.5]])


def mixture(x=None, *, first=START, count=3, size=271):
    weight = numpyro.param("weight", jnp.ones(count) / count, constraint=constraints.simplex)
    mean = numpyro.param("mean", jnp.asarray(first))
    start = jnp.broadcast_to(jnp.eye(2), (count, 2, 2))
    covariance = numpyro.param("covariance", start, constraint=constraints.positive_definite)
    with numpyro.plate("n", size):
        z = numpyro.sample("z", dist.CategoricalProbs(weight))
        numpyro.sample("x", dist.MultivariateNormal(mean[z], covariance_matrix=covariance[z]), obs=x)


geyser = pdl.Model(mixture, x)
print(pdl.factorization(pdl.graph(geyser)))
pdl.draw(pdl.graph(geyser))

# %% [markdown]
# Draws of the program show the three views of a mixture: with their kinds, without them, and coloured by what
# the observation alone tells of its kind, the *responsibilities*
# $\gamma_k = \pi_k\, \mathcal{N}(x \mid \mu_k, \Sigma_k) / p(x)$.

# %%
best = fit(geyser, pdl.EM(num_restarts=20, tolerance=1e-9, order_by="mean"))
found = best.parameters
drawn = pdl.Model(mixture, size=400).do(**found).sample(0, 1)["prior"]
kind, place = drawn["z"].to_numpy()[0, 0], drawn["x"].to_numpy()[0, 0]
density = found["weight"] * np.stack(
    [
        stats.multivariate_normal(m, c).pdf(place)
        for m, c in zip(found["mean"], found["covariance"], strict=True)
    ],
    -1,
)
shares = density / density.sum(1, keepdims=True)
fig, panels = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True)
views = (("$p(z, x)$", np.eye(3)[kind]), ("$p(x)$", None), ("$p(z \\mid x)$", shares))
for axes, (title, weights) in zip(panels, views, strict=True):
    colours = INK if weights is None else np.clip(weights @ COLOURS, 0, 1)
    axes.scatter(*place.T, c=colours, s=7, linewidth=0)
    axes.set(title=title, xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")

# %% [markdown]
# ### 15.2.2 Maximum likelihood
#
# The likelihood of a mixture has no maximum. A component that sits on one observation and shrinks makes it as
# large as one likes, while the others look after the rest. EM does not go there from a good start; from a bad
# one it does, and says so.


# %%
def spikes(y):
    mean = numpyro.param("mean", jnp.array([y[0], y.mean()]))
    sd = numpyro.param("sd", jnp.array([1e-3, 1.0]), constraint=constraints.positive)
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.array([0.5, 0.5])))
        numpyro.sample("y", dist.Normal(mean[z], sd[z]), obs=y)


few = stats.norm.rvs(size=20, random_state=3)
print(*fit(pdl.Model(spikes, few), pdl.EM()).findings, sep="\n")

# %% [markdown]
# The remedy is a prior, and `EM` takes one for each parameter that is a site and is named: then its mode is
# found, not that of the likelihood.


# %%
def held(y):
    mean = numpyro.param("mean", jnp.array([y[0], y.mean()]))
    with numpyro.plate("component", 2):
        variance = numpyro.sample("variance", dist.InverseGamma(2.0, 0.5))
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.array([0.5, 0.5])))
        numpyro.sample("y", dist.Normal(mean[z], jnp.sqrt(variance)[z]), obs=y)


result = fit(pdl.Model(held, few), pdl.EM(parameters=["variance"]))
print(result.status, {name: value.round(2) for name, value in result.parameters.items()})

# %% [markdown]
# ## 15.3 Expectation-maximisation algorithm
#
# ### 15.3.2 Gaussian mixtures
#
# *E-step*: the responsibilities at the parameters so far. *M-step*: the mean and the covariance of each kind
# are those of all observations, weighted by responsibility, and its probability is its share. probdl finds in
# the program that these parameters have such formulas; others it would raise by Newton's method. Ellipses are
# one standard deviation wide.


# %%
def ellipse(axes, mean, covariance, **look):
    """Draw where a Gaussian is within one standard deviation."""
    turn = np.linspace(0, 2 * np.pi, 100)
    ring = np.linalg.cholesky(covariance) @ [np.cos(turn), np.sin(turn)]
    axes.plot(*(ring + np.reshape(mean, (2, 1))), **look)


def shares_of(weight, mean, covariance):
    """Responsibilities by the formula, and the log-likelihood."""
    terms = np.log(weight) + np.stack(
        [stats.multivariate_normal(m, c).logpdf(x) for m, c in zip(mean, covariance, strict=True)], -1
    )
    return special.softmax(terms, 1), special.logsumexp(terms, 1).sum()


fig, panels = plt.subplots(2, 3, figsize=(9.6, 6.6), sharex=True, sharey=True)
for axes, steps in zip(panels.flat, (0, 1, 2, 5, 10, 40), strict=True):
    if steps:
        at = fit(geyser, pdl.EM(max_steps=steps)).parameters
    else:
        at = {"weight": np.ones(3) / 3, "mean": START, "covariance": np.broadcast_to(np.eye(2), (3, 2, 2))}
    weights, log_likelihood = shares_of(**at)
    scatter(axes, weights, f"after {steps} steps: {log_likelihood:.1f} nats")
    for mean, covariance, colour in zip(at["mean"], at["covariance"], COLOURS, strict=True):
        ellipse(axes, mean, covariance, color=colour, linewidth=2)
other = GaussianMixture(3, tol=1e-10, max_iter=2000, n_init=10, random_state=0).fit(x)
assert best.data.attrs["objective"] >= other.score(x) * len(x) - 1e-3
np.testing.assert_allclose(responsibilities(best), shares_of(**best.parameters)[0], atol=1e-9)

# %% [markdown]
# The likelihood has many maxima, and EM ends in one of them; the best of twenty starts around this one is at
# least as good as the best of ten of scikit-learn's. The log-likelihood never falls. Its last steps are
# short, as always with EM where kinds overlap; three of them give the direction of many, which is what
# `SQUAREM` makes use of.

# %%
fig, axes = plt.subplots(figsize=(6, 3))
top = best.data.attrs["objective"]
for name, accelerate, colour in (("EM", None, BLUE), ("SQUAREM", pdl.SQUAREM(), ORANGE)):
    run = fit(geyser, pdl.EM(accelerate=accelerate, tolerance=1e-9))
    steps = np.linspace(0, run.data.attrs["num_steps"], len(run.objective))
    axes.semilogy(steps, np.maximum(run.objective[-1] - run.objective, 1e-10), ".-", color=colour, label=name)
axes.set(xlabel="steps of EM", ylabel="nats below the end")
_ = axes.legend()

# %% [markdown]
# How many kinds? More of them always fit better. The *Bayesian information criterion* charges half a
# $\ln N$ for each parameter; less is better.

# %%
counts = (1, 2, 3, 4) if SMALL else (1, 2, 3, 4, 5, 6)
bic = []
for count in counts:
    model = pdl.Model(mixture, x, first=np.zeros((count, 2)), count=count)
    bic.append(fit(model, pdl.EM(start=pdl.KMeansStart(), num_restarts=3)).data.attrs["bic"])
fig, axes = plt.subplots(figsize=(5, 2.6))
axes.plot(counts, bic, "o-", color=BLUE)
axes.set(xlabel="kinds", ylabel="BIC", xticks=counts)
print(f"fewest by BIC: {counts[int(np.argmin(bic))]} kinds")

# %% [markdown]
# ### 15.3.3 Relation to k-means
#
# Let all components have the same width. As it shrinks, responsibilities go to zero and one, and the means to
# the centres of k-means.

# %%
widths = np.geomspace(0.02, 2, 5 if SMALL else 14)
softness, distance = [], []
for width in widths:
    run = fit(pdl.Model(points, x, centres[-1], width), pdl.EM())
    p = responsibilities(run)
    softness.append(-special.xlogy(p, p).sum(1).mean() / np.log(3))
    distance.append(np.abs(run.parameters["mean"] - lloyd.cluster_centers_).max())
fig, axes = plt.subplots(figsize=(5.5, 2.8))
axes.semilogx(widths, softness, "o-", color=BLUE, label="entropy of kinds (1: any)")
axes.semilogx(widths, distance, "o-", color=ORANGE, label="distance of means from centres")
axes.set(xlabel="width of components")
axes.legend()
assert max(softness[0], distance[0]) < 0.01

# %% [markdown]
# ### 15.3.4 Mixtures of Bernoulli distributions
#
# Pixels that are inked or not: independent given the kind of an image, with a probability each. Without names
# EM finds ten kinds among 1797 images of digits; most are digits, some digits come in two styles, and some
# kinds are shared. The pictures are the probabilities of ink.


# %%
def images(inked, first):
    count, size = first.shape
    weight = numpyro.param("weight", jnp.ones(count) / count, constraint=constraints.simplex)
    ink = numpyro.param("ink", first, constraint=constraints.unit_interval)
    with numpyro.plate("image", len(inked)):
        z = numpyro.sample("z", dist.CategoricalProbs(weight))
        numpyro.sample("inked", dist.BernoulliProbs(ink[z]).to_event(1), obs=inked)


digits = load_digits()
inked = (digits.data > 8).astype(int)
model = pdl.Model(images, inked, np.full((10, 64), 0.5))
found = fit(model, pdl.EM(start=pdl.KMeansStart(), num_restarts=2 if SMALL else 10))
kind = responsibilities(found).argmax(-1)
table = np.array([np.bincount(digits.target[kind == k], minlength=10) for k in range(10)])
order = np.argsort(table.argmax(1), kind="stable")
fig, panels = plt.subplots(1, 10, figsize=(12, 1.7))
for axes, k in zip(panels, order, strict=True):
    axes.imshow(found.parameters["ink"][k].reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[], title=f"{table[k].argmax()}: {table[k].max() / table[k].sum():.0%}")
share = table.max(1).sum() / len(inked)
print(f"{share:.1%} of the images are of the digit that is most frequent in their kind")

# %% [markdown]
# ## 15.4 Evidence lower bound
#
# For any distribution $q$ of the latents,
#
# $$\ln p(x \mid \theta) =
# \underbrace{\mathbb{E}_q\!\left[\ln \frac{p(x, z \mid \theta)}{q(z)}\right]}_{\text{ELBO}(q, \theta)}
# + \underbrace{\mathrm{KL}\!\left(q \,\|\, p(z \mid x, \theta)\right)}_{\ge 0}.$$
#
# The E-step makes the second term zero without changing the sum; the M-step raises the first, and the second
# grows again, since $q$ is no longer the posterior. So the sum rises by more than the bound. Here are the
# bars, for the geyser from its start, with a $q$ that does not know anything to begin with.


# %%
def bound(q, at):
    """The ELBO of probabilities of kinds, in nats."""
    terms = np.log(at["weight"]) + np.stack(
        [
            stats.multivariate_normal(m, c).logpdf(x)
            for m, c in zip(at["mean"], at["covariance"], strict=True)
        ],
        -1,
    )
    return np.sum(q * terms) - special.xlogy(q, q).sum()


at = {"weight": np.ones(3) / 3, "mean": START, "covariance": np.broadcast_to(np.eye(2), (3, 2, 2))}
q, bars = np.full((len(x), 3), 1 / 3), []
for step in range(3):
    bars.append(("start" if step == 0 else f"M-step {step}", bound(q, at), shares_of(**at)[1]))
    q = shares_of(**at)[0]
    bars.append((f"E-step {step + 1}", bound(q, at), shares_of(**at)[1]))
    at = fit(geyser, pdl.EM(max_steps=step + 1)).parameters
labels, lower, whole = map(np.array, zip(*bars, strict=True))
base = lower.min() - 30
fig, axes = plt.subplots(figsize=(8, 3.2))
axes.bar(labels, lower - base, bottom=base, color=BLUE, label="ELBO", width=0.6)
axes.bar(labels, whole - lower, bottom=lower, color=ORANGE, label="KL", width=0.6)
axes.plot(labels, whole, "_", color=INK, markersize=34, label=r"$\ln p(x \mid \theta)$")
axes.set(ylabel="nats", ylim=(base, None))
axes.legend(loc="lower left", ncols=3, bbox_to_anchor=(0, 1))
assert (np.diff(whole) >= -1e-9).all()
assert (whole - lower >= -1e-9).all()

# %% [markdown]
# ### 15.4.1 EM revisited
#
# As functions of one parameter: at each step the bound (orange) touches the log-likelihood (blue) with the
# same slope, and its maximum is the next parameter. Here it is the mean of one component of two, all else
# being known.

# %%
y = np.concatenate([stats.norm.rvs(-1, 1, 40, random_state=0), stats.norm.rvs(2.5, 1, 60, random_state=1)])
theta = np.linspace(-1, 5, 400)


def two(mean):
    """Terms of the likelihood: (kind, observation)."""
    mean = np.asarray(mean)
    return np.log([0.4, 0.6])[:, None] + np.stack(
        [stats.norm.logpdf(y, -1, 1), stats.norm.logpdf(y, mean, 1)]
    )


fig, axes = plt.subplots(figsize=(6.5, 3.2))
axes.plot(
    theta, [special.logsumexp(two(m), 0).sum() for m in theta], color=BLUE, linewidth=2, label=r"$\ln p$"
)
mean = -0.3
for step in range(4):
    q = special.softmax(two(mean), 0)
    lower = [np.sum(q * two(m)) - special.xlogy(q, q).sum() for m in theta]
    axes.plot(theta, lower, color=ORANGE, linewidth=1, label="ELBO" if step == 0 else None)
    axes.plot(mean, special.logsumexp(two(mean), 0).sum(), "o", color=INK)
    mean = (q[1] @ y) / q[1].sum()
axes.set(xlabel=r"$\theta$", ylabel="nats", ylim=(-420, -180), xlim=theta[[0, -1]])
_ = axes.legend()

# %% [markdown]
# ### 15.4.5 Sequential EM
#
# Data that come one by one need not be kept. For k-means the mean of a centre moves towards each new point by
# the inverse of the number of points that it has had,
# $\mu_k \leftarrow \mu_k + (x - \mu_k)/N_k$: the same as the mean of all, as long as no point changes its
# centre.

# %%
rng = np.random.default_rng(0)
mean, seen, way = centres[-1] + rng.normal(0, 0.6, (3, 2)), np.ones(3), []
for row in rng.permutation(np.tile(x, (4, 1))):
    k = np.square(row - mean).sum(1).argmin()
    seen[k] += 1
    mean[k] += (row - mean[k]) / seen[k]
    way.append(cost(mean))
fig, axes = plt.subplots(figsize=(6, 2.6))
axes.plot(way, color=BLUE, label="one by one")
axes.axhline(cost(centres[-1]), color=INK, linestyle=":", label="all together")
axes.set(xlabel="points", ylabel="$J$")
_ = axes.legend()

# %% [markdown]
# ### Data with gaps
#
# EM was made for data that are missing. Take a fifth of all numbers away at random. A mixture of what is
# left, each element for itself, is still a program: `with_missing` integrates out what was not seen. Leaving
# out each row that has a gap costs a third of the rows. How far are the means of the kinds from those by all
# data, on average over several such losses? The picture is the first of them.

# %%
known, errors = best.parameters, {"with gaps": [], "whole rows": []}
for seed in range(3 if SMALL else 20):
    gaps = np.where(np.random.default_rng(seed).uniform(size=x.shape) < 0.2, np.nan, x)
    rows = np.where(np.isnan(gaps).any(1, keepdims=True), np.nan, gaps)
    for name, part in zip(errors, (gaps, rows), strict=True):
        model = pdl.with_missing(pdl.Model(mixture, part, first=known["mean"]))
        at = fit(model, pdl.EM(max_steps=60)).parameters
        errors[name].append(np.linalg.norm(at["mean"] - known["mean"], axis=1).mean())
        if seed == 0 and name == "with gaps":
            seen, found = gaps, at
print({name: f"{np.mean(distances):.3f}" for name, distances in errors.items()})
fig, axes = plt.subplots(figsize=(4.4, 4))
whole = ~np.isnan(seen).any(1)
axes.scatter(*x[whole].T, s=7, color=BLUE, alpha=0.5, linewidth=0)
for lost, mark in ((1, "|"), (0, "_")):
    place = np.full((len(x), 2), -2.6)
    place[:, 1 - lost] = seen[:, 1 - lost]
    axes.plot(*place[np.isnan(seen[:, lost])].T, mark, color=BLUE, alpha=0.5)
for name, at, colour in (("all data", known, INK), ("with gaps", found, ORANGE)):
    for k, (mean, covariance) in enumerate(zip(at["mean"], at["covariance"], strict=True)):
        ellipse(axes, mean, covariance, color=colour, linewidth=1.5, label=name if k == 0 else None)
axes.set(xlabel="wait", ylabel="next wait", aspect="equal")
_ = axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
