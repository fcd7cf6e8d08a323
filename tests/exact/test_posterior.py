"""The exact posterior as an object: its numbers against brute force, and the words of its refusals."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.exact.programs.search import find
from tests.exact import programs
from tests.exact.brute_force import enumerate_discrete, mixed

DISCRETE = [
    "crossed_plates",
    "hmm_whose_last_state_is_read",
    "vectors_of_bernoullis_in_a_plate",
    pytest.param("mixture", marks=pytest.mark.slow),
    pytest.param("hmm", marks=pytest.mark.slow),
    pytest.param("one_of_each_support", marks=pytest.mark.slow),
    pytest.param("loop_of_four", marks=pytest.mark.slow),
]
GAUSSIAN = [
    "varying_slopes",
    pytest.param("ar2", marks=pytest.mark.slow),
    pytest.param("schools_with_known_tau", marks=pytest.mark.slow),
    pytest.param("multivariate_normals", marks=pytest.mark.slow),
]
MIXED = [
    "spike_and_slab",
    pytest.param("mixture_with_noisy_readings", marks=pytest.mark.slow),
    pytest.param("regime_of_a_chain", marks=pytest.mark.slow),
]
CONJUGATE = {
    "beta_binomials_in_a_plate": ("p", 2.0 + programs.COUNTS[:4], 3.0 + 4 - programs.COUNTS[:4]),
    "beta_geometric": ("p", 2.0 + len(programs.COUNTS), 3.0 + programs.COUNTS.sum()),
}
ROUNDING = 1e-9


def both():
    z = numpyro.sample("zone", dist.Bernoulli(0.4))
    x = numpyro.sample("x", dist.Normal(2.0 * z, 1.0))
    numpyro.sample("y", dist.Normal(x, 0.5), obs=1.2)


def mixed_rate(y):
    z = numpyro.sample("z", dist.Bernoulli(0.4))
    rate = numpyro.sample("rate", dist.Gamma(jnp.where(z == 1, 9.0, 1.0), 1.0))
    numpyro.sample("y", dist.Poisson(rate), obs=y)


def excluded(y):
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    table = jnp.array([[0.5, 0.5, 0.0], [0.1, 0.9, 0.0]])
    numpyro.sample("verdict", dist.Categorical(table[z]), obs=y)


BOTH = pdl.Model(both)


@pytest.mark.slow
@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_program(name):
    model = programs.DISCRETE[name].model
    exact, posterior = enumerate_discrete(model), pdl.exact_posterior(model)
    assert posterior.log_evidence == pytest.approx(exact.log_evidence, rel=ROUNDING)
    for site, marginal in exact.marginals.items():
        found = posterior.probabilities(site)
        assert found.shape == marginal.shape
        np.testing.assert_allclose(found, marginal, atol=ROUNDING)
    best = posterior.most_probable()
    assert set(best) == set(model.latents)
    assert model.log_joint(best) == pytest.approx(exact.most_probable()[1], rel=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("name", GAUSSIAN)
def test_gaussian_program(name):
    model = programs.GAUSSIAN[name].model
    exact = mixed(model, model.latents).gaussian
    posterior = pdl.exact_posterior(model)
    assert posterior.log_evidence == pytest.approx(exact.log_evidence, rel=ROUNDING)
    best = posterior.most_probable()
    for site, mean in exact.mean.items():
        assert posterior.mean(site).shape == mean.shape
        np.testing.assert_allclose(posterior.mean(site), mean, rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_allclose(posterior.variance(site), exact.variance(site), rtol=1e3 * ROUNDING)
        np.testing.assert_allclose(best[site], mean, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("name", MIXED)
def test_mixed_program(name):
    model = programs.MIXED[name].model
    gaussian = [site for site in model.latents if not model.sites[site].is_discrete]
    exact, posterior = mixed(model, gaussian), pdl.exact_posterior(model)
    assert posterior.log_evidence == pytest.approx(exact.log_evidence, rel=ROUNDING)
    for site, marginal in exact.discrete.marginals.items():
        np.testing.assert_allclose(posterior.probabilities(site), marginal, atol=ROUNDING)
    for site in gaussian:
        mean = exact.gaussian.mean[site]
        np.testing.assert_allclose(posterior.mean(site), mean, rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_allclose(
            posterior.variance(site), exact.gaussian.variance(site), rtol=1e3 * ROUNDING
        )


def narrow(y):
    """The state of less mass has the higher peak."""
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    x = numpyro.sample("x", dist.Normal(0.0, jnp.where(z == 1, 0.05, 2.0)))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y[0])


def narrow_chain(y):
    z = numpyro.sample("z", dist.Bernoulli(0.3))

    def step(x, y_t):
        x = numpyro.sample("x", dist.Normal(x, jnp.where(z == 1, 0.3, 1.0)))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=y_t)
        return x, None

    scan(step, 0.0, y)


RISING = np.array([1.5, 1.0, 2.0, 1.2])
HERE = {"narrow": pdl.Model(narrow, RISING), "narrow chain": pdl.Model(narrow_chain, RISING)}
MODES = [*HERE, *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(programs.MIXED))]


@pytest.mark.few(7)
@pytest.mark.slow
@pytest.mark.parametrize("name", MODES)
def test_the_most_probable_values_of_states_and_numbers(name):
    """The mode of the highest of all Gaussian functions, one for each assignment of the states."""
    model = HERE[name] if name in HERE else programs.MIXED[name].model
    if find(model).rest:
        pytest.skip("not exact")
    gaussian = [site for site in model.latents if not model.sites[site].is_discrete]
    exact, best = mixed(model, gaussian), pdl.exact_posterior(model).most_probable()
    volume = np.linalg.slogdet(2 * np.pi * exact.covariances)[1] / 2
    highest = (exact.discrete.log_joints - volume).max()
    assert model.log_joint(best) == pytest.approx(highest, rel=ROUNDING)
    if name in HERE:
        assert best["z"] != exact.discrete.weights.argmax()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONJUGATE)
def test_conjugate_program(name):
    site, a, b = CONJUGATE[name]
    posterior = pdl.exact_posterior(programs.CONJUGATE[name].model)
    np.testing.assert_allclose(posterior.mean(site), a / (a + b), rtol=ROUNDING)
    np.testing.assert_allclose(posterior.variance(site), a * b / (a + b) ** 2 / (a + b + 1), rtol=1e-7)


@pytest.mark.slow
def test_draws_have_the_joint_distribution():
    exact = mixed(BOTH, ("x",))
    drawn = pdl.exact_posterior(BOTH).sample(1, 4000)
    assert set(drawn) == {"zone", "x"}
    zone, x = drawn["zone"], drawn["x"]
    share = exact.discrete.weights[1]
    assert abs(zone.mean() - share) < 5 * np.sqrt(share * (1 - share) / 4000)
    for state in (0, 1):
        own = x[zone == state]
        sd = np.sqrt(exact.covariances[state, 0, 0])
        assert abs(own.mean() - exact.means[state, 0]) < 5 * sd / np.sqrt(len(own))
        assert abs(own.var() - sd**2) < 5 * np.sqrt(2 / len(own)) * sd**2


@pytest.mark.slow
def test_same_key_same_draws():
    posterior = pdl.exact_posterior(BOTH)
    first, again, other = (posterior.sample(key, 50)["x"] for key in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


REFUSED = {
    "misspelt": (
        lambda: pdl.exact_posterior(BOTH).probabilities("zon"),
        pdl.SiteNotFound,
        r"Expected a latent site in the posterior; got 'zon'\. Did you mean 'zone'\?",
    ),
    "observed": (
        lambda: pdl.exact_posterior(BOTH).mean("y"),
        pdl.SiteNotFound,
        "Expected a latent site in the posterior; got 'y'",
    ),
    "probabilities of a number": (
        lambda: pdl.exact_posterior(BOTH).probabilities("x"),
        ValueError,
        r"Expected a discrete site; got 'x'\. Ask for `probabilities` of discrete sites",
    ),
    "mean of a state": (
        lambda: pdl.exact_posterior(BOTH).mean("zone"),
        ValueError,
        "Expected a continuous site; got 'zone'",
    ),
    "variance of a state": (
        lambda: pdl.exact_posterior(BOTH).variance("zone"),
        ValueError,
        "Expected a continuous site; got 'zone'",
    ),
    "most probable of what is conjugate": (
        lambda: pdl.exact_posterior(pdl.Model(mixed_rate, 3)).most_probable(),
        ValueError,
        "Expected latents that are discrete or Gaussian; got 'rate', which is conjugate",
    ),
    "nothing latent": (
        lambda: pdl.exact_posterior(BOTH.condition(zone=1, x=0.3)).log_evidence,
        ValueError,
        r"Expected a model with latent sites; got none\. Call model\.log_joint\(\{\}\)",
    ),
    "impossible": (
        lambda: pdl.exact_posterior(pdl.Model(excluded, 2)),
        ValueError,
        "possible together; got 'verdict'=2, of probability zero",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("call", "error", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


STAYS = ["half_cauchy_scale", "infinite_support", "subsampled_plate"]


@pytest.mark.parametrize("name", STAYS)
def test_what_stays_is_named(name):
    case = programs.NOT_EXACT[name]
    with pytest.raises(
        pdl.NotApplicable, match="exact_posterior is not applicable: '(.*)' cannot be"
    ) as error:
        pdl.exact_posterior(case.model)
    text = str(error.value)
    assert any(f"'{site}' cannot be integrated: " in text for site in case.refused)
    name = next(site for site in case.refused if f"'{site}' cannot be integrated: " in text)
    is_discrete = case.model.sites[name].is_discrete
    assert ("Observe it" if is_discrete else "Call infer(model, key=0)") in text


@pytest.mark.slow
def test_mixtures_of_conjugate_posteriors():
    posterior = pdl.exact_posterior(pdl.Model(mixed_rate, 3))
    drawn = posterior.sample(0, 4000)
    # By hand: Gamma(a + 3, 2) given z, weighed by the negative binomial probability of 3 with shape a.
    weights = np.array([0.6 * 0.5, 0.4 * 0.5**9 * (9 * 10 * 11 / 6)])
    share = weights[1] / weights.sum()
    assert abs(drawn["z"].mean() - share) < 5 * np.sqrt(share * (1 - share) / 4000)
    for state, shape in ((0, 4.0), (1, 12.0)):
        own = drawn["rate"][drawn["z"] == state]
        assert abs(own.mean() - shape / 2) < 5 * np.sqrt(shape / 4 / len(own))
    first, second = (np.array([1 - share, share]) @ x for x in ([2.0, 6.0], [4 / 4 + 4, 12 / 4 + 36]))
    np.testing.assert_allclose(posterior.mean("rate"), first, rtol=ROUNDING)
    np.testing.assert_allclose(posterior.variance("rate"), second - first**2, rtol=1e3 * ROUNDING)


SCALED = ["normal_gamma", pytest.param("normal_wishart", marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCALED)
def test_moments_of_gaussian_sites_of_unknown_scale(name):
    """By the moments of a Student t: the covariance of the mean is E[precision^-1] / count."""
    case = programs.CONJUGATE[name]
    posterior = pdl.exact_posterior(case.model)
    drawn = pdl.Model(case.posterior).sample(1, 4000)["prior"]
    for site in case.model.latents:
        here = drawn[site].to_numpy()[0]
        error = here.std(0) / np.sqrt(len(here))
        assert (np.abs(posterior.mean(site) - here.mean(0)) < 5 * error).all()
        fourth = ((here - here.mean(0)) ** 2).std(0) / np.sqrt(len(here))
        assert (np.abs(posterior.variance(site) - here.var(0)) < 5 * fourth).all()


@pytest.mark.slow
def test_the_variance_of_a_mean_of_unknown_scale_is_that_of_a_student_t():
    y, count = programs.Y6, len(programs.Y6)
    posterior = pdl.exact_posterior(programs.CONJUGATE["normal_gamma"].model)
    spread = 0.5 * np.sum((y - y.mean()) ** 2) + 0.5 * 0.5 * count * (y.mean() - 1) ** 2 / (0.5 + count)
    exact = (1.5 + spread) / (2 + count / 2 - 1) / (0.5 + count)
    np.testing.assert_allclose(posterior.variance("mu"), exact, rtol=ROUNDING)


def heavy(y):
    tau = numpyro.sample("tau", dist.Gamma(0.4, 1.0))
    mu = numpyro.sample("mu", dist.Normal(0.0, 1 / jnp.sqrt(tau)))
    numpyro.sample("y", dist.Normal(mu, 1 / jnp.sqrt(tau)), obs=y)


@pytest.mark.slow
def test_an_infinite_variance_is_infinite():
    posterior = pdl.exact_posterior(pdl.Model(heavy, 1.2))
    np.testing.assert_allclose(posterior.mean("mu"), 0.6, rtol=ROUNDING)
    assert posterior.variance("mu") == np.inf


@pytest.mark.slow
def test_it_says_in_a_line_what_it_is(monkeypatch):
    def program(y):
        rate = numpyro.sample("rate", dist.Gamma(1.0, 1.0))
        z = numpyro.sample("z", dist.Bernoulli(0.5))
        w = numpyro.sample("w", dist.Bernoulli(0.5))
        x = numpyro.sample("x", dist.Normal(z + w, 1.0))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=y)
        numpyro.sample("n", dist.Poisson(rate), obs=3)

    posterior = pdl.exact_posterior(pdl.Model(program, np.ones(2).mean()))
    monkeypatch.setattr(type(posterior), "log_evidence", property(lambda _: pytest.fail("it was computed")))
    assert repr(posterior) == (
        "ExactPosterior(z, w summed out; x integrated as a Gaussian; rate integrated by conjugacy; "
        "given y, n)"
    )


@pytest.mark.slow
def test_it_is_short_of_many_sites():
    def program():
        for i in range(12):
            numpyro.sample(f"x{i}", dist.Normal(0.0, 1.0))

    said = repr(pdl.exact_posterior(pdl.Model(program)))
    assert said.endswith("x6, x7 and 4 more integrated as a Gaussian; given nothing)")


def test_a_network_says_in_a_line_what_it_is():
    table = np.array([[0.9, 0.1], [0.3, 0.7]])
    states = dict.fromkeys(["rain", "wet"], ("yes", "no"))
    network = pdl.BayesianNetwork(states, {"rain": (), "wet": ("rain",)}, {"rain": table[0], "wet": table})
    posterior = pdl.exact_posterior(pdl.Model(network))
    assert repr(posterior) == "NetworkPosterior(2 variables summed out; given nothing)"
    assert repr(posterior.given(wet=1)) == "NetworkPosterior(1 variable summed out; given wet=no)"
