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
# # Probabilities
#
# *Bishop & Bishop (2023), chapter 2.* The rules of probability are two, and a program is a compact way to
# state what they are applied to. Every number of this notebook is computed twice, by the program and by
# hand or by simulation, and the two stand side by side.

# %%
import os
import warnings

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from scipy import stats

import probdl as pdl

SMALL = os.environ.get("PROBDL_SMALL") == "1"  # fewer draws, for a quick check that everything runs
DRAWS = 2_000 if SMALL else 200_000
METHOD = pdl.NUTS(num_samples=300, num_warmup=300, num_chains=2) if SMALL else pdl.NUTS()

plt.rcParams.update({"figure.dpi": 110, "axes.spines.right": False, "axes.spines.top": False})
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#79828e"


def beside(**columns):
    """Numbers side by side."""
    return pd.DataFrame(columns).astype(float).round(4)


# %% [markdown]
# ## 2.1 Medical screening
#
# One person in a hundred has a cancer. The test finds it in 90 of 100 who have it, and raises a false alarm
# in 3 of 100 who have not. The test is positive: how worried should one be?


# %%
def screening(positive=None):
    cancer = numpyro.sample("cancer", dist.Bernoulli(0.01))
    numpyro.sample("positive", dist.Bernoulli(jnp.where(cancer == 1, 0.90, 0.03)), obs=positive)


pdl.draw(pdl.graph(pdl.Model(screening, positive=np.array(1))))

# %% [markdown]
# `log_joint` is the logarithm of $p(\text{cancer}, \text{positive})$. With two variables of two values each
# we can write down the whole table; its entries are products (the *product rule*) and sum to one.

# %%
unseen = pdl.Model(screening)
joint = np.array([[np.exp(unseen.log_joint({"cancer": c, "positive": t})) for t in (0, 1)] for c in (0, 1)])
pd.DataFrame(joint, index=["healthy", "cancer"], columns=["negative", "positive"]).assign(
    sum=joint.sum(1)
).round(4)

# %% [markdown]
# The *sum rule* adds up a column: how often is the test positive at all? *Bayes' theorem* is the two rules
# together: the share of that column which falls to those who are ill. Fewer than one alarm in four is real,
# since the healthy are so many.

# %%
positive = joint[:, 1].sum()
posterior = joint[1, 1] / positive
beside(
    program=pd.Series({"p(positive)": positive, "p(cancer | positive)": posterior}),
    by_hand=[0.01 * 0.90 + 0.99 * 0.03, 0.01 * 0.90 / (0.01 * 0.90 + 0.99 * 0.03)],
)

# %% [markdown]
# A second, independent test changes the picture: the posterior of the first is the prior of the second. In
# the program it is one more site, in the graph one more child.


# %%
def screening_twice(first=None, second=None):
    cancer = numpyro.sample("cancer", dist.Bernoulli(0.01))
    alarm = jnp.where(cancer == 1, 0.90, 0.03)
    numpyro.sample("first", dist.Bernoulli(alarm), obs=first)
    numpyro.sample("second", dist.Bernoulli(alarm), obs=second)


both = pdl.Model(screening_twice, first=np.array(1), second=np.array(1))
weights = np.exp([both.log_joint({"cancer": c}) for c in (0, 1)])
beside(
    program=pd.Series({"p(cancer | both positive)": weights[1] / weights.sum()}),
    by_hand=[posterior * 0.90 / (posterior * 0.90 + (1 - posterior) * 0.03)],
)

# %%
pdl.draw(pdl.graph(both))

# %% [markdown]
# ## 2.2 Densities and expectations
#
# A density is not a probability: it may exceed one, and only areas under it mean something. An expectation
# is an average over it, $\mathbb{E}[f] = \int f(x)\,p(x)\,dx$, and draws turn it into a mean of numbers.
# Here $p$ is a mixture of two Gaussians, and the areas come from the trapezoidal rule.


# %%
def mixture():
    which = dist.Categorical(probs=jnp.array([0.3, 0.7]))
    parts = dist.Normal(jnp.array([-1.5, 1.0]), jnp.array([0.2, 0.8]))
    numpyro.sample("x", dist.MixtureSameFamily(which, parts))


x = np.linspace(-5, 5, 4001)
density = 0.3 * stats.norm.pdf(x, -1.5, 0.2) + 0.7 * stats.norm.pdf(x, 1.0, 0.8)
draws = pdl.Model(mixture).sample(0, DRAWS)["prior"]["x"].to_numpy().ravel()

