"""Programs whose integrals look harmless: each was once a wrong number, or a reason that was not true."""

import re

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from scipy import stats
from scipy.special import gammaln

import probdl as pdl
from probdl.exact.programs.search import find
from tests.exact.integrals import log_density

SEEN = np.array([0.3, -0.2, 1.0, 2.0])
EPS = np.finfo(float).eps


def normal(name, *parameters, **options):
    return numpyro.sample(name, dist.Normal(*parameters), **options)


def product(w, y):
    x = normal("x", 0.0, 1.0)
    normal("y", x * w, 1.0, obs=y)


@pytest.mark.slow
def test_data_that_switch_an_edge_off_are_another_integral():
    for w in (0.0, 1.0, 0.0):
        posterior = pdl.exact_posterior(pdl.Model(product, np.array(w), np.array(1.0)))
        exact = stats.norm.logpdf(1.0, 0, np.sqrt(1 + w**2))
        np.testing.assert_allclose(posterior.log_evidence, exact, rtol=1e-12)
        np.testing.assert_allclose(posterior.mean("x"), w / (1 + w**2), atol=1e-12)


def scaled(y):
    def step(x, y_t):
        x = normal("x", 0.9 * x, 1.0)
        normal("y", x, 0.5, obs=y_t)
        return x, None

    with handlers.scale(scale=0.5):
        scan(step, 0.0, y)


def masked(y):
    def step(x, y_t):
        x = normal("x", 0.9 * x, 1.0)
        with handlers.mask(mask=False):
            normal("y", x, 0.5, obs=y_t)
        return x, None

    scan(step, 0.0, y)


def masked_around(y):
    def step(x, y_t):
        normal("y", 2.0, 0.5, obs=y_t)
        return normal("x", 0.9 * x, 1.0), None

    def nothing(x, y_t):
        normal("z", 2.0, 0.5, obs=y_t)
        return x, None

    scan(step, 0.0, y)
    with handlers.mask(mask=False):
        scan(nothing, 0.0, y)


def quadratic_form(model, size=4):
    """Return log integral and variances of a function that is quadratic in x, by its values alone."""

    def log_joint(x):
        return float(model.log_joint({"x": x}))

    eye = np.eye(size)
    zero = log_joint(np.zeros(size))
    along = np.array([log_joint(e) for e in eye])
    against = np.array([log_joint(-e) for e in eye])
    linear, diagonal = (along - against) / 2, 2 * zero - along - against
    precision = np.diag(diagonal)
    for i in range(size):
        for j in range(i):
            both = log_joint(eye[i] + eye[j]) - along[i] - along[j] + zero
            precision[i, j] = precision[j, i] = -both
    covariance = np.linalg.inv(precision)
    log_det = np.linalg.slogdet(covariance / (2 * np.pi))[1] + 2 * size * np.log(2 * np.pi)
    return zero + linear @ covariance @ linear / 2 + log_det / 2, np.diag(covariance)


@pytest.mark.slow
@pytest.mark.parametrize("program", [scaled, masked, masked_around])
def test_scales_and_masks_around_a_scan_count(program):
    model = pdl.Model(program, SEEN)
    log_evidence, variance = quadratic_form(model)
    posterior = pdl.exact_posterior(model)
    np.testing.assert_allclose(posterior.log_evidence, log_evidence, rtol=1e-9, atol=100 * EPS)
    np.testing.assert_allclose(posterior.variance("x"), variance, rtol=1e-9)


def square_in_a_state(y):
    z = numpyro.sample("z", dist.Bernoulli(0.4))
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
    numpyro.sample("y", dist.Poisson(jnp.where(z == 1, rate**2, rate)), obs=y)


def square_beyond(y):
    a = normal("a", 0.0, 5.0)
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
    numpyro.sample("y", dist.Poisson(jnp.where(a > 2, rate**2, rate)), obs=y)


@pytest.mark.slow
@pytest.mark.parametrize("program", [square_in_a_state, square_beyond])
def test_what_is_conjugate_only_somewhere_is_not_integrated(program):
    assert "rate" not in find(pdl.Model(program, np.array(3))).integrated


