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
# # Structured distributions
#
# *Bishop & Bishop (2023), chapter 11.* A joint distribution of many variables is too large to be written
# down. A graph says which parts it is made of, and what follows from that alone: who is independent of whom,
# given what. Here each graph of the chapter is a program, its picture is read off the program, and each
# statement that is read off the graph is held against numbers.

# %%
import itertools
import os
import warnings
from importlib.resources import files

warnings.filterwarnings("ignore", message="IProgress")  # tqdm does without widgets

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from IPython.display import HTML
from numpyro.contrib.control_flow import scan
from scipy import stats

import probdl as pdl
from models import alarm, eight_schools_centred, hidden_markov, naive_bayes, nile, sprinkler

SMALL = os.environ.get("PROBDL_SMALL") == "1"  # fewer draws, for a quick check that everything runs
DRAWS = 5_000 if SMALL else 200_000
METHOD = pdl.NUTS(num_samples=100, num_warmup=100, num_chains=2) if SMALL else pdl.NUTS()

plt.rcParams.update({"figure.dpi": 110, "axes.spines.right": False, "axes.spines.top": False})
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#79828e"


def graph_of(program, *args, **kwargs):
    return pdl.graph(pdl.Model(program, *args, **kwargs))


def draws_of(program, count=DRAWS):
    """Draws of all sites from the prior, one array each."""
    groups = pdl.Model(program).sample(0, count)
    return {name: array.to_numpy()[0] for group in groups.children.values() for name, array in group.items()}


def side_by_side(**drawings):
    """Pictures in a row, each above its caption."""
    cells = (
        f"<figure style='margin:0; text-align:center'>{drawing.svg()}"
        f"<figcaption style='margin-top:0.6em'>{caption.replace('_', ' ')}</figcaption></figure>"
        for caption, drawing in drawings.items()
    )
    return HTML(f"<div style='display:flex; gap:4em; align-items:flex-end'>{''.join(cells)}</div>")


# %% [markdown]
# ## 11.1 Directed graphs
#
# ### 11.1.1 A product of conditional distributions
#
# Any $p(a, b, c)$ is $p(a)\,p(b \mid a)\,p(c \mid a, b)$: a program that draws one variable after the other,
# each from a distribution whose parameters may depend on all before, can be any distribution at all. Its
# graph, that of figure 11.1, has all edges.


# %%
def any_three():
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(0.5 * a, 1))
    numpyro.sample("c", dist.Normal(a * b, 1))


three = graph_of(any_three)
pdl.draw(three)

# %%
pdl.factorization(three)

# %% [markdown]
# What a graph says is in the edges that it does *not* have. This one has them all, and so it says nothing:

# %%
list(pdl.independencies(three))

# %% [markdown]
# ### 11.1.2 Factorization
#
# In general each variable has its parents, and the joint distribution is $p(x) = \prod_k p(x_k \mid
# \mathrm{pa}(k))$, equation 11.6. Figure 11.2 has seven variables.


# %%
def seven():
    x1 = numpyro.sample("x_1", dist.Normal(0, 1))
    x2 = numpyro.sample("x_2", dist.Normal(0, 1))
    x3 = numpyro.sample("x_3", dist.Normal(0, 1))
    x4 = numpyro.sample("x_4", dist.Normal(x1 + x2 * x3, 1))
    x5 = numpyro.sample("x_5", dist.Normal(x1 - x3, 1))
    numpyro.sample("x_6", dist.Normal(jnp.tanh(x4), 1))
    numpyro.sample("x_7", dist.Normal(x4 + x5, 1))


graph = graph_of(seven)
pdl.draw(graph)

# %%
pdl.factorization(graph)

# %% [markdown]
# Every missing edge is a statement. Each variable is independent of all that are not its descendants, given
# its parents; these statements imply all others.

# %%
print(*pdl.independencies(graph), sep="\n")

# %% [markdown]
# The program is also a way to draw: parents first, then their children. That is *ancestral sampling*, and the
# order need not be that of the program.

# %%
print(" → ".join(pdl.ancestral_order(graph)))

# %% [markdown]
# ### 11.1.3 Discrete variables
#
# How many numbers does a distribution of $M$ variables with $K$ states take? A table of $K$ probabilities has
# $K - 1$ free ones, and there is a table for each combination of states of the parents. Three graphs of the
# same variables:


# %%
def network(parents, K=3):
    """A program of variables with K states and arbitrary tables: `parents` names those of each variable."""
    rng = np.random.default_rng(0)
    return pdl.BayesianNetwork(
        states={name: tuple(map(str, range(K))) for name in parents},
        parents=parents,
        tables={name: rng.dirichlet(np.ones(K), (K,) * len(of)) for name, of in parents.items()},
    )


def families(M):
    names = [f"x_{m + 1}" for m in range(M)]
    return {
        "independent": network({name: () for name in names}),
        "chain": network({name: tuple(names[max(m - 1, 0) : m]) for m, name in enumerate(names)}),
        "all edges": network({name: tuple(names[:m]) for m, name in enumerate(names)}),
    }


side_by_side(**{name: pdl.draw(graph_of(program)) for name, program in families(4).items()})

