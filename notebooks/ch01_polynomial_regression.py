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
# # A curve through ten points
#
# *Bishop & Bishop (2023), §1.2.* Ten noisy measurements of an unknown function, and a family of curves to
# choose from: polynomials. The small problem holds the large questions of the field: how complex may a
# model be, what does a regularizer do, and how can data choose between models? We answer each of them
# twice, by least squares and by inference in a probabilistic program, and compare the numbers.

# %%
import os
import warnings

warnings.filterwarnings("ignore", message="IProgress")  # tqdm does without widgets

import arviz as az
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from scipy import stats

import probdl as pdl

SMALL = os.environ.get("PROBDL_SMALL") == "1"  # fewer draws, for a quick check that everything runs
METHOD = pdl.NUTS(num_samples=200, num_warmup=200, num_chains=2) if SMALL else pdl.NUTS(target_acceptance=0.9)
ORDERS = (0, 1, 3, 9)

plt.rcParams.update({"figure.dpi": 110, "axes.spines.right": False, "axes.spines.top": False})
TRUTH, POINTS, CURVE, PREDICTIVE = "#009e73", "#1b1f24", "#0072b2", "#56b4e9"

# %% [markdown]
# ## The data
#
# $x$ is equally spaced in $[0, 1]$ and $y = \sin(2\pi x)$ plus Gaussian noise of standard deviation 0.3.
# These are the ten points of Bishop, *Pattern Recognition and Machine Learning* (2006), so that our
# coefficients can be compared with a table in print.

# %%
x = np.linspace(0, 1, 10)
y = np.array(
    [0.349486, 0.830839, 1.007332, 0.971507, 0.133066, 0.166823, -0.848307, -0.445686, -0.563567, 0.261502]
)
grid = np.linspace(0, 1, 200)


def truth(x):
    return np.sin(2 * np.pi * x)


def show_data(axes):
    axes.plot(grid, truth(grid), color=TRUTH, linewidth=1.2, label=r"$\sin(2\pi x)$")
    axes.plot(x, y, "o", color=POINTS, markersize=5, label="data")
    axes.set(xlabel="$x$", ylim=(-1.8, 1.8), xticks=[0, 0.5, 1], yticks=[-1, 0, 1])


fig, axes = plt.subplots(figsize=(5, 3))
show_data(axes)
axes.set_ylabel("$y$")
_ = axes.legend(frameon=False)

# %% [markdown]
# ## Least squares
#
# A polynomial of order $M$ is linear in its coefficients, $f(x, w) = \sum_{m=0}^M w_m x^m$, so that the sum
# of squares has one minimum and linear algebra finds it.


# %%
def powers(x, order):
    return x[:, None] ** np.arange(order + 1)


fitted = {M: np.linalg.lstsq(powers(x, M), y, rcond=None)[0] for M in range(10)}

table = pd.DataFrame({f"M = {M}": pd.Series(fitted[M]) for M in ORDERS})
table.index = [f"w{m}" for m in table.index]
table.round(2).astype(object).where(table.notna(), "")

# %% [markdown]
# The book of 2006 prints, for the same points, $w = 0.19$ at $M = 0$; $(0.82, -1.27)$ at $M = 1$; $(0.31,
# 7.99, -25.43, 17.37)$ at $M = 3$; and at $M = 9$ a column that runs from 0.35 through 232.37 to 125201.43.
# With as many coefficients as points the curve passes through every one of them, and has to swing wildly in
# between: its coefficients are enormous numbers that nearly cancel.

# %%
fig, panels = plt.subplots(1, 4, figsize=(12, 2.7), sharey=True)
for axes, M in zip(panels, ORDERS, strict=True):
    show_data(axes)
    axes.plot(grid, powers(grid, M) @ fitted[M], color=CURVE)
    axes.set_title(f"$M = {M}$")

# %% [markdown]
# How well does each curve predict points that it has not seen? Ten thousand fresh ones tell (seed 0). The
# error on the ten points can only fall with $M$; the error on fresh points falls, stays, and explodes.

# %%
rng = np.random.default_rng(0)
x_test = rng.uniform(0, 1, 10_000)
y_test = truth(x_test) + rng.normal(0, 0.3, x_test.shape)


def rms(w, x, y):
    return np.sqrt(np.mean((powers(x, len(w) - 1) @ w - y) ** 2))