@pytest.mark.slow
def test_gaussian_data_far_from_zero_keep_their_digits():
    y = 1e6 + 1e-3 * np.random.default_rng(0).normal(size=10)

    def program(y):
        mu = normal("mu", 1e6, 1.0)
        with numpyro.plate("n", len(y)):
            normal("y", mu, 1e-3, obs=y)

    posterior = pdl.exact_posterior(pdl.Model(program, y))
    shifted = y - 1e6
    covariance = 1 + 1e-6 * np.eye(10)
    exact = stats.multivariate_normal(np.zeros(10), covariance).logpdf(shifted)
    rounding = np.abs(y).max() * EPS / 1e-3  # of each datum, in units of its scale
    assert abs(posterior.log_evidence - exact) < 100 * rounding
    precision = 1 + 10 * 1e6
    np.testing.assert_allclose(posterior.variance("mu"), 1 / precision, rtol=1e-9)
    assert abs(posterior.mean("mu") - 1e6 - shifted.sum() * 1e6 / precision) < 10 * 1e6 * EPS


@pytest.mark.slow
def test_a_chain_far_from_zero_keeps_its_digits():
    r, count = np.random.default_rng(0), 16
    y = 1e6 + np.cumsum(0.1 * r.normal(size=count)) + 0.1 * r.normal(size=count)

    def program(y):
        def step(x, y_t):
            x = normal("x", x, 0.1)
            normal("y", x, 0.1, obs=y_t)
            return x, None

        scan(step, normal("start", 1e6, 1.0), y)

    time = np.arange(1, count + 1)
    prior = 1 + 0.01 * np.minimum.outer(time, time)
    whole = prior + 0.01 * np.eye(count)
    posterior = pdl.exact_posterior(pdl.Model(program, y))
    exact = stats.multivariate_normal(np.zeros(count), whole).logpdf(y - 1e6)
    np.testing.assert_allclose(posterior.log_evidence, exact, rtol=1e-8)
    variance = np.diag(prior - prior @ np.linalg.solve(whole, prior))
    np.testing.assert_allclose(posterior.variance("x"), variance, rtol=1e-8)


SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
EFFECTS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])


def schools(y):
    mu = normal("mu", 0.0, 5.0)
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    with numpyro.plate("J", 8):
        theta = normal("theta", mu, tau)
        normal("y", theta, SIGMA, obs=y)


def walk(y):
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))

    def step(x, y_t):
        x = normal("x", x, tau)
        normal("y", x, 1.0, obs=y_t)
        return x, None

    scan(step, 0.0, y)


@pytest.mark.slow
@pytest.mark.parametrize(("program", "unit"), [(schools, SIGMA), (walk, np.ones(8))])
def test_a_scale_so_small_that_digits_are_lost_is_no_number(program, unit):
    model = pdl.Model(program, EFFECTS)
    found = find(model)
    step = np.arange(1, 9)
    for tau in 10.0 ** -np.arange(1, 13):
        value = log_density(model, found.integral, {"tau": tau})
        shared = 25.0 if program is schools else tau**2 * np.minimum.outer(step, step)
        own = tau**2 * np.eye(8) if program is schools else 0.0
        covariance = shared + own + np.diag(unit**2)
        exact = stats.multivariate_normal(np.zeros(8), covariance).logpdf(EFFECTS)
        exact += np.log(2) + stats.cauchy.logpdf(tau, 0, 5)
        assert np.isnan(value) or abs(value - exact) < 1e-3, tau
        assert not np.isnan(value) or tau < 1e-4


def level(y):
    noise = numpyro.sample("noise", dist.HalfCauchy(5.0))

    def step(x, y_t):
        x = normal("x", x, 1.0)
        normal("y", x, noise, obs=y_t)
        return x, None

    scan(step, 0.0, y)


def noisy(y):
    noise = numpyro.sample("noise", dist.HalfCauchy(5.0))
    with numpyro.plate("n", len(y)):
        x = normal("x", 0.0, 1.0)
        normal("y", x, noise, obs=y)


