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
# # Sampling
#
# *Bishop & Bishop (2023), chapter 14.* Most posteriors have no formula. What can be had are draws, and with
# enough of them every question has an answer. Here each way to draw that the chapter describes is run and
# drawn, from the inverse of a distribution function to chains that follow the gradient; where the truth is
# known, the notebook stops if the draws disagree with it. At the end stand the ways to find out that draws
# are wrong where it is not known.

# %%
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", message="IProgress")  # tqdm does without widgets

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from jax.scipy import special
from matplotlib.collections import LineCollection
from scipy import stats

import probdl as pdl
from models import banana, donut, eight_schools, funnel, gaussian_mixture, nile, sprinkler

SMALL = os.environ.get("PROBDL_SMALL") == "1"  # fewer draws, for a quick check that everything runs
DRAWS = 5_000 if SMALL else 200_000
LENGTHS = {"num_samples": 200, "num_warmup": 300} if SMALL else {"num_samples": 1000, "num_warmup": 1000}
numpyro.enable_x64()

plt.rcParams.update({"figure.dpi": 110, "axes.spines.right": False, "axes.spines.top": False})
plt.rcParams.update({"legend.frameon": False, "legend.fontsize": 9, "lines.markersize": 4})
BLUE, ORANGE, GREEN, GREY, INK = "#0072b2", "#d55e00", "#009e73", "#79828e", "#1b1f24"


def near(rows, exact, drawn, error):
    """Numbers beside their estimates from draws; an error if they are five standard errors apart."""
    exact, drawn, error = (np.ravel(np.asarray(x, float)) for x in (exact, drawn, error))
    distance = (drawn - exact) / error
    np.testing.assert_array_less(np.abs(distance), 5)
    table = pd.DataFrame({"exact": exact, "draws": drawn}, index=list(rows)).map("{:.4g}".format)
    return table.assign(**{"standard errors apart": distance.round(1)})


def agrees(result, exact):
    """Means of chains beside exact ones, with the errors that the chains themselves state."""
    table = result.summary().table.loc[list(exact)]
    return near(exact, list(exact.values()), table["mean"], table["mcse_mean"])


