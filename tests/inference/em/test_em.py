"""EM against closed forms, other libraries, and forward recursions written by hand."""

import json

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints
from scipy import stats
from sklearn.datasets import load_iris
from sklearn.decomposition import FactorAnalysis
from sklearn.mixture import GaussianMixture
from statsmodels.tsa.statespace.structural import UnobservedComponents

import probdl as pdl
from probdl.inference.em.climb import Climb, left_to_gain

R = np.random.default_rng(0)
IRIS = load_iris().data
POINTS = np.concatenate([R.normal(-2, 0.5, 40), R.normal(1, 1.0, 60)])
TIGHT = pdl.EM(tolerance=1e-10, max_steps=5000, accelerate=pdl.SQUAREM())


def param(name, value, constraint=constraints.real):
    return numpyro.param(name, jnp.asarray(value, float), constraint=constraint)


def gaussian_mixture(x, first):
    count, dim = first.shape
    weights = param("weights", np.full(count, 1 / count), constraints.simplex)
    means = param("means", first)
    eyes = np.broadcast_to(np.eye(dim), (count, dim, dim))
    covariances = param("covariances", eyes, constraints.positive_definite)
    with numpyro.plate("N", len(x)):
        z = numpyro.sample("z", dist.Categorical(weights))
        numpyro.sample("x", dist.MultivariateNormal(means[z], covariance_matrix=covariances[z]), obs=x)


def two_normals(x, spread=1.0):
    weight = param("weight", 0.5, constraints.unit_interval)
    means, sds = param("means", [-1.0, 0.5]), param("sds", [spread, 1.0], constraints.positive)
    with numpyro.plate("N", len(x)):
        z = numpyro.sample("z", dist.Bernoulli(weight))
        numpyro.sample("x", dist.Normal(means[z], sds[z]), obs=x)


def factors(x, count, *, equal):
    n, dim = x.shape
    loadings = param("loadings", np.random.default_rng(1).normal(size=(dim, count)))
    mean = param("mean", np.zeros(dim))
    noise = param("noise", 1.0 if equal else np.ones(dim), constraints.positive)
    with numpyro.plate("N", n):
        z = numpyro.sample("z", dist.Normal(jnp.zeros(count), 1.0).to_event(1))
        numpyro.sample("x", dist.Normal(mean + z @ loadings.T, jnp.sqrt(noise)).to_event(1), obs=x)


def hidden_markov(y):
    start = param("start", [0.6, 0.4], constraints.simplex)
    moves = param("moves", [[0.7, 0.3], [0.2, 0.8]], constraints.simplex)
    emits = param("emits", [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], constraints.simplex)
    first = numpyro.sample("first", dist.Categorical(start))
    numpyro.sample("y_first", dist.Categorical(emits[first]), obs=y[0])

    def step(before, seen):
        now = numpyro.sample("z", dist.Categorical(moves[before]))
        numpyro.sample("y", dist.Categorical(emits[now]), obs=seen)
        return now, None

    scan(step, first, y[1:])


def local_level(y):
    drift = param("drift", 1.0, constraints.positive)
    noise = param("noise", 1.0, constraints.positive)
    first = numpyro.sample("first", dist.Normal(0.0, 10.0))

    def step(before, seen):
        numpyro.sample("y", dist.Normal(before, jnp.sqrt(noise)), obs=seen)
        return numpyro.sample("level", dist.Normal(before, jnp.sqrt(drift))), None

    scan(step, first, y)


def normal(x):
    mean, sd = param("mean", 0.0), param("sd", 1.0, constraints.positive)
    with numpyro.plate("N", len(x)):
        numpyro.sample("x", dist.Normal(mean, sd), obs=x)


def coin(heads):
    bias = numpyro.sample("bias", dist.Beta(3, 2))
    with numpyro.plate("N", len(heads)):
        numpyro.sample("heads", dist.Bernoulli(bias), obs=heads)