@pytest.mark.slow
@pytest.mark.parametrize("program", [level, noisy])
def test_a_noise_so_small_that_digits_are_lost_is_no_number(program):
    model = pdl.Model(program, EFFECTS)
    found = find(model)
    prior = np.minimum.outer(np.arange(1, 9), np.arange(1, 9)) if program is level else np.eye(8)
    for noise in 10.0 ** -np.arange(1, 25, 2):
        value = log_density(model, found.integral, {"noise": noise})
        exact = stats.multivariate_normal(np.zeros(8), prior + noise**2 * np.eye(8)).logpdf(EFFECTS)
        exact += np.log(2) + stats.cauchy.logpdf(noise, 0, 5)
        assert np.isnan(value) or abs(value - exact) < 1e-1, noise
        assert not np.isnan(value) or noise < 1e-4


@pytest.mark.parametrize("unit", [1e-12, 1e6, 1e9])
def test_conjugate_sites_of_any_magnitude(unit):
    y = unit * np.array([1.0, -2.0, 0.5, 0.3])

    def program(y):
        variance = numpyro.sample("variance", dist.InverseGamma(2.0, 3.0 * unit**2))
        with numpyro.plate("n", 4):
            normal("y", 0.0, jnp.sqrt(variance), obs=y)

    posterior = pdl.exact_posterior(pdl.Model(program, y))
    exact = stats.multivariate_t(np.zeros(4), 1.5 * unit**2 * np.eye(4), 4).logpdf(y)
    np.testing.assert_allclose(posterior.log_evidence, exact, atol=1e-7)


def test_probabilities_beside_a_state_that_cannot_be():
    first, second = np.array([0.3, 0.7]), np.array([[0.5, 0.5, 0.0], [0.2, 0.8, 0.0]])
    third = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5]])

    def program(y):
        a = numpyro.sample("a", dist.Categorical(jnp.asarray(first)))
        b = numpyro.sample("b", dist.Categorical(jnp.asarray(second)[a]))
        numpyro.sample("y", dist.Categorical(jnp.asarray(third)[b]), obs=y)

    joint = first * (second @ third[:, 1])
    found = pdl.exact_posterior(pdl.Model(program, np.array(1))).probabilities("a")
    np.testing.assert_allclose(found, joint / joint.sum(), rtol=1e-12)


def zero_inflated(y):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
    z = numpyro.sample("z", dist.Bernoulli(0.3))
    numpyro.sample("y", dist.Poisson(jnp.where(z == 1, 0.0, rate)), obs=y)


@pytest.mark.slow
def test_a_state_of_likelihood_zero_beside_a_conjugate_site():
    for y in (0, 2):
        posterior = pdl.exact_posterior(pdl.Model(zero_inflated, np.array(y)))
        count = 0.7 * stats.nbinom.pmf(y, 2, 0.5)
        np.testing.assert_allclose(posterior.log_evidence, np.log(count + 0.3 * (y == 0)), rtol=1e-9)


@pytest.mark.slow
def test_an_impossible_example_does_not_cost_the_block():
    def program(y, u):
        mu = normal("mu", 0.0, 1.0)
        high = numpyro.sample("high", dist.HalfNormal(10.0))
        normal("y", mu, 1.0, obs=y)
        with numpyro.plate("n", 2):
            numpyro.sample("u", dist.Uniform(0.0, high), obs=u)

    assert set(find(pdl.Model(program, 0.5, np.array([8.0, 5.0]))).integrated) == {"mu"}


def imputed(y):
    mu = normal("mu", 0.0, 1.0)
    with handlers.mask(mask=False):
        absent = numpyro.sample("absent", dist.Normal(mu, 1.0).expand([2]).to_event(1))
    with numpyro.plate("n", 4):
        normal("y", mu, 1.0, obs=jnp.asarray(y).at[np.array([1, 3])].set(absent))


@pytest.mark.slow
def test_missing_values_that_are_latents():
    posterior = pdl.exact_posterior(pdl.Model(imputed, SEEN))
    present = SEEN[[0, 2]]
    np.testing.assert_allclose(posterior.mean("mu"), present.sum() / 3, rtol=1e-9)
    np.testing.assert_allclose(posterior.variance("absent"), 1 + 1 / 3, rtol=1e-9)


