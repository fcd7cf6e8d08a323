"""Rejection sampling: exact draws, bounds that are found, raised or refused, and an end without hope."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import probdl as pdl
from probdl.inference.monte_carlo.accepted import Accepted
from probdl.inference.monte_carlo.bounds import BoundSearch
from probdl.inference.monte_carlo.maxima import climb
from tests.inference.monte_carlo.programs import POINTS, coin, coin_evidence, mixture, mixture_evidence

COIN = pdl.Model(coin, 7)
METHOD = pdl.Rejection(num_samples=500)
BOUND = stats.binom(10, 0.7).logpmf(7)
STANDARD_ERRORS = 5


@pytest.mark.slow
def test_exact_draws():
    result = pdl.infer(COIN, METHOD, key=0)
    assert result.status is pdl.Status.OK
    attributes = result.data.attrs
    assert attributes["log_bound"] == pytest.approx(BOUND, abs=1e-5)
    values = result["bias"].to_numpy().ravel()
    assert stats.kstest(values, stats.beta(9, 6).cdf).pvalue > 1e-4
    rate = np.exp(coin_evidence(7) - BOUND)
    waits = result.data["sample_stats"]["num_proposals"].to_numpy()
    assert abs(1 / waits.mean() - rate) < STANDARD_ERRORS * rate * np.sqrt((1 - rate) / waits.size)
    assert abs(attributes["acceptance_rate"] - rate) < 0.02
    assert abs(result.log_evidence - coin_evidence(7)) < STANDARD_ERRORS * result.log_evidence_error


@pytest.mark.slow
def test_a_given_bound_and_a_proposal():
    def near(heads):
        numpyro.sample("bias", dist.Beta(6.0, 4.0))

    loose = pdl.infer(COIN, pdl.Rejection(num_samples=100, log_bound=BOUND + 1), key=0)
    found = pdl.infer(COIN, pdl.Rejection(num_samples=100, proposal=near), key=0)
    assert loose.data.attrs["log_bound"] == BOUND + 1
    assert found.data.attrs["acceptance_rate"] > 0.7 > 3 * loose.data.attrs["acceptance_rate"]
    for result in (loose, found):
        assert stats.kstest(result["bias"].to_numpy().ravel(), stats.beta(9, 6).cdf).pvalue > 1e-4


@pytest.mark.slow
def test_a_given_bound_that_is_too_low_is_refused():
    message = r"which proposal \d+ of chain \d exceeds by 0.3 nats \(bias = 0.7\). Pass log_bound=-1.321"
    with pytest.raises(ValueError, match=message):
        pdl.infer(COIN, pdl.Rejection(log_bound=BOUND - 0.3), key=0)


def test_a_found_bound_that_is_too_low_is_raised(monkeypatch):
    whole = pdl.infer(COIN, METHOD, key=0)
    monkeypatch.setattr(BoundSearch, "first", lambda self, key: BOUND - 2)
    raised = pdl.infer(COIN, METHOD, key=0)
    assert raised.data.attrs["log_bound"] == pytest.approx(BOUND, abs=1e-4)
    np.testing.assert_array_equal(raised["bias"], whole["bias"])


def test_what_was_accepted_is_judged_again():
    rng = np.random.default_rng(0)
    ratios, uniforms = rng.normal(size=(2, 3, 1000)), -rng.exponential(size=(2, 3, 1000))
    once = Accepted(3, 4.0)
    again = Accepted(3, 0.0)
    for accepted in (once, again):
        accepted.add(ratios[0], uniforms[0])
    chain, number, top = again.above
    assert top == ratios[0, chain, number] == ratios[0].max()
    again.judge_by(4.0)
    for accepted in (once, again):
        accepted.add(ratios[1], uniforms[1])
        assert accepted.above is None
    for first, second in zip(once.all_numbers, again.all_numbers, strict=True):
        np.testing.assert_array_equal(first, second)
    assert once.evidence.value == pytest.approx(np.log(np.exp(ratios).mean()))


@pytest.mark.slow
def test_discrete_latents():
    result = pdl.infer(pdl.Model(mixture, POINTS), pdl.Rejection(num_samples=300), key=0)
    assert abs(result.log_evidence - mixture_evidence()) < STANDARD_ERRORS * result.log_evidence_error

    def die():
        z = numpyro.sample("z", dist.Categorical(jnp.array([0.5, 0.3, 0.2])))
        numpyro.sample("y", dist.Bernoulli(jnp.array([0.1, 0.9, 0.2])[z]), obs=1)

    result = pdl.infer(pdl.Model(die), pdl.Rejection(num_samples=1000), key=0)
    assert result.data.attrs["log_bound"] == pytest.approx(np.log(0.9), abs=1e-5)
    exact = np.array([0.05, 0.27, 0.04]) / 0.36
    counts = np.bincount(result["z"].to_numpy().ravel(), minlength=3)
    assert stats.chisquare(counts, 4000 * exact).pvalue > 1e-4


def test_no_hope_keeps_what_was_drawn():
    method = pdl.Rejection(num_samples=1000, max_proposals=20_000, log_bound=BOUND + 6)
    with pytest.raises(
        pdl.TooFewAccepted, match=r"Expected 4000 draws; got \d+ out of 80000 proposals.*SMC"
    ) as e:
        pdl.infer(COIN, method, key=0)
    kept = e.value.result
    assert f"got {kept['bias'].size} out of" in str(e.value)
    assert 20 < kept["bias"].size < 200
    assert stats.kstest(kept["bias"].to_numpy().ravel(), stats.beta(9, 6).cdf).pvalue > 1e-4


def test_nothing_at_all(tmp_path):
    method = pdl.Rejection(num_samples=10, max_proposals=100, log_bound=1e4)
    with pytest.raises(pdl.TooFewAccepted, match="got 0 out of 400 proposals") as e:
        pdl.infer(COIN, method, key=0, store=tmp_path / "none.zarr")
    assert e.value.result is None


def test_a_hopeless_run_ends_early():
    accepted = Accepted(4, 20.0)
    accepted.add(np.zeros((4, 200_000)), np.full((4, 200_000), -1.0))
    assert accepted.is_hopeless(1000, 10_000_000)
    assert not accepted.is_hopeless(1, 10_000_000)


@pytest.mark.slow
def test_ratios_without_bound():
    def scale():
        s = numpyro.sample("s", dist.HalfNormal(1.0))
        numpyro.sample("y", dist.Normal(0.0, s), obs=0.0)

    with pytest.raises(ValueError, match=r"bounded; got one that rises without end, .* along 's'"):
        pdl.infer(pdl.Model(scale), pdl.Rejection(), key=0)


def test_a_highest_point_is_found_from_anywhere():
    def valley(x):
        value = -(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)
        bend = x[1] - x[0] ** 2
        return float(value), np.array([400 * x[0] * bend + 2 * (1 - x[0]), -200 * bend])

    top = climb(valley, np.array([-1.2, 1.0]))
    np.testing.assert_allclose(top.position, [1, 1], atol=1e-5)
    assert top.is_found
    slope = climb(lambda x: (float(-x[0]), -np.ones(1)), np.zeros(1))
    assert not slope.is_found
    wall = climb(lambda x: (float(x[0]) if x[0] < 3 else np.nan, np.ones(1)), np.zeros(1))
    assert wall.value == pytest.approx(3, abs=1e-6)


def test_bad_numbers():
    for changes, message in (
        ({"num_samples": 0}, "num_samples to be an integer of at least 1; got 0"),
        ({"log_bound": np.inf}, "log_bound to be a finite number of nats; got inf"),
        ({"max_proposals": 0}, "max_proposals to be an integer of at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            pdl.Rejection(**changes)