def poissons(y):
    rates = numpyro.sample("rates", dist.Gamma(2.0, 0.5).expand([2]).to_event(1))
    with numpyro.plate("N", len(y)):
        z = numpyro.sample("z", dist.Categorical(jnp.array([0.4, 0.6])))
        numpyro.sample("y", dist.Poisson(rates[z]), obs=y)


TRAITS = R.normal(size=(80, 1)) @ np.array([[1.0, 2.0, -1.0, 0.5]]) + R.normal(size=(80, 4))
HIDDEN = R.integers(0, 3, 60)
COUNTS = R.poisson(np.repeat([1.0, 6.0], 20))
LEVELS = np.cumsum(R.normal(0, 0.7, 50)) + R.normal(0, 1.0, 50)
MODELS = {
    "mixture": pdl.Model(two_normals, POINTS),
    "chain": pdl.Model(hidden_markov, HIDDEN),
    "factors": pdl.Model(factors, IRIS[:30], 2, equal=False),
    "level": pdl.Model(local_level, LEVELS),
    "priors": pdl.Model(poissons, COUNTS),
}


def log_likelihood(model, parameters):
    """Return the log evidence of a model that is held at parameters, and the log-priors of those."""
    held = model.do(**{n: v for n, v in parameters.items()})
    latents = {n: v for n, v in parameters.items() if model.sites[n].is_latent}
    prior = sum(stats.gamma(2.0, scale=2.0).logpdf(v).sum() for v in latents.values())
    return pdl.exact_posterior(held).log_evidence + prior


@pytest.mark.slow
def test_a_mixture_of_normals_is_that_of_scikit_learn():
    first = IRIS[[0, 60, 120]]
    result = pdl.infer(pdl.Model(gaussian_mixture, IRIS, first), TIGHT, key=0)
    eyes = np.broadcast_to(np.eye(4), (3, 4, 4))
    peer = GaussianMixture(
        3,
        means_init=first,
        weights_init=np.ones(3) / 3,
        precisions_init=eyes,
        reg_covar=0,
        tol=1e-13,
        max_iter=9999,
    ).fit(IRIS)
    assert result.objective[-1] == pytest.approx(peer.score(IRIS) * len(IRIS), abs=1e-6)
    for name, value in (
        ("weights", peer.weights_),
        ("means", peer.means_),
        ("covariances", peer.covariances_),
    ):
        np.testing.assert_allclose(result.parameters[name], value, atol=1e-5)
    found = result.data["responsibilities"]["z"]
    assert found.dims == ("N", "z_state")
    np.testing.assert_allclose(found, peer.predict_proba(IRIS), atol=1e-4)
    assert result.data.attrs["num_parameters"] == peer._n_parameters()
    assert result.data.attrs["bic"] == pytest.approx(peer.bic(IRIS), abs=1e-5)


@pytest.mark.slow
def test_principal_components_are_those_of_the_covariance():
    """Tipping and Bishop (1999): the noise is the mean of the eigenvalues that are left."""
    result = pdl.infer(pdl.Model(factors, IRIS, 2, equal=True), TIGHT, key=0)
    values, vectors = np.linalg.eigh(np.cov(IRIS.T, bias=True))
    noise = values[:2].mean()
    covariance = vectors[:, 2:] @ np.diag(values[2:] - noise) @ vectors[:, 2:].T
    np.testing.assert_allclose(result.parameters["noise"], noise, rtol=1e-4)
    np.testing.assert_allclose(result.parameters["mean"], IRIS.mean(0), atol=1e-4)
    loadings = result.parameters["loadings"]
    np.testing.assert_allclose(loadings @ loadings.T, covariance, atol=1e-4)
    whole = covariance + noise * np.eye(4)
    exact = dist.MultivariateNormal(IRIS.mean(0), jnp.asarray(whole)).log_prob(IRIS).sum()
    assert result.objective[-1] == pytest.approx(float(exact), rel=1e-5)
    gain = np.linalg.solve(loadings.T @ loadings + noise * np.eye(2), loadings.T)
    np.testing.assert_allclose(result.data["latent_mean"]["z"], (IRIS - IRIS.mean(0)) @ gain.T, atol=1e-3)