@pytest.mark.slow
def test_a_column_of_a_plate_to_the_left():
    successes = np.array([[2, 3], [9, 0], [0, 7]])

    def program(y):
        with numpyro.plate("rows", 3, dim=-2):
            p = numpyro.sample("p", dist.Beta(2.0, 3.0))
            with numpyro.plate("columns", 2, dim=-1):
                numpyro.sample("y", dist.Binomial(9, p), obs=y)

    found = pdl.exact_posterior(pdl.Model(program, successes)).mean("p")
    np.testing.assert_allclose(found, (2 + successes.sum(1, keepdims=True)) / 23, rtol=1e-9)


def parents(count):
    def program(y):
        states = [numpyro.sample(f"z{i}", dist.Binomial(9, 0.3)) for i in range(count)]
        normal("y", sum(states), 1.0, obs=y)

    return program


def alone(y):
    z = numpyro.sample("z", dist.Bernoulli(0.3).expand([30]))
    normal("y", z.sum(), 1.0, obs=y)


def dependent(y):
    k = numpyro.sample("k", dist.Categorical(jnp.ones(3) / 3))
    j = numpyro.sample("j", dist.Binomial(k, 0.5))
    normal("y", j, 1.0, obs=y)


def vector(y):
    counts = numpyro.sample("counts", dist.Multinomial(3, jnp.ones(2) / 2))
    normal("y", counts[0], 1.0, obs=y)


def singular(y):
    x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), jnp.ones((2, 2))))
    normal("y", x[0], 1.0, obs=y)


REASONS = {
    "a table of many parents": (parents(11), r"a table over 'z\d+', .* and 6 more would have 1e9 entries"),
    "elements in no plate": (alone, r"it has 10\^9 joint states: elements that are in no plate go together"),
    "a bound that is latent": (dependent, r"its support depends on other sites \(Binomial"),
    "vectors of counts": (vector, r"vectors of counts, which are not enumerated \(Multinomial"),
    "a singular covariance": (singular, "as where a covariance is singular"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("program", "reason"), REASONS.values(), ids=REASONS)
def test_the_reason_is_true(program, reason):
    found = find(pdl.Model(program, np.array(1.0)))

    assert any(re.search(reason, why) for why in found.reasons.values()), found.reasons


@pytest.mark.parametrize("options", [{"inner": pdl.Exact()}, {"sites": "x"}, {"sites": ()}])
def test_marginalized_checks_its_arguments(options):
    with pytest.raises(TypeError, match="Expected (an inner method that samples|names of sites)"):
        pdl.Marginalized(**options)


def mixture(y):
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(2)))
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.Categorical(weight))
        normal("y", jnp.array([-10.0, 10.0])[z], 1.0, obs=y)


@pytest.mark.slow
def test_weights_of_a_mixture_are_not_conjugate_even_where_its_components_are_far_apart():
    found = find(pdl.Model(mixture, np.array([-10.0, 10.0, 10.0])))

    assert "weight" not in found.integrated
    assert "a mixture over 'z'" in found.reasons["weight"]


@pytest.mark.slow
def test_weights_of_states_that_nothing_reads_are_conjugate():
    def program(y):
        weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(2)))
        with numpyro.plate("seen", 3):
            numpyro.sample("y", dist.Categorical(weight), obs=y)
        with numpyro.plate("new", 4):
            numpyro.sample("z", dist.Categorical(weight))

    posterior = pdl.exact_posterior(pdl.Model(program, np.array([1, 1, 0])))
    np.testing.assert_allclose(posterior.mean("weight"), [2 / 5, 3 / 5], rtol=1e-9)
    np.testing.assert_allclose(posterior.probabilities("z")[..., 1], 3 / 5, rtol=1e-9)


@pytest.mark.slow
def test_probabilities_that_are_no_linear_function_of_statistics_are_refused():
    def program(y):
        rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
        numpyro.sample("y", dist.Poisson(rate), obs=y)
        with numpyro.plate("new", 4):
            numpyro.sample("z", dist.Bernoulli(jnp.exp(-rate)))

    posterior = pdl.exact_posterior(pdl.Model(program, np.array(3)))
    np.testing.assert_allclose(posterior.mean("rate"), 5 / 2, rtol=1e-9)
    with pytest.raises(ValueError, match="closed form; got 'z'"):
        posterior.probabilities("z")
    drawn = posterior.sample(0, 20_000)["z"][:, 0]
    assert abs(drawn.mean() - (2 / 3) ** 5) < 5 * 0.5 / np.sqrt(20_000)