# %%
counts = pd.DataFrame(
    {
        M: {
            name: sum(table.size // 3 * 2 for table in program.tables.values())
            for name, program in families(M).items()
        }
        for M in range(1, 9)
    }
).T.rename_axis("M")

fig, axes = plt.subplots(figsize=(5.5, 3))
M = np.arange(1, 9)
formulas = {"all edges": 3.0**M - 1, "chain": 2 + (M - 1) * 3 * 2, "independent": M * 2}
for (name, formula), colour in zip(formulas.items(), (ORANGE, BLUE, GREEN), strict=True):
    axes.plot(M, formula, color=colour, linewidth=1)
    axes.plot(M, counts[name], "o", color=colour, label=name)
axes.set(yscale="log", xlabel="$M$ variables of $K = 3$ states", ylabel="free numbers")
axes.legend(frameon=False)
counts.transpose()

# %% [markdown]
# Points are counted in the tables of the programs; lines are the formulas $K^M - 1$, $K - 1 + (M-1)K(K-1)$
# and $M(K-1)$. With all edges they grow exponentially, along a chain linearly.
#
# The tables may be unknown themselves. Then they are variables too, with a prior of their own, and they may
# be *shared*: the same table in each step takes fewer numbers, and lets all steps learn from each other.

# %%
K = 3
TABLES = dist.Dirichlet(jnp.ones((K, K))).to_event(1)  # one distribution for each state


def own_tables(M=4):
    mu = numpyro.sample("mu_1", dist.Dirichlet(jnp.ones(K)))
    x = numpyro.sample("x_1", dist.Categorical(mu))
    for m in range(2, M + 1):
        mu = numpyro.sample(f"mu_{m}", TABLES)
        x = numpyro.sample(f"x_{m}", dist.Categorical(mu[x]))


def shared_table(M=4):
    mu_1 = numpyro.sample("mu_1", dist.Dirichlet(jnp.ones(K)))
    mu = numpyro.sample("mu", TABLES)
    x = numpyro.sample("x_1", dist.Categorical(mu_1))
    for m in range(2, M + 1):
        x = numpyro.sample(f"x_{m}", dist.Categorical(mu[x]))


own, shared = graph_of(own_tables), graph_of(shared_table)
side_by_side(a_table_for_each_step=pdl.draw(own), one_table_for_all=pdl.draw(shared))

# %% [markdown]
# Does what we learn of one table tell us of another? Without sharing and with all $x$ observed, no: the
# posterior falls apart into one factor for each table. It is a question of separation, of which more below.

# %%
seen = [f"x_{m}" for m in range(1, 5)]
print("mu_2 and mu_3 given all x:", pdl.d_separated(own, "mu_2", "mu_3", given=seen))
print("mu_2 and mu_3 given x_1 and x_3:", pdl.d_separated(own, "mu_2", "mu_3", given=["x_1", "x_3"]))
print(pdl.active_path(own, "mu_2", "mu_3", given=["x_1", "x_3"]))

# %% [markdown]
# A third way to few numbers is a formula in the place of the table. With $M$ binary parents a table of $p(y =
# 1 \mid x_1, \dots, x_M)$ has $2^M$ entries; the logistic sigmoid of a weighted sum has $M + 1$ weights.


# %%
def many_parents(M=5):
    bias = numpyro.sample("b", dist.Normal(0, 1))
    with numpyro.plate("parent", M):
        w = numpyro.sample("w", dist.Normal(0, 1))
        x = numpyro.sample("x", dist.Bernoulli(0.5))
    numpyro.sample("y", dist.Bernoulli(logits=bias + jnp.vdot(w, x)))


graph = graph_of(many_parents)
side_by_side(with_a_plate=pdl.draw(graph), unrolled=pdl.draw(pdl.unroll(graph)))

# %% [markdown]
# A *plate* is a box around what is repeated. `unroll` draws every repetition, and the formula knows of both:

# %%
pdl.factorization(graph)

# %% [markdown]
# ### 11.1.4 Gaussian variables
#
# If every variable is Gaussian with a mean that is linear in its parents, $p(x_i \mid \mathrm{pa}(i)) =
# \mathcal{N}(\sum_j w_{ij} x_j + b_i,\; v_i)$, the joint distribution is Gaussian, too. Here a link is
# missing, that from $x_1$ to $x_3$.

# %%
weights = {("x_1", "x_2"): 0.8, ("x_2", "x_3"): 1.5}
biases = {"x_1": 1.0, "x_2": 0.0, "x_3": -1.0}
variances = {"x_1": 1.0, "x_2": 0.5, "x_3": 2.0}


def linear_gaussian():
    x1 = numpyro.sample("x_1", dist.Normal(1.0, 1.0))
    x2 = numpyro.sample("x_2", dist.Normal(0.8 * x1, jnp.sqrt(0.5)))
    numpyro.sample("x_3", dist.Normal(-1.0 + 1.5 * x2, jnp.sqrt(2.0)))


graph = graph_of(linear_gaussian)
pdl.draw(graph, distributions=True, direction=pdl.Direction.RIGHT)

# %% [markdown]
# Mean and covariance follow from the graph by recursion, parents first: $\mathbb{E}[x_i] = \sum_j w_{ij}
# \mathbb{E}[x_j] + b_i$ and $\mathrm{cov}[x_i, x_j] = \sum_k w_{jk}\,\mathrm{cov}[x_i, x_k] + [i = j]\,v_j$.
# Beside them are those of draws.

# %%
order = pdl.ancestral_order(graph)
mean, cov = {}, {}
for j in order:
    above = pdl.parents(graph, j)
    mean[j] = biases[j] + sum(weights[k, j] * mean[k] for k in above)
    for i in order[: order.index(j)]:
        cov[i, j] = cov[j, i] = sum(weights[k, j] * cov[i, k] for k in above)
    cov[j, j] = variances[j] + sum(weights[k, j] * cov[j, k] for k in above)

found = draws_of(linear_gaussian)
exact = pd.DataFrame([[cov[i, j] for j in order] for i in order], order, order)
drawn = pd.DataFrame(np.cov([found[name] for name in order]), order, order)
pd.concat({"covariance, by recursion": exact, "by draws": drawn}, axis=1).round(3)

# %% [markdown]
# The missing link is hard to see in the covariance and plain in its inverse, which is zero just where two
# variables are independent given the others.

# %%
print(*pdl.independencies(graph))
pd.DataFrame(np.linalg.inv(exact), order, order).round(3) + 0.0

# %% [markdown]
# ### 11.1.5 Binary classifier
#
# A classifier has one vector of weights and many targets: $p(t, w \mid x) = p(w) \prod_n p(t_n \mid w, x_n)$.
# The inputs $x_n$ are arguments of the program: they are not modelled, and have no node.


# %%
def classifier(x, t=None):
    w = numpyro.sample("w", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("n", len(x)):
        numpyro.sample("t", dist.Bernoulli(logits=x @ w), obs=t)


inputs = np.random.default_rng(1).normal(size=(4, 2))
graph = graph_of(classifier, inputs)
side_by_side(unrolled=pdl.draw(pdl.unroll(graph)), the_same_with_a_plate=pdl.draw(graph))

# %% [markdown]
# ### 11.1.6 Parameters and observations
#
# Observed variables are shaded. A dot is no variable but a number that someone has chosen, a `numpyro.param`:
# here the precision $\alpha$ of the prior and the spread $\sigma$ of the noise of a regression. To predict at
# a new input is to add one more target that is not observed.


# %%
def regression(x, new, t=None):
    alpha = numpyro.param("alpha", 1.0, constraint=dist.constraints.positive)
    sigma = numpyro.param("sigma", 0.3, constraint=dist.constraints.positive)
    w = numpyro.sample("w", dist.Normal(0, 1 / jnp.sqrt(alpha)).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("n", len(x)):
        numpyro.sample("t", dist.Normal(x @ w, sigma), obs=t)
    numpyro.sample("t_new", dist.Normal(new @ w, sigma))


prior, posterior = (graph_of(regression, inputs, inputs[0], t=t) for t in (None, np.zeros(4)))
side_by_side(before_any_data=pdl.draw(prior), with_data=pdl.draw(posterior))

# %%
pdl.factorization(posterior)

# %% [markdown]
# The new target depends on the old ones through the weights alone. Given the weights, data are of no more
# use:

# %%
for given in ((), "w"):
    print(f"t_new and t given {given or 'nothing'}:", pdl.d_separated(posterior, "t_new", "t", given=given))

# %% [markdown]
# ### 11.1.7 Bayes' theorem turns an edge around
#
# A disease makes a test positive. We see the test and ask for the disease: the same joint distribution, with
# its factors the other way round, $p(x)\,p(y \mid x) = p(y)\,p(x \mid y)$. `faithful_inverse` turns any graph
# around so that the latent variables come after the data; it adds the edges that this takes.


# %%
def screening(positive=None):
    cancer = numpyro.sample("cancer", dist.Bernoulli(0.01))
    numpyro.sample("positive", dist.Bernoulli(jnp.where(cancer, 0.90, 0.03)), obs=positive)


graph = graph_of(screening, positive=np.array(1))
side_by_side(
    p_of_x_and_y=pdl.draw(graph_of(screening)),
    y_is_observed=pdl.draw(graph),
    the_posterior=pdl.draw(pdl.faithful_inverse(graph)),
)

# %%
table = np.array(
    [[np.exp(pdl.Model(screening).log_joint({"cancer": c, "positive": t})) for t in (0, 1)] for c in (0, 1)]
)
p_x, p_y = table.sum(1), table.sum(0)
p_y_given_x, p_x_given_y = table / p_x[:, None], table / p_y
pd.DataFrame(
    {
        "p(x)": p_x,
        "p(y = 1 | x)": p_y_given_x[:, 1],
        "their product": p_x * p_y_given_x[:, 1],
        "p(y = 1)": p_y[1],
        "p(x | y = 1)": p_x_given_y[:, 1],
        "their product ": p_y[1] * p_x_given_y[:, 1],
    },
    index=["x = 0, healthy", "x = 1, cancer"],
).round(4)

# %% [markdown]
# ## 11.2 Conditional independence
#
# $a$ and $b$ are independent given $c$, written $a \perp\!\!\!\perp b \mid c$, if $p(a, b \mid c) = p(a \mid
# c)\, p(b \mid c)$: once $c$ is known, $b$ tells nothing more of $a$.
#
# ### 11.2.1 Three graphs
#
# There are three ways in which two edges can meet at a node. All else is made of them.


# %%
def tail_to_tail():
    c = numpyro.sample("c", dist.Normal(0, 1))
    numpyro.sample("a", dist.Normal(c, 1))
    numpyro.sample("b", dist.Normal(-c, 1))


def head_to_tail():
    a = numpyro.sample("a", dist.Normal(0, 1))
    c = numpyro.sample("c", dist.Normal(a, 1))
    numpyro.sample("b", dist.Normal(c, 1))


def head_to_head():
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(0, 1))
    numpyro.sample("c", dist.Normal(a + b, 1))


meetings = {
    program.__name__.replace("_", "-"): program for program in (tail_to_tail, head_to_tail, head_to_head)
}
side_by_side(
    **{name: pdl.draw(graph_of(program), source="a", target="b") for name, program in meetings.items()}
)

# %% [markdown]
# Nothing is given: $a$ and $b$ depend on each other in the first two. Given $c$ it is the other way round.

# %%
side_by_side(
    **{
        name: pdl.draw(graph_of(program), source="a", target="b", given="c")
        for name, program in meetings.items()
    }
)


# %% [markdown]
# Numbers agree. The variables are Gaussian, for which independence given $c$ is a partial correlation of
# zero; that of $N$ draws is off by about $1/\sqrt N$.


# %%
def correlation(x, y, given=None):
    """The correlation, or the partial correlation given one variable."""
    r = np.corrcoef([x, y] if given is None else [x, y, given])
    if given is None:
        return r[0, 1]
    return (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))


rows = {}
for name, program in meetings.items():
    graph, d = graph_of(program), draws_of(program)
    rows[name] = {
        ("nothing given", "d-separated"): pdl.d_separated(graph, "a", "b"),
        ("nothing given", "correlation"): correlation(d["a"], d["b"]).round(3),
        ("given c", "d-separated"): pdl.d_separated(graph, "a", "b", given="c"),
        ("given c", "correlation"): correlation(d["a"], d["b"], d["c"]).round(3),
    }
print(f"1/sqrt(N) = {1 / np.sqrt(DRAWS):.4f}")
pd.DataFrame(rows).transpose()

# %% [markdown]
# A tail-to-tail or head-to-tail node *blocks* a path when it is given; a head-to-head node blocks it *unless*
# it or one of its descendants is given. `active_path` finds a path that is open, and says why.


# %%
def with_a_descendant():
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Normal(0, 1))
    c = numpyro.sample("c", dist.Normal(a + b, 1))
    numpyro.sample("d", dist.Normal(c, 1))