fig, axes = plt.subplots(figsize=(5.5, 2.8))
axes.hist(draws, bins=120, density=True, color=GREY, alpha=0.4, label="draws")
axes.plot(x, density, color=BLUE, label="density")
inside = (x >= 0) & (x <= 1)
axes.fill_between(x[inside], density[inside], color=BLUE, alpha=0.3, label=r"$p(0 \leq x \leq 1)$")
axes.set(xlabel="$x$", xlim=(-3, 4))
axes.legend(frameon=False)

second = 0.3 * (1.5**2 + 0.2**2) + 0.7 * (1.0**2 + 0.8**2)
beside(
    draws=pd.Series(
        {
            "area under the density": np.nan,
            "p(0 <= x <= 1)": np.mean((draws >= 0) & (draws <= 1)),
            "mean": draws.mean(),
            "mean of x squared": np.mean(draws**2),
            "variance": draws.var(),
        }
    ),
    integral=[
        np.trapezoid(density, x),
        np.trapezoid(density[inside], x[inside]),
        np.trapezoid(density * x, x),
        np.trapezoid(density * x**2, x),
        np.trapezoid(density * x**2, x) - np.trapezoid(density * x, x) ** 2,
    ],
    by_hand=[1.0, np.nan, 0.25, second, second - 0.25**2],
)

# %% [markdown]
# ## 2.3 The Gaussian, and what maximum likelihood gets wrong
#
# The likelihood of $N$ draws is largest at their mean and at their mean squared distance *from that mean*.
# The second is too small: the draws lie closer to their own mean than to the true one. On average it is off
# by the factor $(N-1)/N$, as a million small data sets show.

# %%
rng = np.random.default_rng(0)
sets = 20_000 if SMALL else 1_000_000
rows = {}
for N in (2, 3, 5, 10):
    sample = rng.normal(0.0, 1.0, (sets, N))
    rows[N] = {
        "mean of the ML mean": sample.mean(1).mean(),
        "mean of the ML variance": sample.var(1).mean(),
        "(N - 1) / N": (N - 1) / N,
        "corrected": sample.var(1, ddof=1).mean(),
    }
pd.DataFrame(rows).T.rename_axis("N").round(3)

# %%
fig, panels = plt.subplots(1, 3, figsize=(10, 2.6), sharey=True)
at = np.linspace(-3.5, 3.5, 300)
for axes, seed in zip(panels, (3, 4, 7), strict=True):
    pair = np.random.default_rng(seed).normal(size=2)
    axes.plot(at, stats.norm.pdf(at), color=GREEN, label="truth")
    axes.plot(at, stats.norm.pdf(at, pair.mean(), pair.std()), color=BLUE, label="maximum likelihood")
    axes.plot(pair, [0, 0], "o", color="#1b1f24", clip_on=False, zorder=3)
    axes.set(ylim=(0, 1.5), xlabel="$x$")
_ = panels[0].legend(frameon=False, loc="upper left")

# %% [markdown]
# `log_joint` of a program is that likelihood too. On a grid it has its peak at the mean and standard
# deviation of the data.


# %%
def gaussian(data, mu, sigma):
    with numpyro.plate("draw", len(data)):
        numpyro.sample("x", dist.Normal(mu, sigma), obs=data)


data = rng.normal(2.0, 0.7, 20)
mus, sigmas = np.linspace(1.4, 2.6, 25), np.linspace(0.4, 1.3, 25)
surface = np.array([[float(pdl.Model(gaussian, data, m, s).log_joint({})) for m in mus] for s in sigmas])
by_hand = np.array([[stats.norm.logpdf(data, m, s).sum() for m in mus] for s in sigmas])

fig, axes = plt.subplots(figsize=(4.6, 3))
axes.contourf(mus, sigmas, np.exp(surface - surface.max()), levels=12, cmap="Blues")
axes.plot(data.mean(), data.std(), "+", color=ORANGE, markersize=12)
axes.set(xlabel=r"$\mu$", ylabel=r"$\sigma$")
beside(largest_difference_in_nats=pd.Series({"program and formula": np.abs(surface - by_hand).max()}))

# %% [markdown]
# ## 2.4 Change of variables
#
# If $y = g(x)$, probability moves along: $p_y(y) = p_x(x)\,\lvert dx/dy \rvert$. The factor is the price of
# the new units, and because of it the top of a density does *not* move to where $g$ sends it. Take $y =
# 1/(1 + e^{-x})$ of a Gaussian $x$.