@pytest.mark.slow
def test_factor_analysis_is_that_of_scikit_learn():
    result = pdl.infer(pdl.Model(factors, TRAITS, 1, equal=False), TIGHT, key=0)
    peer = FactorAnalysis(1, tol=1e-8, max_iter=10_000, svd_method="lapack").fit(TRAITS)
    assert result.objective[-1] == pytest.approx(peer.score(TRAITS) * len(TRAITS), abs=1e-5)


@pytest.mark.slow
def test_a_local_level_is_that_of_statsmodels():
    result = pdl.infer(MODELS["level"], TIGHT, key=0)
    peer = UnobservedComponents(LEVELS, "local level", loglikelihood_burn=0)
    peer.ssm.initialize_known(np.zeros(1), np.full((1, 1), 100.0))
    found = peer.fit(disp=False, start_params=[1.0, 0.5], pgtol=1e-9, factr=10, maxiter=1000)
    assert result.objective[-1] == pytest.approx(found.llf, abs=1e-5)
    np.testing.assert_allclose(
        [result.parameters["noise"], result.parameters["drift"]], found.params, rtol=2e-3
    )


def forward(y, start, moves, emits):
    """Return the log-likelihood of a chain by the forward recursion."""
    total, state = 0.0, start * emits[:, y[0]]
    for seen in y[1:]:
        total += np.log(state.sum())
        state = (state / state.sum()) @ moves * emits[:, seen]
    return total + np.log(state.sum())


@pytest.mark.slow
def test_the_likelihood_of_a_chain_is_that_of_the_forward_recursion():
    result = pdl.infer(MODELS["chain"], pdl.EM(max_steps=30), key=0)
    assert result.objective[-1] == pytest.approx(forward(HIDDEN, **result.parameters), abs=1e-9)
    smoothed = result.data["responsibilities"]["z"]
    assert smoothed.dims == ("time", "z_state")
    np.testing.assert_allclose(smoothed.sum("z_state"), 1)


def baum_welch(y, start, moves, emits):
    """Return the parameters one step of the textbook's EM on."""
    count = len(y)
    alpha, beta = np.zeros((count, 2)), np.ones((count, 2))
    alpha[0] = start * emits[:, y[0]]
    for t in range(1, count):
        alpha[t] = alpha[t - 1] @ moves * emits[:, y[t]]
    for t in reversed(range(count - 1)):
        beta[t] = moves @ (beta[t + 1] * emits[:, y[t + 1]])
    gamma = alpha * beta
    gamma /= gamma.sum(1, keepdims=True)
    pairs = alpha[:-1, :, None] * moves * (beta * emits[:, y].T)[1:, None]
    pairs = (pairs / pairs.sum((1, 2), keepdims=True)).sum(0)
    seen = np.stack([gamma[y == k].sum(0) for k in range(3)], 1)
    return gamma[0], pairs / pairs.sum(1, keepdims=True), seen / seen.sum(1, keepdims=True)