print(pdl.active_path(graph_of(tail_to_tail), "a", "b"), end="\n\n")
print(pdl.active_path(graph_of(with_a_descendant), "a", "b", given="d"))

# %% [markdown]
# ### 11.2.2 Explaining away
#
# The head-to-head node is the one that surprises. A car has a battery and a tank, charged and full nine times
# in ten, and a gauge that is not to be trusted, since it needs the battery.


# %%
def car(gauge=None):
    battery = numpyro.sample("battery", dist.Bernoulli(0.9))
    fuel = numpyro.sample("fuel", dist.Bernoulli(0.9))
    shows_full = jnp.array([[0.1, 0.2], [0.2, 0.8]])  # p(gauge = 1 | battery, fuel)
    numpyro.sample("gauge", dist.Bernoulli(shows_full[battery, fuel]), obs=gauge)


graph = graph_of(car, gauge=np.array(0))
side_by_side(
    the_gauge_is_seen=pdl.draw(graph),
    **{"battery and fuel, given the gauge": pdl.draw(graph, source="battery", target="fuel", given="gauge")},
)

# %% [markdown]
# Three binary variables have eight combinations. `log_joint` gives the probability of each, and all answers
# are sums of them.


# %%
def enumerate_all(model):
    """The joint distribution of binary sites, as an array with one axis for each."""
    names = model.latents
    values = itertools.product((0, 1), repeat=len(names))
    joint = [np.exp(model.log_joint(dict(zip(names, row, strict=True)))) for row in values]
    return np.reshape(joint, (2,) * len(names))


