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
# # Standard distributions
#
# *Bishop & Bishop (2023), chapter 3.* A few distributions are the parts that most programs are made of. Each
# is met here in three ways: as a formula, as a NumPyro program whose posterior is exact, and as draws. Where
# two of them stand side by side the notebook stops if they do not agree.

# %%
import functools
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
import statsmodels.api as sm
from jax.scipy import special
from scipy import stats
from sklearn.datasets import load_iris, load_wine
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import probdl as pdl
from models import gaussian_graph, gaussian_mixture, hidden_markov

SMALL = os.environ.get("PROBDL_SMALL") == "1"  # fewer draws, for a quick check that everything runs
DRAWS = 5_000 if SMALL else 200_000
METHOD = pdl.Marginalized(pdl.NUTS(num_samples=150, num_warmup=150, num_chains=2)) if SMALL else None
numpyro.enable_x64()

plt.rcParams.update({"figure.dpi": 110, "axes.spines.right": False, "axes.spines.top": False})
BLUE, ORANGE, GREEN, GREY, INK = "#0072b2", "#d55e00", "#009e73", "#79828e", "#1b1f24"
COLOURS = np.array([[0.0, 0.45, 0.7], [0.84, 0.37, 0.0], [0.0, 0.62, 0.45]])  # the same, of classes
ARROW = {"arrowstyle": "-|>", "color": ORANGE, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}


def same(rows, tolerance=1e-9, **columns):
    """Numbers that should be equal but for rounding, side by side; an error if they are not."""
    table = pd.DataFrame({name: np.ravel(column) for name, column in columns.items()}, index=list(rows))
    reference = table.iloc[:, [0]].to_numpy()
    np.testing.assert_allclose(table, np.broadcast_to(reference, table.shape), tolerance, tolerance)
    return table


def near(rows, exact, drawn, error):
    """Numbers beside their estimates from draws; an error if they are five standard errors apart."""
    distance = (np.ravel(drawn) - np.ravel(exact)) / np.ravel(error)
    np.testing.assert_array_less(np.abs(distance), 5)
    columns = {"exact": np.ravel(exact), "draws": np.ravel(drawn), "standard errors apart": distance.round(1)}
    return pd.DataFrame(columns, index=list(rows)).round(4)


# %% [markdown]
# ## 3.1 Discrete variables
#
# ### 3.1.1 The Bernoulli distribution
#
# Gregor Mendel crossed peas and counted 556 of the second generation: 423 round ones and 133 wrinkled ones.
# Each pea is a draw of $\mathrm{Bern}(x \mid \mu) = \mu^x (1 - \mu)^{1-x}$. The likelihood of all is largest
# where $\mu$ is the share of round peas. But of three peas that are all round the same rule concludes that
# there are no others.

# %%
KINDS = ["round, yellow", "round, green", "wrinkled, yellow", "wrinkled, green"]
COUNTS = np.array([315, 108, 101, 32])  # Mendel, Versuche über Pflanzen-Hybriden (1866)
is_round = np.repeat([1, 1, 0, 0], COUNTS)
peas = np.random.default_rng(9).permutation(is_round)  # in an order of our own: he did not note his


def shapes(x, mu):
    with numpyro.plate("pea", len(x)):
        numpyro.sample("x", dist.Bernoulli(mu), obs=x)


mu = np.linspace(0.6, 0.9, 61)
fig, axes = plt.subplots(figsize=(5, 2.8))
log_likelihood = np.array([float(pdl.Model(shapes, peas, m).log_joint({})) for m in mu])
axes.plot(mu, log_likelihood, color=BLUE)
axes.axvline(peas.mean(), color=ORANGE, label=f"share of round peas, {peas.mean():.3f}")
axes.axvline(3 / 4, color=GREEN, linestyle="--", label="Mendel's theory, 3/4")
axes.set(xlabel=r"$\mu$", ylabel="log-likelihood in nats")
axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
same(
    [f"{m:.2f}" for m in mu[::20]],
    program=log_likelihood[::20],
    formula=peas.sum() * np.log(mu[::20]) + (1 - peas).sum() * np.log(1 - mu[::20]),
).rename_axis("mu").round(3)

# %% [markdown]
# ### 3.1.2 The binomial distribution
#
# How many of ten peas are round? The order no longer matters, and each number $m$ collects all orders that
# lead to it, $\binom{N}{m} \mu^m (1 - \mu)^{N-m}$. In the program $m$ is a site; with nothing observed, its
# exact posterior is its distribution.


# %%
def pod():
    numpyro.sample("m", dist.Binomial(10, 0.75))


pod_model = pdl.Model(pod)
table = pdl.exact_posterior(pod_model).probabilities("m")
drawn = pod_model.sample(0, DRAWS)["prior"]["m"].to_numpy().ravel()
m = np.arange(11)

fig, axes = plt.subplots(figsize=(5, 2.8))
axes.bar(m, table, color=BLUE, alpha=0.35, label="exact")
axes.plot(m, np.bincount(drawn, minlength=11) / DRAWS, "o", color=INK, markersize=4, label="draws")
axes.set(xlabel="round peas of ten", ylabel="probability", xticks=m)
axes.legend(frameon=False, loc="upper left")
np.testing.assert_allclose(table, stats.binom(10, 0.75).pmf(m), atol=1e-12)
fourth = (table * (m - 7.5) ** 4).sum()
near(
    ["mean, N mu", "variance, N mu (1 - mu)"],
    [10 * 0.75, 10 * 0.75 * 0.25],
    [drawn.mean(), drawn.var()],
    [np.sqrt(1.875 / DRAWS), np.sqrt((fourth - 1.875**2) / DRAWS)],
)

# %% [markdown]
# ### The prior that fits
#
# Let $\mu$ be unknown, with the prior $\mathrm{Beta}(a, b) \propto \mu^{a-1} (1-\mu)^{b-1}$. It has the form
# of the likelihood, so that the product has it, too: prior and likelihood are *conjugate*. Nobody has to say
# so. The plan finds it out from the density of the program.


# %%
def shapes_with_prior(x, a=1.0, b=1.0):
    mu = numpyro.sample("mu", dist.Beta(a, b))
    with numpyro.plate("pea", len(x)):
        numpyro.sample("x", dist.Bernoulli(mu), obs=x)