def infer(model, method, key=0, **options):
    """Draws; what is wrong with them is shown where it is the subject, not as a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pdl.InferenceWarning)
        return pdl.infer(model, method, key=key, progress=False, **options)


def flat(result, *sites):
    """All draws of some sites, chains one after the other, one column each."""
    return np.stack([result[site].to_numpy().ravel() for site in sites], 1)


def refusal(call):
    """What an error says."""
    try:
        call()
    except (ValueError, pdl.TooFewAccepted) as error:
        print(f"{type(error).__name__}: {error}")


# %% [markdown]
# ## 14.1 Basic sampling algorithms
#
# ### 14.1.1 Expectations
#
# What we ask for is mostly a mean, $\mathbb{E}[f] = \int f(z)\,p(z)\,dz$, and the mean of $f$ over $L$
# independent draws estimates it without bias. Its variance is $\mathrm{var}[f]/L$: the number of dimensions
# does not enter, and ten draws may do. But if $f$ is large only where $p$ is small, few draws tell anything
# of it: of a thousand draws of a standard normal variable six are above 2.5.


# %%
def one_normal():
    numpyro.sample("z", dist.Normal(0, 1))


z, tail = pdl.Model(one_normal).sample(0, DRAWS)["prior"]["z"].to_numpy().ravel(), stats.norm.sf(2.5)
errors = np.sqrt([2 / DRAWS, tail * (1 - tail) / DRAWS])
near(["z^2", "z > 2.5"], [1, tail], [np.mean(z**2), np.mean(z > 2.5)], errors)

# %% [markdown]
# ### 14.1.2 Standard distributions
#
# A computer gives numbers that are uniform on $(0, 1)$; all others are made of them. If $h(y)$ is the
# distribution function of $p(y)$, then $y = h^{-1}(z)$ has the density $p$: where $h$ is steep, many $z$ lead
# to few $y$. For the exponential distribution $y = -\ln(1 - z)$, for Cauchy's $y = \tan(\pi(z - \frac12))$.

# %%
inverses = {
    "exponential": (lambda z: -np.log1p(-z), stats.expon, (0, 4)),
    "Cauchy": (lambda z: np.tan(np.pi * (z - 0.5)), stats.cauchy, (-5, 5)),
}
uniform = np.random.default_rng(0).uniform(size=DRAWS)
fig, panels = plt.subplots(1, 2, figsize=(9, 3))
for axes, (name, (inverse, law, (low, high))) in zip(panels, inverses.items(), strict=True):
    y, at = inverse(uniform), np.linspace(low, high, 300)
    weights = np.full(DRAWS, 60 / (high - low) / DRAWS)
    axes.hist(y, bins=60, range=(low, high), weights=weights, color=BLUE, alpha=0.3)
    axes.plot(at, law.pdf(at), color=BLUE, label="$p(y)$")
    axes.plot(at, law.cdf(at), color=INK, label="$h(y)$")
    for z in (np.arange(20) + 0.5) / 20:
        if low < inverse(z) < high:
            axes.plot([low, inverse(z), inverse(z)], [z, z, 0], color=ORANGE, linewidth=0.5)
    axes.set(title=name, xlim=(low, high), ylim=(0, 1), xlabel="$y$", ylabel="$z$")
_ = panels[0].legend(loc="center right")

# %% [markdown]
# The Gaussian has no such formula, but a pair of them has. *Box and Muller* take points that are uniform in a
# square, keep those within the unit circle, and move each along its radius: $y_i = z_i \sqrt{-2 \ln r^2 /
# r^2}$. Colours are those of the radius before: the middle goes far out.

# %%
square = np.random.default_rng(1).uniform(-1, 1, (DRAWS, 2))
r2 = np.square(square).sum(1)
disc, r2 = square[r2 < 1], r2[r2 < 1]
pair = disc * np.sqrt(-2 * np.log(r2) / r2)[:, None]

fig, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.4))
look = {"s": 4, "linewidth": 0, "cmap": "viridis", "rasterized": True}
left.scatter(*square[:2500].T, s=4, color=GREY, alpha=0.3, linewidth=0)
for axes, points, name, reach in ((left, disc, "z", 1.1), (right, pair, "y", 4)):
    axes.scatter(*points[:2000].T, c=r2[:2000], **look)
    axes.set(aspect="equal", xlabel=f"${name}_1$", ylabel=f"${name}_2$", xlim=(-reach, reach))
    axes.set(ylim=(-reach, reach))
n = len(pair)
near(
    ["share kept, pi/4", "E[y1^2]", "E[y1^4]"],
    [np.pi / 4, 1, 3],
    [n / DRAWS, np.mean(pair[:, 0] ** 2), np.mean(pair[:, 0] ** 4)],
    np.sqrt([np.pi / 4 * (1 - np.pi / 4) / DRAWS, 2 / n, 96 / n]),
)

# %% [markdown]
# A linear map makes any Gaussian of these: $\mu + L y$ has the mean $\mu$ and the covariance $L L^\top$.
#
# ### 14.1.3 Rejection sampling
#
# A density that has no name is often known but for a factor, $p(z) = \tilde p(z)/Z$. Find a distribution $q$
# to draw from, and a number $k$ with $k\,q(z) \ge \tilde p(z)$ everywhere. Draws of $q$ that are accepted
# with probability $\tilde p(z) / k\,q(z)$ are draws of $p$: points under the envelope that lie under the
# density, too. As a program $\tilde p$ is a prior times a `factor`; the prior is what is proposed from, and
# $k$ the largest value of the factor.


# %%
def waves():  # Robert & Casella (2004), Monte Carlo Statistical Methods, example 2.18
    z = numpyro.sample("z", dist.Normal(0, 1))
    wave = jnp.sin(6 * z) ** 2 + 3 * (jnp.cos(z) * jnp.sin(4 * z)) ** 2 + 1
    numpyro.factor("waves", jnp.log(wave))


wavy = pdl.Model(waves)


def density(z):
    """The density that the program has, without its normalization."""
    return np.exp(jax.vmap(wavy.target.log_density)(jnp.asarray(z)[:, None]))


accepted = infer(wavy, pdl.Rejection(num_samples=DRAWS // 4))
drawn, k = flat(accepted, "z")[:, 0], np.exp(accepted.data.attrs["log_bound"])
z = np.linspace(-8, 8, 4001)
Z = density(z).sum() * 0.004
second = np.sum(z**2 * density(z)) * 0.004 / Z

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.1), sharex=True)
rng = np.random.default_rng(1)
proposed = rng.normal(size=1200)
height = rng.uniform(size=1200) * k * stats.norm.pdf(proposed)
under = height < density(proposed)
left.plot(z, k * stats.norm.pdf(z), color=ORANGE, label="$k\\,q(z)$")
left.plot(z, density(z), color=BLUE, label=r"$\tilde p(z)$")
left.scatter(proposed[under], height[under], s=4, color=BLUE, linewidth=0)
left.scatter(proposed[~under], height[~under], s=4, color=ORANGE, alpha=0.6, linewidth=0)
right.hist(drawn, bins=120, range=(-3.5, 3.5), density=True, color=BLUE, alpha=0.35, label="accepted draws")
right.plot(z, density(z) / Z, color=BLUE, linewidth=1, label="$p(z)$")
for axes in (left, right):
    axes.set(xlabel="$z$", xlim=(-3.5, 3.5), ylim=(0, None))
    axes.legend(loc="upper right")
near(["log Z"], np.log(Z), accepted.log_evidence, accepted.log_evidence_error)

# %% [markdown]
# Nobody said how large $k$ is: the largest ratio was looked for, and had a draw exceeded it, it would have
# been raised and all draws judged again. The share that is accepted is $Z/k$, so that rejection sampling
# gives the normalization as well. A bound of our own that is too low is found out.

# %%
print(f"k = {k:.3f}; accepted: {accepted.data.attrs['acceptance_rate']:.4f}, Z / k = {Z / k:.4f}\n")
refusal(lambda: pdl.infer(wavy, pdl.Rejection(log_bound=1.0), key=0))

# %% [markdown]
# In many dimensions all envelopes are bad. Let $q$ be a Gaussian that is a fifth too wide in each direction:
# then $k = 1.2^D$, and of 80 dimensions one proposal in two million is accepted. Nobody waits for that: as
# soon as it is plain that proposals will not do, the run ends. A proposal is a program of its own, over the
# same sites.


# %%
def many_normals(D, sd=1.0):
    with numpyro.plate("dimension", D):
        numpyro.sample("x", dist.Normal(0, sd))


wide = pdl.Rejection(proposal=pdl.Model(many_normals, 80, 1.2))
refusal(lambda: pdl.infer(pdl.Model(many_normals, 80), wide, key=0, progress=False))

# %% [markdown]
# ### 14.1.4 Adaptive rejection sampling
#
# Where does an envelope come from? If $\ln p$ is concave, as so many are, from its tangents: all lie above
# it, and the least of some is an envelope made of exponentials, from which it is easy to draw. A draw that is
# rejected shows where this *hull* is bad. It becomes a point of the next one, and soon almost all are
# accepted. A count of 3 whose rate is $e^z$ has such a posterior.


# %%
def count_of_three(y=None):
    z = numpyro.sample("z", dist.Normal(0, 2))
    numpyro.sample("y", dist.Poisson(jnp.exp(z)), obs=y)


three_counted = pdl.Model(count_of_three, y=np.array(3))
z = np.linspace(-3, 4, 1401)
log_p, slope = jax.vmap(jax.value_and_grad(three_counted.target.log_density))(z[:, None])
log_p, slope = np.asarray(log_p), np.asarray(slope)[:, 0]
weight = np.exp(log_p) / np.exp(log_p).sum()
rng, points, stages = np.random.default_rng(1), [500, 940], {}  # numbers of points of the grid
for _ in range(60):
    tangents = [log_p[at] + slope[at] * (z - z[at]) for at in points]
    hull = np.min(tangents, 0)
    stages.setdefault(len(points), (list(points), tangents, hull))
    candidate = rng.choice(len(z), p=np.exp(hull) / np.exp(hull).sum())
    if np.log(rng.uniform()) > log_p[candidate] - hull[candidate]:
        points.append(candidate)

fig, panels = plt.subplots(2, 3, figsize=(11, 4.4), sharex=True, sharey="row", gridspec_kw={"hspace": 0.1})
for (above, below), count in zip(panels.T, (2, 3, 5), strict=True):
    points, tangents, hull = stages[count]
    above.plot(z, np.transpose(tangents), color=ORANGE, linewidth=0.5)
    above.plot(z, hull, color=ORANGE)
    above.plot(z, log_p, color=BLUE)
    above.plot(z[points], log_p[points], "o", color=INK)
    above.set(ylim=(-9, 0), title=f"{count} points: {np.exp(log_p).sum() / np.exp(hull).sum():.0%} accepted")
    below.fill_between(z, np.exp(log_p), np.exp(hull), color=ORANGE, alpha=0.15, linewidth=0)
    below.fill_between(z, np.exp(log_p), color=BLUE, alpha=0.3, linewidth=0)
    below.plot(z, np.exp(hull), color=ORANGE, linewidth=1)
    below.set(xlabel="$z$", ylim=(0, None), xlim=(-3, 4), yticks=[])
panels[0, 0].set_ylabel(r"$\ln \tilde p(z)$")
panels[1, 0].set_ylabel(r"$\tilde p(z)$")
result = infer(three_counted, pdl.AdaptiveRejection(num_samples=LENGTHS["num_samples"]))
drawn, evaluated = flat(result, "z")[:, 0], result.data["sample_stats"]["n_evaluations"].mean()
mean = weight @ z
print(f"{float(evaluated):.1f} log-densities a draw")
near(["E[z]"], mean, drawn.mean(), np.sqrt(weight @ (z - mean) ** 2 / len(drawn)))

# %% [markdown]
# Each draw begins with a few points and adapts for itself, so that draws are independent. If a density turns
# out not to be concave, the run says so and ends.
#
# ### 14.1.5 Importance sampling
#
# Why throw draws of $q$ away? If each counts $w = p(z)/q(z)$ as much, $\mathbb{E}[f] = \mathbb{E}_q[w f]$.
# With unnormalized densities, weights are divided by their sum, and their mean estimates $Z$: for a
# posterior, the evidence. Below, the length of a stick is the weight of a draw.


# %%
def wide_normal():
    numpyro.sample("z", dist.Normal(0, 1.5))


def weights_of(result):
    """The weights of all draws; their sum is one."""
    return np.exp(result.data["sample_stats"]["log_weight"].to_numpy().ravel())


weighted = infer(wavy, pdl.ImportanceSampling(num_samples=DRAWS // 4, guide=wide_normal))
w, points = weights_of(weighted), flat(weighted, "z")[:, 0]
z = np.linspace(-4.5, 4.5, 1000)
fig, axes = plt.subplots(figsize=(7.5, 2.8))
axes.fill_between(z, density(z) / Z, color=BLUE, alpha=0.25, linewidth=0, label="$p(z)$")
axes.plot(z, stats.norm(0, 1.5).pdf(z), color=ORANGE, label="$q(z)$")
axes.vlines(points[:90], 0, 0.13 * len(w) * w[:90], color=INK, linewidth=1, label="90 draws of $q$")
axes.set(xlabel="$z$", yticks=[], ylim=(0, None), xlim=(-4.5, 4.5))
axes.legend()
estimate = w @ points**2
near(["E[z^2]"], second, estimate, np.sqrt(w**2 @ (points**2 - estimate) ** 2))

# %% [markdown]
# All depends on the guide $q$. Where it draws too rarely, the few draws that come have huge weights, and a
# run that has none looks good while it is wrong. The *shape of the tail* of the weights tells before it is
# too late: above a $\hat k$ of about 0.7 no number can be trusted. Four groups of five animals each were
# given a dose of some drug. With two latents the truth is a sum over a grid.

# %%
DOSE = np.array([-0.86, -0.30, -0.05, 0.73])  # logarithm of g/ml; Racine, Grieve, Flühler & Smith (1986)
DEATHS = np.array([0, 1, 3, 5])


def bioassay(dose, deaths=None):
    alpha = numpyro.sample("alpha", dist.Normal(0, 2))
    beta = numpyro.sample("beta", dist.Normal(10, 10))
    with numpyro.plate("group", len(dose)):
        numpyro.sample("deaths", dist.Binomial(5, logits=alpha + beta * dose), obs=deaths)


def on_grid(model, x, y):
    """Log joint density on a grid of two latents: the exact answer to everything."""
    log_density = jax.vmap(jax.vmap(model.target.log_density))
    return np.asarray(log_density(jnp.stack(jnp.meshgrid(x, y), -1)))


animals = pdl.Model(bioassay, DOSE, deaths=DEATHS)
ALPHA, BETA = np.linspace(-4, 7, 400), np.linspace(-8, 45, 400)
exact = on_grid(animals, ALPHA, BETA)
CELL = (ALPHA[1] - ALPHA[0]) * (BETA[1] - BETA[0])
LOG_EVIDENCE = float(special.logsumexp(exact)) + np.log(CELL)
SHARE = np.exp(exact - LOG_EVIDENCE) * CELL
TRUTH = {"alpha": (SHARE * ALPHA).sum(), "beta": (SHARE * BETA[:, None]).sum()}


def posterior_of_doses(axes):
    """Draw the regions that hold 20, 50, 80 and 95 per cent of the exact posterior."""
    order = np.sort(SHARE.ravel())[::-1]
    levels = order[np.searchsorted(np.cumsum(order), [0.95, 0.8, 0.5, 0.2])]
    colours = ["#dbe9f4", "#b4d2e9", "#80b4d8", "#4a93c4"]
    axes.contourf(ALPHA, BETA, SHARE, [*levels, SHARE.max()], colors=colours)
    axes.set(xlabel=r"$\alpha$", xlim=(-6, 6), ylim=(-15, 42))


def too_narrow(dose, deaths=None):
    numpyro.sample("alpha", dist.Normal(0.9, 0.4))
    numpyro.sample("beta", dist.Normal(9, 2.0))


guides = {"prior": None, "too narrow": too_narrow, "Laplace, Student tails": pdl.LaplaceGuide()}
COUNT = 1000 if SMALL else 5000
fig, panels = plt.subplots(1, 4, figsize=(13, 3), width_ratios=(1, 1, 1, 1.1))
rows = {}
for axes, (name, guide), colour in zip(panels, guides.items(), (INK, ORANGE, GREEN), strict=False):
    run = infer(animals, pdl.ImportanceSampling(num_samples=COUNT, guide=guide))
    w, points = weights_of(run), flat(run, "alpha", "beta")
    posterior_of_doses(axes)
    axes.scatter(*points[:500].T, s=6 * len(w) * w[:500], color=colour, alpha=0.4, linewidth=0)
    axes.set_title(name, color=colour)
    panels[3].plot(np.arange(1, len(w) + 1), np.sort(w)[::-1], color=colour)
    asked = ("pareto_k", "weighted_ess", "log_evidence", "log_evidence_error")
    rows[name] = {what: run.data.attrs[what] for what in asked} | {"status": str(run.status)}
panels[0].set_ylabel(r"$\beta$")
panels[3].set(xscale="log", yscale="log", xlabel="rank", title="weights in order", ylim=(1e-8, 1))
fig.subplots_adjust(wspace=0.3)
print(f"log evidence by the grid: {LOG_EVIDENCE:.3f}")
pd.DataFrame.from_dict(rows, orient="index").round(3)

# %% [markdown]
# Areas are weights.
#
# ### 14.1.6 Sampling-importance-resampling
#
# Weighted draws become draws: choose among them with probabilities in proportion to their weights. With many
# candidates for each draw the result is exact. Sixty candidates show how it works, some thousands how well.

# %%
candidates = infer(animals, pdl.ImportanceSampling(num_samples=15))
points, w = flat(candidates, "alpha", "beta"), weights_of(candidates)
chosen, times = np.unique(flat(candidates.resample(key=1), "alpha", "beta"), axis=0, return_counts=True)
fig, panels = plt.subplots(1, 3, figsize=(10.5, 3), sharex=True, sharey=True)
titles, sizes = ("drawn from the prior", "weighted", "resampled"), (12, 1200 * w, 20 * times)
for axes, title, at, size in zip(panels, titles, (points, points, chosen), sizes, strict=True):
    posterior_of_doses(axes)
    axes.scatter(*at.T, s=size, color=ORANGE, alpha=0.7, linewidth=0)
    axes.set_title(title)
panels[0].set_ylabel(r"$\beta$")
result = infer(animals, pdl.SIR(num_samples=COUNT // 5, num_candidates=4 * COUNT))
drawn = flat(result, "alpha", "beta")
worth = 1 / len(drawn) + 1 / result.data.attrs["weighted_ess"]
near(["E[alpha]", "E[beta]"], list(TRUTH.values()), drawn.mean(0), drawn.std(0) * np.sqrt(worth))

# %% [markdown]
# ## 14.2 Markov chain Monte Carlo
#
# ### 14.2.1 The Metropolis algorithm
#
# In many dimensions nobody knows a good proposal for the whole distribution. A chain needs one only for the
# next step: from the current state $z$ propose $z^\star$ nearby, and accept it with probability $\min(1,
# \tilde p(z^\star)/\tilde p(z))$; if it is rejected, the state counts once more. In the long run the chain is
# at $z$ in proportion to $p(z)$. The normalization drops out.


# %%
def ellipses(axes, covariance, mean=(0, 0)):
    """Draw where a Gaussian is within one and two standard deviations."""
    turn = np.linspace(0, 2 * np.pi, 200)
    for radius in (1, 2):
        ring = radius * np.linalg.cholesky(covariance) @ [np.cos(turn), np.sin(turn)]
        axes.plot(*(ring + np.reshape(mean, (2, 1))), color=GREY, linewidth=0.8)


covariance = np.array([[1.0, 0.9], [0.9, 1.0]])
inverse = np.linalg.inv(covariance)
rng, state, steps = np.random.default_rng(3), np.array([-1.4, -1.8]), []
for _ in range(200):
    proposal = state + rng.normal(0, 0.25, 2)
    log_ratio = (state @ inverse @ state - proposal @ inverse @ proposal) / 2
    accept = np.log(rng.uniform()) < log_ratio
    steps.append((state, proposal, accept))
    state = proposal if accept else state

fig, axes = plt.subplots(figsize=(4.6, 4.2))
ellipses(axes, covariance)
for accept, colour, name in ((False, ORANGE, "rejected"), (True, BLUE, "accepted")):
    lines = [step[:2] for step in steps if step[2] == accept]
    axes.add_collection(LineCollection(lines, color=colour, linewidth=1, label=f"{name}, {len(lines)}"))
axes.plot(*steps[0][0], "o", color=INK, markersize=5)
axes.set(xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
_ = axes.legend(loc="upper left")

# %% [markdown]
# How long should a step be? Short ones are accepted and lead nowhere; long ones are not accepted. In between
# is an optimum, at an acceptance of 0.44 in one dimension and 0.234 in many. What a chain is worth is its
# *effective sample size*: the number of independent draws that give as exact a mean. Here are walks in five
# dimensions. Left to itself, `Metropolis` finds the dotted line during its warm-up.

# %%
five = pdl.Model(many_normals, 5)
sizes = (0.1, 1.0, 4.0) if SMALL else (0.05, 0.1, 0.3, 0.6, 1.0, 1.5, 2.5, 4.0)
walks = [infer(five, pdl.Metropolis(step_size=h, thinning=1, num_samples=2000, num_warmup=0)) for h in sizes]
tuned = infer(five, pdl.Metropolis(thinning=1, num_samples=2000, num_warmup=500))
rate = [float(walk.data["sample_stats"]["acceptance_rate"].mean()) for walk in walks]
worth = [walk.summary().table["ess_bulk"].min() / 8000 for walk in walks]
fig, axes = plt.subplots(figsize=(5.5, 3))
axes.plot(sizes, rate, "o-", color=GREY, label="accepted")
axes.plot(sizes, worth, "o-", color=BLUE, label="effective draws a step")
axes.axvline(float(tuned.data["sample_stats"]["step_size"][0, -1]), color=INK, linestyle=":", label="found")
axes.set(xscale="log", yscale="log", xlabel="step size $h$", ylim=(2e-4, 1.5))
_ = axes.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# The mean of a chain is right, and its error is the standard deviation over the root of the effective size,
# which `summary` calls `mcse_mean`.

# %%
agrees(infer(animals, pdl.Metropolis(**LENGTHS)), TRUTH)

# %% [markdown]
# ### 14.2.2 Markov chains
#
# Why does it work? A chain is a table $T(z, z')$ of transitions, and a distribution $p$ is *invariant* if
# $\sum_z p(z)\,T(z, z') = p(z')$. It is enough that as much flows from $z$ to $z'$ as back: $p(z)\,T(z, z') =
# p(z')\,T(z', z)$, which is *detailed balance*. If besides each state can be reached from each, the chain
# forgets where it began.
#
# On the left a walk that accepts everything: it stays, or takes a step up or down. After $t$ steps it is
# $\sqrt{t/2}$ from its start (dashed) and no farther. On the right Metropolis' rule makes $p$, the curve at
# its edge, invariant. Blue is the distribution at each time, on a scale of roots; two walkers go through it.

# %%
K = 61
state = np.arange(K)
target = np.exp(-0.5 * ((state - 20) / 6) ** 2) + 0.6 * np.exp(-0.5 * ((state - 43) / 5) ** 2)
target /= target.sum()
walk = sum(np.diag(np.full(K - abs(offset), p), offset) for offset, p in ((-1, 0.25), (0, 0.5), (1, 0.25)))
walk += np.diag(1 - walk.sum(1))  # steps over the border are not taken
T = walk * np.minimum(1, target / target[:, None])
T += np.diag(1 - T.sum(1))
flow = target[:, None] * T
np.testing.assert_allclose(flow, flow.T, atol=1e-15)  # detailed balance
np.testing.assert_allclose(target @ T, target)  # so the target is invariant

fig, panels = plt.subplots(1, 2, figsize=(10, 3.3))
tables = {"a walk": (walk, 30, 200), "Metropolis": (T, 20, 4000)}
for axes, (name, (table, start, last)) in zip(panels, tables.items(), strict=True):
    times = np.unique(np.linspace(0, last, 200).astype(int))
    p = np.array([np.linalg.matrix_power(table, t)[start] for t in times])
    axes.pcolormesh(times, state, np.sqrt(p.T), cmap="Blues", vmax=0.35, rasterized=True)
    for seed, colour in enumerate((ORANGE, INK)):
        rng, walker = np.random.default_rng(seed), [start]
        for _ in range(last):
            walker.append(rng.choice(K, p=table[walker[-1]]))
        axes.plot(walker, color=colour, linewidth=0.6)
    axes.set(title=name, xlabel="$t$ steps", ylabel="$z$", ylim=(-0.5, K - 0.5), xlim=(0, last))
for sign in (-1, 1):
    panels[0].plot(30 + sign * np.sqrt(np.arange(201) / 2), "--", color=INK, linewidth=0.8)
panels[1].plot(last * (1.02 + 0.12 * target / target.max()), state, color=BLUE, clip_on=False)
left = np.sort(np.abs(np.linalg.eigvals(T)))[-2]
print(f"A step forgets {1 - left:.2%} of the start: a third of it is left after {-1 / np.log(left):.0f}.")

# %% [markdown]
# ### 14.2.3 The Metropolis-Hastings algorithm
#
# A proposal need not be as likely as the way back. Hastings corrects for it: accept with probability
# $\min\!\left(1, \frac{\tilde p(z^\star)\,q(z \mid z^\star)}{\tilde p(z)\,q(z^\star \mid z)}\right)$.
# Positive numbers, for instance, are best multiplied, $z^\star = z\,e^{\epsilon}$, and the ratio of the
# densities of proposals is $z^\star/z$. Without it the chain would have another distribution altogether. As a
# program the proposal takes the current values, and draws new ones.


# %%
def positive():
    numpyro.sample("z", dist.Gamma(2.0, 1.0))


def multiplied(current):
    numpyro.sample("z", dist.LogNormal(jnp.log(current["z"]), 1.0))


method = pdl.MetropolisHastings(multiplied, num_samples=10 * LENGTHS["num_samples"])
hastings = infer(pdl.Model(positive), method)
rng, value, uncorrected = np.random.default_rng(0), 1.0, []
for epsilon, u in zip(rng.normal(size=20_000), rng.uniform(size=20_000), strict=True):
    proposal = value * np.exp(epsilon)
    if u < proposal / value * np.exp(value - proposal):
        value = proposal
    uncorrected.append(value)

fig, axes = plt.subplots(figsize=(5.5, 2.8))
z = np.linspace(0, 9, 300)
look = {"bins": 60, "range": (0, 9), "density": True}
axes.hist(hastings["z"].to_numpy().ravel(), color=BLUE, alpha=0.35, label="with the correction", **look)
axes.hist(uncorrected, color=ORANGE, histtype="step", label="without", **look)
axes.plot(z, stats.gamma(2).pdf(z), color=BLUE, label="$p(z)$")
axes.set(xlabel="$z$", yticks=[], xlim=(0, 9))
axes.legend()
agrees(hastings, {"z": 2.0})

# %% [markdown]
# ### 14.2.4 Gibbs sampling
#
# Draw one variable from its distribution given all others, then the next: each is a step of Metropolis and
# Hastings that is always accepted, and nothing has to be tuned. What is needed are the conditional
# distributions. In a graph they are those given the Markov blanket; often they have a name, and probdl finds
# it in the program.


# %%
def two_correlated(rho=0.95):
    x = numpyro.sample("x", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(rho * x, jnp.sqrt(1 - rho**2)))


two = pdl.Model(two_correlated)
one_by_one = pdl.Gibbs(blocks=[["x"], ["y"]], num_samples=5 * LENGTHS["num_samples"], num_warmup=10)
print(one_by_one.blocks_of(two), "", "Left to itself:", pdl.Gibbs().blocks_of(two), sep="\n")
chain = infer(two, one_by_one)
x, y = (chain[name].to_numpy() for name in "xy")

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=(1, 1.2))
ellipses(left, np.array([[1, 0.95], [0.95, 1]]))
corners = np.stack([np.repeat(x[0, :30], 2)[1:], np.repeat(y[0, :30], 2)[:-1]], 1)
left.plot(*corners.T, color=BLUE, linewidth=0.9)
left.plot(x[0, :30], y[0, :30], "o", color=BLUE, markersize=3)
left.set(aspect="equal", xlabel="$x$", ylabel="$y$", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
lags = np.arange(60)
centred = x - x.mean()
found = [np.mean(centred[:, lag:] * centred[:, : x.shape[1] - lag]) / np.mean(centred**2) for lag in lags]
right.plot(lags, 0.95 ** (2 * lags), color=GREY, label=r"$\rho^{2t}$")
right.plot(lags, found, ".", color=BLUE, label="chains")
right.axhline(0, color=INK, linewidth=0.5)
right.set(xlabel="$t$ sweeps", ylabel="autocorrelation of $x$")
right.legend()
agrees(chain, {"x": 0, "y": 0})

# %% [markdown]
# Each step is only as long as the *conditional* distribution is wide: to forget where it was, the walk takes
# about $1/(1 - \rho^2)$ *sweeps* through both variables. If they are drawn together as one *block*, nothing
# is left of that, and without being told to do otherwise `Gibbs` draws together what it can.
#
# In which year did the Nile change? A hundred yearly flows at Aswan have one mean before some year and
# another one after it. Given the year the means are Gaussian; given the means the year has a table, and the
# precision a gamma distribution.


# %%
def change(flow, years=100):
    year = numpyro.sample("year", dist.DiscreteUniform(1, years - 1))
    mean = numpyro.sample("mean", dist.Normal(1000, 300).expand([2]).to_event(1))
    precision = numpyro.sample("precision", dist.Gamma(2.0, 20_000.0))
    with numpyro.plate("n", years):
        later = (jnp.arange(years) >= year).astype(int)
        numpyro.sample("flow", dist.Normal(mean[later], 1 / jnp.sqrt(precision)), obs=flow)


flow = nile.data()["y"]
aswan = pdl.Model(change, flow)
print(pdl.Gibbs().blocks_of(aswan))
swept = infer(aswan, pdl.Gibbs(**LENGTHS))

# %% [markdown]
# The same by sums: given year and precision the means integrate to a formula, and a grid of both is small.

# %%
grid = np.geomspace(1e-5, 3e-4, 300)
log_p = np.tile(stats.gamma(2, scale=1 / 20_000).logpdf(grid) + np.log(np.gradient(grid)), (99, 1))
for year in range(1, 100):
    for part in (flow[:year] - 1000, flow[year:] - 1000):
        n, wide = len(part), 1 + 300**2 * grid * len(part)
        log_p[year - 1] += n / 2 * np.log(grid) - np.log(wide) / 2
        log_p[year - 1] -= grid / 2 * (np.sum(part**2) - 300**2 * grid * part.sum() ** 2 / wide)
joint = np.asarray(np.exp(log_p - special.logsumexp(log_p)))

fig, (above, below) = plt.subplots(2, 1, figsize=(9, 4), sharex=True, height_ratios=(2, 1))
when, date = swept["year"].to_numpy(), 1871 + np.arange(100)
above.plot(date, flow, "o-", color=GREY, markersize=3, linewidth=0.7)
before, after = np.moveaxis(swept["mean"].to_numpy(), -1, 0)
levels = np.where(np.arange(100) < when[..., None], before[..., None], after[..., None]).reshape(-1, 100)
above.plot(date, levels[:: len(levels) // 60].T, color=BLUE, alpha=0.15, linewidth=1, drawstyle="steps-mid")
above.set(ylabel="flow in $10^8\\,$m$^3$")
share = np.bincount(when.ravel(), minlength=101)[1:100] / when.size
below.bar(date[1:], joint.sum(1), color=GREY, alpha=0.6, label="exact")
below.plot(date[1:], share, "o", color=BLUE, markersize=3, label="Gibbs")
below.set(xlabel="first year of the new mean", ylabel="probability")
below.legend()
agrees(swept, {"year": joint.sum(1) @ np.arange(1, 100), "precision": joint.sum(0) @ grid})

# %% [markdown]
# ### 14.2.5 Ancestral sampling
#
# If nothing is observed no chain is needed: draw parents first, then their children. If something is, that
# would be the wrong distribution, and `AncestralSampling` refuses. Two old remedies are known already: throw
# away what disagrees with the data, which is rejection; or fix the data and weigh by their probability, which
# is importance sampling from the prior.

# %%
unseen, wet = pdl.Model(sprinkler.program), sprinkler.model()
print(" → ".join(pdl.ancestral_order(pdl.graph(unseen))), "\n")
refusal(lambda: pdl.infer(wet, pdl.AncestralSampling(), key=0))
rows, exact, found, size = [], [], [], []
for label, model, method in (
    ("nothing seen", unseen, pdl.AncestralSampling(num_samples=DRAWS // 4)),
    ("wet, rejection", wet, pdl.Rejection(num_samples=DRAWS // 20)),
    ("wet, weights", wet, pdl.ImportanceSampling(num_samples=DRAWS // 20)),
):
    run, answer = infer(model, method), pdl.exact_posterior(model)
    w = weights_of(run) if run.is_weighted else np.full(run["rain"].size, 1 / run["rain"].size)
    for name in ("sprinkler", "rain"):
        rows.append(f"{label}: p({name})")
        exact.append(answer.probabilities(name)[1])
        found.append(w @ flat(run, name)[:, 0])
        size.append(1 / np.square(w).sum())
exact = np.array(exact)
near(rows, exact, found, np.sqrt(exact * (1 - exact) / size))

# %% [markdown]
# ## 14.3 Langevin sampling
#
# ### 14.3.1 Energy-based models
#
# Write a density as $p(x) = e^{-E(x)}/Z$: any function $E$ will do whose $e^{-E}$ can be integrated, and
# nobody has to be able to do that. Probable places are valleys of the *energy*. As a program it is a
# `factor`, and of each program `model.target` has the energy, as $-$`log_density`. Three valleys that are
# hard to walk in: a ring, a ridge that bends, and a funnel whose width changes by a factor of a hundred.

# %%
VALLEYS = {
    "donut": (pdl.Model(donut.program), np.linspace(-4.6, 4.6, 161), np.linspace(-4.6, 4.6, 161)),
    "banana": (pdl.Model(banana.program), np.linspace(-5, 7, 161), np.linspace(-4, 40, 161)),
    "funnel": (pdl.Model(funnel.program, 1), np.linspace(-8, 7, 161), np.linspace(-12, 12, 161)),
}
LEVELS = np.array([0, 0.5, 1, 2, 3, 4.5, 6, 8, 10])


def contours(axes, x, y, energy):
    """Draw an energy above its lowest point, in nats: the deeper, the darker."""
    axes.contourf(x, y, energy - energy.min(), LEVELS, cmap="Blues_r", vmin=-4, vmax=LEVELS[-1])
    axes.set(xlim=x[[0, -1]], ylim=y[[0, -1]])


fig, panels = plt.subplots(1, 3, figsize=(12, 3.6), gridspec_kw={"wspace": 0.25})
for axes, (name, (model, x, y)) in zip(panels, VALLEYS.items(), strict=True):
    contours(axes, x, y, -on_grid(model, x, y))
    labels = ("$v$", "$x$") if name == "funnel" else ("$x_1$", "$x_2$")
    axes.set(title=name, xlabel=labels[0], ylabel=labels[1])

# %% [markdown]
# ### 14.3.2 Maximizing the likelihood
#
# Let the energy have parameters $w$ and raise the likelihood of data. Its gradient is a difference of two
# means, $-\mathbb{E}_\text{data}[\nabla_w E] + \mathbb{E}_{p_w}[\nabla_w E]$: lower the energy where the data
# are, raise it where the model believes them to be. The second mean needs draws of the model, and these come
# from chains that go on while $w$ changes.
#
# The data are waits for Old Faithful, each with the one before. The energy is a bowl with a bump, up or down,
# at each of 225 points.

# %%
waits = gaussian_mixture.data()["y"]
pairs = np.stack([waits[:-1], waits[1:]], 1)
data = jnp.asarray((pairs - pairs.mean()) / pairs.std())
centres = jnp.stack(jnp.meshgrid(*2 * [jnp.linspace(-2.4, 2.4, 15)]), -1).reshape(-1, 2)
side = np.linspace(-3, 3, 121)
mesh = jnp.stack(jnp.meshgrid(side, side), -1)
UPDATES = 200 if SMALL else 2000


def bumps(x):
    return jnp.exp(-jnp.square(x[..., None, :] - centres).sum(-1) / (2 * 0.3**2))


def energy(w, x):
    return jnp.square(x).sum(-1) / 4 - bumps(x) @ w


@jax.jit
def mean_log_likelihood(w):
    """By a sum over a grid, which two dimensions allow: to see what is going on, not to learn from."""
    log_Z = special.logsumexp(-energy(w, mesh)) + 2 * np.log(side[1] - side[0])
    return -energy(w, data).mean() - log_Z


@jax.jit
def update(carry, key):
    """A few steps of Langevin dynamics of all chains, then one of the parameters."""
    w, x = carry
    for noise in jax.random.normal(key, (3, *x.shape)):
        x = x - 0.1**2 / 2 * jax.vmap(jax.grad(energy, 1), (None, 0))(w, x) + 0.1 * noise
    gradient = bumps(data).mean(0) - bumps(x).mean(0) - 1e-3 * w
    return (w + 0.5 * gradient, x), (w, x)


begin = jnp.zeros(len(centres)), jax.random.normal(jax.random.key(0), (400, 2))
_, (w, x) = jax.lax.scan(update, begin, jax.random.split(jax.random.key(1), UPDATES))
fig, panels = plt.subplots(1, 4, figsize=(13.5, 3.1), gridspec_kw={"wspace": 0.3})
for axes, stage in zip(panels, (0, UPDATES // 20, UPDATES - 1), strict=False):
    contours(axes, side, side, np.asarray(energy(w[stage], mesh)))
    axes.plot(*x[stage].T, ".", color=ORANGE, markersize=2)
    axes.plot(*data.T, ".", color=INK, markersize=2)
    axes.set(title=f"after {stage + (stage > 0)} updates", aspect="equal", xlabel="wait")
panels[0].set_ylabel("next wait")
seen = np.unique(np.geomspace(1, UPDATES, 25).astype(int)) - 1
panels[3].plot(seen + 1, [mean_log_likelihood(w[i]) for i in seen], "o-", color=BLUE, markersize=3)
_ = panels[3].set(xscale="log", xlabel="update", title="mean log-likelihood in nats")

# %% [markdown]
# Black are data, orange the chains. Where these are wrong the energy rises, and they leave.
#
# ### 14.3.3 Langevin dynamics
#
# How do the chains move? Down the energy, and at random: $z' = z + \frac{h^2}{2} \nabla \ln p(z) + h\,\xi$
# with $\xi \sim \mathcal{N}(0, 1)$. Without the noise that is gradient descent and ends in the next valley.
# With it, and for small $h$, the path visits each place as often as $p$ says; so does Metropolis' walk, which
# knows no gradient. Both go at random, and to get as far as $n$ steps they need $n^2$. A particle with
# *momentum* goes on in the direction in which it went: with friction and noise it is underdamped Langevin
# dynamics; at constant speed, with a direction that the gradient turns, the microcanonical one. Each path has
# 300 gradients, and goes from dark to light.


# %%
def path(axes, points, **look):
    """Draw a path whose colour says when: from dark to light."""
    lines = np.stack([points[:-1], points[1:]], 1)
    look = {"cmap": "plasma", "linewidth": 1} | look
    axes.add_collection(LineCollection(lines, array=np.linspace(0, 0.95, len(lines)), clim=(0, 1), **look))
    axes.plot(*points[0], "o", color=INK)


def valley(axes, name, **labels):
    """Draw one of the landscapes; return its model."""
    model, x, y = VALLEYS[name]
    contours(axes, x, y, -on_grid(model, x, y))
    axes.set(**labels)
    return model


fixed = {"num_samples": 300, "num_chains": 1, "num_warmup": 0}  # in the coordinates of the program
walkers = {
    "Metropolis": pdl.Metropolis(step_size=0.25, thinning=1, **fixed),
    "ULA": pdl.ULA(step_size=0.14, **fixed),
    "underdamped": pdl.UnderdampedLangevin(step_size=0.15, friction=0.1, **fixed),
    "microcanonical": pdl.MCLMC(step_size=0.3, decoherence_length=10.0, **(fixed | {"num_samples": 150})),
}
fig, panels = plt.subplots(1, 5, figsize=(14, 3), sharex=True, sharey=True)
for axes, title in zip(panels, ("gradient descent", *walkers), strict=True):
    model = valley(axes, "donut", title=title, xlabel="$x_1$", aspect="equal")
    if title in walkers:
        path(axes, infer(model, walkers[title], key=2)["x"].to_numpy()[0])
panels[0].set_ylabel("$x_2$")
slope = jax.jit(jax.vmap(jax.grad(model.target.log_density)))
descent = [jnp.asarray(np.random.default_rng(5).uniform(-4, 4, (12, 2)))]
for _ in range(300):
    descent.append(descent[-1] + 0.14**2 / 2 * slope(descent[-1]))
for line in np.moveaxis(np.array(descent), 1, 0):
    path(panels[0], line)

# %% [markdown]
# A step that is not small has an error, and nothing corrects it: on a Gaussian of unit variance the chain has
# the variance $1/(1 - h^2/4)$. Two remedies: know how large the error is, or let Metropolis' rule decide on
# each step. `ULA` measures its own bias and says so; `MALA` has none.

# %%
sizes, h = (0.3, 0.8, 1.2), np.linspace(0, 1.4, 100)
fig, axes = plt.subplots(figsize=(5, 2.8))
axes.plot(h, 1 / (1 - h**2 / 4), color=ORANGE, label="$1/(1 - h^2/4)$")
axes.axhline(1, color=BLUE)
for method, colour in ((pdl.MALA, BLUE), (pdl.ULA, ORANGE)):
    thin = {"thinning": 20, "num_warmup": 0, "num_samples": LENGTHS["num_samples"]}
    runs = [infer(five, method(step_size=size, **thin)) for size in sizes]
    variances = [float(np.square(run["x"]).mean()) for run in runs]
    axes.plot(sizes, variances, "o", color=colour, label=method.__name__)
axes.set(xlabel="step size $h$", ylabel="variance", ylim=(0.9, 2))
axes.legend()
print(*runs[-1].findings, sep="\n")

# %% [markdown]
# Where the gradient is a sum over many data, a few of them estimate it: *stochastic gradient* Langevin
# dynamics. A plate with a `subsample_size` is all it takes. The noise of the estimate makes draws too wide.
# It nearly goes away if the same rows are evaluated at the mode, too, where the sum over all is known: a
# *control variate*.

# %%
ROWS = 2_000
rng = np.random.default_rng(0)
inputs = rng.normal(size=(ROWS, 2))
labels = rng.binomial(1, special.expit(inputs @ np.array([1.0, -0.5])))


def classifier(x, y=None, batch=None):
    w = numpyro.sample("w", dist.Normal(0, 1).expand([2]).to_event(1))
    with numpyro.plate("row", len(x), subsample_size=batch) as i:
        numpyro.sample("y", dist.Bernoulli(logits=x[i] @ w), obs=None if y is None else y[i])


whole = infer(pdl.Model(classifier, inputs, labels), pdl.NUTS(num_samples=LENGTHS["num_samples"]))
reference = flat(whole, "w").reshape(-1, 2)
parts = pdl.Model(classifier, inputs, labels, batch=50)
fig, panels = plt.subplots(1, 2, figsize=(8, 3.6), sharex=True, sharey=True)
spreads = {"NUTS, all rows": reference.std(0)}
for axes, variate in zip(panels, (False, True), strict=True):
    sgld = pdl.SGLD(control_variate=variate, step_size=0.3, thinning=5, **LENGTHS)
    drawn = flat(infer(parts, sgld), "w").reshape(-1, 2)
    title = "with a control variate" if variate else "50 rows a step"
    axes.plot(*drawn[:: len(drawn) // 400].T, ".", color=ORANGE, markersize=2)
    ellipses(axes, np.cov(reference.T), reference.mean(0))
    axes.set(title=title, xlabel="$w_1$", ylabel="$w_2$")
    spreads[title] = drawn.std(0)
pd.DataFrame.from_dict(spreads, orient="index", columns=["sd of w_1", "sd of w_2"]).round(4)

# %% [markdown]
# Ellipses hold what is within one and two standard deviations, from `NUTS` with all rows.
#
# ## More ways to draw
#
# ### Hamiltonian dynamics
#
# Leave out friction and noise, and a particle keeps its total energy $E(z) + \frac12 p^2$: it rolls far along
# the valley and has to be tested only at the end. The *leapfrog* scheme follows it with steps $h$; its error
# in the energy does not grow with time, as long as $h$ is less than twice the width of the narrowest place:
# the ring is 0.2 wide.


# %%
def leapfrog(log_density, z, p, h, steps):
    """Positions, momenta and energies along a path that begins at z with the momentum p."""
    slope = jax.grad(log_density)

    def step(carry, _):
        z, p = carry
        p = p + h / 2 * slope(z)
        z = z + h * p
        p = p + h / 2 * slope(z)
        return (z, p), (z, p)

    _, (points, momenta) = jax.lax.scan(step, (z, p), None, length=steps)
    points, momenta = (jnp.concatenate([a[None], b]) for a, b in ((z, points), (p, momenta)))
    heights = -jax.vmap(log_density)(points) + np.square(momenta).sum(1) / 2
    return np.asarray(points), np.asarray(momenta), np.asarray(heights)


fig, panels = plt.subplots(1, 3, figsize=(12, 3.6), width_ratios=(1, 1.2, 1))
model = valley(panels[0], "donut", title="one path", aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
start, momentum = jnp.array([3.0, 0.0]), jnp.array([0.6, 1.2])
for h, colour in ((0.05, BLUE), (0.3, GREEN), (0.38, GREY), (0.41, ORANGE)):
    points, momenta, heights = leapfrog(model.target.log_density, start, momentum, h, int(20 / h))
    error = heights - heights[0]
    panels[1].plot(h * np.arange(len(error)), error, color=colour, linewidth=1, label=f"$h$ = {h}")
    if h == 0.05:
        back = ((points - points[0]) * momenta).sum(1) < 0
        turn = np.flatnonzero(back & (np.arange(len(back)) > 50))[0]
        panels[0].plot(*points[turn:].T, color=GREY, linewidth=0.8)
        path(panels[0], points[: turn + 1], linewidth=1.5)
        panels[0].plot(*points[turn], "o", color=ORANGE, markersize=6)
panels[1].set(title="error of the energy in nats", xlabel="time", ylim=(-0.5, 5))
panels[1].legend(loc="upper right")
valley(panels[2], "donut", title="60 draws by NUTS", aspect="equal", xlabel="$x_1$")
hops = infer(model, pdl.NUTS(**LENGTHS))
path(panels[2], hops["x"].to_numpy()[0, :60], linewidth=0.8)
panels[2].plot(*hops["x"].to_numpy()[0, :60].T, ".", color=INK)
agrees(hops, {"distance": 3.000})

# %% [markdown]
# How long should a path be? `HMC` takes random lengths; `NUTS` lets it grow, forward and backward in time,
# until it begins to come back (orange), and draws from all of it. Step sizes are found in the warm-up, and so
# are coordinates: chains share one *affine map*, learnt from all of them, after which the posterior has unit
# scales and no correlations. That helps every method that has a step size. Here are twenty normal variables
# whose widths differ by a factor of a hundred.


# %%
def widths():
    with numpyro.plate("dimension", 20):
        numpyro.sample("x", dist.Normal(0, jnp.geomspace(0.01, 1, 20)))


rows = {}
for name, method in (
    ("NUTS, map", pdl.NUTS(**LENGTHS)),
    ("NUTS, no map", pdl.NUTS(preconditioner=pdl.Unpreconditioned(), **LENGTHS)),
    ("MALA, map", pdl.MALA(**LENGTHS)),
):
    run = infer(pdl.Model(widths), method)
    steps, ess = run.data["sample_stats"]["n_steps"].to_numpy(), run.summary().table["ess_bulk"].min()
    rows[name] = {"gradients a draw": steps.mean(), "effective draws a gradient": ess / steps.sum()}
pd.DataFrame.from_dict(rows, orient="index").round(4)

# %% [markdown]
# ### Several modes
#
# Between two valleys a chain has to climb, and hardly ever does. Each of these four stays where it began;
# that they disagree is found out, but how much probability each mode has they cannot tell. Raise the
# likelihood to a power $\lambda$, an *inverse temperature*: at $\lambda = 0$ only the prior is left, at
# $\lambda = 1$ there is the posterior. *Parallel tempering* has a *ladder* of chains at several $\lambda$,
# its *replicas*, which now and then swap their states. What the hot ones find comes down to the cold one,
# step by step.

# %%
CORNERS = np.array([[-4.0, -3.0], [4.0, -3.0], [0.0, 4.0]])


def modes(power=1.0):
    with numpyro.plate("dimension", 2):
        x = numpyro.sample("x", dist.Normal(0, 4))
    square = jnp.square(x - CORNERS).sum(-1)
    peaks = jnp.log(jnp.array([0.2, 0.3, 0.5])) - square / (2 * 0.5**2)
    numpyro.factor("peaks", power * special.logsumexp(peaks))


def nearest(x):
    """To which corner each point belongs, as zeros and ones."""
    return np.eye(3)[np.square(x[..., None, :] - CORNERS).sum(-1).argmin(-1)]


three = pdl.Model(modes)
SIDE = np.linspace(-9, 9, 181)
log_p = on_grid(three, SIDE, SIDE)
LOG_Z = special.logsumexp(log_p) + 2 * np.log(SIDE[1] - SIDE[0])
p = np.exp(log_p - special.logsumexp(log_p))[..., None]
SHARES = (p * nearest(np.stack(np.meshgrid(SIDE, SIDE), -1))).sum((0, 1))

stuck = infer(three, pdl.NUTS(**LENGTHS))
swapped = infer(three, pdl.ParallelTempering(num_temperatures=6, **LENGTHS))
fig = plt.figure(figsize=(10, 3.4))
grid = fig.add_gridspec(2, 2, width_ratios=(1, 1.9), hspace=0.15)
axes, above, below = fig.add_subplot(grid[:, 0]), fig.add_subplot(grid[0, 1]), fig.add_subplot(grid[1, 1])
contours(axes, SIDE, SIDE, -log_p)
for chain, colour in zip(stuck["x"].to_numpy(), (ORANGE, GREEN, INK, "#cc79a7"), strict=True):
    axes.plot(*chain[::4].T, ".", color=colour, markersize=2)
    above.plot(chain[:200, 0], color=colour, linewidth=0.6)
below.plot(swapped["x"].to_numpy()[0, :200, 0], color=BLUE, linewidth=0.6)
axes.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$", xlim=(-7, 7), ylim=(-7, 7))
above.set(ylabel="$x_1$, NUTS", xticks=[], ylim=(-6, 6))
below.set(ylabel="$x_1$, tempering", xlabel="draw", ylim=(-6, 6))
print(stuck.findings[0])
found = nearest(swapped["x"].to_numpy()).mean(1)
near(["left", "right", "above"], SHARES, found.mean(0), found.std(0, ddof=1) / 2)

# %% [markdown]
# *Sequential Monte Carlo* takes a cloud of particles from the prior to the posterior. At each $\lambda$ the
# particles are weighted, resampled, and moved by Hamiltonian dynamics; how far the next step may go, their
# effective number says. The products of their mean weights are the evidence.

# %%
particles = pdl.SMC(num_particles=500 if SMALL else 2000)
tempered = infer(three, particles)
ladder = tempered.data["tempering"]["temperature"].to_numpy()
fig, panels = plt.subplots(1, 4, figsize=(12.5, 2.8), gridspec_kw={"wspace": 0.25})
for axes, power in zip(panels, [*ladder[0, :2], 1.0], strict=False):
    model = pdl.Model(modes, power)
    contours(axes, SIDE, SIDE, -on_grid(model, SIDE, SIDE))
    axes.plot(*infer(model, particles)["x"].to_numpy()[0, :500].T, ".", color=ORANGE, markersize=1.5)
    axes.set(title=rf"$\lambda$ = {power:.2g}", aspect="equal", xticks=[], yticks=[], xlabel="$x_1$")
panels[0].set_ylabel("$x_2$")
steps = np.arange(1, ladder.shape[1] + 1)
panels[3].plot(steps, ladder.T, "o-", color=BLUE, alpha=0.5, linewidth=1)
panels[3].set(xlabel="step", title=r"$\lambda$, four groups", yscale="log")
found = nearest(tempered["x"].to_numpy()).mean(1)
error = [*found.std(0, ddof=1) / 2, tempered.log_evidence_error]
rows, exact = ["left", "right", "above", "log evidence"], [*SHARES, LOG_Z]
near(rows, exact, [*found.mean(0), tempered.log_evidence], error)

# %% [markdown]
# ### Evidence
#
# How probable are the data under a model, with everything unknown integrated? Chains do not tell by
# themselves. A *bridge* from their draws to a Gaussian does, and so do the methods with weights. For the four
# groups of animals the grid knows the answer.

# %%
methods = {
    "importance sampling": pdl.ImportanceSampling(guide=pdl.LaplaceGuide()),
    "tempering, SMC": pdl.SMC(),
    "nested sampling": pdl.Nested(),
    "bridge from NUTS": pdl.BridgeSampling(pdl.NUTS(**LENGTHS)),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", pdl.InferenceWarning)
    estimates = [pdl.log_evidence(animals, method, key=0, progress=False) for method in methods.values()]
found, errors = np.array([(float(estimate), estimate.standard_error) for estimate in estimates]).T
near(methods, np.full(4, LOG_EVIDENCE), found, errors)

# %% [markdown]
# ## Are the draws right?
#
# Mostly there is no grid. What is left are signs: a chain that is wrong often shows it. Each run is looked at
# before it is returned, and `status` is the worst that was found.
#
# ### Divergences
#
# In the neck of the funnel no step size is small enough for the leapfrog scheme, and the chain turns away: a
# *divergence*. That there are some says that a region is missing. Where they are says which.

# %%
centred = infer(funnel.model(), pdl.NUTS(**LENGTHS))
other = infer(funnel.model(), pdl.NUTS(reparametrize="auto", **LENGTHS))
print("as written:", *centred.findings, "\nin other coordinates:", other.status, sep="\n")
fig, panels = plt.subplots(1, 3, figsize=(12.5, 3.5), width_ratios=(1, 1, 0.9))
runs = (("as written", centred, ORANGE), ("in other coordinates", other, BLUE))
for axes, (title, run, colour) in zip(panels, runs, strict=False):
    valley(axes, "funnel", title=title, xlabel="$v$")
    v, first = run["v"].to_numpy().ravel(), run["x"].to_numpy()[..., 0].ravel()
    bad = run.data["sample_stats"]["diverging"].to_numpy().ravel()
    axes.plot(v[::4], first[::4], ".", color=INK, markersize=2)
    axes.plot(v[bad], first[bad], "o", color=ORANGE, label=f"{bad.sum()} diverged")
    axes.legend(loc="lower left")
    panels[2].hist(v, bins=50, range=(-9, 9), density=True, histtype="step", color=colour, label=title)
panels[0].set_ylabel("$x$")
v = np.linspace(-9, 9, 200)
panels[2].plot(v, stats.norm(0, 3).pdf(v), color=INK, linewidth=0.8, label="truth")
panels[2].set(xlabel="$v$", yticks=[], ylim=(0, 0.36))
panels[2].legend(fontsize=8, loc="upper left")
agrees(other, {"v": 0.0})

# %% [markdown]
# The other coordinates are $v/3$ and $x\,e^{-v/2}$, standard normal all of them: `reparametrize="auto"` finds
# them from the graph.
#
# ### Chains beside each other
#
# All chains have to tell the same: the ranks of the draws of each among those of all should be uniform. First
# the funnel as written, then in other coordinates.

# %%
pdl.rank_plot(centred, sites=["v"])

# %%
pdl.rank_plot(other, sites=["v"])

# %% [markdown]
# ### Calibration
#
# No sign is a proof. But a method can be put to the test on data of which everything is known. Draw latents
# from the prior and data from them; then the latents are themselves a draw of the posterior, and their *rank*
# among the draws of a right method is uniform. Repeat this for many data sets. Here are `NUTS`, and a `ULA`
# whose steps are too long. The picture is the distribution function of the ranks less that of uniform ones.
# Within the grey band all of a right method's curves stay in 99 of 100 cases.

# %%
short = {"num_samples": 200, "num_warmup": 300, "num_chains": 2}
SETS = 40 if SMALL else 300
pdl.plot(pdl.calibrate(animals, pdl.NUTS(**short), key=0, num_simulations=SETS, num_draws=49, progress=False))

# %%
long_steps = pdl.ULA(step_size=1.3, thinning=10, **short)
pdl.plot(pdl.calibrate(animals, long_steps, key=0, num_simulations=SETS, num_draws=49, progress=False))

# %% [markdown]
# ## Runs that survive
#
# Draws that took a week should not be lost to a power cut. With a `store` they go to disk as they come, and
# after each chunk of steps the state of the run beside them, its *checkpoint*. Here a process kills itself as
# hard as a process can, as soon as some draws are on disk. `resume=True` goes on, and ends with the very
# numbers of a run that nothing happened to.

# %%
store = Path(tempfile.mkdtemp()) / "run.zarr"
ends = f"""
import os, signal
import numpyro
import probdl as pdl
from models import eight_schools