@pytest.mark.slow
def test_a_step_is_that_of_baum_and_welch():
    begin = {
        "start": np.array([0.6, 0.4]),
        "moves": np.array([[0.7, 0.3], [0.2, 0.8]]),
        "emits": np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]]),
    }
    method = pdl.EM(max_steps=2, num_newton_steps=30)
    result = pdl.infer(MODELS["chain"], method, key=0)
    once = dict(zip(begin, baum_welch(HIDDEN, **begin), strict=True))
    assert result.objective[0] == pytest.approx(forward(HIDDEN, **begin), abs=1e-9)
    assert result.objective[1] == pytest.approx(forward(HIDDEN, **once), abs=1e-6)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "mixture" else pytest.mark.slow) for n in MODELS]
)
def test_it_rises_to_where_the_slope_is_zero(name):
    model = MODELS[name]
    estimated = ("rates",) if name == "priors" else ()
    result = pdl.infer(model, pdl.EM(tolerance=1e-9, max_steps=3000, parameters=estimated), key=0)
    assert (np.diff(result.objective) >= -1e-9 * (1 + abs(result.objective[-1]))).all()
    assert result.objective[-1] == pytest.approx(log_likelihood(model, result.parameters), abs=1e-7)
    for site, value in result.parameters.items():
        way = 1e-3 * np.random.default_rng(2).normal(size=np.shape(value)) * value
        if model.sites[site].support is constraints.simplex:
            way = way - value * way.sum(-1, keepdims=True)
        if abs(way).max() < 1e-6:  # at a corner of the simplex
            continue
        ends = [log_likelihood(model, {**result.parameters, site: value + k * way}) for k in (1, -1)]
        slope, bend = (ends[0] - ends[1]) / 2, 2 * result.objective[-1] - sum(ends)
        assert bend > 0
        assert slope**2 / (2 * bend) < 1e-6  # what the top of the parabola through the three would gain


def test_without_latents_it_is_maximum_likelihood():
    result = pdl.infer(pdl.Model(normal, POINTS), pdl.EM(standard_errors=True), key=0)
    sd = POINTS.std()
    np.testing.assert_allclose(result.parameters["mean"], POINTS.mean(), atol=1e-5)
    np.testing.assert_allclose(result.parameters["sd"], sd, atol=1e-5)
    errors = result.data["standard_errors"]
    np.testing.assert_allclose(errors["mean"], sd / 10, rtol=1e-4)
    np.testing.assert_allclose(errors["sd"], sd / np.sqrt(200), rtol=1e-4)
    assert result.status is pdl.Status.OK


def test_priors_count_in_their_own_values():
    heads = np.repeat([0, 1], [3, 7])
    result = pdl.infer(pdl.Model(coin, heads), pdl.EM(parameters=["bias"]), key=0)
    np.testing.assert_allclose(result.parameters["bias"], (3 - 1 + 7) / (5 - 2 + 10), atol=1e-6)


@pytest.mark.slow
def test_extrapolation_takes_fewer_steps_to_the_same():
    model = MODELS["mixture"]
    plain = pdl.infer(model, pdl.EM(tolerance=1e-9), key=0)
    fast = pdl.infer(model, pdl.EM(tolerance=1e-9, accelerate=pdl.SQUAREM()), key=0)
    assert fast.objective[-1] == pytest.approx(plain.objective[-1], abs=1e-6)
    assert fast.data.attrs["num_steps"] < plain.data.attrs["num_steps"]


@pytest.mark.slow
def test_restarts_find_what_a_symmetric_start_does_not():
    def symmetric(x):
        means = param("means", [0.0, 0.0])
        with numpyro.plate("N", len(x)):
            z = numpyro.sample("z", dist.Bernoulli(0.5))
            numpyro.sample("x", dist.Normal(means[z], 1.0), obs=x)

    model = pdl.Model(symmetric, 10 * POINTS)
    alone = pdl.infer(model, pdl.EM(standard_errors=True), key=0)
    assert alone.status is pdl.Status.NO_MAXIMUM
    several = pdl.infer(model, pdl.EM(num_restarts=5), key=0)
    assert several.objective[-1] > alone.objective[-1] + 100
    assert len(json.loads(several.data.attrs["objectives"])) == 5
    again = pdl.infer(model, pdl.EM(num_restarts=5), key=0)
    np.testing.assert_array_equal(several.parameters["means"], again.parameters["means"])