print(pdl.plan(pdl.Model(shapes_with_prior, peas)))

# %%
posterior = pdl.exact_posterior(pdl.Model(shapes_with_prior, peas))
beta = stats.beta(1 + peas.sum(), 1 + (1 - peas).sum())
same(
    ["mean", "variance", "log evidence"],
    program=[posterior.mean("mu"), posterior.variance("mu"), posterior.log_evidence],
    formula=[beta.mean(), beta.var(), special.betaln(1.0 + peas.sum(), 1.0 + (1 - peas).sum())],
)

# %% [markdown]
# Peas may come a few at a time. The posterior is again a beta distribution, which its mean and its variance
# name; it is the prior of the next batch, and after the last one we are where all peas at once would have
# taken us. The evidences multiply: $p(\text{all}) = \prod_k p(\text{batch } k \mid \text{batches before})$.

# %%
ends = (0, 3, 50, 556)
a, b, nats, beliefs = 1.0, 1.0, [], [(1.0, 1.0)]
for start, end in zip(ends[:-1], ends[1:], strict=True):
    step = pdl.exact_posterior(pdl.Model(shapes_with_prior, peas[start:end], a, b))
    mean, variance = float(step.mean("mu")), float(step.variance("mu"))
    worth = mean * (1 - mean) / variance - 1
    a, b = mean * worth, (1 - mean) * worth
    beliefs.append((a, b))
    nats.append(step.log_evidence)

grid = np.linspace(0, 1, 600)
fig, panels = plt.subplots(1, len(ends), figsize=(10, 2.3))
for axes, (a, b), end in zip(panels, beliefs, ends, strict=True):
    axes.fill_between(grid, stats.beta(a, b).pdf(grid), color=BLUE, alpha=0.3)
    axes.axvline(3 / 4, color=GREEN, linestyle="--", linewidth=0.9)
    if end:
        axes.axvline(peas[:end].mean(), color=ORANGE, linewidth=0.9)
    title = f"{peas[:end].sum()} round of {end}" if end else "nothing seen"
    axes.set(title=title, yticks=[], xticks=[0, 0.5, 1], xlabel=r"$\mu$")
    axes.set_ylim(0)
same(
    ["a", "b", "log evidence"],
    tolerance=1e-6,
    in_batches=[*beliefs[-1], sum(nats)],
    all_at_once=[1 + peas.sum(), 1 + (1 - peas).sum(), posterior.log_evidence],
)

# %% [markdown]
# Green is the theory, orange the share so far, where the likelihood is largest. After three peas that may be
# anywhere.
#
# ### 3.1.3 The multinomial distribution
#
# Peas differ in colour as well. Of $K$ kinds, with probabilities $\mu_k$ that sum to one, the counts are
# multinomial, $\frac{N!}{\prod_k m_k!} \prod_k \mu_k^{m_k}$. The conjugate prior is the Dirichlet
# distribution, $\propto \prod_k \mu_k^{\alpha_k - 1}$, on the simplex. For three kinds that is a triangle:

# %%
corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])
fig, panels = plt.subplots(1, 3, figsize=(9, 3))
for axes, alpha in zip(panels, (0.2, 1.0, 10.0), strict=True):
    points = np.random.default_rng(1).dirichlet(np.full(3, alpha), 1500) @ corners
    axes.fill(*corners.T, facecolor="none", edgecolor=GREY, linewidth=0.8)
    axes.scatter(*points.T, s=3, color=BLUE, alpha=0.4, linewidth=0)
    axes.set_aspect("equal")
    axes.set_title(rf"all $\alpha_k = {alpha:g}$", pad=20)
    axes.axis("off")
    for k, (x, y) in enumerate(corners, 1):
        axes.annotate(
            rf"$\mu_{k} = 1$",
            (x, y),
            (0, 8 if y else -8),
            textcoords="offset points",
            ha="center",
            va="bottom" if y else "top",
            fontsize=8,
        )

# %% [markdown]
# Mendel's theory says $9 : 3 : 3 : 1$. Beside it stands a rival that says nothing: any four proportions,
# all equally likely beforehand.


# %%
def kinds(counts):
    mu = numpyro.sample("mu", dist.Dirichlet(jnp.ones(4)))
    numpyro.sample("counts", dist.Multinomial(556, mu), obs=counts)


def mendel(counts):
    numpyro.sample("counts", dist.Multinomial(556, jnp.array([9, 3, 3, 1]) / 16), obs=counts)


posterior = pdl.exact_posterior(pdl.Model(kinds, COUNTS))
mean, sd = posterior.mean("mu"), np.sqrt(posterior.variance("mu"))
share = (COUNTS + 1) / (COUNTS.sum() + 4)

fig, axes = plt.subplots(figsize=(5.5, 2.4))
at = np.arange(4)
axes.hlines(at, mean - 2 * sd, mean + 2 * sd, color=BLUE, linewidth=2)
axes.plot(mean, at, "o", color=BLUE, label="posterior, mean ± 2 sd")
axes.plot(np.array([9, 3, 3, 1]) / 16, at, "|", color=GREEN, markersize=16, markeredgewidth=2, label="theory")
axes.set(yticks=at, yticklabels=KINDS, xlabel="proportion", xlim=(0, 0.65))
axes.invert_yaxis()
axes.legend(frameon=False, loc="lower right")
same(KINDS, program=mean, formula=share).round(4)

# %% [markdown]
# The theory made a bold statement and it came true. The evidence rewards that: it is the probability of the
# data before they were seen, and a uniform prior spreads it evenly over all tables of counts.

# %%
free, fixed = posterior.log_evidence, float(pdl.Model(mendel, COUNTS).log_joint({}))
print(f"the data are {np.exp(fixed - free):,.0f} times as probable under the theory as under its rival")
same(
    ["any proportions", "9 : 3 : 3 : 1"],
    program=[free, fixed],
    formula=[
        -np.log(math.comb(COUNTS.sum() + 3, 3)),
        stats.multinomial(556, np.array([9, 3, 3, 1]) / 16).logpmf(COUNTS),
    ],
).rename_axis("log evidence in nats")

