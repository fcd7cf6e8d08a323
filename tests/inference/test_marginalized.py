"""What is integrated out comes back right: against quadrature, against hand-marginalised programs."""

import dataclasses
import signal

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from arviz_stats.base.array import array_stats
from numpyro.contrib.control_flow import scan
from scipy import stats
from scipy.integrate import quad_vec

import probdl as pdl
from probdl.inference.watch import Watch
from tests.exact.brute_force import quadrature
from tests.inference.counting import compilations
from tests.inference.programs import SIGMA, Y, schools
from tests.marks import exhaustive

METHOD = pdl.Marginalized(pdl.NUTS(num_samples=1000, num_warmup=500, target_acceptance=0.95))
SHORT = pdl.Marginalized(pdl.NUTS(num_samples=40, num_warmup=60))
STANDARD_ERRORS = 5


def centred(sigma, y):
    """Eight schools as users write them, with what is derived of sampled and of integrated sites."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    numpyro.deterministic("shrinkage", 1 / (1 + tau**2))
    with numpyro.plate("school", len(sigma)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.deterministic("gain", theta - mu)
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def mixture(y):
    weight = numpyro.sample("weight", dist.Beta(2, 2))
    low = numpyro.sample("low", dist.Normal(-2, 1))
    gap = numpyro.sample("gap", dist.HalfNormal(3.0))
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.Bernoulli(weight))
        numpyro.sample("y", dist.StudentT(4.0, low + gap * z, 0.7), obs=y)


def mixture_by_hand(y):
    weight = numpyro.sample("weight", dist.Beta(2, 2))
    low = numpyro.sample("low", dist.Normal(-2, 1))
    gap = numpyro.sample("gap", dist.HalfNormal(3.0))
    parts = dist.StudentT(4.0, jnp.stack([low, low + gap]), 0.7)
    mixing = dist.Categorical(probs=jnp.stack([1 - weight, weight]))
    with numpyro.plate("n", len(y)):
        numpyro.sample("y", dist.MixtureSameFamily(mixing, parts), obs=y)


def hidden_markov(y):
    stay = numpyro.sample("stay", dist.Beta(4.0, 2.0))
    high = numpyro.sample("high", dist.LogNormal(0.5, 0.5))

    def step(z, y_t):
        z = numpyro.sample("z", dist.Bernoulli(jnp.where(z == 1, stay, 1 - stay)))
        numpyro.sample("y", dist.Laplace(high * z, 1.0), obs=y_t)
        return z, None

    scan(step, 0, y)


def counted(y):
    rate = numpyro.sample("rate", dist.LogNormal(0.0, 1.0))
    x = numpyro.sample("x", dist.Normal(0, rate))
    n = numpyro.sample("n", dist.Poisson(rate))
    numpyro.sample("y", dist.Normal(n + x, 1.0), obs=y)


def logistic(x, y):
    b = numpyro.sample("b", dist.Normal(0, 1))
    with numpyro.plate("n", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=b * x), obs=y)


def seasons(y):
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


SCHOOLS = pdl.Model(centred, SIGMA, Y)
PAIR = np.array([-2.6, -1.1, 0.4, 1.3, 1.9, -1.9])
MIXTURE = pdl.Model(mixture, PAIR)


@pytest.fixture(scope="module")
def result():
    return pdl.infer(SCHOOLS, METHOD, key=1)


def assert_mean(values, exact):
    """Compare the mean of draws, chain and draw first, with what it should be."""
    values = np.asarray(values, float)
    flat = values.reshape(*values.shape[:2], -1)
    for i, expected in enumerate(np.broadcast_to(exact, values.shape[2:]).ravel()):
        error = array_stats.mcse(flat[..., i], chain_axis=0, draw_axis=1, method="mean")
        assert abs(flat[..., i].mean() - expected) < STANDARD_ERRORS * error


def schools_by_hand():
    """E[theta] and E[theta^2] by the formulas for Gaussians given tau (Gelman et al. 2013, section 5.4)."""

    def integrand(log_tau):
        tau = np.exp(log_tau)
        prior = tau**2 * np.eye(8) + 25.0
        marginal = prior + np.diag(SIGMA**2)
        gain = prior @ np.linalg.inv(marginal)
        mean, variance = gain @ Y, np.diag(prior - gain @ prior)
        density = stats.multivariate_normal(np.zeros(8), marginal).pdf(Y) * stats.halfcauchy(scale=5).pdf(tau)
        return density * tau * np.concatenate([[1.0], mean, mean**2 + variance])

    total, _ = quad_vec(integrand, -25.0, 25.0, epsabs=0.0, epsrel=1e-10)
    return np.split(total[1:] / total[0], 2)


@pytest.mark.slow
def test_schools_against_quadrature(result):
    exact = quadrature(pdl.Model(schools, SIGMA, y=Y), "tau", ("mu", "effect"))  # the same law, no funnel
    mu, tau, theta = (result[name].to_numpy() for name in ("mu", "tau", "theta"))
    assert_mean(tau, exact.mean)
    assert_mean(mu, exact.gaussian_mean["mu"])
    assert_mean(mu**2, exact.gaussian_second[0, 0])
    means, seconds = schools_by_hand()
    assert_mean(theta, means)
    assert_mean(theta**2, seconds)
    assert result.status is pdl.Status.OK


@pytest.mark.slow
def test_sites_are_drawn_together(result):
    """Theta given mu and tau is Gaussian, independent among schools: its standardised draws say so."""
    mu, tau, theta = (result[name].to_numpy() for name in ("mu", "tau", "theta"))
    precision = 1 / tau[..., None] ** 2 + 1 / SIGMA**2
    mean = (mu[..., None] / tau[..., None] ** 2 + Y / SIGMA**2) / precision
    standard = ((theta - mean) * np.sqrt(precision)).reshape(-1, 8)
    assert (np.abs(standard.mean(0)) < STANDARD_ERRORS / np.sqrt(len(standard))).all()
    products = standard.T @ standard / len(standard)
    assert (np.abs(products - np.eye(8)) < STANDARD_ERRORS * np.sqrt(2 / len(standard))).all()
    lagged = (standard[1:] * standard[:-1]).mean(0)
    assert (np.abs(lagged) < STANDARD_ERRORS / np.sqrt(len(standard))).all()


def test_every_site_is_in_the_result(result):
    assert set(result.data["posterior"].data_vars) == {"mu", "tau", "theta", "gain", "shrinkage"}
    assert result["theta"].dims == result["gain"].dims == ("chain", "draw", "school")
    np.testing.assert_array_equal(result["gain"], result["theta"] - result["mu"])
    np.testing.assert_allclose(result["shrinkage"], 1 / (1 + result["tau"] ** 2), rtol=1e-12)
    assert result.data.attrs["method"] == repr(METHOD)
    assert {"diverging", "n_steps", "lp"} <= set(result.data["sample_stats"].data_vars)


@pytest.mark.slow
def test_log_likelihood_and_predictions(result):
    found = result.with_log_likelihood().data["log_likelihood"]["y"]
    np.testing.assert_allclose(found, stats.norm(result["theta"], SIGMA).logpdf(Y), rtol=1e-9)
    predicted = SCHOOLS.sample(0, given=result)["posterior_predictive"]["y"].to_numpy()
    error = (predicted - result["theta"].to_numpy()) / SIGMA
    assert abs((error**2).mean() - 1) < STANDARD_ERRORS * np.sqrt(2 / error.size)


@pytest.mark.slow
def test_same_key_same_draws():
    first, again, other = (pdl.infer(SCHOOLS, SHORT, key=key) for key in (5, 5, 6))
    for name in ("mu", "tau", "theta", "gain"):
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


@pytest.mark.slow
def test_the_plan_draws_the_same():
    inner = pdl.NUTS(num_samples=40, num_warmup=60)
    named = pdl.Marginalized(inner, sites=("theta", "mu"))
    np.testing.assert_array_equal(
        pdl.infer(SCHOOLS, named, key=5)["theta"], pdl.infer(SCHOOLS, SHORT, key=5)["theta"]
    )


@pytest.mark.slow
def test_compiles_once_for_a_program(monkeypatch):
    monkeypatch.setattr("probdl.inference.diagnostics.HIGHEST_RHAT", np.inf)  # what follows it may compile
    pdl.infer(pdl.Model(centred, SIGMA, Y), SHORT, key=0)
    with compilations() as count:
        pdl.infer(pdl.Model(centred, SIGMA + 1.0, Y - 2.0), SHORT, key=1)
        longer = pdl.Marginalized(pdl.NUTS(num_samples=55, num_warmup=70))
        pdl.infer(pdl.Model(centred, SIGMA, Y + 1.0), longer, key=2)
    assert count.value == 0


def test_an_interrupted_run_keeps_its_draws(monkeypatch):
    whole = pdl.infer(SCHOOLS, SHORT, key=1)
    monkeypatch.setattr("probdl.inference.driver.SECONDS", 1e-9)
    ended, steps = Watch.ended, []

    def interrupt(self, underway, chunk):
        steps.append(1)
        if len(steps) == 60 + 7:
            signal.raise_signal(signal.SIGINT)
        return ended(self, underway, chunk)

    monkeypatch.setattr(Watch, "ended", interrupt)
    stopped = pdl.infer(SCHOOLS, SHORT, key=1)
    assert stopped.status is pdl.Status.INTERRUPTED
    for name in ("tau", "theta"):
        np.testing.assert_array_equal(stopped[name], whole[name][:, :7])


@pytest.mark.slow
def test_store(tmp_path):
    path = tmp_path / "draws.zarr"
    stored = pdl.infer(SCHOOLS, SHORT, key=5, store=path)
    np.testing.assert_array_equal(pdl.Result.load(path)["theta"], stored["theta"])
    np.testing.assert_array_equal(stored["theta"], pdl.infer(SCHOOLS, SHORT, key=5)["theta"])


def test_single_precision_is_refused():
    single = dataclasses.replace(METHOD.inner, precision=pdl.Precision.SINGLE)
    with pytest.raises(pdl.NotApplicable, match="samples in float32, in which integrals lose"):
        pdl.infer(SCHOOLS, pdl.Marginalized(single), key=1)


@pytest.mark.slow
def test_one_site_by_hand():
    only = pdl.Marginalized(pdl.NUTS(num_samples=2000, target_acceptance=0.95), sites=("theta",))
    assert set(only.found(SCHOOLS).integrated) == {"theta"}
    assert set(only.found(SCHOOLS).rest) == {"mu", "tau"}
    result = pdl.infer(SCHOOLS, only, key=2)
    means, seconds = schools_by_hand()
    assert_mean(result["theta"], means)
    assert_mean(result["theta"] ** 2, seconds)


@pytest.mark.slow
def test_mixture_against_the_program_marginalised_by_hand():
    long = pdl.NUTS(num_samples=4000)
    ours = pdl.infer(MIXTURE, pdl.Marginalized(long), key=1)
    peer = pdl.infer(pdl.Model(mixture_by_hand, PAIR), long, key=2)
    for name in ("weight", "low", "gap"):
        for power in (1, 2):
            values, other = (r[name].to_numpy() ** power for r in (ours, peer))
            errors = [array_stats.mcse(v, chain_axis=0, draw_axis=1, method="mean") for v in (values, other)]
            assert abs(values.mean() - other.mean()) < STANDARD_ERRORS * np.hypot(*errors)
    weight, low, gap = (peer[name].to_numpy()[..., None] for name in ("weight", "low", "gap"))
    ones = weight * stats.t(4, low + gap, 0.7).pdf(PAIR)
    zeros = (1 - weight) * stats.t(4, low, 0.7).pdf(PAIR)
    shares = ones / (ones + zeros)
    for i in range(len(PAIR)):
        drawn = ours["z"].to_numpy()[..., i].astype(float)
        errors = [
            array_stats.mcse(v, chain_axis=0, draw_axis=1, method="mean") for v in (drawn, shares[..., i])
        ]
        assert abs(drawn.mean() - shares[..., i].mean()) < STANDARD_ERRORS * np.hypot(*errors)


@pytest.mark.slow
def test_states_of_a_chain_against_quadrature():
    model = pdl.Model(hidden_markov, np.array([0.3, 1.9, 2.4, -0.6, 0.1]))
    held = {"stay": 0.7}
    exact = quadrature(model, "high", fixed=held)
    by_hand = dataclasses.replace(METHOD, sites=("z",))
    result = pdl.infer(model.condition(stay=0.7), by_hand, key=3)
    assert_mean(result["high"], exact.mean)
    assert_mean(result["z"], exact.marginals["z"][..., 1])


REFUSED = {
    "a site that stays": (
        SCHOOLS,
        pdl.Marginalized(sites=("tau",)),
        r"Marginalized is not applicable: site 'tau' cannot be integrated: .*Call infer\(model, key=0\) "
        r"without a method: it follows plan\(model\)",
    ),
    "nothing to integrate": (
        pdl.Model(logistic, PAIR, np.array([0, 0, 1, 1, 1, 0])),
        pdl.Marginalized(),
        r"no latent site can be integrated \('b': ",
    ),
    "nothing to sample": (
        pdl.Model(seasons, 0.3),
        pdl.Marginalized(),
        r"every latent site is integrated and nothing is left to sample; Exact\(\) draws from them",
    ),
    "a discrete site that stays": (
        pdl.Model(counted, 2.0),
        pdl.Marginalized(),
        r"site 'n' is discrete and cannot be summed out: its support is not finite \(Poisson\)",
    ),
    "a discrete site that is left out": (
        MIXTURE,
        pdl.Marginalized(sites=("low",)),
        "is not applicable: site '(low|z)'",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("model", "method", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_by_name(model, method, text):
    with pytest.raises(pdl.NotApplicable, match=text):
        pdl.infer(model, method, key=0)


def test_misspelt_sites():
    with pytest.raises(pdl.SiteNotFound, match=r"latent site in sites; got 'thta'\. Did you mean 'theta'\?"):
        pdl.infer(SCHOOLS, pdl.Marginalized(sites=("thta",)), key=0)
    with pytest.raises(pdl.SiteNotFound, match="a latent site in sites; got 'y'"):
        pdl.infer(SCHOOLS, pdl.Marginalized(sites=("y",)), key=0)


@pytest.mark.slow
def test_large_blocks_are_left_to_the_sampler(monkeypatch):
    def vector(y):
        scale = numpyro.sample("scale", dist.HalfNormal(1.0))
        x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(3), scale_tril=scale * jnp.eye(3)))
        numpyro.sample("y", dist.Normal(x.sum(), 1.0), obs=y)

    model = pdl.Model(vector, 0.4)
    assert set(pdl.Marginalized().found(model).integrated) == {"x"}
    monkeypatch.setattr("probdl.inference.marginalized.MOST_COORDINATES", 2)
    found = pdl.Marginalized().found(model)
    assert not found.integrated
    assert "a joint covariance of more than 2 coordinates" in found.reasons["x"]
    assert set(pdl.Marginalized(sites=("x",)).found(model).integrated) == {"x"}


def replicas(number, y=None):
    with numpyro.plate("replica", number, dim=-2):
        mu = numpyro.sample("mu", dist.Normal(0, 2))
        tau = numpyro.sample("tau", dist.HalfNormal(1.5))
        with numpyro.plate("group", 5, dim=-1):
            theta = numpyro.sample("theta", dist.Normal(mu, tau))
            numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)


@exhaustive
def test_ranks_are_uniform():
    """Simulation-based calibration (Talts et al. 2018): truths among draws of their posteriors.

    All simulations are one model: replicas share nothing, so that its posterior is theirs side by side.
    """
    number, thinning, draws, bins = 320, 20, 63, 16
    prior = pdl.Model(replicas, number).sample(0, 1)["prior"]
    inner = pdl.NUTS(num_samples=thinning * draws, num_warmup=500, num_chains=1)
    model = pdl.Model(replicas, number, prior["y"].to_numpy()[0, 0])
    assert set(pdl.Marginalized().found(model).rest) == {"tau"}
    result = pdl.infer(model, pdl.Marginalized(inner), key=1)
    for name in ("tau", "mu", "theta"):
        drawn, truth = result[name].to_numpy()[0, ::thinning], prior[name].to_numpy()[0, 0]
        ranks = (drawn < truth).sum(0).reshape(number, -1)[:, 0]  # of theta the first group: a mu is shared
        counts = np.bincount(ranks * bins // (draws + 1), minlength=bins)
        assert stats.chisquare(counts).pvalue > 1e-3
