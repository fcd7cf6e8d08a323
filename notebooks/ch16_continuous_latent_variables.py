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
# # Continuous latent variables
#
# *Bishop & Bishop (2023), chapter 16.* Many numbers are often made of few: a face has hundreds of pixels, but
# faces differ in some dozens of ways. Here the chapter is run from principal components, which need no
# probabilities, to the latent variables that explain them: probabilistic PCA, factor analysis, independent
# components, the Kalman filter, and a latent line that is bent. All of them are plain programs, fitted by
# `EM`; where eigenvectors, another library or a formula knows the answer, the notebook stops if it disagrees.

# %%
import os
import warnings

warnings.filterwarnings("ignore", message="IProgress")  # tqdm does without widgets

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints
from scipy import stats
from skimage.data import lfw_subset
from sklearn.datasets import load_wine
from sklearn.decomposition import FactorAnalysis

import probdl as pdl
from models import (
    factor_analysis,
    gaussian_mixture,
    independent_components,
    linear_dynamical_system,
    mixture_of_factor_analysers,
    probabilistic_pca,
)

SMALL = os.environ.get("PROBDL_SMALL") == "1"  # less of all, for a quick check that everything runs
numpyro.enable_x64()

plt.rcParams.update({"figure.dpi": 110, "axes.spines.right": False, "axes.spines.top": False})
plt.rcParams.update({"legend.frameon": False, "legend.fontsize": 9, "lines.markersize": 4})
BLUE, ORANGE, GREEN, GREY, INK = "#0072b2", "#d55e00", "#009e73", "#79828e", "#1b1f24"