# %% [markdown]
# ## 3.2 The multivariate Gaussian
#
# ### 3.2.1 Geometry
#
# $\mathcal{N}(x \mid \mu, \Sigma)$ depends on $x$ through one number, the Mahalanobis distance $\Delta$ from
# the mean, $\Delta^2 = (x - \mu)^\top \Sigma^{-1} (x - \mu)$. Where it is constant there is an ellipse; its
# axes are eigenvectors of $\Sigma$, and their lengths square roots of eigenvalues. In two dimensions the
# ellipse $\Delta = r$ holds a share of $1 - e^{-r^2/2}$: the first one holds less than half.

# %%
gaussian = pdl.GaussianVector(jnp.array([1.0, 0.5]), jnp.array([[1.5, 0.9], [0.9, 1.0]]))
lengths, directions = np.linalg.eigh(gaussian.covariance)
directions *= np.sign(directions[1])  # both upward
rng = np.random.default_rng(0)
points = rng.multivariate_normal(gaussian.mean, gaussian.covariance, DRAWS)
distance = np.asarray(gaussian.mahalanobis(jnp.asarray(points)))


def ellipse(axes, gaussian, radii=(1, 2), **style):
    """Draw where the distance from the mean is constant."""
    turn = np.linspace(0, 2 * np.pi, 200)
    factor = np.linalg.cholesky(gaussian.covariance)
    for i, radius in enumerate(radii):
        x, y = gaussian.mean[:, None] + radius * factor @ np.array([np.cos(turn), np.sin(turn)])
        axes.plot(x, y, **(style if not i else {**style, "label": None}))


fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.scatter(*points[:1500].T, s=2, color=GREY, alpha=0.5, linewidth=0)
ellipse(left, gaussian, (1, 2, 3), color=BLUE, linewidth=1)
for i in (0, 1):
    left.annotate(
        "",
        gaussian.mean + np.sqrt(lengths[i]) * directions[:, i],
        gaussian.mean,
        arrowprops=ARROW,
    )
left.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
r = np.linspace(0, 4, 200)
right.plot(r, 1 - np.exp(-(r**2) / 2), color=BLUE, label=r"$1 - e^{-r^2/2}$")
steps = np.arange(0.5, 4.1, 0.5)
right.plot(steps, [np.mean(distance < s) for s in steps], "o", color=INK, markersize=4, label="draws")
right.set(xlabel="$r$", ylabel=r"share with $\Delta < r$")
right.legend(frameon=False, loc="lower right")
inside = 1 - np.exp(-(np.array([1, 2, 3]) ** 2) / 2)
near(
    ["share within 1", "share within 2", "share within 3"],
    inside,
    [np.mean(distance < s) for s in (1, 2, 3)],
    np.sqrt(inside * (1 - inside) / DRAWS),
)

# %% [markdown]
# ### 3.2.2 Moments
#
# $\mu$ is the mean and $\Sigma$ the covariance, so that $\mathbb{E}[x x^\top] = \mu \mu^\top + \Sigma$.

# %%
product = points[:, :, None] * points[:, None, :]
second = np.outer(gaussian.mean, gaussian.mean) + gaussian.covariance
near(
    ["E[x1]", "E[x2]", "E[x1 x1]", "E[x1 x2]", "E[x2 x2]"],
    np.r_[gaussian.mean, second[np.triu_indices(2)]],
    np.r_[points.mean(0), product.mean(0)[np.triu_indices(2)]],
    np.r_[points.std(0), product.std(0)[np.triu_indices(2)]] / np.sqrt(DRAWS),
)

# %% [markdown]
# ### 3.2.3 Limitations
#
# A covariance of $D$ variables has $D(D+1)/2$ numbers, too many when $D$ is large. It may be made diagonal,
# with $D$ of them, or a multiple of the identity, with one, at a price. Here are the lengths of petals and
# sepals of 150 iris flowers.

# %%
iris = load_iris()["data"][:, [2, 0]]
mean, cov = iris.mean(0), np.cov(iris.T, bias=True)
forms = {
    "general": (cov, lambda D: D * (D + 1) // 2),
    "diagonal": (np.diag(np.diag(cov)), lambda D: D),
    "isotropic": (np.eye(2) * np.trace(cov) / 2, lambda D: 1),
}
fig, panels = plt.subplots(1, 3, figsize=(10, 2.6), sharex=True, sharey=True)
rows = {}
for axes, (name, (covariance, numbers)) in zip(panels, forms.items(), strict=True):
    fitted = pdl.GaussianVector(jnp.asarray(mean), jnp.asarray(covariance))
    axes.plot(*iris.T, ".", color=GREY, markersize=3)
    ellipse(axes, fitted, color=BLUE)
    axes.set(title=name, xlabel="petal in cm", aspect="equal", xlim=(-0.5, 8), ylim=(3, 9))
    rows[name] = {f"numbers, D = {D}": numbers(D) for D in (2, 10, 1000)}
    rows[name]["log-likelihood in nats"] = round(float(fitted.log_prob(jnp.asarray(iris)).sum()), 1)
panels[0].set_ylabel("sepal in cm")
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# And all three put their top where flowers are few: a Gaussian has one mode. The flowers have two, and
# mixtures, below, are the remedy.
#
# ### 3.2.4 and 3.2.5 Conditional and marginal
#
# Let some variables of a Gaussian be known, $x_b$. The others are Gaussian still, with a mean that is linear
# in $x_b$ and a covariance that does not depend on it:
#
# $$\mu_{a|b} = \mu_a + \Sigma_{ab} \Sigma_{bb}^{-1} (x_b - \mu_b), \qquad
# \Sigma_{a|b} = \Sigma_{aa} - \Sigma_{ab} \Sigma_{bb}^{-1} \Sigma_{ba}.$$
#
# Marginals only drop rows and columns. `GaussianVector` does this algebra. A program gets along without it:
# here is a family, each man's height drawn given that of his parents.

# %%
heights = pdl.Model(gaussian_graph.program)
graph = pdl.graph(heights)
pdl.draw(graph, distributions=True)

# %% [markdown]
# The algebra starts from one person, and adds one more with each linear map. Then it conditions on a son of
# 190 cm. The program is told so by `condition`.

# %%
names = ["grandfather", "mother", "father", "son"]
family = pdl.GaussianVector(jnp.array([176.0, 163.0]), jnp.diag(jnp.array([7.0, 6.5]) ** 2))
family = family.affine(
    jnp.array([[1, 0], [0, 1], [0.5, 0]]), jnp.array([0, 0, 88.0]), jnp.diag(jnp.array([0, 0, 6.0]) ** 2)
)
family = family.affine(
    jnp.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0.5, 0.5]]),
    jnp.array([0, 0, 0, 6.5]),
    jnp.diag(jnp.array([0, 0, 0, 5.0]) ** 2),
)
tall = family.condition([3], jnp.array([190.0]))
before = pdl.exact_posterior(heights)
after = pdl.exact_posterior(heights.condition(son=190.0))
rows = {}
for person in names[:3]:
    i = names.index(person)
    one = family.marginal([i])
    rows[f"{person}, mean"] = (one.mean[0], before.mean(person), tall.mean[i], after.mean(person))
    rows[f"{person}, variance"] = (
        one.covariance[0, 0],
        before.variance(person),
        tall.covariance[i, i],
        after.variance(person),
    )