@pytest.mark.slow
def test_a_component_on_one_point_is_said_to_be_degenerate():
    x = np.append(POINTS, 50.0)
    model = pdl.Model(two_normals, x).do(means=np.array([50.0, 0.0]))
    result = pdl.infer(model, pdl.EM(max_steps=300), key=0)
    assert result.status is pdl.Status.DEGENERATE
    assert any("sds" in finding.detail or "no number" in finding.detail for finding in result.findings)


def test_bad_input():
    model = pdl.Model(normal, POINTS)
    with pytest.raises(pdl.NotApplicable, match=r"no numpyro.param, and no parameters were named"):
        pdl.infer(pdl.Model(coin, np.array([0, 1])), pdl.EM(), key=0)
    with pytest.raises(pdl.SiteNotFound, match="a latent site in the parameters of EM; got 'mu'"):
        pdl.infer(model, pdl.EM(parameters=("mu",)), key=0)
    with pytest.raises(TypeError, match="Expected names of sites in parameters; got 'mu'"):
        pdl.EM(parameters="mu")
    with pytest.raises(ValueError, match="positive tolerance in nats; got 0"):
        pdl.EM(tolerance=0)
    with pytest.raises(ValueError, match="max_steps to be an integer of at least 1"):
        pdl.EM(max_steps=0)
    with pytest.raises(TypeError, match=r"Expected accelerate to be SQUAREM\(\) or None; got 'squarem'"):
        pdl.EM(accelerate="squarem")
    with pytest.raises(ValueError, match="Expected no callback with EM"):
        pdl.infer(model, pdl.EM(), key=0, callback=print)
    with pytest.raises(ValueError, match="longest of at least 1"):
        pdl.SQUAREM(longest=0.5)


def test_what_cannot_be_integrated_is_named():
    def program(y):
        scale = param("scale", 1.0, constraints.positive)
        x = numpyro.sample("x", dist.StudentT(3.0, 0.0, scale))
        numpyro.sample("y", dist.Normal(jnp.sin(x), 1.0), obs=y)

    with pytest.raises(pdl.NotApplicable, match=r"site 'x' is not integrated exactly.*EM\(parameters="):
        pdl.infer(pdl.Model(program, np.array(0.3)), pdl.EM(), key=0)


def test_a_param_that_nothing_reads_is_said():
    def program(x):
        param("idle", 2.0)
        normal(x)

    result = pdl.infer(pdl.Model(program, POINTS), pdl.EM(), key=0)
    assert [f.status for f in result.findings] == [pdl.Status.UNTOUCHED]
    assert "'idle'" in result.findings[0].detail


def test_an_impossible_start_names_the_site():
    def program(x):
        rates = param("rates", [1.0, 2.0], constraints.positive)
        with numpyro.plate("N", len(x)):
            z = numpyro.sample("z", dist.Bernoulli(0.5))
            numpyro.sample("x", dist.Uniform(0.0, rates[z]), obs=x)

    with pytest.raises(ValueError, match=r"at the start; got none, at site 'x': rates=\[1. 2.\]"):
        pdl.infer(pdl.Model(program, np.array([0.5, 3.0])), pdl.EM(), key=0)


def test_what_is_left_to_gain_is_the_sum_of_a_geometric_series():
    trace = [1 - 0.8**k for k in range(5)]
    assert left_to_gain(trace) == pytest.approx(1 - trace[-1])
    assert left_to_gain([0.0, 1.0]) == np.inf
    assert left_to_gain([0.0, 1.0, 3.0]) == np.inf
    assert left_to_gain([0.0, 1.0, 1.0]) == 0


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e5])
def test_units_do_not_matter(unit):
    result = pdl.infer(pdl.Model(normal, unit * (3 + POINTS)), pdl.EM(standard_errors=True), key=0)
    assert result.status is pdl.Status.OK
    np.testing.assert_allclose(result.parameters["mean"], unit * (3 + POINTS.mean()), rtol=1e-4)
    np.testing.assert_allclose(result.parameters["sd"], unit * POINTS.std(), rtol=1e-3)
    np.testing.assert_allclose(result.data["standard_errors"]["mean"], unit * POINTS.std() / 10, rtol=1e-3)


