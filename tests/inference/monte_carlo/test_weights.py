"""Weighted draws: tables, resampling, files, and where they must not be taken for equal ones."""

import numpy as np
import pytest
from scipy import stats

import probdl as pdl
from probdl.inference.monte_carlo.weights import effective_size, evidence, pooled, smoothed
from probdl.inference.resampled import chosen
from tests.inference.monte_carlo.programs import coin

COIN = pdl.Model(coin, 7)
POSTERIOR = stats.beta(9, 6)


@pytest.fixture(scope="module")
def weighted():
    return pdl.infer(COIN, pdl.ImportanceSampling(), key=0)


@pytest.mark.slow
def test_summary_is_by_weight(weighted):
    summary = weighted.summary()
    row = summary.table.loc["bias"]
    assert abs(row["mean"] - POSTERIOR.mean()) < 5 * row["mcse_mean"]
    assert abs(row["sd"] - POSTERIOR.std()) < 5 * row["mcse_sd"]
    assert row["eti89_lb"] == pytest.approx(POSTERIOR.ppf(0.055), abs=0.02)
    assert row["eti89_ub"] == pytest.approx(POSTERIOR.ppf(0.945), abs=0.02)
    plain = float(weighted["bias"].mean())
    assert abs(plain - POSTERIOR.mean()) > 20 * row["mcse_mean"]
    assert "r_hat" not in summary.table.columns
    size = weighted.data.attrs["weighted_ess"]
    assert f"By weight: 10000 weighted draws, worth {size:.0f} of equal weight." in str(summary)
    assert "By weight" in summary._repr_html_()
    assert "weighted" in repr(weighted)


@pytest.mark.slow
def test_errors_are_those_of_repeated_runs():
    method = pdl.ImportanceSampling(num_samples=500)
    rows = [pdl.infer(COIN, method, key=k).summary().table.loc["bias"] for k in range(40)]
    scores = [(row["mean"] - POSTERIOR.mean()) / row["mcse_mean"] for row in rows]
    assert 0.6 < np.std(scores) < 1.5
    assert abs(np.mean(scores)) < 5 / np.sqrt(40)


def test_resample(weighted):
    equal = weighted.resample(key=1, num_samples=4000)
    assert not equal.is_weighted
    assert equal["bias"].sizes == {"chain": 1, "draw": 4000}
    values = equal["bias"].to_numpy().ravel()
    assert stats.kstest(np.unique(values), POSTERIOR.cdf).statistic > 0.01
    assert abs(values.mean() - POSTERIOR.mean()) < 5 * POSTERIOR.std() / np.sqrt(2000)
    np.testing.assert_array_equal(equal["bias"], weighted.resample(1, 4000)["bias"])
    assert not np.array_equal(equal["bias"], weighted.resample(2, 4000)["bias"])
    assert weighted.resample(0)["bias"].size == 10_000
    assert equal.status is pdl.Status.OK
    assert equal.log_evidence == weighted.log_evidence
    assert "log_weight" not in equal.data["sample_stats"]
    assert equal.data["observed_data"]["heads"] == 7
    with pytest.raises(ValueError, match="num_samples to be an integer of at least 1; got 0"):
        weighted.resample(0, 0)


def test_each_draw_comes_as_often_as_its_weight_says():
    log_weights = np.log(
        [0.5, 0.0, 0.3, 0.2, 1e-300], where=[True, False, True, True, True], out=np.full(5, -np.inf)
    )
    counts = np.bincount(chosen(0, log_weights, 1000), minlength=5)
    np.testing.assert_allclose(counts, [500, 0, 300, 200, 0], atol=1)
    many = np.mean([np.bincount(chosen(k, log_weights, 7), minlength=5) for k in range(300)], 0)
    np.testing.assert_allclose(many / 7, np.exp(log_weights), atol=0.02)


@pytest.mark.slow
def test_what_needs_equal_weights_says_so(weighted):
    for call in (
        lambda: COIN.sample(0, given=weighted),
        lambda: pdl.entropy_of(weighted, ["bias"]),
        lambda: pdl.log_evidence(COIN, pdl.BridgeSampling(weighted), key=0),
    ):
        with pytest.raises(ValueError, match=r"Expected draws of equal weight in .*resample\(key=0\)"):
            call()
    drawn = COIN.sample(0, given=weighted.resample(0))["posterior_predictive"]["heads"]
    assert abs(drawn.mean() - 6) < 0.2
    assert pdl.plot(weighted)._repr_png_().startswith(b"\x89PNG")


def test_log_likelihood_of_weighted_draws(weighted):
    found = weighted.with_log_likelihood()
    exact = stats.binom.logpmf(7, 10, weighted["bias"])
    np.testing.assert_allclose(found.data["log_likelihood"]["heads"], exact)
    assert found.resample(0, 10).data["log_likelihood"]["heads"].shape == (1, 10)


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_files(weighted, tmp_path, ending):
    loaded = pdl.Result.load(weighted.save(tmp_path / f"result.{ending}"))
    assert loaded.is_weighted
    assert loaded.findings == weighted.findings
    assert loaded.log_evidence == weighted.log_evidence
    assert loaded.log_evidence_error == weighted.log_evidence_error
    np.testing.assert_array_equal(loaded.resample(3)["bias"], weighted.resample(3)["bias"])


@pytest.mark.slow
def test_store(tmp_path):
    path = tmp_path / "run.zarr"
    result = pdl.infer(COIN, pdl.SMC(num_particles=100), key=0, store=path)
    loaded = pdl.Result.load(path)
    np.testing.assert_array_equal(loaded["bias"], result["bias"])
    np.testing.assert_array_equal(
        loaded.data["tempering"]["temperature"], result.data["tempering"]["temperature"]
    )
    assert loaded.log_evidence == result.log_evidence
    with pytest.raises(FileExistsError, match="Expected a path with nothing there"):
        pdl.infer(COIN, pdl.SMC(num_particles=100), key=0, store=path)
    pdl.infer(COIN, pdl.ImportanceSampling(num_samples=20), key=0, store=path, overwrite=True)
    assert pdl.Result.load(path).is_weighted


def test_smoothing_follows_the_tail():
    rng = np.random.default_rng(0)
    for shape in (0.2, 0.9):
        raw = stats.genpareto(shape).rvs(20_000, random_state=rng)
        found = smoothed(np.log(raw))
        assert found.pareto_k == pytest.approx(shape, abs=0.15)
        assert np.exp(found.log_weights).sum() == pytest.approx(1)
    assert effective_size(smoothed(np.zeros(50)).log_weights) == pytest.approx(50)
    assert np.isnan(smoothed(np.zeros(50)).pareto_k)
    few = smoothed(np.log([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(np.exp(few.log_weights), [1 / 6, 1 / 3, 1 / 2])


def test_errors_of_the_evidence():
    rng = np.random.default_rng(1)
    runs = [evidence(rng.normal(-3, 0.8, 400)) for _ in range(400)]
    values, errors = np.array(runs).T
    exact = -3 + 0.8**2 / 2
    assert np.std(values) == pytest.approx(errors.mean(), rel=0.15)
    assert abs(np.exp(values - exact).mean() - 1) < 5 * np.std(values) / 20
    together = pooled(values[:4], errors[:4])
    assert together.value == pytest.approx(np.log(np.exp(values[:4]).mean()))
    assert together.error >= np.sqrt((errors[:4] ** 2).sum()) / 4 * 0.9