numbers = np.array(list(rows.values()), float)
pd.concat(
    {
        "nothing known": same(rows, algebra=numbers[:, 0], program=numbers[:, 1]),
        "a son of 190 cm": same(rows, algebra=numbers[:, 2], program=numbers[:, 3]),
    },
    axis=1,
).round(3)

# %%
pair = family.marginal([2, 3])
given = pair.condition([1], jnp.array([190.0]))
x = np.linspace(150, 205, 300)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
ellipse(left, pair, (1, 2, 3), color=BLUE, linewidth=1)
left.axhline(190, color=ORANGE)
left.set(xlabel="father in cm", ylabel="son in cm", xlim=(150, 205))
left.text(151, 190.6, "son = 190", color=ORANGE, fontsize=9)
right.plot(x, np.exp(pair.marginal([0]).log_prob(x[:, None])), color=BLUE, label="p(father)")
right.plot(x, np.exp(given.log_prob(x[:, None])), color=ORANGE, label="p(father | son = 190)")
right.set(xlabel="father in cm", yticks=[], ylim=(0, 0.09))
_ = right.legend(frameon=False, loc="upper left")

# %% [markdown]
# The inverse of $\Sigma$ has zeros, and they are no accident. Each stands where two people are independent
# given the others, which is where the moral graph has no edge.

# %%
moral = pdl.moral_graph(graph)
joined = {frozenset(edge) for edge in moral.edges}
off = [(i, j) for i in range(4) for j in range(i)]
zero = {frozenset((names[i], names[j])) for i, j in off if abs(family.precision[i, j]) < 1e-12}
print("zeros of the precision:", *(" and ".join(sorted(pair)) for pair in zero), sep="\n  ")
absent = {frozenset((names[i], names[j])) for i, j in off} - joined
print("the same as the pairs that the moral graph does not join:", zero == absent)
pd.DataFrame(family.precision, names, names).round(4) + 0.0

# %% [markdown]
# ### 3.2.6 Bayes' theorem
#
# If $x$ is Gaussian and $y = A x + b$ plus Gaussian noise, then so are $y$ and $x$ given $y$. Where is the
# ship? Each reading tells how far out it lies in one direction. `bayes` gives $p(x \mid y)$ and $\ln p(y)$,
# for all readings together or for one after the other, and so does the program.


# %%
def ship(A, y, sd=0.4):
    x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), 4 * jnp.eye(2)))
    numpyro.sample("y", dist.Normal(A @ x, sd).to_event(1), obs=y)


where = np.array([1.2, 0.8])
turn = np.radians([100, 20, 150])
A = np.stack([np.cos(turn), np.sin(turn)], 1)
y = A @ where + np.random.default_rng(4).normal(0, 0.4, 3)

prior = pdl.GaussianVector(jnp.zeros(2), 4 * jnp.eye(2))
noise = 0.4**2 * jnp.eye(3)
together, evidence = prior.bayes(A, 0.0, noise, y)
belief, nats = [prior], []
for i in range(3):
    posterior, log_p = belief[-1].bayes(A[[i]], 0.0, noise[:1, :1], y[[i]])
    belief.append(posterior)
    nats.append(log_p)

fig, panels = plt.subplots(1, 4, figsize=(12, 3.1), sharex=True, sharey=True)
for i, (axes, one) in enumerate(zip(panels, belief, strict=True)):
    for j in range(i):
        along = np.array([-A[j, 1], A[j, 0]])
        axes.plot(*(y[j] * A[j][:, None] + along[:, None] * [-9, 9]), color=GREY, linewidth=0.8)
    ellipse(axes, one, color=BLUE)
    axes.plot(*where, "+", color=ORANGE, markersize=10, markeredgewidth=2)
    title = ("before", "one reading", "two", "three")[i]
    axes.set(xlim=(-5, 5), ylim=(-5, 5), aspect="equal", title=title, xlabel="$x_1$")
panels[0].set_ylabel("$x_2$")

model = pdl.Model(ship, A, y)
print(pdl.plan(model))
exact = pdl.exact_posterior(model)
same(
    ["mean of x1", "mean of x2", "variance of x1", "variance of x2", "log evidence"],
    program=[*exact.mean("x"), *exact.variance("x"), exact.log_evidence],
    together=[*together.mean, *jnp.diag(together.covariance), evidence],
    one_by_one=[*belief[-1].mean, *jnp.diag(belief[-1].covariance), sum(nats)],
).round(4)

# %% [markdown]
# ### 3.2.7 Maximum likelihood
#
# The Gaussian under which data are most probable has their mean and their covariance, with $N$ in the
# denominator. The latter is too small on average, by $(N-1)/N$, as in one dimension.

# %%
normal = pdl.family_of(dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2)))
fitted = normal.distribution(normal.maximum_likelihood(iris))
upper = np.triu_indices(2)
same(
    ["mean of petals", "mean of sepals", "variance of petals", "covariance", "variance of sepals"],
    tolerance=1e-8,
    most_probable=np.r_[fitted.mean, fitted.covariance_matrix[upper]],
    of_the_data=np.r_[iris.mean(0), np.cov(iris.T, bias=True)[upper]],
).round(4)

# %%
N, sets = 5, DRAWS // 5
groups = points[: N * sets].reshape(sets, N, 2)
centred = groups - groups.mean(1, keepdims=True)
found = np.einsum("sni,snj->sij", centred, centred)[:, *upper] / N
near(
    ["variance of x1", "covariance", "variance of x2"],
    (N - 1) / N * gaussian.covariance[upper],
    found.mean(0),
    found.std(0) / np.sqrt(sets),
)