# %%
normal = stats.norm(1.0, 1.2)
squashed = 1 / (1 + np.exp(-normal.rvs(DRAWS, random_state=0)))
y = np.linspace(0.001, 0.999, 2000)
x_of_y = np.log(y / (1 - y))
p_y = normal.pdf(x_of_y) / (y * (1 - y))
top, moved = y[p_y.argmax()], 1 / (1 + np.exp(-1.0))

fig, axes = plt.subplots(figsize=(5.5, 2.8))
axes.hist(squashed, bins=80, density=True, color=GREY, alpha=0.4, label="draws, squashed")
axes.plot(y, p_y, color=BLUE, label="with the factor")
axes.plot(
    y, normal.pdf(x_of_y) * p_y.max() / normal.pdf(1.0), "--", color=ORANGE, label="without it, rescaled"
)
axes.set(xlabel="$y$")
axes.legend(frameon=False, loc="upper left")
beside(
    value=pd.Series(
        {"area": np.trapezoid(p_y, y), "top of p(y)": top, "where g sends the top of p(x)": moved}
    )
)

# %% [markdown]
# Inference rests on this. Samplers want numbers without bounds, so that a standard deviation $\sigma > 0$
# is moved to $u = \ln \sigma$, and the density with it. `target` of a model is that density; it differs
# from `log_joint` by the logarithm of $d\sigma/du = \sigma$.


# %%
def scale_only():
    numpyro.sample("sigma", dist.HalfNormal(1))


model = pdl.Model(scale_only)
at = np.array([0.1, 0.5, 2.0])
beside(
    sigma=at,
    target=[float(model.target.log_density(jnp.log(jnp.array([s])))) for s in at],
    log_joint_plus_log_sigma=[float(model.log_joint({"sigma": s})) + np.log(s) for s in at],
)

# %% [markdown]
# ## 2.5 Information
#
# Surprise at an event of probability $p$ is $-\ln p$ nats; *entropy* is the expected surprise. Of all ways
# to spread probability over two outcomes the even one has the most.

# %%
p = np.linspace(0.001, 0.999, 500)
entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
fig, axes = plt.subplots(figsize=(4.2, 2.6))
axes.plot(p, entropy, color=BLUE)
axes.axhline(np.log(2), color=GREY, linestyle="--", linewidth=0.8)
axes.text(0.02, np.log(2), r"$\ln 2$", color=GREY, va="bottom")
_ = axes.set(xlabel="probability of heads", ylabel="entropy in nats", ylim=(0, 0.8))

# %% [markdown]
# What does the medical test tell about the disease? The *mutual information* is how much the entropy of the
# one falls when the other is seen, $I = H[C] - H[C \mid T]$, and also the distance of the joint table from
# the product of its margins, $\mathrm{KL}(p(C, T) \,\Vert\, p(C)\,p(T))$. Less than half of the uncertainty
# goes: there was little to begin with.


# %%
def nats(table):
    return -np.sum(table * np.log(table))


ill, alarm = joint.sum(1), joint.sum(0)
conditional = sum(alarm[t] * nats(joint[:, t] / alarm[t]) for t in (0, 1))
pd.Series(
    {
        "H[C]": nats(ill),
        "H[T]": nats(alarm),
        "H[C, T]": nats(joint),
        "H[C | T]": conditional,
        "H[C, T] - H[T], the same": nats(joint) - nats(alarm),
        "I by entropies": nats(ill) - conditional,
        "I by KL": np.sum(joint * np.log(joint / np.outer(ill, alarm))),
    }
).round(5)

# %% [markdown]
# For densities the *Kullback-Leibler divergence* $\mathrm{KL}(q \Vert p) = \mathbb{E}_q[\ln q - \ln p]$ is
# never negative, zero only if the two agree, and not symmetric. Between Gaussians there is a formula; draws
# of $q$ do without one.


# %%
def kl(q, p):
    ratio = p.std() / q.std()
    return np.log(ratio) + (1 + ((q.mean() - p.mean()) / q.std()) ** 2) / (2 * ratio**2) - 0.5


def kl_by_draws(q, p):
    draws = q.rvs(DRAWS, random_state=1)
    return np.mean(q.logpdf(draws) - p.logpdf(draws))


narrow, wide = stats.norm(0.0, 1.0), stats.norm(1.0, 2.0)
beside(
    draws=pd.Series(
        {"KL(narrow || wide)": kl_by_draws(narrow, wide), "KL(wide || narrow)": kl_by_draws(wide, narrow)}
    ),
    formula=[kl(narrow, wide), kl(wide, narrow)],
)

