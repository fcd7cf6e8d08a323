"""Particle filters against exact chains and Kalman filters."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from tests.inference.monte_carlo.programs import SEEN, hidden_markov, two_lags, walk

STANDARD_ERRORS = 5
METHOD = pdl.ParticleFilter(num_particles=400, num_samples=100)
MARKOV = pdl.Model(hidden_markov, SEEN)
WALK = pdl.Model(walk, SEEN, drift=0.1)


def filtered_exactly(model, steps):
    """Return the exact posterior given the observations of the first steps."""
    return pdl.exact_posterior(pdl.Model(model.program, SEEN[:steps], **model.kwargs))


@pytest.mark.slow
def test_discrete_states():
    result = pdl.infer(MARKOV, METHOD, key=0)
    exact = pdl.exact_posterior(MARKOV)
    assert abs(result.log_evidence - exact.log_evidence) < STANDARD_ERRORS * result.log_evidence_error
    assert result.log_evidence_error < 0.2
    found = result.data["filtered_probability"]["z"]
    assert found.dims == ("chain", "time", "z_state")
    last = filtered_exactly(MARKOV, 3).probabilities("z")[-1]
    np.testing.assert_allclose(found[:, 2].mean("chain"), last, atol=0.06)
    smoothed = np.stack([(result["z"] == k).mean(("chain", "draw")) for k in range(3)], -1)
    np.testing.assert_allclose(smoothed, exact.probabilities("z"), atol=0.12)
    assert result.data.attrs["smoothing"] == "backward"


@pytest.mark.slow
def test_continuous_states():
    result = pdl.infer(WALK, METHOD, key=0)
    exact = pdl.exact_posterior(WALK)
    assert abs(result.log_evidence - exact.log_evidence) < STANDARD_ERRORS * result.log_evidence_error
    assert result["x"].shape == (4, 100, 6)
    for name in ("x", "x_0"):
        values, sd = result[name].to_numpy().reshape(400, -1), np.sqrt(exact.variance(name)).ravel()
        error = np.abs(values.mean(0) - exact.mean(name).ravel())
        assert (error < STANDARD_ERRORS * sd * np.sqrt(1 / 400 + 1 / 200)).all()
        assert (np.abs(values.std(0) / sd - 1) < 0.3).all()
    np.testing.assert_allclose(result["largest"], 2 * result["x"].max("time"))
    last = filtered_exactly(WALK, 4)
    mean, sd = (result.data[f"filtered_{what}"]["x"][:, 3].mean() for what in ("mean", "sd"))
    assert abs(mean - last.mean("x")[3]) < 0.1
    assert abs(sd - np.sqrt(last.variance("x")[3])) < 0.1


@pytest.mark.slow
def test_states_of_one_trajectory_hang_together():
    result = pdl.infer(WALK, pdl.ParticleFilter(num_particles=400, num_samples=400), key=1)
    exact = pdl.exact_posterior(WALK)
    x = result["x"].to_numpy().reshape(-1, 6)
    draws = exact.sample(0, 40_000)["x"]
    exact_covariance = np.cov(draws[:, 2], draws[:, 3])
    np.testing.assert_allclose(np.cov(x[:, 2], x[:, 3]), exact_covariance, atol=0.06)


@pytest.mark.slow
def test_log_probabilities_of_the_steps():
    result = pdl.infer(WALK, METHOD, key=0)
    stats = result.data["filter_stats"]
    steps = stats["log_prob"].to_numpy()
    assert steps.shape == (4, 6)
    one = filtered_exactly(WALK, 1).log_evidence
    assert abs(np.log(np.exp(steps[:, 0]).mean()) - one) < 0.2
    pooled = np.log(np.exp(steps.sum(1)).mean())
    assert pooled == pytest.approx(result.log_evidence)
    assert (stats["ess"] <= 400).all()


@pytest.mark.slow
def test_unbiased_evidence():
    """The mean of the evidence of many small filters is the evidence."""
    method = pdl.ParticleFilter(num_particles=30, num_samples=1, num_chains=400)
    for model in (MARKOV, WALK):
        result = pdl.infer(model, method, key=3)
        exact = pdl.exact_posterior(model).log_evidence
        assert abs(np.expm1(result.log_evidence - exact)) < STANDARD_ERRORS * result.log_evidence_error
        assert result.log_evidence_error < 0.1


@pytest.mark.slow
def test_carries_of_several_steps_trace_ancestors():
    model = pdl.Model(two_lags, SEEN)
    result = pdl.infer(model, METHOD, key=0)
    exact = pdl.exact_posterior(model)
    assert result.data.attrs["smoothing"] == "ancestors"
    assert abs(result.log_evidence - exact.log_evidence) < STANDARD_ERRORS * result.log_evidence_error
    sd = np.sqrt(exact.variance("x"))
    assert (np.abs(result["x"].mean(("chain", "draw")) - exact.mean("x")) < 0.5 * sd).all()


@pytest.mark.slow
def test_missing_observations_and_time_in_the_carry():
    def program(y, seen):
        def step(carry, inputs):
            x, time = carry
            y_t, seen_t = inputs
            x = numpyro.sample("x", dist.Normal(0.5 * x + 0.1 * time, 1.0))
            with numpyro.handlers.mask(mask=seen_t):
                numpyro.sample("y", dist.Normal(x, 0.5), obs=y_t)
            return (x, time + 1), None

        scan(step, (0.0, 0), (y, seen))

    seen = np.array([True, False, True, True, False, True])
    model = pdl.Model(program, SEEN, seen)
    result = pdl.infer(model, METHOD, key=0)
    exact = pdl.exact_posterior(model)
    assert result.data.attrs["smoothing"] == "backward"
    assert abs(result.log_evidence - exact.log_evidence) < STANDARD_ERRORS * result.log_evidence_error


def outside(y):
    def step(x, _):
        x = numpyro.sample("x", dist.Normal(x, 1.0))
        return x, x

    _, xs = scan(step, 0.0, None, length=len(y))
    numpyro.sample("y", dist.Normal(xs, 1.0), obs=y)


def backwards(y):
    def step(x, y_t):
        x = numpyro.sample("x", dist.Normal(x, 1.0))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=y_t)
        return x, None

    scan(step, 0.0, y, reverse=True)


def no_scan(y):
    x = numpyro.sample("x", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            pdl.Model(walk, SEEN),
            r"site 'drift' is a parameter of every step: fix it with model.condition\(drift",
        ),
        (pdl.Model(outside, SEEN), "site 'y' is observed outside the scan and depends on what is in it"),
        (pdl.Model(backwards, SEEN), "scan 'time' runs backwards"),
        (pdl.Model(no_scan, SEEN), "no latent site is in a scan"),
    ],
)
def test_what_it_cannot_treat(model, reason):
    with pytest.raises(pdl.NotApplicable, match=reason):
        pdl.infer(model, METHOD, key=0)


@pytest.mark.slow
def test_impossible_observations_are_named():
    def program(y):
        def step(x, y_t):
            x = numpyro.sample("x", dist.Normal(x, 1.0))
            numpyro.factor("y", jnp.where(jnp.abs(x - y_t) < 1, 0.0, -jnp.inf))
            return x, None

        scan(step, 0.0, y)

    with pytest.raises(ValueError, match="possible at each step of 'time'; got none at step 2"):
        pdl.infer(pdl.Model(program, np.array([0.0, 0.5, 99.0, 1.0])), METHOD, key=0)


def test_bad_numbers():
    with pytest.raises(ValueError, match="num_particles to be an integer of at least 2; got 1"):
        pdl.ParticleFilter(num_particles=1)
    with pytest.raises(ValueError, match="least_ess between 0 and 1; got 0"):
        pdl.ParticleFilter(least_ess=0)