# %% [markdown]
# ### 3.2.8 Sequential estimation
#
# A mean can be kept up to date without keeping the data: $\mu_N = \mu_{N-1} + (x_N - \mu_{N-1})/N$. The step
# becomes smaller, and the error falls as $1/\sqrt N$.

# %%
x, mean = points[:400, 0], 0.0
path = []
for n, value in enumerate(x, 1):
    mean += (value - mean) / n
    path.append(mean)
np.testing.assert_allclose(path[-1], x.mean())

n = np.arange(1, len(x) + 1)
band = 2 * np.sqrt(float(gaussian.covariance[0, 0]) / n)
fig, axes = plt.subplots(figsize=(6, 2.6))
label = "truth ± 2 standard errors"
axes.fill_between(n, 1 - band, 1 + band, color=GREEN, alpha=0.15, linewidth=0, label=label)
axes.axhline(1, color=GREEN, linewidth=0.8)
axes.plot(n, path, color=BLUE, label=r"$\mu_N$")
axes.set(xlabel="$N$", xlim=(1, len(x)), ylim=(-0.5, 2.5))
_ = axes.legend(frameon=False)

# %% [markdown]
# ### 3.2.9 Mixtures of Gaussians
#
# A weighted sum of Gaussians, $p(x) = \sum_k \pi_k \mathcal{N}(x \mid \mu_k, \Sigma_k)$, has as many modes as
# the data ask for. These are 272 waits for the geyser Old Faithful in minutes, each with the one before it.
# After a short wait mostly comes a long one; after a long one, either.
#
# If we knew which component each point came from, each component would be the Gaussian of maximum likelihood
# of its points. We know it with a probability, the *responsibility*, and use that as a weight; then the
# responsibilities follow from the components, and so on. No step lowers the likelihood. That is the EM
# algorithm of chapter 15, and an exponential family needs nothing else for it.

# %%
waits = gaussian_mixture.data()["y"]
pairs = np.stack([waits[:-1], waits[1:]], 1)


@functools.partial(jax.jit, static_argnums=0)
def em_step(family, weight, natural, x):
    """Responsibilities of the components, then the components of these responsibilities."""
    log_joint = jnp.log(weight)[:, None] + family.log_prob(natural, x)
    log_p = special.logsumexp(log_joint, 0)
    responsibility = jnp.exp(log_joint - log_p)
    return responsibility.mean(1), family.maximum_likelihood(x, responsibility), responsibility, log_p.sum()


def fit_mixture(family, x, start, steps=300):
    natural, trace = family.natural_parameters(start), []
    weight = jnp.full(len(natural), 1 / len(natural))
    for _ in range(steps):
        weight, natural, responsibility, log_likelihood = em_step(family, weight, natural, x)
        trace.append(float(log_likelihood))
    return weight, natural, responsibility, np.array(trace)


corner = jnp.array([[55.0, 80.0], [80.0, 55.0], [80.0, 80.0]])
start = dist.MultivariateNormal(corner, 50 * jnp.eye(2))
weight, natural, responsibility, trace = fit_mixture(normal, pairs, start)
components = normal.distribution(natural)
print("no step lowers the likelihood:", bool((np.diff(trace) > -1e-9).all()))

side = np.linspace(38, 102, 120)
mesh = np.stack(np.meshgrid(side, side), -1)
one = normal.log_prob(normal.maximum_likelihood(pairs), mesh)
three = special.logsumexp(np.log(weight)[:, None, None] + normal.log_prob(natural, mesh), 0)
fig, panels = plt.subplots(1, 3, figsize=(11, 3.6), sharex=True, sharey=True)
for axes, log_p, title in zip(panels[:2], (one, three), ("one Gaussian", "three"), strict=True):
    axes.contourf(side, side, np.exp(log_p), levels=10, cmap="Blues")
    axes.plot(*pairs.T, ".", color=INK, markersize=2.5)
    axes.set(title=title, aspect="equal", xlabel="wait")
panels[2].scatter(*pairs.T, s=9, color=np.clip(responsibility.T @ COLOURS, 0, 1))
for k in range(3):
    ellipse(
        panels[2],
        pdl.GaussianVector(components.mean[k], components.covariance_matrix[k]),
        color=COLOURS[k],
        linewidth=1,
    )
panels[2].set(title="responsibilities, as colours", aspect="equal", xlabel="wait")
panels[0].set_ylabel("next wait")
first = {"weights_init": np.full(3, 1 / 3), "precisions_init": np.tile(np.eye(2) / 50, (3, 1, 1))}
peer = GaussianMixture(3, means_init=corner, **first, tol=1e-10, max_iter=1000, random_state=0).fit(pairs)
same(
    [*(f"weight {k}" for k in (1, 2, 3)), "log-likelihood per pair"],
    tolerance=1e-4,
    families=[*weight, trace[-1] / len(pairs)],
    scikit_learn=[*peer.weights_, peer.score(pairs)],
).round(5)

# %% [markdown]
# As a program a mixture has a discrete site for each point. If the parameters are held, `exact_posterior`
# has its responsibilities without any formula; if not, the plan says that the site is summed out and the
# parameters are sampled.

# %%
family = pdl.family_of(dist.Normal(0.0, 1.0))
start = dist.Normal(jnp.array([50.0, 80.0]), 10.0)
weight, natural, responsibility, trace = fit_mixture(family, waits, start)
two = family.distribution(natural)
model = gaussian_mixture.model()
held = model.do(
    low=two.mean[0], gap=np.diff(two.mean), sigma=np.sqrt(np.asarray(two.variance)), weight=np.asarray(weight)
)
z = pdl.exact_posterior(held)
same(
    [*(f"wait of {wait:g} minutes" for wait in waits[:4]), "log-likelihood"],
    tolerance=1e-6,
    program=[*z.probabilities("z")[:4, 1], z.log_evidence],
    by_EM=[*responsibility[1, :4], trace[-1]],
).rename_axis("p(long one)").round(4)

