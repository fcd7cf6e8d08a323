"""Yesterday's posterior as today's prior: batch after batch is all at once, and the density says so."""

import functools
import itertools

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import probdl as pdl
from tests.exact import programs

sample, plate = numpyro.sample, numpyro.plate
ROUNDING = 1e-10
N = 9
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 3)), 1 + RNG.normal(size=N)
K, GROUP, OTHER = RNG.integers(0, 2, N), np.arange(N) % 4, np.arange(N) % 3
BATCHES = (slice(0, 3), slice(3, 6), slice(6, 9))


def normal_gamma(y):
    tau = sample("tau", dist.Gamma(2.0, 3.0))
    mu = sample("mu", dist.Normal(1.0, 1 / jnp.sqrt(0.5 * tau)))
    with plate("n", len(y)):
        sample("y", dist.Normal(mu, 1 / jnp.sqrt(tau)), obs=y)


def of_variance(y):
    v = sample("v", dist.InverseGamma(3.0, 2.0))
    mu = sample("mu", dist.Normal(1.0, jnp.sqrt(2 * v)))
    with plate("n", len(y)):
        sample("y", dist.Normal(mu, jnp.sqrt(v)), obs=y)


def line(x, y):
    a, b = sample("a", dist.Normal(0.0, 2.0)), sample("b", dist.Normal(0.0, 1.0))
    with plate("n", len(y)):
        sample("y", dist.Normal(a + b * x, 0.5), obs=y)


def line_backwards(x, y):
    b, a = sample("b", dist.Normal(0.0, 1.0)), sample("a", dist.Normal(0.0, 2.0))
    with plate("n", len(y)):
        sample("y", dist.Normal(a + b * x, 0.5), obs=y)


def regression(x, y):
    tau = sample("tau", dist.Gamma(2.0, 3.0))
    w = sample("w", dist.Normal(0.0, 2 / jnp.sqrt(tau)).expand([3]).to_event(1))
    with plate("n", len(y)):
        sample("y", dist.Normal(x @ w, 1 / jnp.sqrt(tau)), obs=y)


def elements_in_no_plate(x, y):
    w, c = sample("w", dist.Normal(0.0, 1.0).expand([3])), sample("c", dist.Normal(0.0, 1.0))
    with plate("n", len(y)):
        sample("y", dist.Normal(x @ w + c, 0.5), obs=y)


def matrix_of_weights(x, y):
    w = sample("w", dist.Normal(0.0, 1.0).expand([1, 3]).to_event(2))
    with plate("n", len(y)):
        sample("y", dist.Normal(x @ w[0], 0.5), obs=y)


def far_from_zero(x, y):
    a, b = sample("a", dist.Normal(5000.0, 2.0)), sample("b", dist.Normal(0.0, 1.0))
    with plate("n", len(y)):
        sample("y", dist.Normal(a + b * x, 0.5), obs=5000 + y)


def normal_wishart(y):
    precision = sample("precision", dist.Wishart(4.0, jnp.eye(3)))
    mu = sample("mu", dist.MultivariateNormal(jnp.zeros(3), precision_matrix=0.5 * precision))
    with plate("n", len(y)):
        sample("y", dist.MultivariateNormal(mu, precision_matrix=precision), obs=y)


def components(k, y):
    with plate("component", 2):
        tau = sample("tau", dist.Gamma(2.0, 3.0))
        mu = sample("mu", dist.Normal(1.0, 1 / jnp.sqrt(0.5 * tau)))
    with plate("n", len(y)):
        sample("y", dist.Normal(mu[k], 1 / jnp.sqrt(tau[k])), obs=y)


def nested(group, y):
    v = sample("v", dist.InverseGamma(3.0, 2.0))
    mu = sample("mu", dist.Normal(0.0, 2 * jnp.sqrt(v)))
    with plate("region", 2):
        region = sample("region_mean", dist.Normal(mu, jnp.sqrt(v)))
    with plate("group", 4):
        own = sample("own", dist.Normal(region[np.array([0, 1, 1, 0])], jnp.sqrt(v)))
    with plate("n", len(y)):
        sample("y", dist.Normal(own[group], 0.5 * jnp.sqrt(v)), obs=y)


def crossed(i, j, y):
    with plate("i", 3):
        a = sample("a", dist.Normal(0.0, 1.0))
    with plate("j", 2):
        b = sample("b", dist.Normal(0.0, 1.0))
    with plate("n", len(y)):
        sample("y", dist.Normal(a[i] + b[j], 0.5), obs=y)


def counts(k, n):
    rate = sample("rate", dist.Gamma(2.0, 1.0))
    w = sample("w", dist.Dirichlet(jnp.array([1.0, 2.0])))
    with plate("class", 2):
        p = sample("p", dist.Beta(2.0, 1.0))
    with plate("n", len(n)):
        k = sample("k", dist.Categorical(w), obs=k)
        sample("n_events", dist.Poisson(rate), obs=n)
        sample("hits", dist.Binomial(5, p[k]), obs=n)