joint = enumerate_all(pdl.Model(car))
columns = pd.MultiIndex.from_product([(0, 1)] * 3, names=["battery", "fuel", "gauge"])
pd.DataFrame([joint.ravel()], index=["probability"], columns=columns).round(3)

# %% [markdown]
# The tank is empty with probability 0.1. The gauge shows "empty": now it is 0.257. Then we see that the
# battery is flat, which explains the gauge, and the tank is likely full again: 0.111, almost as before.
# Almost, since even with a flat battery a full tank moves the gauge now and then. So the battery told us
# something of the tank, from which it is independent. A charged battery would have said the opposite, 0.308.
#
# The same from draws: of all cars drawn, keep those that look like ours, and count.

# %%
drawn = draws_of(car)
flat, empty, shows_empty = (drawn[name] == 0 for name in ("battery", "fuel", "gauge"))
questions = {
    "p(F = 0)": (joint[:, 0].sum(), np.full(DRAWS, fill_value=True)),
    "p(F = 0 | G = 0)": (joint[:, 0, 0].sum() / joint[:, :, 0].sum(), shows_empty),
    "p(F = 0 | G = 0, B = 0)": (joint[0, 0, 0] / joint[0, :, 0].sum(), shows_empty & flat),
    "p(F = 0 | G = 0, B = 1)": (joint[1, 0, 0] / joint[1, :, 0].sum(), shows_empty & ~flat),
}
answers = pd.DataFrame(
    {
        name: {
            "exact": exact,
            "by draws": empty[kept].mean(),
            "standard error": np.sqrt(exact * (1 - exact) / kept.sum()),
            "draws kept": kept.sum(),
        }
        for name, (exact, kept) in questions.items()
    }
).T

fig, axes = plt.subplots(figsize=(6.5, 3))
at = np.arange(len(answers))
axes.bar(at, answers["exact"], width=0.55, color=[GREY, ORANGE, BLUE, GREEN], alpha=0.45)
axes.errorbar(
    at, answers["by draws"], 2 * answers["standard error"], fmt="o", color="#1b1f24", capsize=4, label="draws"
)
for i, value in enumerate(answers["exact"]):
    axes.text(i + 0.06, value + 0.006, f" {value:.3f}")