@pytest.mark.slow
@pytest.mark.parametrize(("y", "scale"), [([1e6, -1e6], 1e-3), ([1e4, -1e4], 1e-3), ([1.7e9, 1.6e9], 1.0)])
def test_elements_far_from_each_other_keep_their_digits_or_are_refused(y, scale):
    y = np.array(y)

    def program(y):
        with numpyro.plate("n", len(y)):
            normal("y", normal("x", 0.0, 1e7), scale, obs=y)

    exact = stats.norm.logpdf(y, 0, np.sqrt(1e14 + scale**2)).sum()
    try:
        found = pdl.exact_posterior(pdl.Model(program, y)).log_evidence
    except pdl.NotApplicable as error:
        assert "digits are lost" in str(error)  # noqa: PT017
    else:
        assert abs(found - exact) < 1e-2


def switched_normal(y):
    a = normal("a", 100.0, 10.0)
    x = normal("x", 1.0, 1.0)
    normal("y", jnp.where(a > 100, x**2, x), 1.0, obs=y)


def switched_gamma(y):
    a = normal("a", 0.0, 5.0)
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
    numpyro.sample("y", dist.Poisson(jnp.where(a > 5, rate**2, rate)), obs=y)


@pytest.mark.slow
@pytest.mark.parametrize("program", [switched_normal, switched_gamma])
def test_what_is_conjugate_in_a_part_of_the_prior_is_not_integrated(program):
    assert not find(pdl.Model(program, np.array(3))).integrated


@pytest.mark.slow
def test_moments_are_infinite_only_where_they_are():
    def doubled(y):
        z = numpyro.sample("z", dist.Bernoulli(0.3))
        rate = numpyro.sample("rate", dist.Gamma(0.5, 1.0))
        numpyro.sample("y", dist.Poisson(jnp.where(z == 1, 2 * rate, rate)), obs=y)

    weights = np.array([0.7 * np.sqrt(1 / 2), 0.3 * np.sqrt(1 / 3)])
    weights /= weights.sum()
    means = 0.5 / np.array([2.0, 3.0])
    variances = 0.5 / np.array([2.0, 3.0]) ** 2
    posterior = pdl.exact_posterior(pdl.Model(doubled, np.array(0)))
    mean = weights @ means
    variance = weights @ (variances + means**2) - mean**2
    np.testing.assert_allclose(posterior.mean("rate"), mean, rtol=1e-9)
    np.testing.assert_allclose(posterior.variance("rate"), variance, rtol=1e-9)
    np.testing.assert_allclose(posterior.probabilities("z"), weights, rtol=1e-9)
    covariance = weights[1] * (means[1] - mean)
    np.testing.assert_allclose(posterior.covariance("z", "rate")[0, 1], covariance, rtol=1e-8)


def shifted(y, shape):
    z = numpyro.sample("z", dist.Bernoulli(0.3))
    variance = numpyro.sample("variance", dist.InverseGamma(shape, 1.0))
    normal("y", jnp.where(z == 1, 2.0, 0.0), jnp.sqrt(variance), obs=y)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0])
def test_means_and_variances_of_a_mixture_of_inverse_gammas(shape):
    posterior = pdl.exact_posterior(pdl.Model(shifted, np.array(0.7), shape))
    rates = 1 + (0.7 - np.array([0.0, 2.0])) ** 2 / 2
    weights = np.array([0.7, 0.3]) * rates ** -(shape + 0.5)
    weights /= weights.sum()
    first, second = shape - 0.5, shape - 1.5
    mean = weights @ rates / first if first > 0 else np.inf
    square = weights @ rates**2 / (first * second) if second > 0 else np.inf
    np.testing.assert_allclose(posterior.mean("variance"), mean, rtol=1e-8)
    variance = square - mean**2 if np.isfinite(square) else np.inf
    np.testing.assert_allclose(posterior.variance("variance"), variance, rtol=1e-7)