numpyro.enable_x64()

def kill(snapshot):
    if os.path.exists({str(store)!r}):
        os.kill(os.getpid(), signal.SIGKILL)

method = pdl.NUTS(num_samples=2000, num_warmup=300)
pdl.infer(eight_schools.model(), method, key=0, store={str(store)!r}, callback=kill)
"""
code = subprocess.run([sys.executable, "-c", ends], check=False).returncode
survived = pdl.Result.load(store)["mu"].sizes["draw"]
schools, method = eight_schools.model(), pdl.NUTS(num_samples=2000, num_warmup=300)
resumed, unharmed = infer(schools, method, store=store, resume=True), infer(schools, method)
for site in ("mu", "tau", "z"):
    np.testing.assert_array_equal(resumed[site], unharmed[site])
print(f"exit code {code}; {survived} of {method.num_samples} draws were on disk, the rest came later")

fig, axes = plt.subplots(figsize=(9, 2.6))
draw = np.arange(method.num_samples)[max(survived - 100, 0) : survived + 100]
axes.plot(draw, unharmed["mu"].to_numpy()[0, draw], "o", color=GREY, markersize=3, label="never stopped")
for part, colour, label in (
    (draw < survived, BLUE, "before the kill"),
    (draw >= survived, ORANGE, "resumed"),
):
    axes.plot(draw[part], resumed["mu"].to_numpy()[0, draw[part]], color=colour, linewidth=0.9, label=label)
axes.axvline(survived - 0.5, color=INK, linestyle=":")
axes.set(xlabel="draw", ylabel=r"$\mu$")
_ = axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