# %%
print(pdl.plan(model))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    result = pdl.infer(model, METHOD, key=0, progress=False)
at = np.linspace(38, 102, 300)
fig, axes = plt.subplots(figsize=(6, 2.8))
axes.hist(waits, bins=30, density=True, color=GREY, alpha=0.35, label="waits")
parts = [result[name].to_numpy().reshape(-1, 1, 2) for name in ("weight", "mu", "sigma")]
curves = (parts[0] * stats.norm.pdf(at[:, None], parts[1], parts[2])).sum(-1)
low, high = np.quantile(curves, [0.05, 0.95], axis=0)
axes.fill_between(at, low, high, color=BLUE, alpha=0.3, linewidth=0, label="posterior, 90 %")
axes.plot(at, curves.mean(0), color=BLUE, label="posterior mean")
axes.set(xlabel="wait in minutes", yticks=[], xlim=(38, 102))
axes.legend(frameon=False, loc="upper left")
labels = [f"{name} {k}" for name in ("weight", "mu", "sigma") for k in ("short", "long")]
draws = np.concatenate(parts, 2)[:, 0]
table = pd.DataFrame(
    {
        "maximum likelihood": np.array([*weight, *two.mean, *np.sqrt(two.variance)]),
        "posterior mean": draws.mean(0),
        "posterior sd": draws.std(0),
    },
    index=labels,
)
likely, mean, sd = table.to_numpy().T
np.testing.assert_array_less(np.abs(mean - likely), sd)  # 272 waits outweigh the prior
table.round(3)

# %% [markdown]
# ## 3.3 Periodic variables
#
# The mean of 350° and 30° is not 190°. Angles are points on a circle: average the points, and take the
# direction of the result. Its length tells how much the angles agree.

# %%
pair = np.array([350.0, 30.0])
summary = pdl.circular_summary(jnp.radians(pair))
same(
    ["direction in degrees", "resultant length"],
    circular_summary=[np.degrees(summary.mean) % 360, summary.resultant_length],
    by_hand=[10.0, np.cos(np.radians(20))],
).round(4)

# %% [markdown]
# ### 3.3.1 The von Mises distribution
#
# On the circle its role is that of the Gaussian: $p(\theta) = \exp(m \cos(\theta - \theta_0)) / 2\pi I_0(m)$,
# with a mean direction $\theta_0$ and a concentration $m$. For $m = 0$ it is uniform; for large $m$ it is a
# Gaussian of variance $1/m$.

# %%
theta = np.linspace(-np.pi, np.pi, 721)
fig = plt.figure(figsize=(9, 3))
flat, polar = fig.add_subplot(1, 2, 1), fig.add_subplot(1, 2, 2, projection="polar")
for degrees, m, colour in ((90, 0.5, GREY), (90, 2.0, GREEN), (-45, 8.0, BLUE)):
    density = np.exp(dist.VonMises(np.radians(degrees), m).log_prob(theta))
    flat.plot(np.degrees(theta), density, color=colour)
    polar.plot(theta, density, color=colour, label=rf"$m = {m:g}$, $\theta_0 = {degrees}°$")
flat.set(xlabel="angle in degrees", ylabel="density", xticks=[-180, -90, 0, 90, 180], ylim=(0, None))
polar.set(rticks=[0.5, 1], yticklabels=[], xticks=np.radians([0, 90, 180, 270]))
_ = polar.legend(frameon=False, loc="center left", bbox_to_anchor=(1.15, 0.5))

# %% [markdown]
# When in the year is the Pacific off Peru warmest? Sixty-one years of monthly temperatures: in each of them,
# the wave of one year's length that fits best has its top at some angle. The likelihood of a von Mises
# distribution is largest where its direction is the mean direction and $I_1(m)/I_0(m)$ the resultant length.

# %%
monthly = sm.datasets.elnino.load_pandas().data.to_numpy()[:, 1:]
month = 2 * np.pi * (np.arange(12) + 0.5) / 12  # the middle of each, January first
angles = np.angle((monthly - monthly.mean(1, keepdims=True)) @ np.exp(1j * month))
summary, fitted = pdl.circular_summary(jnp.asarray(angles)), pdl.fit_von_mises(jnp.asarray(angles))
m = float(fitted.concentration)

fig = plt.figure(figsize=(9, 3))
polar, flat = fig.add_subplot(1, 2, 1, projection="polar"), fig.add_subplot(1, 2, 2)
polar.plot(angles, np.ones(61), "o", color=INK, markersize=3, alpha=0.5)
polar.annotate("", (float(summary.mean), float(summary.resultant_length)), (0, 0), arrowprops=ARROW)
polar.set(theta_zero_location="N", theta_direction=-1, yticks=[], ylim=(0, 1.1))
polar.set(xticks=month, xticklabels="JFMAMJJASOND")
day = 365.25 / (2 * np.pi)
x = np.linspace(20, 130, 300)
flat.hist(angles * day, bins=14, density=True, color=GREY, alpha=0.35, label="61 years")
flat.plot(x, np.exp(fitted.log_prob(x / day)) / day, color=BLUE, label="von Mises")
flat.plot(x, stats.norm.pdf(x / day, angles.mean(), angles.std()) / day, "--", color=ORANGE, label="Gaussian")
flat.set(xlabel="day of the year", yticks=[])
flat.legend(frameon=False)
resultant = np.exp(1j * angles).mean()
same(
    ["mean direction", "resultant length"],
    tolerance=1e-8,
    fitted=[fitted.loc, special.i1e(m) / special.i0e(m)],
    circular_summary=[summary.mean, summary.resultant_length],
    by_hand=[np.angle(resultant), abs(resultant)],
).round(5)

# %% [markdown]
# These angles keep together, and a Gaussian would have done. The distribution can be a site of a program, and
# draw years to come.


# %%
def warmest(direction, concentration):
    numpyro.sample("angle", dist.VonMises(direction, concentration))


drawn = pdl.Model(warmest, fitted.loc, m).sample(0, DRAWS)["prior"]["angle"].to_numpy().ravel()
unit_vectors = np.array([np.cos(drawn), np.sin(drawn)])
near(
    ["E[cos]", "E[sin]"],
    special.i1e(m) / special.i0e(m) * np.array([np.cos(fitted.loc), np.sin(fitted.loc)]),
    unit_vectors.mean(1),
    unit_vectors.std(1) / np.sqrt(DRAWS),
)