# %% [markdown]
# Among all densities of a given variance the Gaussian has the largest entropy, $\tfrac12 \ln(2\pi
# e\,\sigma^2)$. And two Gaussians of correlation $\rho$ share $-\tfrac12 \ln(1 - \rho^2)$ nats. Here $y$ is
# $x$ seen through noise, and the expectation of $\ln p(y \mid x) - \ln p(y)$ is taken over draws of the
# program.


# %%
def channel():
    x = numpyro.sample("x", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(x, 0.75))


prior = pdl.Model(channel).sample(0, DRAWS)["prior"]
x, y = (prior[name].to_numpy().ravel() for name in ("x", "y"))
rho = 1 / np.sqrt(1 + 0.75**2)
shared = np.mean(stats.norm.logpdf(y, x, 0.75) - stats.norm.logpdf(y, 0, np.sqrt(1 + 0.75**2)))
beside(
    draws=pd.Series({"correlation": np.corrcoef(x, y)[0, 1], "mutual information": shared}),
    exact=[rho, -0.5 * np.log(1 - rho**2)],
)

# %%
unit = {
    "Gaussian": stats.norm(),
    "Laplace": stats.laplace(scale=np.sqrt(0.5)),
    "logistic": stats.logistic(scale=np.sqrt(3) / np.pi),
    "uniform": stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)),
}
beside(variance={k: d.var() for k, d in unit.items()}, entropy={k: d.entropy() for k, d in unit.items()})

# %% [markdown]
# ## 2.6 Bayesian probabilities
#
# Three tosses of a coin, three heads. Maximum likelihood concludes that tails never come. A prior over the
# bias, here $\mathrm{Beta}(2, 2)$, and Bayes' theorem give a distribution instead, $\mathrm{Beta}(2 +
# \text{heads}, 2 + \text{tails})$, with mean 5/7. We sample it as we would any other posterior, and
# compare.


# %%
def coin(tosses):
    mu = numpyro.sample("mu", dist.Beta(2, 2))
    with numpyro.plate("toss", len(tosses)):
        numpyro.sample("heads", dist.Bernoulli(mu), obs=tosses)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    result = pdl.infer(pdl.Model(coin, np.array([1, 1, 1])), METHOD, key=0, progress=False)
draws = result["mu"].to_numpy().ravel()
exact = stats.beta(5, 2)
error = float(result.summary().table.loc["mu", "mcse_mean"])

fig, axes = plt.subplots(figsize=(5, 2.8))
at = np.linspace(0, 1, 300)
axes.plot(at, stats.beta(2, 2).pdf(at), color=GREY, label="prior")
axes.hist(draws, bins=40, density=True, color=BLUE, alpha=0.3, label="draws of the posterior")
axes.plot(at, exact.pdf(at), color=BLUE, label="exact posterior")
axes.axvline(1.0, color=ORANGE, label="maximum likelihood")
axes.set(xlabel=r"$\mu$, probability of heads")
axes.legend(frameon=False, loc="upper left")
beside(
    draws=pd.Series({"mean": draws.mean(), "sd": draws.std(), "p(mu > 1/2)": np.mean(draws > 0.5)}),
    exact=[exact.mean(), exact.std(), exact.sf(0.5)],
).assign(distance=[f"{abs(draws.mean() - exact.mean()) / error:.1f} MCSE", "", ""])

# %% [markdown]
# Data may come one by one: yesterday's posterior is today's prior, and the order does not matter. As tosses
# accumulate the prior is forgotten.

# %%
tosses = np.random.default_rng(2).random(256) < 0.7
fig, panels = plt.subplots(1, 5, figsize=(12, 2.3), sharey=False)
for axes, count in zip(panels, (0, 1, 4, 32, 256), strict=True):
    heads = int(tosses[:count].sum())
    axes.fill_between(at, stats.beta(2 + heads, 2 + count - heads).pdf(at), color=BLUE, alpha=0.3)
    axes.axvline(0.7, color=GREEN, linewidth=0.8)
    axes.set(title=f"{heads} heads of {count}", yticks=[], xticks=[0, 0.5, 1], xlabel=r"$\mu$")

# %% [markdown]
# The same holds for the weights of a network. The mode of a posterior with the prior $w \sim \mathcal{N}(0,
# s^2)$ minimizes the error plus $\lambda\lVert w \rVert^2$: *weight decay is a Gaussian prior*. The
# notebook on the first chapter shows the two giving the same coefficients.