errors = pd.DataFrame(
    {
        "training": [rms(w, x, y) for w in fitted.values()],
        "test": [rms(w, x_test, y_test) for w in fitted.values()],
    }
)
fig, axes = plt.subplots(figsize=(5, 3))
axes.plot(errors["training"], "o-", color=CURVE, label="training")
axes.plot(errors["test"], "o-", color="#d55e00", label="test")
axes.axhline(0.3, color="#79828e", linewidth=0.8, linestyle="--")
axes.text(0, 0.27, "the noise itself", color="#79828e", va="top")
axes.set(xlabel="order $M$", ylabel="root mean square error", ylim=(0, 1.2))
axes.legend(frameon=False)
errors.T.round(3)

# %% [markdown]
# ## The same as a program
#
# A program says how the data could have come about: coefficients are drawn, the curve follows from them,
# noise is added. `scale` says how large a coefficient may be, before any data are seen.


# %%
def program(x, y=None, *, order, scale=100.0):
    with numpyro.plate("power", order + 1):
        w = numpyro.sample("w", dist.Normal(0, scale))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("point", len(x)):
        curve = numpyro.deterministic("curve", x[:, None] ** jnp.arange(order + 1) @ w)
        numpyro.sample("y", dist.Normal(curve, sigma), obs=y)


def model(order, scale=100.0):
    return pdl.Model(program, x, y, order=order, scale=scale)


pdl.draw(pdl.graph(model(3)), distributions=True)

# %% [markdown]
# `infer` returns draws of the coefficients *and* of the noise: not one curve but all that the data leave
# possible, each as often as it deserves.


