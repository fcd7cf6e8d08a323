"""Draws from the exact posterior: right, reproducible, labelled; what is refused is named."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from tests.exact.brute_force import enumerate_discrete, mixed
from tests.inference.programs import HEIGHTS, SIGMA, Y, centred_schools, gaussian, gaussian_posterior

LOCS = np.array([-2.0, 0.5, 3.0])
MOVES = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.25, 0.25, 0.5]])
SEEN = np.array([-1.7, 0.2, 3.4, 0.9])
COUNTS = np.array([1, 0, 4, 2])
METHOD = pdl.Exact(num_samples=1000, num_chains=4)
STANDARD_ERRORS = 5  # the tests of this file compare some 60 numbers: one in 1e5 would fail by chance


def hidden_markov(y):
    def step(z, y_t):
        z = numpyro.sample("z", dist.Categorical(jnp.asarray(MOVES)[z]))
        numpyro.sample("y", dist.Normal(jnp.asarray(LOCS)[z], 1.0), obs=y_t)
        return z, None

    scan(step, 0, y)


def regression(x, y):
    a = numpyro.sample("a", dist.Normal(0, 2))
    b = numpyro.sample("b", dist.Normal(0, 1))
    with numpyro.plate("n", len(x)):
        line = numpyro.deterministic("line", a + b * x)
        numpyro.sample("y", dist.Normal(line, 0.7), obs=y)


def spike_and_slab(y):
    chosen = numpyro.sample("chosen", dist.Bernoulli(0.3))
    b = numpyro.sample("b", dist.Normal(0, jnp.where(chosen == 1, 2.0, 0.1)))
    with numpyro.plate("n", len(y)):
        numpyro.sample("y", dist.Normal(b, 1.0), obs=y)


def poisson(y):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.5))
    with numpyro.plate("n", len(y)):
        numpyro.sample("y", dist.Poisson(rate), obs=y)


def excluded(y):
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    table = jnp.array([[0.5, 0.5, 0.0], [0.1, 0.9, 0.0]])
    numpyro.sample("y", dist.Categorical(table[z]), obs=y)


MARKOV = pdl.Model(hidden_markov, SEEN)
LINE = pdl.Model(regression, LOCS, SEEN[:3])
SPIKE = pdl.Model(spike_and_slab, SEEN)
POISSON = pdl.Model(poisson, COUNTS)


@pytest.fixture(scope="module")
def markov():
    return pdl.infer(MARKOV, METHOD, key=2)


@pytest.fixture(scope="module")
def line():
    return pdl.infer(LINE, METHOD, key=2)


def flat(result, name):
    """Return the draws of a site of all chains, the draws first."""
    values = result[name].to_numpy()
    return values.reshape(-1, *values.shape[2:]).astype(float)


def assert_mean(values, exact, sd):
    """Compare a mean of independent draws with what it should be, of known standard deviation."""
    error = np.abs(values.mean(0) - exact)
    assert (error <= STANDARD_ERRORS * sd / np.sqrt(len(values)) + 1e-12).all()


def assert_probabilities(values, states, exact):
    hit = values[..., None] == states
    assert_mean(hit, exact, np.sqrt(exact * (1 - exact)))


@pytest.mark.slow
def test_discrete_chain_is_right(markov):
    exact = enumerate_discrete(MARKOV)
    assert markov.log_evidence == pytest.approx(exact.log_evidence, rel=1e-12)
    z = flat(markov, "z")
    assert_probabilities(z, exact.states["z"], exact.marginals["z"])
    code = z @ (3 ** np.arange(4))
    pairs = exact.joint(*(("z", (i,)) for i in range(4)))
    expected = pairs.transpose(3, 2, 1, 0).ravel()  # whole paths, not one step at a time
    assert_probabilities(code, np.arange(81), expected)


@pytest.mark.slow
def test_gaussian_block_is_right(line):
    exact = mixed(LINE, ("a", "b")).gaussian
    assert line.log_evidence == pytest.approx(exact.log_evidence, rel=1e-12)
    values = np.stack([flat(line, "a"), flat(line, "b")], -1)
    centred = values - [exact.mean["a"], exact.mean["b"]]
    variances = np.diag(exact.covariance)
    assert_mean(centred, 0.0, np.sqrt(variances))
    products = centred[:, :, None] * centred[:, None, :]
    assert_mean(products, exact.covariance, np.sqrt(np.outer(variances, variances) + exact.covariance**2))
    np.testing.assert_allclose(flat(line, "line"), values @ np.stack([np.ones(3), LOCS]), rtol=1e-12)


@pytest.mark.slow
def test_discrete_and_gaussian_together_are_right():
    exact = mixed(SPIKE, ("b",))
    result = pdl.infer(SPIKE, METHOD, key=2)
    assert result.log_evidence == pytest.approx(exact.log_evidence, rel=1e-12)
    chosen, b = flat(result, "chosen"), flat(result, "b")
    weights = exact.discrete.weights
    assert_mean(chosen, weights[1], np.sqrt(weights[0] * weights[1]))
    for state in (0, 1):
        assert_mean(b[chosen == state], exact.means[state, 0], np.sqrt(exact.covariances[state, 0, 0]))


@pytest.mark.slow
def test_conjugate_is_right():
    shape, rate = 2 + COUNTS.sum(), 1.5 + len(COUNTS)
    result = pdl.infer(POISSON, pdl.Conjugate(), key=2)
    values = flat(result, "rate")
    assert_mean(values, shape / rate, np.sqrt(shape) / rate)
    mean_log = float(jax.scipy.special.digamma(float(shape)) - np.log(rate))
    assert_mean(np.log(values), mean_log, np.sqrt(float(jax.scipy.special.polygamma(1, float(shape)))))
    at = {"rate": 1.3}
    posterior = dist.Gamma(float(shape), rate)
    with pdl.Precision.DOUBLE.active():
        by_ratio = POISSON.log_joint(at) - float(posterior.log_prob(jnp.asarray(at["rate"])))
    assert result.log_evidence == pytest.approx(by_ratio, rel=1e-9)


def test_draws_are_independent(markov, line):
    for values in (line["a"].to_numpy(), markov["z"].to_numpy()[..., 2].astype(float)):
        centred = (values - values.mean()) / values.std()
        lagged = (centred[:, 1:] * centred[:, :-1]).mean()
        across = (centred[0] * centred[1]).mean()
        assert abs(lagged) < STANDARD_ERRORS / np.sqrt(centred[:, 1:].size)
        assert abs(across) < STANDARD_ERRORS / np.sqrt(centred.shape[1])


def test_lp_is_the_log_joint(markov, line):
    for model, result in ((MARKOV, markov), (LINE, line)):
        values = {name: result[name].to_numpy()[1, 7] for name in model.latents}
        lp = result.data["sample_stats"]["lp"]
        assert float(lp[1, 7]) == pytest.approx(model.log_joint(values), rel=1e-9)


def test_same_key_same_draws(line):
    for key, same in ((2, True), (jax.random.key(2), True), (3, False)):
        assert np.array_equal(line["a"], pdl.infer(LINE, METHOD, key=key)["a"]) == same


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "method"),
    [(MARKOV, pdl.Elimination), (LINE, pdl.Gaussian), (POISSON, pdl.Conjugate)],
    ids=["Elimination", "Gaussian", "Conjugate"],
)
def test_a_special_method_is_exact(model, method):
    lengths = {"num_samples": 60, "num_chains": 2}
    special, general = (pdl.infer(model, m(**lengths), key=4) for m in (method, pdl.Exact))
    for name in model.latents:
        np.testing.assert_array_equal(special[name], general[name])
    assert special.data.attrs["method"] == repr(method(**lengths))


REFUSED = {
    "Elimination": (
        LINE,
        pdl.Elimination(),
        r"Elimination is not applicable: site 'a' is not summed out: it is continuous\. Call infer",
    ),
    "Gaussian": (MARKOV, pdl.Gaussian(), r"site 'z' is not integrated as a Gaussian: it is discrete"),
    "Gaussian beside another": (SPIKE, pdl.Gaussian(), "site 'chosen' is not integrated as a Gaussian"),
    "Conjugate": (MARKOV, pdl.Conjugate(), "site 'z' is not conjugate"),
    "Exact": (
        pdl.Model(centred_schools, SIGMA, y=Y),
        pdl.Exact(),
        r"Exact is not applicable: site 'tau' is not integrated exactly: .*\. Call infer\(model, key=0\)",
    ),
    "nothing latent": (
        pdl.Model(gaussian, HEIGHTS).condition(mu=0.3),
        pdl.Exact(),
        r"the program has no latent site, and model\.log_joint\(\{\}\) is its log evidence",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("model", "method", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_another_kind_is_refused_by_name(model, method, text):
    with pytest.raises(pdl.NotApplicable, match=text):
        pdl.infer(model, method, key=0)


@pytest.mark.parametrize("method", [pdl.Exact, pdl.Elimination, pdl.Gaussian, pdl.Conjugate])
def test_lengths_are_checked(method):
    for name in ("num_samples", "num_chains"):
        with pytest.raises(ValueError, match=rf"Expected {name} to be an integer of at least 1; got 0\."):
            method(**{name: 0})


@pytest.mark.slow
def test_impossible_observations_are_named():
    assert pdl.infer(pdl.Model(excluded, 1), METHOD, key=0).log_evidence == pytest.approx(np.log(0.7))
    with pytest.raises(pdl.ImpossibleEvidence, match="possible together; got 'y'=2, of probability zero"):
        pdl.infer(pdl.Model(excluded, 2), METHOD, key=0)


def test_result_is_labelled(line):
    assert line.status is pdl.Status.OK
    assert line["line"].dims == ("chain", "draw", "n")
    assert line["a"].shape == (4, 1000)
    assert line["a"].dtype == np.float64
    assert line.data.attrs["method"] == repr(METHOD)
    assert line.data.attrs["log_evidence"] == line.log_evidence
    np.testing.assert_array_equal(line.data["observed_data"]["y"], SEEN[:3])
    table = line.summary().table
    assert {"a", "b", "line[0]"} <= set(table.index)
    assert (table["r_hat"] < 1.01).all()


def test_discrete_draws_are_integers(markov):
    assert markov["z"].dtype.kind == "i"
    assert "z[0]" in markov.summary().table.index


def test_predictions_use_the_draws(line):
    predicted = LINE.sample(0, given=line)["posterior_predictive"]["y"].to_numpy()
    exact = mixed(LINE, ("a", "b")).gaussian
    rows = np.stack([np.ones(3), LOCS], -1)
    sd = np.sqrt(np.einsum("ni,ij,nj->n", rows, exact.covariance, rows) + 0.7**2)
    means = rows @ [exact.mean["a"], exact.mean["b"]]
    assert_mean(predicted.reshape(-1, 3), means, sd)
    assert_mean((predicted.reshape(-1, 3) - means) ** 2, sd**2, np.sqrt(2) * sd**2)


def test_log_likelihood_of_each_draw(line, markov):
    found = line.with_log_likelihood().data["log_likelihood"]["y"].to_numpy()
    residuals = (SEEN[:3] - line["line"].to_numpy()) / 0.7
    np.testing.assert_allclose(found, -0.5 * residuals**2 - np.log(0.7 * np.sqrt(2 * np.pi)), rtol=1e-9)
    found = markov.with_log_likelihood().data["log_likelihood"]["y"].to_numpy()
    np.testing.assert_allclose(
        found, -0.5 * (SEEN - LOCS[markov["z"].to_numpy()]) ** 2 - 0.5 * np.log(2 * np.pi), rtol=1e-9
    )


@pytest.mark.slow
def test_is_plotted(line):
    assert pdl.plot(line)._repr_png_().startswith(b"\x89PNG")


def test_round_trip(markov, tmp_path):
    for ending in ("nc", "zarr"):
        path = markov.save(tmp_path / f"result.{ending}")
        loaded = pdl.Result.load(path)
        np.testing.assert_array_equal(loaded["z"], markov["z"])
        assert loaded.log_evidence == markov.log_evidence
        assert loaded.findings == markov.findings


@pytest.mark.slow
def test_store(line, tmp_path):
    path = tmp_path / "draws.zarr"
    stored = pdl.infer(LINE, METHOD, key=2, store=path)
    loaded = pdl.Result.load(path)
    for name in ("a", "b", "line"):
        np.testing.assert_array_equal(stored[name], line[name])
        np.testing.assert_array_equal(loaded[name], line[name])
    assert stored.log_evidence == loaded.data.attrs["log_evidence"] == line.log_evidence
    with pytest.raises(FileExistsError):
        pdl.infer(LINE, METHOD, key=2, store=path)
    other = dataclasses.replace(METHOD, num_samples=50)
    assert pdl.infer(LINE, other, key=2, store=path, overwrite=True)["a"].shape == (4, 50)


@pytest.mark.slow
def test_moments_by_hand():
    values = flat(pdl.infer(pdl.Model(gaussian, HEIGHTS), METHOD, key=8), "mu")
    mean, sd = gaussian_posterior(HEIGHTS)
    assert_mean(values, mean, sd)
    assert_mean((values - mean) ** 2, sd**2, np.sqrt(2) * sd**2)