axes.axhline(0.1, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
labels = ["nothing", "gauge: empty", "gauge: empty\nbattery: flat", "gauge: empty\nbattery: charged"]
axes.set(xticks=at, xticklabels=labels, ylabel="p(tank empty)", ylim=(0, 0.38), xlabel="what is known")
axes.legend(frameon=False, loc="upper left")
answers.round(3).astype({"draws kept": int})

# %% [markdown]
# ### 11.2.3 d-separation
#
# $A$ and $B$ are independent given $C$ in *every* distribution of a graph if every path between them is
# blocked. In the graph of this section, $a$ and $b$ are connected through $e$ and $f$.


# %%
def five():
    a = numpyro.sample("a", dist.Normal(0, 1))
    f = numpyro.sample("f", dist.Normal(0, 1))
    e = numpyro.sample("e", dist.Normal(a + f, 1))
    numpyro.sample("b", dist.Normal(f, 1))
    numpyro.sample("c", dist.Normal(e, 1))


graph = graph_of(five)
side_by_side(
    **{
        "given c": pdl.draw(graph, source="a", target="b", given="c"),
        "given f": pdl.draw(graph, source="a", target="b", given="f"),
    }
)

# %%
print(pdl.draw(graph, source="a", target="b", given="c"), end="\n\n---\n\n")
print(pdl.draw(graph, source="a", target="b", given="f"))

# %% [markdown]
# $c$ is below the head-to-head node $e$ and opens it; $f$ is tail-to-tail and blocks. If $c$ is known for
# good, what else has to be known to separate $a$ and $b$? And what are all the statements of this graph?

# %%
print("separator that holds c:", sorted(pdl.minimal_separator(graph, "a", "b", include="c")))
print(*pdl.independencies(graph, "minimal"), sep="\n")

# %% [markdown]
# Is it so? We give the graph arbitrary tables and ask for the information that $a$ and $b$ share, in nats,
# exactly: it is zero where the graph separates them, and only there.


# %%
def shared_nats(joint, x, y, given):
    """The conditional mutual information of two axes of a joint distribution, given others."""
    kept = joint.sum(tuple(set(range(joint.ndim)) - {x, y, *given}), keepdims=True)
    of_x, of_y = kept.sum(y, keepdims=True), kept.sum(x, keepdims=True)
    return np.sum(kept * np.log(kept * of_x.sum(x, keepdims=True) / (of_x * of_y)))


tables = network({"a": (), "f": (), "e": ("a", "f"), "b": ("f",), "c": ("e",)}, K=2)
joint = enumerate_all(pdl.Model(tables))
axis = {name: i for i, name in enumerate(tables.variables)}
rows = {}
for given in ((), ("c",), ("e",), ("f",), ("c", "f"), ("e", "f")):
    rows[", ".join(given) or "nothing"] = {
        "d-separated": pdl.d_separated(graph, "a", "b", given=given),
        "nats": f"{abs(shared_nats(joint, axis['a'], axis['b'], [axis[name] for name in given])):.1e}",
    }
pd.DataFrame(rows).transpose().rename_axis("given")

# %% [markdown]
# Repeated draws are the most common graph of all. Measurements $x_1, \dots, x_N$ of one unknown $\mu$ are
# independent given $\mu$, and dependent without: the first tells something of $\mu$, and so of the second.
# That is why one can learn. `x[0]` names an element of a plate.


# %%
def measurements(N=10):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("n", N):
        numpyro.sample("x", dist.Normal(mu, 1))


graph = graph_of(measurements)
print("x[0] and x[1]:          ", pdl.d_separated(graph, "x[0]", "x[1]"))
print("x[0] and x[1] given mu: ", pdl.d_separated(graph, "x[0]", "x[1]", given="mu"))
print(*pdl.independencies(graph), sep="\n")
pdl.draw(graph)

# %% [markdown]
# ### 11.2.4 Naive Bayes
#
# A class, and features that are independent once it is known: a fork with many prongs. The model below reads
# digits: an image of $8 \times 8$ pixels, each inked or not, shows a 3, a 5 or an 8. How often a pixel is
# inked in each class is unknown and learnt.

# %%
model = naive_bayes.model()
graph = pdl.graph(model)
pdl.draw(graph)

# %%
pdl.factorization(graph)

# %% [markdown]
# Plates let us ask about single images and pixels (`inked[image, pixel]`). The second answer is the
# assumption of naive Bayes; it holds although the parameters are unknown, for two pixels share none. The
# fourth is why a classifier can be trained.

# %%
image = ("the same image", "inked[0, 1]")
other = ("another image", "inked[7, 0]")
rows = []
for where, name in (image, other):
    for given in ((), ("digit[0]",) if where == image[0] else ("digit[0]", "digit[7]")):
        answer = pdl.d_separated(graph, "inked[0, 0]", name, given=given)
        rows.append(("inked[0, 0]", name, ", ".join(given) or "nothing", answer))
pd.DataFrame(rows, columns=["pixel", "another", "given", "d-separated"])

# %% [markdown]
# Given all images the posterior falls apart. Into one factor for each pixel, says the graph; into one for
# each pixel and class, says the program, in which an image reads the numbers of its own digit alone. A
# hundred images are enough to see the digits.

# %%
everything = ["digit", "inked"]
print("two pixels: ", pdl.d_separated(graph, "ink[0, 0]", "ink[0, 1]", given=everything))
print("two classes:", pdl.d_separated(graph, "ink[0, 0]", "ink[1, 0]", given=everything))

# %%
posterior = pdl.exact_posterior(model)  # a beta distribution for each pixel and class
ink = posterior.mean("ink")
fig, panels = plt.subplots(1, 3, figsize=(6, 2.2))
for axes, name, means in zip(panels, naive_bayes.DIGITS, ink.T, strict=True):
    picture = axes.imshow(means.reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
    axes.set_title(f"{name}")
    axes.axis("off")
_ = fig.colorbar(picture, ax=panels, label="p(inked)", shrink=0.8)

# %%
further = naive_bayes.data(slice(100, None))
frequency = posterior.mean("frequency")
x = further["inked"].T
scores = x @ np.log(ink) + (1 - x) @ np.log(1 - ink) + np.log(frequency)
names = np.array(naive_bayes.DIGITS)
print(f"{np.mean(scores.argmax(1) == further['digit']):.1%} of {len(x)} further images are read right")
pd.crosstab(
    pd.Series(names[further["digit"]], name="digit"), pd.Series(names[scores.argmax(1)], name="read as")
)

# %% [markdown]
# Pixels of one image are of course not independent given the digit, since strokes are wide. The classes come
# out right all the same. The probabilities do not: every pixel of a stroke counts as evidence of its own, and
# the model is far too sure of itself.

# %%
probability = np.exp(scores - scores.max(1, keepdims=True))
probability /= probability.sum(1, keepdims=True)
right = scores.argmax(1) == further["digit"]
pd.DataFrame({"wrong by its own account": 1 - probability.max(1), "wrong": ~right}).mean().map(
    "{:.1%}".format
)

# %% [markdown]
# ### 11.2.5 Generative models
#
# A graph that says how data come about can be run. What is seen depends on an object, on where it is and on
# how it is turned; three causes that have nothing to do with each other, and one effect.

# %%
GRID = jnp.stack(jnp.meshgrid(jnp.arange(16.0), jnp.arange(16.0)), -1)


def picture_of(thing, position, orientation):
    """A bar, a corner or a cross, drawn softly."""
    x, y = jnp.moveaxis(GRID - position, -1, 0)
    c, s = jnp.cos(orientation), jnp.sin(orientation)
    along, across = c * x + s * y, c * y - s * x
    bar = jnp.exp(-((across / 0.8) ** 2)) * jax.nn.sigmoid(3 * (5 - jnp.abs(along)))
    beam = jnp.exp(-((along / 0.8) ** 2)) * jax.nn.sigmoid(3 * (5 - jnp.abs(across)))
    half = beam * jax.nn.sigmoid(3 * across)
    return jnp.stack([bar, jnp.maximum(bar, half), jnp.maximum(bar, beam)])[thing]


def camera():
    thing = numpyro.sample("object", dist.Categorical(jnp.ones(3) / 3))
    position = numpyro.sample("position", dist.Uniform(4, 11).expand([2]).to_event(1))
    orientation = numpyro.sample("orientation", dist.Uniform(0, jnp.pi))
    clean = picture_of(thing, position, orientation)
    numpyro.sample("image", dist.Normal(clean, 0.08).to_event(2))


graph = graph_of(camera)
pdl.draw(graph, distributions=True)

# %%
fig, panels = plt.subplots(1, 8, figsize=(10, 1.6))
for axes, image in zip(panels, draws_of(camera, 8)["image"], strict=True):
    axes.imshow(image, cmap="Greys", vmin=0, vmax=1)
    axes.axis("off")

# %% [markdown]
# The causes are independent, until the image is seen: then each explains what the others need not. To find
# one we need to find them all. Turned around, the graph has all edges.

# %%
print("without the image:", sorted(pdl.d_connected(graph, "object")))
print("given the image:  ", sorted(pdl.d_connected(graph, "object", given="image")))
pdl.draw(pdl.faithful_inverse(graph, latents=["object", "position", "orientation"]))

# %% [markdown]
# ### 11.2.6 Markov blanket
#
# Given its parents, its children and the other parents of its children, a variable is independent of all the
# rest. Methods that update one variable at a time need to know no more.


# %%
def blanket():
    p1 = numpyro.sample("p_1", dist.Normal(0, 1))
    p2 = numpyro.sample("p_2", dist.Normal(0, 1))
    far = numpyro.sample("far", dist.Normal(p1, 1))
    x = numpyro.sample("x", dist.Normal(p1 + p2, 1))
    q1 = numpyro.sample("q_1", dist.Normal(far, 1))
    q2 = numpyro.sample("q_2", dist.Normal(0, 1))
    c1 = numpyro.sample("c_1", dist.Normal(x + q1, 1))
    numpyro.sample("c_2", dist.Normal(x + q2, 1))
    numpyro.sample("below", dist.Normal(c1, 1))


graph = graph_of(blanket)
around = pdl.markov_blanket(graph, "x")
print(
    f"parents {sorted(pdl.parents(graph, 'x'))}, children {sorted(pdl.children(graph, 'x'))}, "
    f"co-parents {sorted(pdl.co_parents(graph, 'x'))}"
)
print("given these, x may depend on:", *sorted(pdl.d_connected(graph, "x", given=around)) or ["nothing"])
pdl.draw(graph, highlight=around)

# %% [markdown]
# ### 11.2.7 Graphs as filters
#
# A graph lets pass only those distributions that factorize as it says; they are those that have all the
# independencies that it implies. So data can speak against a graph. A thousand draws of `five` pass its own
# filter; they do not pass that of a graph in which $f$ is no longer a common cause. Each row of the figure
# is a statement of that graph, and how strongly the draws contradict it.


# %%
def without_common_cause():
    a = numpyro.sample("a", dist.Normal(0, 1))
    e = numpyro.sample("e", dist.Normal(a, 1))
    numpyro.sample("f", dist.Normal(0, 1))
    numpyro.sample("b", dist.Normal(0, 1))
    numpyro.sample("c", dist.Normal(e, 1))


data = draws_of(five, 1000)
passes = pdl.check_independencies(graph_of(five), data)
fails = pdl.check_independencies(graph_of(without_common_cause), data)
print(passes, fails, sep="\n\n")

# %%
pdl.independence_plot(fails)

# %% [markdown]
# Two graphs can be the same filter. Tail-to-tail and head-to-tail both say $a \perp\!\!\!\perp b \mid c$ and
# nothing else: no data, however many, tell them apart. The head-to-head node is another matter.

# %%
fork, chain, collider = (graph_of(program) for program in meetings.values())
print("tail-to-tail and head-to-tail equivalent:", pdl.equivalent(fork, chain))
print("tail-to-tail and head-to-head equivalent:", pdl.equivalent(fork, collider))
print(pdl.distinction(fork, collider))

# %% [markdown]
# ## 11.3 Sequence models
#
# Data that come one after the other may be written as $p(x_1, \dots, x_T) = \prod_t p(x_t \mid x_1, \dots,
# x_{t-1})$, which again says nothing. Edges are left out by forgetting: a *Markov chain* of order $m$ keeps
# the $m$ last values, and with $K$ states takes $K^m (K - 1)$ numbers if all steps share them. `scan` says a
# step once.


# %%
def first_order(T=7):
    def step(previous, _):
        x = numpyro.sample("x", dist.Normal(0.8 * previous, 1))
        return x, None

    scan(step, 0.0, None, length=T)


def second_order(T=7):
    def step(previous, _):
        before, last = previous
        x = numpyro.sample("x", dist.Normal(1.2 * last - 0.6 * before, 1))
        return (last, x), None

    scan(step, (0.0, 0.0), None, length=T)


one, two = graph_of(first_order), graph_of(second_order)
side_by_side(first_order=pdl.draw(one), second_order=pdl.draw(two))

# %%
right = pdl.Direction.RIGHT
side_by_side(first_order_unrolled=pdl.draw(pdl.unroll(one), direction=right))

# %%
side_by_side(second_order_unrolled=pdl.draw(pdl.unroll(two), direction=right))

# %%
pdl.factorization(one)

# %%
pdl.factorization(two)

# %% [markdown]
# The present separates past and future; of a chain of second order, two values do. Questions are about steps,
# `x[4]` is the fifth.

# %%
questions = [("x[3]", "x[5]", ["x[4]"]), ("x[2]", "x[5]", ["x[3]", "x[4]"]), ("x[0]", "x[5]", ["x[2:4]"])]
pd.DataFrame(
    {
        f"{x} and {y} given {', '.join(given)}": {
            "first order": pdl.d_separated(one, x, y, given=given),
            "second order": pdl.d_separated(two, x, y, given=given),
        }
        for x, y, given in questions
    }
).transpose()

# %%
print(pdl.active_path(two, "x[3]", "x[5]", given="x[4]"))
print("blanket of x[3]:", sorted(pdl.markov_blanket(one, "x[3]")), sorted(pdl.markov_blanket(two, "x[3]")))

# %% [markdown]
# ### 11.3.1 Hidden variables
#
# A chain of low order forgets too soon, one of high order takes too many numbers. A chain of *hidden* states,
# each with an observation, does neither: its graph is simple, and yet no observation separates any two
# others.


# %%
def state_space(x=None, *, T=6):
    def step(previous, seen):
        z = numpyro.sample("z", dist.Normal(0.8 * previous, 1))
        numpyro.sample("x", dist.Normal(z, 1), obs=seen)
        return z, None

    scan(step, 0.0, x, length=T)


graph = graph_of(state_space, x=np.zeros(6))
side_by_side(with_scan=pdl.draw(graph), unrolled=pdl.draw(pdl.unroll(graph), direction=right))

# %%
print("x[0] and x[5] given all between:   ", pdl.d_separated(graph, "x[0]", "x[5]", given="x[1:5]"))
print("x[0] and x[5] given one state, z[3]:", pdl.d_separated(graph, "x[0]", "x[5]", given="z[3]"))
print()
print(pdl.active_path(graph, "x[0]", "x[5]", given="x[1:5]"))

# %% [markdown]
# If the states are discrete this is a *hidden Markov model*; if they are Gaussian, with linear means, a
# *linear dynamical system*. The graph is the same. Two models of this repository: calm and busy times of the
# Earth behind the large earthquakes of each year, and the level of the Nile behind its yearly flow.

# %%
quakes = pdl.graph(hidden_markov.model())
side_by_side(earthquakes=pdl.draw(quakes), the_Nile=pdl.draw(pdl.graph(nile.model())))

# %%
pdl.factorization(quakes)

# %% [markdown]
# With unknown parameters even the states of a hidden Markov model are no Markov chain: past states tell
# something of the transitions, and so of the future.

# %%
for given in (["z[4]"], ["z[4]", "transition"]):
    print(f"z[3] and z[5] given {', '.join(given)}:", pdl.d_separated(quakes, "z[3]", "z[5]", given=given))
print()
print(pdl.active_path(quakes, "z[3]", "z[5]", given="z[4]"))

# %% [markdown]
# No sum over all paths has to be taken term by term: since $z_t$ separates what was from what comes, one
# sweep forward and one backward give $p(z_t \mid y)$. For the first eight years all $2^9$ paths can be
# listed, and `log_joint` gives the weight of each; the two ways agree. Parameters are those of largest
# likelihood.

# %%
rates, transition = np.array([15.472, 26.125]), np.array([[0.934, 0.066], [0.129, 0.871]])
at_rest = np.array([transition[1, 0], transition[0, 1]]) / (transition[1, 0] + transition[0, 1])
counted = hidden_markov.data()["y"]


def sweeps(y):
    """p(z_t | y), calm and busy: messages forward and backward, each normalised."""
    likelihood = stats.poisson.pmf(y[:, None], rates)
    forward, backward, message = [], [np.ones(2)], at_rest
    for row in likelihood:
        message = (message @ transition) * row
        message /= message.sum()
        forward.append(message)
    for row in likelihood[:0:-1]:
        message = transition @ (row * backward[0])
        backward.insert(0, message / message.sum())
    both = np.array(forward) * np.array(backward)
    return both / both.sum(1, keepdims=True)


years = 8
short = pdl.Model(hidden_markov.program, counted[:years], num_years=years)
parameters = {"rise": np.diff(rates, prepend=0), "transition": transition}
paths = np.array(list(itertools.product((0, 1), repeat=years + 1)))
weights = np.exp([short.log_joint({**parameters, "z_0": path[0], "z": path[1:]}) for path in paths])
pd.DataFrame(
    {"all paths": weights @ paths[:, 1:] / weights.sum(), "two sweeps": sweeps(counted[:years])[:, 1]},
    index=pd.Index(range(1900, 1900 + years), name="p(busy)"),
).T.round(4)

# %%
fig, (above, below) = plt.subplots(
    2, 1, figsize=(9, 3.6), sharex=True, height_ratios=(2, 1), gridspec_kw={"hspace": 0.12}
)
year, busy = np.arange(1900, 2007), sweeps(counted)[:, 1]
alone = (at_rest * stats.poisson.pmf(counted[:, None], rates))[:, 1]
alone /= (at_rest * stats.poisson.pmf(counted[:, None], rates)).sum(1)
above.plot(year, counted, "o-", color=GREY, markersize=3, linewidth=0.7)
above.plot(
    year,
    rates[(busy > 0.5).astype(int)],
    color=BLUE,
    drawstyle="steps-mid",
    label="rate of the likelier state",
)
above.set(ylabel="earthquakes")
above.legend(frameon=False)
below.plot(year, alone, ".", color=ORANGE, markersize=4, label="from that year alone")
below.fill_between(year, busy, color=BLUE, alpha=0.35, step="mid", linewidth=0, label="from all years")
below.set(ylabel="p(busy)", ylim=(0, 1.05))
_ = below.legend(frameon=False, loc="upper right", fontsize=8)

# %% [markdown]
# A year alone says little; its neighbours, to which it is joined through the states alone, say the rest.
#
# ## More to ask of a graph
#
# ### Plates
#
# Eight schools have effects $\theta_j$ of their own around a common $\mu$. Schools are exchangeable, so that
# a question about two of them is one about any two; the answers hold at any number of schools and cost the
# same.

# %%
schools = pdl.graph(eight_schools_centred.model())
pdl.draw(schools, source="theta[0]", target="theta[1]", given=["mu", "tau"])

# %%
print(*pdl.independencies(schools, "minimal"), sep="\n")
print("\nblanket of theta[0]:", sorted(pdl.markov_blanket(schools, "theta[0]")))
print("given the data, theta[0] may depend on", sorted(pdl.d_connected(schools, "theta[0]", given="y")))

# %% [markdown]
# ### A network from a file
#
# Bayesian networks are exchanged as BIF files. `read_bif` makes a model of one, whose program is the network.
# *Asia* asks why a patient is short of breath.

# %%
network_of = pdl.read_bif(files("pgmpy") / "utils/example_models/asia.bif.gz")
graph = pdl.graph(network_of)
side_by_side(
    asia=pdl.draw(graph),
    tuberculosis_and_smoking_given_shortness_of_breath=pdl.draw(
        graph, source="tub", target="smoke", given=["asia", "dysp"]
    ),
)

# %% [markdown]
# A visit to Asia tells of tuberculosis, and smoking does not. But both may end in shortness of breath, and
# then the one explains the other away, through two common effects, one above the other:

# %%
known = ["asia", "dysp"]
print("without the symptom:", pdl.d_separated(graph, "tub", "smoke", given="asia"))
print(pdl.active_path(graph, "tub", "smoke", given=known))

# %%
axes_of = {name: i for i, name in enumerate(network_of.latents)}
joint = enumerate_all(network_of)


def p_tub(**seen):
    """p(tub = yes | what is seen), from the joint distribution of all eight."""
    index = [slice(None)] * 8
    for name, code in network_of.program.codes(**seen).items():
        index[axes_of[name]] = slice(code, code + 1)
    kept = joint[tuple(index)].sum(tuple(set(range(8)) - {axes_of["tub"]}))
    return kept[0] / kept.sum()


pd.Series(
    {
        "asia": p_tub(asia="yes"),
        "asia, smoker": p_tub(asia="yes", smoke="yes"),
        "asia, short of breath": p_tub(asia="yes", dysp="yes"),
        "asia, short of breath, smoker": p_tub(asia="yes", dysp="yes", smoke="yes"),
        "asia, short of breath, no smoker": p_tub(asia="yes", dysp="yes", smoke="no"),
    },
    name="p(tub)",
).round(4).to_frame()

# %% [markdown]
# ### What exact answers cost
#
# To list all combinations is hopeless for many variables, and not needed: variables can be summed out one at
# a time. Each time a table over its neighbours is left, in the *moral graph*, in which parents of a common
# child are joined. The most neighbours that one meets in the best order is the *treewidth*, and what exact
# answers cost is exponential in that, not in the number of variables.

# %%
moral = pdl.moral_graph(graph)
print(
    "joined in the moral graph of Asia:",
    [edge for edge in moral.edges if not graph.to_undirected().has_edge(*edge)],
)
rows = {}
for name in ("asia", "child", "alarm", "hailfinder", "insurance", "hepar2", "win95pts", "andes"):
    file = pdl.graph(pdl.read_bif(files("pgmpy") / f"utils/example_models/{name}.bif.gz"))
    found = pdl.elimination_order(file)
    rows[name] = {
        "variables": len(file),
        "edges": file.number_of_edges(),
        "joined": pdl.moral_graph(file).number_of_edges() - file.number_of_edges(),
        "width found": found.width,
        "treewidth at least": found.lower_bound,
    }
pd.DataFrame(rows).transpose()

# %% [markdown]
# *Alarm* watches over an anaesthetised patient: 37 variables, but tables of five at most. The monitors show a
# fast pulse and low pressures. A dozen lines sum out the rest in the order that was found.

# %%
graph = pdl.graph(alarm.model())
side_by_side(alarm=pdl.draw(graph))


# %%
def marginal(network, asked, seen):
    """p(asked | seen): sum out all others, one at a time."""
    axis = {name: i for i, name in enumerate(network.variables)}
    factors = []
    for name, table in network.tables.items():
        axes = [*network.parents[name], name]
        index = tuple(seen.get(variable, slice(None)) for variable in axes)
        factors.append((table[index], [axis[variable] for variable in axes if variable not in seen]))
    for name in pdl.elimination_order(pdl.graph(pdl.Model(network))).order:
        if name == asked or name in seen:
            continue
        touched = [factor for factor in factors if axis[name] in factor[1]]
        around = sorted({i for _, axes in touched for i in axes} - {axis[name]})
        left = [factor for factor in factors if axis[name] not in factor[1]]
        factors = [*left, (np.einsum(*itertools.chain(*touched), around), around)]
    found = np.einsum(*itertools.chain(*factors), [axis[asked]])
    return found / found.sum()


network_of, seen = alarm.program, alarm.program.codes(**alarm.MONITORS)
diagnoses = (
    "LVFAILURE",
    "HYPOVOLEMIA",
    "ANAPHYLAXIS",
    "PULMEMBOLUS",
    "INSUFFANESTH",
    "KINKEDTUBE",
    "DISCONNECT",
)
before, after = (
    [marginal(network_of, name, known)[network_of.codes(**{name: "TRUE"})[name]] for name in diagnoses]
    for known in ({}, seen)
)
fig, axes = plt.subplots(figsize=(6, 2.8))
at = np.arange(len(diagnoses))
axes.hlines(at, before, after, color=GREY, linewidth=1)
axes.plot(before, at, "o", color="white", markeredgecolor=GREY, label="before")
axes.plot(after, at, "o", color=BLUE, label="with the monitors")
axes.set(yticks=at, yticklabels=diagnoses, xlabel="probability", xlim=(-0.02, 1))
axes.invert_yaxis()
axes.legend(frameon=False)
print(f"p(LVFAILURE) = {after[0]:.3f}, which was {before[0]:.2f}")

# %% [markdown]
# Before anything is measured few variables tell anything of the heart: those that it acts on. With the
# monitors all do, since all of them compete to explain what the monitors show. Four would make everything
# else irrelevant.

# %%
heart, monitors = "LVFAILURE", list(alarm.MONITORS)
print("before:", *sorted(pdl.d_connected(graph, heart)))
told = pdl.d_connected(graph, heart, given=monitors)
print(f"with the monitors: {len(told)} of the {len(graph) - 1 - len(monitors)} that are left")
print("blanket:", *sorted(pdl.markov_blanket(graph, heart)))

# %% [markdown]
# ### Seeing and doing
#
# A sprinkler that runs tells that the sky may be clear. To turn it on does not clear the sky: `do` cuts the
# edges into it, of a graph or of a model.

# %%
prior = pdl.Model(sprinkler.program)
graph = pdl.graph(prior)
side_by_side(
    nobody_has_looked=pdl.draw(graph),
    seen_to_run=pdl.draw(pdl.graph(prior.condition(sprinkler=1))),
    turned_on=pdl.draw(pdl.do(graph, "sprinkler")),
)

# %%
pdl.factorization(pdl.do(graph, "sprinkler"))

# %%
answers = {}
for what, model in (("seen to run", prior.condition(sprinkler=1)), ("turned on", prior.do(sprinkler=1))):
    joint, names = enumerate_all(model), model.latents
    answers[what] = {
        f"p({name})": np.moveaxis(joint, names.index(name), 0)[1].sum() / joint.sum()
        for name in ("cloudy", "rain", "wet")
    }
pd.DataFrame(answers).transpose().rename_axis("sprinkler").round(4)

# %% [markdown]
# What doing does can be computed from what has only been seen, if one adjusts for the right variables: the
# graph names them. Here the rain will do, $p(\text{wet} \mid \mathrm{do}(s)) = \sum_r p(\text{wet} \mid s,
# r)\,p(r)$.

# %%
joint = enumerate_all(prior)  # axes: cloudy, sprinkler, rain, wet
p_rain = joint.sum((0, 1, 3))
p_wet_given_rain = (joint.sum(0)[1] / joint.sum(0)[1].sum(-1, keepdims=True))[:, 1]
print("adjust for", *pdl.smallest_adjustment_set(graph, "sprinkler", "wet"))
print(f"p(wet | do(sprinkler = 1)) = {p_wet_given_rain @ p_rain:.4f}")