def test_predictions_are_at_the_fitted_params():
    result = pdl.infer(pdl.Model(normal, 100 + POINTS), pdl.EM(), key=0)
    drawn = pdl.Model(normal, 100 + POINTS).sample(1, given=result)["posterior_predictive"]["x"]
    assert abs(float(drawn.mean()) - 100 - POINTS.mean()) < 5 * POINTS.std() / 10


def test_the_last_objective_is_that_of_the_parameters_however_few_steps():
    for method in (pdl.EM(max_steps=1), pdl.EM(max_steps=2), pdl.EM(max_steps=3, accelerate=pdl.SQUAREM())):
        result = pdl.infer(MODELS["mixture"], method, key=0)
        assert result.status is pdl.Status.NOT_CONVERGED
        assert result.data.attrs["num_steps"] == method.max_steps
        assert result.objective[-1] == pytest.approx(
            log_likelihood(MODELS["mixture"], result.parameters), abs=1e-8
        )


def test_a_slope_that_is_no_number_is_said():
    def program(x):
        shift = param("shift", 0.0)
        mean = jnp.where(shift > 0, jnp.sqrt(jnp.abs(shift)), 0.0)
        with numpyro.plate("N", len(x)):
            numpyro.sample("x", dist.Normal(mean, 1.0), obs=x)

    assert pdl.infer(pdl.Model(program, POINTS), pdl.EM(), key=0).status is pdl.Status.NO_SLOPE


def test_what_em_cannot_estimate_is_named():
    def in_a_scan(y):
        def step(before, seen):
            sd = param("sd", 1.0, constraints.positive)
            return numpyro.sample("y", dist.Normal(before, sd), obs=seen), None

        scan(step, 0.0, y)

    def whole_numbers(y):
        mean = numpyro.param("mean", jnp.array(0))
        numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)

    def minibatch(y):
        mean = param("mean", 0.0)
        with numpyro.plate("N", len(y), subsample_size=3):
            numpyro.sample("y", dist.Normal(mean, 1.0), obs=numpyro.subsample(y, 0))

    for program, reason in (
        (in_a_scan, "param 'sd' stands inside of a scan"),
        (whole_numbers, "site 'mean' holds int"),
        (minibatch, "plate 'N' is subsampled"),
    ):
        with pytest.raises(pdl.NotApplicable, match=reason):
            pdl.infer(pdl.Model(program, LEVELS), pdl.EM(), key=0)


def test_states_have_their_values_and_names_their_scope():
    def program(x):
        rates = param("rates", [1.0, 2.0, 4.0], constraints.positive)
        with numpyro.plate("N", len(x)), numpyro.handlers.scope(prefix="part"):
            z = numpyro.sample("z", dist.DiscreteUniform(3, 5))
            numpyro.sample("x", dist.Exponential(rates[z - 3]), obs=x)

    x = np.abs(POINTS)
    result = pdl.infer(pdl.Model(program, x), pdl.EM(max_steps=20), key=0)
    found = next(t for t in result.data["responsibilities"].subtree if "z" in t.data_vars)["z"]
    rates = result.parameters["rates"]
    weights = rates * np.exp(-rates * x[:, None])
    np.testing.assert_allclose(found.sel({found.dims[-1]: 4}), weights[:, 1] / weights.sum(1), atol=1e-12)


def test_the_best_restart_that_has_not_shrunk_to_a_point_is_taken():
    def step(positions, going):
        return positions, positions[:, 0], np.zeros(len(going))

    climb = Climb(pdl.EM(), step, np.array([[1.0], [3.0], [2.0]]))
    climb.advance()
    chosen = [climb.finished(lambda p, most=most: p[0] > most, interrupted=False) for most in (9, 2.5, 0)]
    assert [fit.position[0] for fit in chosen] == [3.0, 2.0, 3.0]