def fit(model, method, key=0):
    """Fit; what is wrong is shown where it is the subject, not as a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pdl.InferenceWarning)
        return pdl.infer(model, method, key=key, progress=False)


def ring(covariance, mean=(0, 0)):
    """The points of a Gaussian that are one standard deviation out."""
    turn = np.linspace(0, 2 * np.pi, 100)
    return np.linalg.cholesky(covariance) @ [np.cos(turn), np.sin(turn)] + np.reshape(mean, (2, 1))


# %% [markdown]
# ## 16.1 Principal component analysis
#
# ### 16.1.1 Maximum variance, 16.1.2 minimum error
#
# Along which line do data vary most, and from which line are they the least far away? Both are the first
# eigenvector of the covariance: the variance along it is its eigenvalue, and what is left over are the
# others. Two measures of wine, in standard deviations:

# %%
wine = load_wine()
x = (wine.data - wine.data.mean(0)) / wine.data.std(0)
two = x[:, [5, 6]] @ np.array([[1, 0], [0, 0.8]])
eigenvalues, vectors = np.linalg.eigh(np.cov(two.T, bias=True))
first = vectors[:, 1]
angles = np.linspace(0, np.pi, 181)
along = np.stack([np.cos(angles), np.sin(angles)])
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), width_ratios=(1, 1.2))
left.plot(*two.T, ".", color=BLUE)
left.plot(*np.outer(first, [-3, 3]), color=ORANGE)
for point in two[::4]:
    left.plot(*np.stack([point, first * (first @ point)], 1), color=ORANGE, linewidth=0.6)
left.set(aspect="equal", xlabel=wine.feature_names[5], ylabel=wine.feature_names[6])
right.plot(np.degrees(angles), (two @ along).var(0), color=BLUE, label="variance along the line")
rest = np.square(two).sum(1).mean() - np.square(two @ along).mean(0)
right.plot(np.degrees(angles), rest, color=ORANGE, label="mean squared distance from it")
right.axvline(np.degrees(np.arctan2(*first[::-1])) % 180, color=INK, linestyle=":")
right.set(xlabel="angle in degrees")
right.legend(loc="lower right", bbox_to_anchor=(1, 1))
np.testing.assert_allclose([(two @ along).var(0).max(), rest.min()], eigenvalues[::-1], rtol=1e-3)

# %% [markdown]
# ### 16.1.3 Data compression
#
# A hundred faces of 25 by 25 pixels. The mean, and the first *eigenfaces*: directions in which faces differ.

# %%
faces = lfw_subset()[:100].reshape(100, -1).astype(float)
mean, centred = faces.mean(0), faces - faces.mean(0)
variances, components = np.linalg.eigh(np.cov(faces.T, bias=True))
variances, components = variances[::-1].clip(0), components[:, ::-1]
fig, panels = plt.subplots(1, 8, figsize=(12, 1.8))
panels[0].imshow(mean.reshape(25, 25), cmap="gray")
panels[0].set_title("mean")
for k, axes in enumerate(panels[1:]):
    size = np.abs(components[:, k]).max()
    axes.imshow(components[:, k].reshape(25, 25), cmap="RdBu", vmin=-size, vmax=size)
    axes.set_title(f"{variances[k] / variances.sum():.0%}")
for axes in panels:
    axes.set(xticks=[], yticks=[])

# %% [markdown]
# A face is the mean and a sum of these, each times one number. With the first $M$ numbers alone:

# %%
fig, panels = plt.subplots(3, 6, figsize=(9, 4.8))
for row, face in zip(panels, (7, 42, 80), strict=True):
    for axes, count in zip(row, (1, 5, 20, 50, 99, None), strict=True):
        basis = components[:, :count]
        axes.imshow((mean + basis @ (basis.T @ centred[face])).reshape(25, 25), cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        if face == 7:
            axes.set_title("all 625 pixels" if count is None else f"$M$ = {count}")
np.testing.assert_allclose(
    [np.square(centred - centred @ components[:, :m] @ components[:, :m].T).sum(1).mean() for m in (5, 20)],
    [variances[m:].sum() for m in (5, 20)],
    rtol=1e-9,
)

# %% [markdown]
# ### 16.1.4 Data whitening
#
# The same data, the waits of Old Faithful with those before them: as they are, each in units of its standard
# deviation, and *whitened*: turned to the eigenvectors, each in units of its own spread, so that the
# covariance is the identity.

# %%
waits = gaussian_mixture.data()["y"]
pairs = np.stack([waits[:-1], waits[1:]], 1)
scaled = (pairs - pairs.mean(0)) / pairs.std(0)
values, turn = np.linalg.eigh(np.cov(scaled.T, bias=True))
white = scaled @ turn / np.sqrt(values)
fig, panels = plt.subplots(1, 3, figsize=(10, 3))
for axes, title, rows in zip(
    panels, ("minutes", "standardised", "whitened"), (pairs, scaled, white), strict=True
):
    axes.plot(*rows.T, ".", color=BLUE, markersize=3)
    axes.plot(*ring(np.cov(rows.T), rows.mean(0)), color=ORANGE)
    axes.set(title=title, aspect="equal")
np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(2), atol=1e-9)

# %% [markdown]
# ### 16.1.5 High-dimensional data
#
# A hundred faces span at most 99 directions of 625. The eigenvectors $u$ of the small matrix of their
# products give those of the covariance, $X^\top u$, with the same eigenvalues.

# %%
small = np.linalg.eigvalsh(centred @ centred.T / len(faces))[::-1]
np.testing.assert_allclose(small[:99], variances[:99], rtol=1e-6)
print(f"{np.sum(variances > 1e-9 * variances[0])} eigenvalues are above zero")

# %% [markdown]
# ## 16.2 Probabilistic latent variables
#
# ### 16.2.1 Generative model
#
# Draw $z$ from a standard normal distribution, and $x$ around $\mu + W z$ with the same noise in all
# directions: then $x$ is normal with the covariance $W W^\top + \sigma^2 I$. The program is the figure.


# %%
def line(x=None, *, size=200):
    with numpyro.plate("n", size):
        z = numpyro.sample("z", dist.Normal(0, 1))
        place = jnp.stack([1.6 * z, 0.9 * z], -1) + jnp.array([1.0, 2.0])
        numpyro.sample("x", dist.Normal(place, 0.4).to_event(1), obs=x)


drawn = pdl.Model(line).sample(0, 1)["prior"]
z, place = drawn["z"].to_numpy()[0, 0], drawn["x"].to_numpy()[0, 0]
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3), width_ratios=(0.8, 1, 1))
at = np.linspace(-3.5, 3.5, 200)
left.fill_between(at, stats.norm.pdf(at), color=BLUE, alpha=0.3, linewidth=0)
left.axvline(1.2, color=ORANGE)
left.set(title="$p(z)$", xlabel="$z$", yticks=[])
centre, loading = np.array([1.0, 2.0]), np.array([1.6, 0.9])
middle.plot(*(centre[:, None] + np.outer(loading, [-2.5, 2.5])), color=GREY, linewidth=0.8)
middle.plot(*ring(0.16 * np.eye(2), centre + 1.2 * loading), color=ORANGE)
middle.set_title(r"$p(x \mid z)$")
right.plot(*place.T, ".", color=BLUE)
right.plot(*ring(np.outer(loading, loading) + 0.16 * np.eye(2), centre), color=INK)
right.set_title("$p(x)$")
for axes in (middle, right):
    axes.set(xlim=(-4, 6), ylim=(-1.5, 5.5), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")

# %% [markdown]
# ### 16.2.2 Likelihood function, 16.2.3 maximum likelihood
#
# The parameters of largest likelihood are known: $W$ spans the first eigenvectors of the covariance of the
# data, as far from the noise as their eigenvalues are, and $\sigma^2$ is the mean of the eigenvalues that are
# left. `EM` has not been told, and finds them for 13 measures of 178 wines and two latents.

# %%
found = fit(probabilistic_pca.model(), pdl.EM(tolerance=1e-10, max_steps=5000, accelerate=pdl.SQUAREM()))
W, sigma = found.parameters["loading"], found.parameters["sigma"]
spectrum, axes_of = np.linalg.eigh(np.cov(x.T, bias=True))
spectrum, axes_of = spectrum[::-1], axes_of[:, ::-1]
by_em = [*np.linalg.eigvalsh(W @ W.T)[::-1][:2] + sigma**2, sigma**2, found.data.attrs["objective"]]
best = stats.multivariate_normal(
    np.zeros(13),
    axes_of[:, :2] @ np.diag(spectrum[:2] - spectrum[2:].mean()) @ axes_of[:, :2].T
    + spectrum[2:].mean() * np.eye(13),
)
known = [*spectrum[:2], spectrum[2:].mean(), best.logpdf(x).sum()]
np.testing.assert_allclose(by_em, known, rtol=1e-6)
names = ["first eigenvalue", "second", "mean of the others", "log-likelihood"]
pd.DataFrame({"eigenvectors": known, "EM": by_em}, index=names).round(6)

# %% [markdown]
# $W$ is known but for a rotation of the latents, $W R$: what is drawn here is turned to the eigenvectors. The
# three vines were not told to the program.

# %%
places = found.data["latent_mean"]["z"].to_numpy()
turn = np.linalg.svd(W, full_matrices=False)[2].T
fig, axes = plt.subplots(figsize=(5, 3.6))
for kind, colour in enumerate((BLUE, ORANGE, GREEN)):
    axes.plot(
        *(places @ turn)[wine.target == kind].T, ".", color=colour, label=f"vine {kind + 1}", markersize=6
    )
axes.set(xlabel="first latent", ylabel="second latent", aspect="equal")
_ = axes.legend()

# %% [markdown]
# How many latents? The log-likelihood of wines that were left out says it without a formula.

# %%
train, test = x[::2], x[1::2]
counts = (1, 2, 4) if SMALL else (1, 2, 3, 4, 5, 6, 8)
scores = []
for count in counts:
    model = pdl.Model(probabilistic_pca.program, train, num_wines=len(train), num_factors=count)
    at = fit(model, pdl.EM(accelerate=pdl.SQUAREM(), max_steps=3000)).parameters
    covariance = at["loading"] @ at["loading"].T + at["sigma"] ** 2 * np.eye(13)
    rows = (stats.multivariate_normal(at["mean"], covariance).logpdf(part).mean() for part in (train, test))
    scores.append(list(rows))
fig, axes = plt.subplots(figsize=(5, 2.6))
for row, colour, label in zip(np.transpose(scores), (GREY, BLUE), ("seen", "left out"), strict=True):
    axes.plot(counts, row, "o-", color=colour, label=label)
axes.set(xlabel="latents", ylabel="nats a wine")
_ = axes.legend()

# %% [markdown]
# Take a fifth of all measures away. `with_missing` integrates what was not seen, and the places of the wines
# hardly move: each line leads from where a wine is by all of its measures to where it is by what is left.

# %%
holes = np.random.default_rng(0).uniform(size=x.shape) < 0.2
model = pdl.with_missing(pdl.Model(probabilistic_pca.program, np.where(holes, np.nan, x)))
partly = fit(model, pdl.EM(accelerate=pdl.SQUAREM(), tolerance=1e-3))
moved = partly.data["latent_mean"]["z"].to_numpy()
left, _, right = np.linalg.svd(moved.T @ places)  # the rotation that brings one to the other
moved = moved @ left @ right
fig, axes = plt.subplots(figsize=(5, 3.6))
for kind, colour in enumerate((BLUE, ORANGE, GREEN)):
    ends = np.stack([places @ turn, moved @ turn], 1)[wine.target == kind]
    axes.plot(*ends.T, color=colour, linewidth=0.6)
    axes.plot(*ends[:, 1].T, ".", color=colour)
axes.set(xlabel="first latent", ylabel="second latent", aspect="equal")
print(f"correlation of places: {np.corrcoef(moved.ravel(), places.ravel())[0, 1]:.3f}")

# %% [markdown]
# ### 16.2.4 Factor analysis
#
# Let each measure have a noise of its own. Then it does not matter in which units they are, and a measure
# that has nothing in common with others is left alone. The likelihood has no formula for its maximum any
# more; EM is the usual way, and the same as scikit-learn's.

# %%
factors = fit(factor_analysis.model(), pdl.EM(tolerance=1e-9, max_steps=5000, accelerate=pdl.SQUAREM()))
peer = FactorAnalysis(2, tol=1e-9, max_iter=50_000).fit(x)
assert factors.data.attrs["objective"] >= peer.score(x) * len(x) - 1e-3
both = {"PPCA": np.full(13, sigma**2), "factor analysis": factors.parameters["sigma"] ** 2}
fig, axes = plt.subplots(figsize=(9, 2.6))
for k, (name, colour) in enumerate(zip(both, (GREY, BLUE), strict=True)):
    axes.bar(np.arange(13) + 0.4 * k, both[name], width=0.38, color=colour, label=name)
labels = [name.replace("_", " ") for name in wine.feature_names]
axes.set_xticks(np.arange(13) + 0.2, labels, fontsize=8, rotation=35, ha="right")
axes.set(ylabel="variance of its own")
_ = axes.legend(ncols=2, loc="upper right", bbox_to_anchor=(1, 1.2))

# %% [markdown]
# A *mixture of factor analysers* has a kind and a place for each wine: the first is summed out, the second is
# Gaussian given the first, and `EM` integrates both.

# %%
kinds = fit(
    mixture_of_factor_analysers.model(), pdl.EM(num_restarts=1 if SMALL else 8, tolerance=1e-3, max_steps=300)
)
kind = kinds.data["responsibilities"]["k"].to_numpy().argmax(-1)
pd.crosstab(pd.Series(kind, name="kind"), pd.Series(wine.target, name="vine"))

# %% [markdown]
# ### 16.2.5 Independent component analysis
#
# Factors that are normal can be turned without a change of the likelihood. If they have heavy tails they
# cannot: mixtures are more normal than what they are made of. Three signals are mixed; the matrix that makes
# its outputs as independent as can be finds them again, up to their order, sign and size.

# %%
unmixed = fit(independent_components.model(), independent_components.METHOD).parameters["unmixing"]
mixed, sources = independent_components.data()["x"], independent_components.sources()
signals = mixed @ unmixed.T
match = np.abs(np.corrcoef(signals.T, sources.T)[:3, 3:]).argmax(0)
signals = signals[:, match] * np.sign(np.sum(signals[:, match] * sources, 0))
fig, panels = plt.subplots(3, 3, figsize=(11, 3.8), sharex=True)
columns = (("sources", sources, GREY), ("mixed", mixed, INK), ("found", signals, BLUE))
for column, (title, series, colour) in zip(panels.T, columns, strict=True):
    column[0].set_title(title)
    for axes, row in zip(column, series.T, strict=True):
        axes.plot(row[:400], color=colour, linewidth=0.7)
        axes.set(yticks=[])
for source, signal in zip(sources.T, signals.T, strict=True):
    assert np.corrcoef(source, signal)[0, 1] > np.abs(np.corrcoef(mixed.T, source)[:3, 3]).max()

# %% [markdown]
# ### 16.2.6 Kalman filters
#
# A latent that moves: position and velocity of hurricane Katrina, of which every six hours the position is
# seen. In the program of `models/linear_dynamical_system.py` two numbers are unknown, how much the velocity
# changes and how far positions are off besides being rounded to a tenth of a degree. Here they are params,
# and EM finds them with all states integrated: beyond the rounding it sees no error.


# %%
def track(y):
    lds = linear_dynamical_system
    sigma_velocity = numpyro.param("sigma_velocity", 0.05, constraint=constraints.positive)
    sigma_fix = numpyro.param("sigma_fix", 0.05, constraint=constraints.positive)
    start = numpyro.sample("x_0", dist.MultivariateNormal(jnp.zeros(4), lds.S))

    def step(previous, fix):
        x = numpyro.sample("x", dist.MultivariateNormal(lds.F @ previous, sigma_velocity**2 * lds.Q))
        noise = jnp.hypot(sigma_fix, lds.ROUNDING)
        numpyro.sample("y", dist.Normal(lds.H @ x, noise).to_event(1), obs=fix)
        return x, None

    scan(step, start, y)


fixes = linear_dynamical_system.data()["y"]
learnt = fit(pdl.Model(track, fixes), pdl.EM(accelerate=pdl.SQUAREM())).parameters
print({name: round(float(value), 3) for name, value in learnt.items()})

# %% [markdown]
# What is not seen yet is missing, and so a forecast is a posterior of data with gaps: at three times, what
# the next two days may bring (circles of one standard deviation), beside what the smoother says in the end.

# %%
whole = pdl.exact_posterior(pdl.Model(track, fixes).do(**learnt))
smooth = whole.mean("x")
fig, panels = plt.subplots(1, 3, figsize=(11.5, 4), sharex=True, sharey=True)
for axes, now in zip(panels, (10, 17, 22), strict=True):
    seen = np.where(np.arange(len(fixes))[:, None] < now, fixes, np.nan)
    ahead = pdl.exact_posterior(pdl.with_missing(pdl.Model(track, seen).do(**learnt)))
    mean, spread = ahead.mean("x"), np.sqrt(ahead.variance("x"))
    axes.plot(*smooth[:, :2].T, color=GREY, linewidth=1, label="smoothed, all seen")
    axes.plot(*fixes[now:].T, ".", color=GREY)
    axes.plot(*fixes[:now].T, ".", color=INK, label="seen so far")
    for t in range(now, min(now + 8, len(fixes))):
        axes.plot(*ring(np.diag(spread[t, :2] ** 2), mean[t, :2]), color=ORANGE, linewidth=1)
    axes.plot(*mean[now - 1 : now + 8, :2].T, ".-", color=ORANGE, label="forecast")
    axes.set(aspect="equal", xlabel="100 km east of the landfall", xlim=(-8, 17), ylim=(-11, 14))
    axes.set_title(f"after {6 * now} hours")
panels[0].set_ylabel("100 km north")
_ = panels[0].legend(loc="upper left")

# %% [markdown]
# Velocities were never seen, and are known all the same: by how much less before the end than afterwards, the
# bands of two standard deviations tell.

# %%
spread = np.sqrt(whole.variance("x"))
hours = 6 * np.arange(len(fixes))
fig, axes = plt.subplots(figsize=(8, 2.8))
for part, name, colour in ((2, "east", BLUE), (3, "north", ORANGE)):
    axes.plot(hours, smooth[:, part], color=colour, label=name)
    axes.fill_between(
        hours,
        smooth[:, part] - 2 * spread[:, part],
        smooth[:, part] + 2 * spread[:, part],
        color=colour,
        alpha=0.2,
        linewidth=0,
    )
axes.set(xlabel="hours", ylabel="100 km an hour")
_ = axes.legend()

# %% [markdown]
# ## 16.3 Evidence lower bound
#
# ### 16.3.1 Expectation maximisation
#
# In two dimensions one can watch. The E-step attaches each point to its place on the line, as by a spring;
# the M-step lets the line go to where the springs pull it.


# %%
def plane(x, first):
    loading = numpyro.param("loading", first)
    sigma = numpyro.param("sigma", 0.5, constraint=constraints.positive)
    with numpyro.plate("n", len(x)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        numpyro.sample("x", dist.Normal(z[:, None] * loading, sigma).to_event(1), obs=x)


start = np.array([-0.62, 0.8])
fig, panels = plt.subplots(1, 4, figsize=(12, 3.2), sharey=True)
for axes, steps in zip(panels, (1, 2, 4, 15), strict=True):
    run = fit(pdl.Model(plane, two, start), pdl.EM(max_steps=steps))
    loading = run.parameters["loading"]
    place = np.outer(run.data["latent_mean"]["z"].to_numpy(), loading)
    axes.plot(*two.T, ".", color=BLUE, markersize=3)
    axes.plot(*np.outer(loading / np.linalg.norm(loading), [-3.2, 3.2]), color=ORANGE)
    for point, end in zip(two[::3], place[::3], strict=True):
        axes.plot(*np.stack([point, end], 1), color=GREEN, linewidth=0.6)
    axes.set(title=f"after {steps} steps", aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
assert abs(loading @ first) / np.linalg.norm(loading) > 0.999

# %% [markdown]
# ## 16.4 Nonlinear latent variable models
#
# ### 16.4.1 Nonlinear manifolds
#
# A line that is bent: let the latent be a number between -1 and 1, and its place in the plane a sum of smooth
# bumps of it. The sum over a fine grid of latents takes the place of an integral that nobody can do, and the
# program is a mixture again whose means are tied together: the *generative topographic mapping*. Its M-step
# has no formula; `EM` takes Newton steps.

# %%
GRID = np.linspace(-1, 1, 40)
BUMPS = np.exp(-0.5 * ((GRID[:, None] - np.linspace(-1, 1, 9)) / 0.25) ** 2)


def curve(x, first):
    weights = numpyro.param("weights", first)
    sigma = numpyro.param("sigma", 0.6, constraint=constraints.positive)
    mean = BUMPS @ weights
    with numpyro.plate("n", len(x)):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.ones(len(GRID)) / len(GRID)))
        numpyro.sample("x", dist.Normal(mean[z], sigma).to_event(1), obs=x)


rng = np.random.default_rng(4)
time = rng.uniform(-1, 1, 200)
spiral = np.stack([(1.2 + time) * np.cos(2.6 * time), (1.2 + time) * np.sin(2.6 * time)], 1)
noisy = spiral + rng.normal(0, 0.08, spiral.shape)
straight = np.linalg.lstsq(BUMPS, np.outer(GRID, [0.3, 1.5]) + noisy.mean(0), rcond=None)[0]
fig, panels = plt.subplots(1, 4, figsize=(12, 3.2), sharey=True)
for axes, steps in zip(panels, (1, 5, 20, 150), strict=True):
    run = fit(pdl.Model(curve, noisy, straight), pdl.EM(max_steps=steps))
    place = BUMPS @ run.parameters["weights"]
    kind = run.data["responsibilities"]["z"].to_numpy() @ GRID
    axes.scatter(*noisy.T, c=kind, cmap="viridis", s=9, linewidth=0)
    axes.plot(*place.T, color=ORANGE)
    axes.set(title=f"after {steps} steps", aspect="equal")
order = stats.spearmanr(kind, time)[0]
print(f"rank correlation of the latent with what made the data: {abs(order):.3f}")