# %% [markdown]
# ## 3.4 The exponential family
#
# Nearly all of these have one form, $p(x \mid \eta) = h(x) \exp(\eta^\top T(x) - A(\eta))$: natural
# parameters $\eta$, sufficient statistics $T$, a base measure $h$ and the log normalizer $A$. The last knows
# everything. Its gradient is the mean of $T$, its Hessian the covariance. For a coin, $\eta = \ln
# \mu/(1-\mu)$ and the gradient is the logistic sigmoid; for classes it is the softmax. $A$ is convex, and the
# Kullback-Leibler divergence of two members is the gap between it and its tangent.

# %%
coin = pdl.family_of(dist.Bernoulli(0.5))
A = jax.jit(coin.log_normalizer)
eta = jnp.linspace(-5, 5, 201)
slope = jax.vmap(jax.grad(A))(eta[:, None])[:, 0]
curvature = jax.vmap(jax.hessian(A))(eta[:, None])[:, 0, 0]
p, q = jnp.array([-1.0]), jnp.array([3.0])
tangent = A(p) + coin.mean_parameters(p)[0] * (eta - p)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.plot(eta, A(eta[:, None]), color=BLUE, label=r"$A(\eta)$")
left.plot(eta, tangent, color=GREY, linewidth=1, label="tangent, slope E[x]")
gap = tangent[160], A(q)
left.plot([3, 3], gap, color=ORANGE, linewidth=2)
left.annotate(r"KL(p $\Vert$ q)", (3, sum(gap) / 2), (6, 0), textcoords="offset points", color=ORANGE)
left.plot([-1, 3], [A(p), A(q)], "o", color=INK, markersize=5)
left.annotate("p", (-1, A(p)), (-4, 8), textcoords="offset points", ha="right")
left.annotate("q", (3, A(q)), (-4, 8), textcoords="offset points", ha="right")
left.set(xlabel=r"$\eta$")
left.legend(frameon=False, loc="upper left")
right.plot(eta, slope, color=BLUE, label=r"$A'(\eta)$, the mean")
right.plot(eta, curvature, color=GREEN, label=r"$A''(\eta)$, the variance")
right.set(xlabel=r"$\eta$")
right.legend(frameon=False, loc="upper left")

heads = 1 / (1 + np.exp(-2))
tables = [np.array([1 / (1 + np.exp(at)), 1 / (1 + np.exp(-at))]) for at in (-1, 3)]
classes = pdl.family_of(dist.Categorical(probs=jnp.ones(3) / 3))
scores = jnp.array([0.3, -1.0, 2.0])
same(
    ["A' at 2", "A'' at 2", "KL(p || q)", "p(first of three classes)"],
    family=[slope[140], curvature[140], coin.kl(p, q), classes.mean_parameters(scores)[0]],
    by_hand=[heads, heads * (1 - heads), pdl.kl_divergence(*tables), np.exp(0.3) / np.exp(scores).sum()],
).round(5)

# %% [markdown]
# All of this holds for each family that `family_of` knows. In the table, the gradient of $A$ is compared
# with the mean of $T$ over draws of NumPyro's own sampler, and the entropy $A - \eta^\top \mathbb{E}[T] -
# \mathbb{E}[\ln h]$ with the mean of NumPyro's $-\ln p$. Both distances are in standard errors, the first
# the largest of all statistics.

# %%
matrix = jnp.array([[1.0, 0.3], [0.3, 0.5]])
members = [
    dist.Bernoulli(0.3),
    dist.Binomial(10, 0.3),
    dist.Categorical(probs=jnp.array([0.2, 0.5, 0.3])),
    dist.Multinomial(10, jnp.array([0.2, 0.5, 0.3])),
    dist.Poisson(3.0),
    dist.Geometric(0.3),
    dist.NegativeBinomial2(3.0, 2.0),
    dist.Beta(2.0, 3.0),
    dist.Dirichlet(jnp.array([1.0, 2.0, 3.0])),
    dist.Gamma(2.0, 3.0),
    dist.InverseGamma(6.0, 3.0),
    dist.Exponential(2.0),
    dist.LogNormal(0.5, 0.4),
    dist.Pareto(1.0, 3.0),
    dist.Normal(1.0, 0.5),
    dist.Laplace(0.0, 0.5),
    dist.VonMises(0.5, 2.0),
    dist.MultivariateNormal(jnp.array([1.0, 0.0]), matrix),
    dist.Wishart(5.0, matrix),
    dist.InverseWishart(8.0, matrix),
]
count, rows = DRAWS // 2, {}
for member in members[::4] if SMALL else members:
    family = pdl.family_of(member)
    eta = family.natural_parameters(member)
    draws = member.sample(jax.random.key(3), (count,))
    T, surprise = np.asarray(family.sufficient_statistics(draws)), -np.asarray(member.log_prob(draws))
    error = np.maximum(T.std(0) / np.sqrt(count), 1e-12)
    entropy = float(family.entropy(eta))
    rows[type(family).__name__.removesuffix("Family").removesuffix("Distribution")] = {
        "size of T": family.dimension,
        "A": float(family.log_normalizer(eta)),
        "mean of T, errors apart": np.abs((T.mean(0) - family.mean_parameters(eta)) / error).max(),
        "entropy in nats": entropy,
        "entropy, errors apart": np.abs(surprise.mean() - entropy)
        / (surprise.std() / np.sqrt(count) + 1e-12),
    }
table = pd.DataFrame.from_dict(rows, orient="index")
np.testing.assert_array_less(table.filter(like="apart"), 5)
table.round(2)

# %% [markdown]
# ### 3.4.1 Sufficient statistics
#
# The likelihood of many draws sees them through the sum of $T$ alone, and is largest where the expected $T$
# is their mean. And there is always a conjugate prior: its parameters move by the sums of $T$. For counts
# with the prior $\mathrm{Gamma}(a, b)$ that is $a + \sum_n x_n$ and $b + N$. The data are the large
# earthquakes of each year from 1900 to 2006.


# %%
def earthquakes(y):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 0.1))
    with numpyro.plate("year", len(y)):
        numpyro.sample("y", dist.Poisson(rate), obs=y)


quakes = hidden_markov.data()["y"]
poisson = pdl.family_of(dist.Poisson(1.0))
fitted = poisson.distribution(poisson.maximum_likelihood(quakes))
posterior = pdl.exact_posterior(pdl.Model(earthquakes, quakes))
gamma = stats.gamma(2 + quakes.sum(), scale=1 / (0.1 + len(quakes)))
same(
    ["largest likelihood", "posterior mean", "posterior variance"],
    program=[fitted.rate, posterior.mean("rate"), posterior.variance("rate")],
    formula=[quakes.mean(), gamma.mean(), gamma.var()],
).round(4)