def states(i, y):
    a, b = sample("a", dist.Bernoulli(0.3)), sample("b", dist.DiscreteUniform(1, 3))
    c = sample("c", dist.Categorical(jnp.array([0.2, 0.3, 0.5])))
    with plate("p", 2):
        d = sample("d", dist.Bernoulli(0.2 + 0.1 * c))
    with plate("n", len(y)):
        sample("y", dist.Normal(a + b * c + d[i], 1.0), obs=y)


CASES = {
    "Normal-Gamma": (normal_gamma, (Y,)),
    "inverse-gamma variance": (of_variance, (Y,)),
    "line": (line, (X[:, 0], Y)),
    "line, slope first": (line_backwards, (X[:, 0], Y)),
    "regression with unknown precision": (regression, (X, Y)),
    "elements in no plate": (elements_in_no_plate, (X, Y)),
    "matrix": (matrix_of_weights, (X, Y)),
    "far from zero": (far_from_zero, (X[:, 0], Y)),
    "Normal-Wishart": (normal_wishart, (X,)),
    "one Normal-Gamma a component": (components, (K, Y)),
    "plate in plate": (nested, (GROUP, Y)),
    "crossed effects": (crossed, (OTHER, K, Y)),
    "Gamma-Poisson, Dirichlet-Categorical, Beta-Binomial": (counts, (K, np.arange(N) % 5)),
    "states": (states, (K, Y)),
}
EVERYDAY = {"line"}
EACH = [pytest.param(name, marks=() if name in EVERYDAY else pytest.mark.slow) for name in CASES]


def of_batch(program, data, part):
    return pdl.Model(program, *(x[part] for x in data))


@functools.cache
def solved(name):
    """Return the posterior given the first batch, and the model of the second with it as its prior."""
    program, data = CASES[name]
    posterior = pdl.exact_posterior(of_batch(program, data, BATCHES[0]))
    return posterior, pdl.updated(of_batch(program, data, BATCHES[1]), posterior)


