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
# hand or by simulation. The two stand side by side, and the notebook stops if they do not agree.

# %%
import math
import os
import warnings

warnings.filterwarnings("ignore", message="IProgress")  # tqdm does without widgets

import jax
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
numpyro.enable_x64()

plt.rcParams.update({"figure.dpi": 110, "axes.spines.right": False, "axes.spines.top": False})
BLUE, ORANGE, GREEN, GREY, INK = "#0072b2", "#d55e00", "#009e73", "#79828e", "#1b1f24"
EXACT = 1e-9  # what rounding may do
ERRORS = 5  # how many standard errors draws may be off


def beside(within=None, **columns):
    """Numbers side by side; an error if the columns of a row are further apart than `within`."""
    table = pd.DataFrame(columns).astype(float)
    if within is not None:
        np.testing.assert_array_less(table.max(axis=1) - table.min(axis=1), within)
    return table.round(4).astype(object).where(table.notna(), "")


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
# since the healthy are so many. `exact_posterior` does both, however many the variables are.

# %%
positive = joint[:, 1].sum()
posterior = joint[1, 1] / positive
exact = pdl.exact_posterior(pdl.Model(screening, positive=np.array(1)))
beside(
    EXACT,
    table=pd.Series({"p(positive)": positive, "p(cancer | positive)": posterior}),
    exact_posterior=[np.exp(exact.log_evidence), exact.probabilities("cancer")[1]],
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
    EXACT,
    table=pd.Series({"p(cancer | both positive)": weights[1] / weights.sum()}),
    exact_posterior=pdl.exact_posterior(both).probabilities("cancer")[1],
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
inside_draws = (draws >= 0) & (draws <= 1)
sds = [0, inside_draws.std(), draws.std(), (draws**2).std(), ((draws - draws.mean()) ** 2).std()]
beside(
    1e-4 + ERRORS * np.array(sds) / np.sqrt(DRAWS),
    draws=pd.Series(
        {
            "area under the density": np.nan,
            "p(0 <= x <= 1)": inside_draws.mean(),
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
# Three densities that one meets often: the uniform one, the exponential one, and that of Laplace, which has
# its peak where you want it. The draws are those of a program.

# %%
simple = {
    "uniform from -1 to 1": (dist.Uniform(-1, 1), GREY),
    "exponential, rate 1": (dist.Exponential(1.0), BLUE),
    "Laplace about 1": (dist.Laplace(1.0, 1.0), ORANGE),
}


def three_sites():
    for name, (distribution, _) in simple.items():
        numpyro.sample(name, distribution)


prior = pdl.Model(three_sites).sample(0, DRAWS)["prior"]
at = np.linspace(-4, 6, 1001)
fig, axes = plt.subplots(figsize=(5.5, 2.6))
for name, (distribution, colour) in simple.items():
    inside = np.asarray(distribution.support(at))
    height = np.where(inside, np.exp(distribution.log_prob(np.where(inside, at, 0.5))), 0)
    drawn = prior[name].to_numpy().ravel()
    axes.plot(at, height, color=colour, label=name)
    axes.hist(drawn, bins=np.linspace(-4, 6, 101), density=True, color=colour, alpha=0.25)
axes.set(xlabel="$x$", xlim=(-4, 6), ylabel="density")
_ = axes.legend(frameon=False)

# %% [markdown]
# How two variables go together is their *covariance*, $\mathrm{cov}[x, y] = \mathbb{E}[xy] -
# \mathbb{E}[x]\,\mathbb{E}[y]$. It is zero if they are independent. The converse does not hold: of $y = x^2$
# plus noise the graph says that it depends on $x$, and the covariance is zero.


# %%
def parabola():
    x = numpyro.sample("x", dist.Normal(0, 1))
    numpyro.sample("linear", dist.Normal(0.5 * x, 1))
    numpyro.sample("square", dist.Normal(x**2, 1))


graph = pdl.graph(pdl.Model(parabola))
prior = pdl.Model(parabola).sample(0, DRAWS)["prior"]
drawn = {name: prior[name].to_numpy().ravel() for name in ("x", "linear", "square")}
products = {name: (drawn["x"] - drawn["x"].mean()) * (drawn[name] - drawn[name].mean()) for name in drawn}
print("x and square are independent:", pdl.d_separated(graph, "x", "square"))
beside(
    [ERRORS * product.std() / np.sqrt(DRAWS) for product in products.values()],
    draws=pd.Series({f"cov[x, {name}]": product.mean() for name, product in products.items()}),
    exact=[1.0, 0.5, 0.0],
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
    axes.plot(pair, [0, 0], "o", color=INK, clip_on=False, zorder=3)
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
beside(
    EXACT,
    program=pd.Series({"largest log-likelihood on the grid": surface.max(), "smallest": surface.min()}),
    formula=[by_hand.max(), by_hand.min()],
)

# %% [markdown]
# The same bias is in a regression. If $t = w_0 + w_1 x$ plus Gaussian noise, the likelihood is largest for
# the weights of *least squares*, and for a variance that is the mean squared residual. With $M$ weights the
# residuals are too small by $(N - M)/N$. No point about the solution is more probable.


# %%
def line(x, t, w, sigma):
    with numpyro.plate("n", len(x)):
        numpyro.sample("t", dist.Normal(w[0] + w[1] * x, sigma), obs=t)


x = np.linspace(0, 1, 8)
phi = np.stack([np.ones(8), x], 1)
t = phi @ [0.5, 1.5] + rng.normal(0, 0.3, (sets, 8))
w = t @ np.linalg.pinv(phi).T
residual = ((t - w @ phi.T) ** 2).mean(1)
sigma = np.sqrt(residual[0])
nearby = [(w[0] + step[:2], sigma * np.exp(step[2])) for step in rng.normal(0, 0.05, (12, 3))]
best, *others = (pdl.Model(line, x, t[0], *at).log_joint({}) for at in [(w[0], sigma), *nearby])
print("least squares is more probable than all of", len(others), "points nearby:", bool(best > max(others)))
beside(
    ERRORS * residual.std() / np.sqrt(sets),
    mean_squared_residual=pd.Series({"on average": residual.mean()}),
    expected=0.3**2 * (8 - 2) / 8,
).assign(true_variance=0.3**2)

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
# With several variables the factor is the determinant of the Jacobian, $p_y(y) = p_x(x)\,\lvert \det
# \partial x / \partial y \rvert$: how much a small cell shrinks or grows. Here a Gaussian mixture is pulled
# apart and bent, $y_1 = x_1 + \tanh 2x_1$ and $y_2 = x_2 + y_1^2/4$. Expectations move along, so that the
# entropy grows by $\mathbb{E} \ln \lvert \det \partial y / \partial x \rvert$. The last column knows
# nothing of that: it is estimated from the distances between draws of $y$.


# %%
def bend(x):
    first = x[0] + jnp.tanh(2 * x[0])
    return jnp.stack([first, x[1] + first**2 / 4])


@jax.jit
@jax.vmap
def moved(x):
    """Where a point goes, and the logarithm of the factor by which a cell about it grows."""
    return bend(x), jnp.log(jnp.linalg.det(jax.jacfwd(bend)(x)))


blobs = dist.MixtureSameFamily(
    dist.Categorical(probs=jnp.array([0.35, 0.65])),
    dist.MultivariateNormal(
        jnp.array([[-0.9, -0.3], [0.6, 0.3]]),
        jnp.array([[[0.1, 0.0], [0.0, 0.25]], [[0.25, 0.12], [0.12, 0.25]]]),
    ),
)
grid = np.stack(np.meshgrid(np.linspace(-2.2, 2.2, 111), np.linspace(-2, 2, 101)), -1)
log_p, (bent, log_factor) = blobs.log_prob(grid.reshape(-1, 2)), moved(grid.reshape(-1, 2))
pictures = ((grid, np.exp(log_p)), (np.asarray(bent).reshape(grid.shape), np.exp(log_p - log_factor)))
x = blobs.sample(jax.random.key(1), (min(DRAWS, 20_000),))
moved_draws, log_factor = moved(x)

fig, panels = plt.subplots(1, 3, figsize=(11, 3.4))
for axes, (at, density) in zip(panels, pictures, strict=False):
    height = density.reshape(grid.shape[:2])
    axes.pcolormesh(*np.moveaxis(at, -1, 0), height, cmap="Blues", shading="gouraud", rasterized=True)
    for lines in (at[::10], at[:, ::10].swapaxes(0, 1)):
        axes.plot(*lines.T, color=GREY, linewidth=0.4)
panels[2].plot(*moved_draws[:3000].T, ".", color=BLUE, markersize=1.5)
panels[0].set(title="$p_x$", xlabel="$x_1$", ylabel="$x_2$")
for axes, title in zip(panels[1:], ("$p_y$", "draws of $x$, moved"), strict=True):
    axes.set(title=title, xlabel="$y_1$", ylabel="$y_2$", xlim=(-3.3, 3.3), ylim=(-2, 4.5))
fig.tight_layout()
log_p = blobs.log_prob(x)
beside(
    0.02 + ERRORS * float(jnp.std(log_p)) / np.sqrt(len(x)),
    by_the_factor=pd.Series({"entropy of x": -log_p.mean(), "entropy of y": (log_factor - log_p).mean()}),
    by_neighbours=[pdl.differential_entropy(x), pdl.differential_entropy(moved_draws)],
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
    EXACT,
    target=pd.Series([float(model.target.log_density(jnp.log(jnp.array([s])))) for s in at], index=at),
    log_joint_plus_log_sigma=[float(model.log_joint({"sigma": s})) + np.log(s) for s in at],
).rename_axis("sigma")

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
# Sharp peaks have little entropy, broad ones much; a uniform distribution has the most. These are shares of
# draws in 30 bins.

# %%
edges = np.linspace(0, 1, 31)
fig, panels = plt.subplots(1, 3, figsize=(10, 2.3), sharey=True)
for axes, sd, title in zip(panels, (0.04, 0.15, None), ("narrow", "broad", "uniform"), strict=True):
    share = np.full(30, 1 / 30) if sd is None else np.histogram(rng.normal(0.5, sd, DRAWS), edges)[0] / DRAWS
    share = share / share.sum()
    axes.bar(edges[:-1], share, 1 / 30, align="edge", color=BLUE, alpha=0.5, edgecolor="white", linewidth=0.5)
    axes.set(title=f"{title}, H = {float(pdl.entropy(share)):.2f}", xlabel="$x$", yticks=[])
beside(EXACT, entropy=pd.Series({"uniform": pdl.entropy(share)}), logarithm_of_30=np.log(30))

# %% [markdown]
# Entropy is also the length of a message. Eight horses win with the probabilities below; give the favourite a
# short name and the outsiders long ones, $-\log_2 p$ letters of 0 and 1, and on average a name has as many
# letters as the entropy has bits. And it counts arrangements: $N$ things can be put into boxes of $N p_i$ in
# $W = N! / \prod_i (N p_i)!$ ways, and $\tfrac1N \ln W$ tends to the entropy.

# %%
horses = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 64, 1 / 64, 1 / 64, 1 / 64])
names = ["0", "10", "110", "1110", "111100", "111101", "111110", "111111"]
letters = sum(p * len(name) for p, name in zip(horses, names, strict=True))
counts = [N * horses for N in (64, 640, 6_400, 640_000)]
ways = [(math.lgamma(n.sum() + 1) - sum(math.lgamma(k + 1) for k in n)) / n.sum() for n in counts]
print(
    "ln(W) / N:", *(f"{way:.4f} for N = {n.sum():,.0f}," for way, n in zip(ways, counts, strict=True)), "..."
)
beside(
    [EXACT, 1e-3],
    entropy=pd.Series({"in bits": pdl.entropy(horses) / np.log(2), "in nats": pdl.entropy(horses)}),
    counted=[letters, ways[-1]],
)

# %% [markdown]
# A real variable needs infinitely many letters, but the part that depends on its density is finite. Bins of
# width $\Delta$ have the entropy $h - \ln \Delta$, where $h = -\int p \ln p\,dx$ is the *differential*
# entropy. It may be negative: a density above one is surprise below zero.

# %%
wide, rows = dist.Normal(0.0, 0.2), {}
family = pdl.family_of(wide)
h = float(family.entropy(family.natural_parameters(wide)))
for width in (0.4, 0.1, 0.025):
    mass = np.diff(stats.norm.cdf(np.arange(-60, 61) * width, 0, 0.2))
    rows[f"bins of {width:g}"] = float(pdl.entropy(mass / mass.sum())) + np.log(width)
rows["10,000 draws, by neighbours"] = pdl.differential_entropy(rng.normal(0, 0.2, 10_000))
beside(
    [0.2, 0.02, 0.002, ERRORS / np.sqrt(2 * 10_000) + 0.01],
    entropy_plus_log_width=pd.Series(rows),
    differential_entropy=h,
    formula=0.5 * np.log(2 * np.pi * np.e * 0.2**2),
)

# %% [markdown]
# What does the medical test tell about the disease? The *mutual information* is how much the entropy of the
# one falls when the other is seen, $I = H[C] - H[C \mid T]$, and also the distance of the joint table from
# the product of its margins, $\mathrm{KL}(p(C, T) \,\Vert\, p(C)\,p(T))$. Less than half of the uncertainty
# goes: there was little to begin with.


# %%
ill, alarm = joint.sum(1), joint.sum(0)
conditional = sum(alarm[t] * pdl.entropy(joint[:, t] / alarm[t]) for t in (0, 1))
print(f"H[C] = {pdl.entropy(ill):.5f}, H[T] = {pdl.entropy(alarm):.5f}, H[C, T] = {pdl.entropy(joint):.5f}")
beside(
    EXACT,
    one_way=pd.Series({"H[C | T]": conditional, "I, by entropies": pdl.entropy(ill) - conditional}),
    another=[pdl.entropy(joint) - pdl.entropy(alarm), pdl.mutual_information(joint, [0], [1])],
    by_hand=[
        -np.sum(joint * np.log(joint / alarm)),
        np.sum(joint * np.log(joint / np.outer(ill, alarm))),
    ],
)

# %% [markdown]
# With two tests there are more questions. `tabulate` turns any program of discrete sites into tables, and of
# those `exact_posterior` gives the joint distribution of whatever sites one asks for. The second test tells
# less than the first: part of what it says is known by then. The tests tell of each other, but only through
# the disease: given that, the graph separates them and their information is zero.

# %%
model = pdl.Model(screening_twice)
table = pdl.exact_posterior(pdl.Model(pdl.tabulate(model))).joint("cancer", "first", "second")
chain = {
    "I(C; first)": pdl.mutual_information(table, [0], [1]),
    "I(C; second | first)": pdl.conditional_mutual_information(table, [0], [2], [1]),
}
separated = pdl.d_separated(pdl.graph(model), "first", "second", given="cancer")
print("separated given the disease:", separated)
chain["I(first; second)"] = pdl.mutual_information(table, [1], [2])
print(*(f"{name} = {value:.5f}" for name, value in chain.items()), sep=", ")
beside(
    EXACT,
    information=pd.Series(
        {
            "I(C; first, second)": pdl.mutual_information(table, [0], [1, 2]),
            "I(first; second | C)": pdl.conditional_mutual_information(table, [1], [2], [0]),
        }
    ),
    expected=[chain["I(C; first)"] + chain["I(C; second | first)"], 0.0],
)

# %% [markdown]
# For densities the *Kullback-Leibler divergence* $\mathrm{KL}(q \Vert p) = \mathbb{E}_q[\ln q - \ln p]$ is
# never negative, zero only if the two agree, and not symmetric. Between members of an exponential family
# there is a formula; draws of $q$ do without one.


# %%
def kl(q, p):
    ratio = p.std() / q.std()
    return np.log(ratio) + (1 + ((q.mean() - p.mean()) / q.std()) ** 2) / (2 * ratio**2) - 0.5


narrow, wide = stats.norm(0.0, 1.0), stats.norm(1.0, 2.0)
natural = {d: family.natural_parameters(dist.Normal(d.mean(), d.std())) for d in (narrow, wide)}
ways = {"KL(narrow || wide)": (narrow, wide), "KL(wide || narrow)": (wide, narrow)}
drawn = {name: q.rvs(DRAWS, random_state=1) for name, (q, _) in ways.items()}
ratio = {name: q.logpdf(drawn[name]) - p.logpdf(drawn[name]) for name, (q, p) in ways.items()}
beside(
    [ERRORS * each.std() / np.sqrt(DRAWS) for each in ratio.values()],
    draws=pd.Series({name: each.mean() for name, each in ratio.items()}),
    family=[float(family.kl(natural[q], natural[p])) for q, p in ways.values()],
    formula=[kl(q, p) for q, p in ways.values()],
)

# %% [markdown]
# Maximum likelihood is a search for the smallest divergence: $-\tfrac1N \ln p(x_1, \dots, x_N \mid \theta)$
# is $\mathrm{KL}(\text{data} \Vert p_\theta)$ plus the entropy of the data, which has no $\theta$. Both
# curves are for the probability of heads, of 20 tosses with 6 heads.

# %%
theta = np.linspace(0.05, 0.8, 151)
data = np.array([14, 6]) / 20
divergence = np.array([pdl.kl_divergence(data, np.array([1 - p, p])) for p in theta])
average = -(0.3 * np.log(theta) + 0.7 * np.log(1 - theta))
fig, axes = plt.subplots(figsize=(5, 2.6))
axes.plot(theta, average, color=BLUE)
axes.plot(theta, divergence, color=ORANGE)
axes.text(0.82, average[-1], r"average of $-\ln p$", color=BLUE, va="center")
axes.text(0.82, divergence[-1], r"KL(data $\Vert$ model)", color=ORANGE, va="center")
axes.axvline(0.3, color=GREY, linestyle="--", linewidth=0.8)
axes.set(xlabel="probability of heads", ylabel="nats", ylim=(0, None))
gap = average - divergence
beside(
    EXACT,
    gap=pd.Series({"largest": gap.max(), "smallest": gap.min()}),
    entropy_of_the_data=float(pdl.entropy(data)),
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
both = pdl.GaussianVector(jnp.zeros(1), jnp.eye(1)).affine(
    jnp.ones((2, 1)), noise=jnp.diag(jnp.array([0.0, 0.75**2]))
)
x, y = (prior[name].to_numpy().ravel() for name in ("x", "y"))
rho = 1 / np.sqrt(1 + 0.75**2)
told = stats.norm.logpdf(y, x, 0.75) - stats.norm.logpdf(y, 0, np.sqrt(1 + 0.75**2))
few = min(DRAWS, 10_000)
beside(
    [ERRORS * (1 - rho**2) / np.sqrt(DRAWS), ERRORS / np.sqrt(few)],
    draws=pd.Series({"correlation": np.corrcoef(x, y)[0, 1], "mutual information": told.mean()}),
    by_neighbours=[np.nan, pdl.mutual_information_of_draws(x[:few], y[:few])],
    gaussian_vector=[np.nan, both.mutual_information([0], [1])],
    formula=[rho, -0.5 * np.log(1 - rho**2)],
)

# %% [markdown]
# The estimate by neighbours uses the distances between draws, and no density at all.

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
# compare. Left to itself, `infer` would not have to.


# %%
def coin(tosses):
    mu = numpyro.sample("mu", dist.Beta(2, 2))
    with numpyro.plate("toss", len(tosses)):
        numpyro.sample("heads", dist.Bernoulli(mu), obs=tosses)


model = pdl.Model(coin, np.array([1, 1, 1]))
print(pdl.plan(model))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    result = pdl.infer(model, METHOD, key=0, progress=False)
draws = result["mu"].to_numpy().ravel()
exact, found = stats.beta(5, 2), pdl.exact_posterior(model)
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
    ERRORS * np.array([1, 1, 0.5 / draws.std()]) * error,
    draws=pd.Series({"mean": draws.mean(), "sd": draws.std(), "p(mu > 1/2)": np.mean(draws > 0.5)}),
    exact_posterior=[found.mean("mu"), np.sqrt(found.variance("mu")), np.nan],
    by_hand=[exact.mean(), exact.std(), exact.sf(0.5)],
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
# ### Regularization
#
# The same holds for the weights of a curve or of a network. Under a prior $w \sim \mathcal{N}(0, s^2)$ and
# noise of variance $\sigma^2$, the most probable weights minimize the squared error plus $\lambda \lVert w
# \rVert^2$ with $\lambda = \sigma^2 / s^2$: *weight decay is a Gaussian prior*. Here is a polynomial of
# order nine through ten points of a sine. Without a prior it runs through all of them, and wild between.


# %%
def polynomial(phi, new, t=None, s=3.0, sigma=0.3):
    w = numpyro.sample("w", dist.Normal(0, s).expand([phi.shape[1]]).to_event(1))
    with numpyro.plate("n", len(phi)):
        numpyro.sample("t", dist.Normal(phi @ w, sigma), obs=t)
    with numpyro.plate("new", len(new)):
        numpyro.sample("t_new", dist.Normal(new @ w, sigma))


rng = np.random.default_rng(3)
inputs, grid = np.linspace(0, 1, 10), np.linspace(0, 1, 60)
phi, new = (np.vander(2 * each - 1, 10, increasing=True) for each in (inputs, grid))
t = np.sin(2 * np.pi * inputs) + rng.normal(0, 0.3, 10)
model = pdl.Model(polynomial, phi, new, t=t)
print(pdl.plan(model))

# %%
posterior = pdl.exact_posterior(model)
decay = np.linalg.solve(phi.T @ phi + 0.3**2 / 3**2 * np.eye(10), phi.T @ t)
wild = np.linalg.lstsq(phi, t)[0]
index = [f"w{k}" for k in range(10)]
found = pd.Series(posterior.mean("w"), [f"w{k}" for k in range(10)])
beside(1e-7, posterior_mean=found, weight_decay=decay).assign(no_prior=wild.round(4)).transpose()

# %% [markdown]
# ### Bayesian machine learning
#
# One set of weights, however well chosen, says nothing of what else might be. To predict is to average over
# all weights, each as probable as the posterior has it: $p(t_\text{new} \mid t) = \int p(t_\text{new} \mid
# w)\, p(w \mid t)\,dw$. In the program, a prediction is one more site that nobody has observed.

# %%
mean, sd = posterior.mean("t_new"), np.sqrt(posterior.variance("t_new"))
covariance = np.linalg.inv(phi.T @ phi / 0.3**2 + np.eye(10) / 3**2)
by_hand = 0.3**2 + np.einsum("ni,ij,nj->n", new, covariance, new)
fig, panels = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for axes in panels:
    axes.plot(grid, np.sin(2 * np.pi * grid), color=GREEN, linewidth=1.2, label="truth")
    axes.plot(inputs, t, "o", color=INK, markersize=5)
    axes.set(xlabel="$x$", ylim=(-2.2, 3.2), xticks=[0, 0.5, 1])
panels[0].plot(grid, new @ wild, color=ORANGE, label="least squares")
panels[0].plot(grid, new @ decay, color=BLUE, label="weight decay")
panels[1].fill_between(
    grid, mean - 2 * sd, mean + 2 * sd, color=BLUE, alpha=0.2, linewidth=0, label="predictive, ± 2 sd"
)
panels[1].plot(grid, mean, color=BLUE, label="its mean")
for axes in panels:
    axes.legend(frameon=False, fontsize=9, loc="upper right")
middle, end = 30, 59
beside(
    1e-7,
    program=pd.Series({f"sd at x = {grid[i]:.2f}": sd[i] for i in (middle, end)}),
    formula=np.sqrt(by_hand[[middle, end]]),
)

# %% [markdown]
# The notebook on the first chapter goes on from here: how strong should the prior be, and of what order the
# polynomial?