# %% [markdown]
# ## 3.5 Nonparametric methods
#
# What if no family fits? Let the data be the density. Each of the following has one number that says how
# smooth it shall be, and each is spoilt by too little and by too much of it. There are 50 draws (ticks) of a
# density that we know (green). Above each picture is the integral of the squared error.

# %%
rng = np.random.default_rng(5)
WEIGHT, MEAN, SD = np.array([0.45, 0.55]), np.array([0.3, 0.7]), np.array([0.06, 0.13])
which = rng.choice(2, 50, p=WEIGHT)
draws = rng.normal(MEAN[which], SD[which])[:, None]
x = np.linspace(-0.1, 1.2, 2601)[:, None]
truth = (WEIGHT * stats.norm.pdf(x, MEAN, SD)).sum(1)


def show(estimates, name):
    """Estimates of the density, each above the value of what makes it smooth."""
    fig, panels = plt.subplots(1, 3, figsize=(11, 2.4), sharey=True)
    for axes, (value, density) in zip(panels, estimates.items(), strict=True):
        error = np.trapezoid((density - truth) ** 2, x[:, 0])
        axes.fill_between(x[:, 0], density, color=BLUE, alpha=0.35, linewidth=0)
        axes.plot(x, truth, color=GREEN)
        axes.plot(draws, np.full(len(draws), -0.2), "|", color=INK, markersize=6)
        axes.set(title=f"{name} = {value:g}, error {error:.2f}", xlabel="$x$", ylim=(-0.4, 5))


# %% [markdown]
# ### 3.5.1 Histograms
#
# The share of draws in a bin over its width $\Delta$.

# %%
bins = {width: np.arange(-0.25, 1.25 + width, width) for width in (0.04, 0.08, 0.25)}
histograms = {width: pdl.Histogram(draws[:, 0], edges) for width, edges in bins.items()}
show({width: np.exp(one.log_prob(x[:, 0])) for width, one in histograms.items()}, r"$\Delta$")

# %% [markdown]
# ### 3.5.2 Kernel densities
#
# A small Gaussian of standard deviation $h$ about each draw, and the mean of them all. It has no edges, and
# does not depend on where bins begin.

# %%
show({h: np.exp(pdl.KernelDensity(draws, h).log_prob(x)) for h in (0.005, 0.04, 0.2)}, "$h$")

# %% [markdown]
# ### 3.5.3 Nearest neighbours
#
# Here the number of draws is fixed, and the volume $V$ that holds them is measured: $K / (N V)$. Where draws
# are dense the picture is fine, elsewhere coarse.

# %%
show({K: np.exp(pdl.NearestNeighbourDensity(draws, K).log_unnormalized(x)) for K in (2, 8, 30)}, "$K$")

# %% [markdown]
# It is no density: far away it falls like $1/|x|$, and the area under it has no bound. A kernel density has
# area one.

# %%
rows = {}
for reach in (1, 10, 100):
    wide = 0.5 + reach * np.linspace(-1, 1, 100_001)[:, None]
    curves = {
        "kernels, h = 0.04": pdl.KernelDensity(draws, 0.04).log_prob(wide),
        "neighbours, K = 8": pdl.NearestNeighbourDensity(draws, 8).log_unnormalized(wide),
    }
    rows[f"within {reach} of 1/2"] = {
        name: np.trapezoid(np.exp(curve), wide[:, 0]) for name, curve in curves.items()
    }
areas = pd.DataFrame(rows)
np.testing.assert_allclose(areas.iloc[0], 1, atol=1e-3)
areas.round(3)

# %% [markdown]
# But it classifies. In the ball that holds the $K$ nearest points of all classes, $K_k$ are of class $k$, so
# that $p(x \mid k) = K_k / (N_k V)$ and $p(x) = K / (N V)$. Bayes' theorem leaves $p(k \mid x) = K_k / K$: a
# vote of the neighbours. The points are 178 wines from three vineyards, by two of their measurements.

# %%
wine = load_wine()
inputs, grower = wine["data"][:, [6, 9]], wine["target"]
inputs = (inputs - inputs.mean(0)) / inputs.std(0)
mesh = np.stack(np.meshgrid(np.linspace(-2, 3.6, 240), np.linspace(-2, 3.8, 240)), -1)
fig, panels = plt.subplots(1, 3, figsize=(11, 3.7), sharex=True, sharey=True)
rows = {}
for axes, K in zip(panels, (1, 7, 51), strict=True):
    vote = KNeighborsClassifier(K).fit(inputs, grower)
    share = vote.predict_proba(mesh.reshape(-1, 2)).reshape(*mesh.shape[:2], 3)
    axes.imshow(
        1 - 0.45 * (1 - share @ COLOURS),
        origin="lower",
        extent=(-2, 3.6, -2, 3.8),
        interpolation="bilinear",
    )
    for k in range(3):
        axes.scatter(*inputs[grower == k].T, s=14, color=COLOURS[k], edgecolor="white", linewidth=0.5)
    left_out = cross_val_score(KNeighborsClassifier(K), inputs, grower, cv=LeaveOneOut())
    axes.set(title=f"$K$ = {K}", xlabel="flavanoids")
    seen = vote.score(inputs, grower)
    rows[f"K = {K}"] = {"right, of those it has seen": seen, "of those left out": left_out.mean()}
panels[0].set_ylabel("intensity of colour")
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# With one neighbour each point has an island of its own, and no error is made on what has been seen, which
# says nothing of what has not. The more vote, the softer the borders. Here is the theorem in numbers, at one
# point:

# %%
at, K = np.array([[0.5, -0.6]]), 7
volume = K / len(inputs) / np.exp(pdl.NearestNeighbourDensity(inputs, K).log_unnormalized(at)[0])
nearest = KNeighborsClassifier(K).fit(inputs, grower)
members = np.bincount(grower[nearest.kneighbors(at, return_distance=False)[0]], minlength=3)
size = np.bincount(grower)
density = members / (size * volume)
same(
    wine["target_names"],
    by_Bayes=density * size / (density * size).sum(),
    by_vote=nearest.predict_proba(at)[0],
).round(3)