# %%
def infer(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the verdicts are printed in a table below
        return pdl.infer(model, METHOD, key=0, progress=False)


results = {M: infer(model(M)) for M in ORDERS}
results[3].summary()

# %% [markdown]
# The dark band holds 89 % of the curves, the light one 89 % of the measurements to come. With $M = 0$ and
# $M = 1$ the program blames noise for what its curves cannot follow. With $M = 9$ least squares was certain
# of an absurd curve; here the prior keeps the coefficients within reason, and between the points the band
# says that little is known.


# %%
def bands(result, order, at):
    """Quantiles of the curve, and of new measurements, at each position."""
    rng = np.random.default_rng(1)
    w = result["w"].stack(sample=("chain", "draw")).transpose("sample", ...).to_numpy()
    sigma = result["sigma"].to_numpy().reshape(-1, 1)
    curves = w @ powers(at, order).T
    measurements = curves + sigma * rng.normal(size=curves.shape)
    return [np.quantile(draws, [0.055, 0.5, 0.945], axis=0) for draws in (curves, measurements)]


def show_bands(axes, result, order):
    (low, middle, high), (least, _, most) = bands(result, order, grid)
    axes.fill_between(grid, least, most, color=PREDICTIVE, alpha=0.25, linewidth=0)
    axes.fill_between(grid, low, high, color=CURVE, alpha=0.35, linewidth=0)
    axes.plot(grid, middle, color=CURVE)
    show_data(axes)


fig, panels = plt.subplots(1, 4, figsize=(12, 2.7), sharey=True)
for axes, M in zip(panels, ORDERS, strict=True):
    show_bands(axes, results[M], M)
    axes.set_title(f"$M = {M}$, $\\sigma$ = {float(results[M]['sigma'].mean()):.2f}")

# %% [markdown]
# Posteriors over their priors, traces and ranks of the chains, and the pairs that are most correlated:

# %%
pdl.plot(results[3], sites=["w", "sigma"])

# %% [markdown]
# ### A check that needs no sampler
#
# If the noise $\sigma$ is known, the posterior of $w$ is a Gaussian that we can write down. Its precision
# is $\Phi^\top\Phi/\sigma^2 + I/\text{scale}^2$, where $\Phi$ holds the powers of the ten points. `do`
# holds $\sigma$ fixed; the last column says how many Monte Carlo standard errors lie between the two means,
# and should rarely exceed 2.


# %%
def exact(order, scale, sigma):
    design = powers(x, order)
    covariance = np.linalg.inv(design.T @ design / sigma**2 + np.eye(order + 1) / scale**2)
    return covariance @ design.T @ y / sigma**2, np.sqrt(np.diag(covariance))


held = infer(model(3).do(sigma=0.3))
mean, sd = exact(3, 100.0, 0.3)
rows = held.summary().table.loc[[f"w[{m}]" for m in range(4)]]
pd.DataFrame(
    {
        "sampled mean": rows["mean"],
        "exact mean": mean,
        "sampled sd": rows["sd"],
        "exact sd": sd,
        "distance in MCSE": (rows["mean"] - mean).abs() / rows["mcse_mean"],
    }
).round(3)

# %% [markdown]
# ## Regularization is a prior
#
# Ridge regression adds $\lambda \lVert w \rVert^2$ to the sum of squares. The same coefficients are the
# mode of the posterior when each has the prior $\mathcal{N}(0, \text{scale}^2)$, with $\lambda =
# \sigma^2/\text{scale}^2$. To shrink and to believe that coefficients are small is one thing. At $M = 9$,
# and with the noise known to be 0.3:

# %%
scales = (1e6, 30.0, 1.0)
fig, panels = plt.subplots(1, 3, figsize=(9.5, 2.7), sharey=True)
columns = {}
for axes, scale in zip(panels, scales, strict=True):
    rows = np.vstack([powers(x, 9), (0.3 / scale) * np.eye(10)])  # the penalty as ten more points
    ridge = np.linalg.lstsq(rows, np.append(y, np.zeros(10)), rcond=None)[0]
    mean, _ = exact(9, scale, 0.3)
    columns[f"ridge, scale {scale:g}"], columns[f"posterior mean, scale {scale:g}"] = ridge, mean
    show_data(axes)
    axes.plot(grid, powers(grid, 9) @ mean, color=CURVE)
    axes.set_title(rf"scale {scale:g}, $\ln\lambda$ = {2 * np.log(0.3 / scale):.1f}")
pd.DataFrame(columns, index=[f"w{m}" for m in range(10)]).round(2)

# %% [markdown]
# And with the noise unknown, sampled: the order stays at 9, and the prior alone decides how the curve
# bends.

# %%
sampled = {scale: infer(model(9, scale)) for scale in (30.0, 1.0)}
fig, panels = plt.subplots(1, 2, figsize=(7, 2.7), sharey=True)
for axes, (scale, result) in zip(panels, sampled.items(), strict=True):
    show_bands(axes, result, 9)
    axes.set_title(f"$M = 9$, scale {scale:g}")

# %% [markdown]
# ## Which order?
#
# Fresh points are a luxury. Leave-one-out cross-validation asks the same question of the ten that we have:
# how probable is each point, predicted from the other nine? ArviZ estimates the answer from one run a
# model: the expected log predictive density (elpd), in nats, higher is better.


# %%
def loo(result):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with ten points some weigh too much for an exact estimate
        return az.loo(result.with_log_likelihood().data)


estimates = {M: loo(result) for M, result in results.items()}
pd.DataFrame(
    {
        "elpd by LOO": [e.elpd for e in estimates.values()],
        "standard error": [e.se for e in estimates.values()],
        "points that weigh too much": [int((e.pareto_k > e.good_k).sum()) for e in estimates.values()],
        "test error": [rms(fitted[M], x_test, y_test) for M in ORDERS],
        "verdict on the run": [str(result.status) for result in results.values()],
    },
    index=pd.Index(ORDERS, name="M"),
).round(2)

# %% [markdown]
# Both prefer $M = 3$. Another question is how probable the data are under a model *before* any of them are
# seen: the evidence $p(y \mid M)$. Given $\sigma$ the data are Gaussian with covariance $\sigma^2 I +
# \text{scale}^2\, \Phi\Phi^\top$; what remains is an integral over $\sigma$, by the trapezoidal rule.


# %%
def log_evidence(order, scale):
    sigmas = np.linspace(0.02, 4, 2000)
    kernel = scale**2 * powers(x, order) @ powers(x, order).T
    logs = [
        stats.multivariate_normal.logpdf(y, cov=sigma**2 * np.eye(10) + kernel) + stats.halfnorm.logpdf(sigma)
        for sigma in sigmas
    ]
    return np.log(np.trapezoid(np.exp(logs - np.max(logs)), sigmas)) + np.max(logs)


pd.DataFrame(
    {
        f"log evidence, scale {scale:g}": [log_evidence(M, scale) for M in ORDERS]
        for scale in (100.0, 10.0, 1.0)
    },
    index=pd.Index(ORDERS, name="M"),
).round(2)

# %% [markdown]
# The evidence disagrees, and for a reason. With coefficients of scale 100 nearly every cubic that the prior
# proposes is absurd; the few good ones cannot make up for all of those, and a constant wins. The columns do
# not even rank the orders alike. To compare models by their evidence is to compare their priors too, so a
# prior meant as "I don't mind" is the worst to compare with; a comparison of predictions is more forgiving.