@pytest.mark.few(2)
@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_batch_after_batch_is_all_at_once(name):
    program, data = CASES[name]
    first, second = solved(name)
    after = pdl.exact_posterior(second)
    third = pdl.exact_posterior(pdl.updated(of_batch(program, data, BATCHES[2]), after))
    whole = pdl.exact_posterior(pdl.Model(program, *data))
    batches = first.log_evidence + after.log_evidence + third.log_evidence
    np.testing.assert_allclose(batches, whole.log_evidence, rtol=ROUNDING)
    for site in whole.model.latents:
        if whole.model.sites[site].is_discrete:
            np.testing.assert_allclose(third.probabilities(site), whole.probabilities(site), atol=ROUNDING)
            continue
        np.testing.assert_allclose(third.mean(site), whole.mean(site), rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_allclose(third.variance(site), whole.variance(site), rtol=1e3 * ROUNDING)


@pytest.mark.few(5)
@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_the_density_is_that_of_all_data_less_the_evidence_of_the_old(name):
    program, data = CASES[name]
    first, second = solved(name)
    both = of_batch(program, data, slice(0, 6))
    drawn = both.sample(7, 4)["prior"]
    for draw in range(4):
        at = {site: drawn[site].values[0, draw] for site in both.latents}
        expected = both.log_joint(at) - first.log_evidence
        np.testing.assert_allclose(second.log_joint(at), expected, rtol=1e2 * ROUNDING)


def test_the_prior_of_a_line_is_its_bivariate_normal():
    precision = np.diag([0.25, 1.0]) + 4 * np.array([[3.0, X[:3, 0].sum()], [X[:3, 0].sum(), 0.0]])
    precision[1, 1] += 4 * (X[:3, 0] ** 2).sum()
    covariance = np.linalg.inv(precision)
    mean = covariance @ (4 * np.array([Y[:3].sum(), (X[:3, 0] * Y[:3]).sum()]))
    prior = pdl.updated(pdl.Model(line, np.zeros(0), np.zeros(0)), solved("line")[0])
    for at in itertools.product([-1.0, 2.0], repeat=2):
        expected = stats.multivariate_normal(mean, covariance).logpdf(at)
        np.testing.assert_allclose(prior.log_joint({"a": at[0], "b": at[1]}), expected, rtol=ROUNDING)


@pytest.mark.slow
def test_draws_of_the_new_model_are_draws_of_the_old_posterior():
    posterior, model = solved("Normal-Gamma")
    drawn = model.sample(0, 20_000)["prior"]
    tau, mu = (drawn[name].values.ravel() for name in ("tau", "mu"))
    for values, name in ((tau, "tau"), (mu, "mu")):
        error = np.sqrt(posterior.variance(name) / values.size)
        assert abs(values.mean() - posterior.mean(name)) < 4 * error
    z = (mu - posterior.mean("mu")) * np.sqrt(tau)  # independent of tau
    assert abs(np.corrcoef(z**2, tau)[0, 1]) < 4 / np.sqrt(values.size)


@pytest.mark.slow
def test_the_graph_is_the_chain_and_each_site_is_there_once():
    model = solved("one Normal-Gamma a component")[1]
    graph = pdl.graph(model)
    assert set(graph.edges) == {("tau", "mu"), ("tau", "y"), ("mu", "y")}
    assert graph.edges["tau", "mu"]["aligned"] == {"component"}
    assert model.latents == ("tau", "mu")
    assert model.sites["mu"].plates == ("component",)
    assert "conjug" in str(pdl.plan(model))


@pytest.mark.slow
def test_what_depends_along_a_plate_is_one_vector():
    sites = solved("crossed effects")[1].sites
    assert {name: site.plates for name, site in sites.items() if site.is_latent} == {"a": ("i",), "b": ()}


@pytest.mark.parametrize(
    "name",
    [p for p in EACH if p.values[0] in ("Normal-Gamma", "line, slope first", "states", "crossed effects")],
)
def test_batches_of_one_size_share_a_compilation(name):
    program, data = CASES[name]
    second = solved(name)[1]
    third = pdl.updated(of_batch(program, data, BATCHES[2]), pdl.exact_posterior(second))
    assert third.bound[0] == second.bound[0]


@pytest.mark.slow
def test_sites_that_cost_the_same_are_drawn_in_the_order_of_the_program():
    assert solved("line")[1].latents == ("a", "b")
    assert solved("line, slope first")[1].latents == ("b", "a")


@pytest.mark.slow
def test_conditioned_and_held_sites():
    first, second = solved("Normal-Gamma")
    tau, mu = 0.7, 1.3
    given = second.condition(tau=tau)
    assert given.log_joint({"mu": mu}) == pytest.approx(second.log_joint({"tau": tau, "mu": mu}), abs=1e-12)
    held = second.do(tau=tau)
    assert held.latents == ("mu",)
    prior = second.log_joint({"tau": tau, "mu": mu}) - held.log_joint({"mu": mu})
    with pdl.Precision.DOUBLE.active():
        np.testing.assert_allclose(prior, first.distribution("tau").log_prob(tau), rtol=ROUNDING)
    elsewhere = second.do(mu=mu)
    assert set(pdl.graph(elsewhere).edges) == {("tau", "y"), ("mu", "y")}


@pytest.mark.slow
def test_nuts_finds_the_same_posterior():
    model = solved("Normal-Gamma")[1]
    exact, result = pdl.exact_posterior(model), pdl.infer(model, pdl.NUTS(), key=0)
    for name in ("tau", "mu"):
        found = result.data["posterior"][name].values
        assert abs(found.mean() - exact.mean(name)) < 0.1 * np.sqrt(exact.variance(name))


@pytest.mark.slow
def test_a_prior_with_data_of_its_own_can_be_conditioned_before():
    model = pdl.Model(line, X[3:6, 0], np.zeros(3)).condition(y=Y[3:6])
    found = pdl.exact_posterior(pdl.updated(model, solved("line")[0]))
    np.testing.assert_allclose(found.log_evidence, pdl.exact_posterior(solved("line")[1]).log_evidence)


def regime(y):
    z = sample("z", dist.Bernoulli(0.3))
    mu = sample("mu", dist.Normal(2.0 * z, 1.0))
    with plate("n", len(y)):
        sample("y", dist.Normal(mu, 1.0 + z), obs=y)


def rates(y):
    z = sample("z", dist.Bernoulli(0.3))
    rate = sample("rate", dist.Gamma(2.0 + z, 1.0))
    with plate("n", len(y)):
        sample("y", dist.Poisson(rate), obs=y)


def pair(y):
    with plate("p", 2):
        d = sample("d", dist.Bernoulli(0.4))
    with plate("n", len(y)):
        sample("y", dist.Normal(d[0] - d[1], 1.0), obs=y)


REFUSED = {
    "Gaussian given a state": (regime, Y, (), "'mu' is a mixture over 'z'"),
    "Gaussian alone": (regime, Y, ("mu",), "'mu' is a mixture over 'z'"),
    "conjugate given a state": (rates, np.arange(4), (), "'rate' is a mixture over 'z'"),
    "states along a plate": (pair, Y, (), "elements of 'd' depend on each other"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("program", "y", "names", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(program, y, names, text):
    posterior = pdl.exact_posterior(pdl.Model(program, y))
    with pytest.raises(pdl.NotApplicable, match=f"cannot be written as priors: {text}.*Put all data"):
        pdl.updated(pdl.Model(program, y), posterior, *names)


@pytest.mark.slow
def test_a_hierarchy_is_refused_with_its_reason():
    model = programs.MIXED["regime_of_a_chain"].model
    with pytest.raises(pdl.NotApplicable, match="in 'time' depend on each other"):
        pdl.updated(model, pdl.exact_posterior(model))


def test_draws_are_no_exact_posterior():
    with pytest.raises(TypeError, match=r"Expected an exact posterior; got a dict\. Call exact_posterior"):
        pdl.updated(pdl.Model(line, X[:, 0], Y), {})