@pytest.mark.slow
def test_moments_of_an_inverse_wishart():
    scale, freedom = np.array([[2.0, 0.3], [0.3, 1.0]]), 11.0

    def program(y):
        covariance = numpyro.sample("covariance", dist.InverseWishart(freedom, jnp.asarray(scale)))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(2), covariance), obs=y)

    y = np.array([[1.0, 0.5], [-0.3, 2.0], [0.2, 0.1]])
    posterior = pdl.exact_posterior(pdl.Model(program, y))
    after = stats.invwishart(freedom + 3, scale + y.T @ y)
    np.testing.assert_allclose(posterior.mean("covariance"), after.mean(), rtol=1e-9)
    np.testing.assert_allclose(posterior.variance("covariance"), after.var(), rtol=1e-9)


@pytest.mark.slow
def test_updating_does_not_forget_components_that_all_data_share():
    def program(k, y):
        weight = numpyro.sample("weight", dist.Beta(1.0, 1.0))
        with numpyro.plate("component", 2):
            mean = normal("mean", 0.0, 1.0)
        with numpyro.plate("n", len(y)):
            k = numpyro.sample("k", dist.Bernoulli(weight), obs=k)
            normal("y", mean[k], 1.0, obs=y)

    old = pdl.exact_posterior(pdl.Model(program, np.array([0, 1, 1]), np.array([1.0, 2.0, 3.0])))
    new = pdl.Model(program, np.array([1, 0]), np.array([2.0, 0.5]))
    with pytest.raises(pdl.NotApplicable, match="'mean' is in no plate or scan of the data"):
        pdl.updated(new, old, "weight")
    whole = pdl.Model(program, np.array([0, 1, 1, 1, 0]), np.array([1.0, 2.0, 3.0, 2.0, 0.5]))
    both = old.log_evidence + pdl.exact_posterior(pdl.updated(new, old)).log_evidence
    np.testing.assert_allclose(both, pdl.exact_posterior(whole).log_evidence, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("start", [0.0, 50.0, 2000.0])
def test_regression_with_its_variance_wherever_its_inputs_are(start):
    x = start + np.arange(20.0)
    y = 3 + 0.5 * (x - start) + 0.3 * np.random.default_rng(0).normal(size=20)

    def program(x, y):
        variance = numpyro.sample("variance", dist.InverseGamma(2.0, 1.0))
        spread = jnp.sqrt(variance)
        a, b = normal("a", 0.0, 100 * spread), normal("b", 0.0, 10 * spread)
        with numpyro.plate("n", len(y)):
            normal("y", a + b * x, spread, obs=y)

    prior = np.diag([1e-2, 1e-1])  # square roots of precisions
    _, factor = np.linalg.qr(rows := np.concatenate([np.stack([np.ones(20), x], 1), prior]))
    left = np.linalg.lstsq(rows, np.concatenate([y, np.zeros(2)]))[1][0]
    log_det = 2 * np.log(np.abs(np.diag(factor))).sum() - 2 * np.log(np.diag(prior)).sum()
    exact = gammaln(12) - gammaln(2) - 10 * np.log(2 * np.pi) - log_det / 2 - 12 * np.log(1 + left / 2)
    posterior = pdl.exact_posterior(pdl.Model(program, x, y))
    assert abs(posterior.log_evidence - exact) < 1e-5


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize("noise", [1e-3, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7])
def test_a_precise_sum_has_its_digits_or_is_refused(noise):
    rows, seen = np.array([[1.0, 1, 1, 1], [1, -1, 0, 0]]), np.array([0.7, 0.3])

    def program(y):
        with numpyro.plate("n", 4):
            x = normal("x", 0.0, 1.0)
        with numpyro.plate("rows", 2):
            normal("y", rows @ x, noise, obs=y)

    model = pdl.Model(program, seen)
    if noise < 1e-5:
        with pytest.raises(pdl.NotApplicable, match="'x' cannot be integrated: its digits are lost"):
            pdl.exact_posterior(model)
        return
    of_data = rows @ rows.T + noise**2 * np.eye(2)
    gain = np.linalg.solve(of_data, rows).T
    rounding = 10 * np.finfo(float).eps / noise**2
    found = pdl.exact_posterior(model)
    np.testing.assert_allclose(found.mean("x"), gain @ seen, atol=rounding)
    np.testing.assert_allclose(found.variance("x"), 1 - np.diag(gain @ rows), atol=rounding)
