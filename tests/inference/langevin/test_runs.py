"""Runs of Langevin methods: step sizes that are tuned, biases that are stated."""

import json

import numpy as np
import pytest

import probdl as pdl
from tests.inference.langevin.programs import LABELS, X, Y, classes, correlated, heights
from tests.inference.mcmc.agreement import agrees

GAUSSIAN = pdl.Model(correlated)
HEIGHTS, CLASSES = pdl.Model(heights, Y), pdl.Model(classes, X, LABELS)
VARIANCES = np.array([9.0, 4.25, 1.0, 1.0, 0.01])


def stated(result):
    return json.loads(result.data.attrs["bias"])


def mean_of(result, name):
    return float(result.data["sample_stats"][name].mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        pdl.MALA(),
        *(pytest.param(m, marks=pytest.mark.slow) for m in (pdl.Barker(), pdl.AdjustedMCLMC())),
        pytest.param(pdl.MALA(target_acceptance=0.8), marks=pytest.mark.slow),
    ],
)
def test_the_step_size_is_tuned_to_the_acceptance(method):
    result = pdl.infer(GAUSSIAN, method, key=0)
    assert abs(mean_of(result, "acceptance_rate") - method.target_acceptance) < 0.06
    assert len(np.unique(result.data["sample_stats"]["step_size"])) == 1
    x = result["x"].to_numpy()
    assert agrees(x, np.arange(5.0))
    assert agrees((x - np.arange(5.0)) ** 2, VARIANCES)


@pytest.mark.slow
@pytest.mark.parametrize("method", [pdl.UnderdampedLangevin(), pdl.MCLMC()])
def test_the_step_size_is_tuned_to_the_error_of_the_energy(method):
    found = mean_of(pdl.infer(GAUSSIAN, method, key=0), "energy_variance")
    assert abs(np.log(found / method.target_energy_variance)) < np.log(1.5)


@pytest.mark.slow
@pytest.mark.parametrize("method", [pdl.ULA, pdl.SGLD])
def test_the_step_size_is_tuned_to_the_bias(method):
    found = stated(pdl.infer(GAUSSIAN, method(target_bias=0.05, thinning=10), key=0))
    assert abs(found["relative_error"] - 0.05) < 0.015


@pytest.mark.slow
@pytest.mark.parametrize("method", [pdl.ULA, pytest.param(pdl.MCLMC, marks=pytest.mark.slow)])
def test_a_step_size_that_is_given_stays(method):
    result = pdl.infer(GAUSSIAN, method(step_size=0.25, num_samples=20, num_warmup=40), key=1)
    np.testing.assert_array_equal(result.data["sample_stats"]["step_size"], 0.25)


@pytest.mark.slow
def test_thinning_leaves_moves_out_and_counts_their_gradients():
    lengths = {"num_warmup": 0, "step_size": 0.4, "num_chains": 1, "num_samples": 8}
    stats = pdl.infer(GAUSSIAN, pdl.ULA(thinning=5, **lengths), key=0).data["sample_stats"]
    np.testing.assert_array_equal(stats["n_steps"], 5)
    assert "bias" not in pdl.infer(GAUSSIAN, pdl.ULA(**lengths), key=0).data.attrs, "too few moves to say"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "model"),
    [
        (pdl.ULA(step_size=0.8, thinning=5), GAUSSIAN),
        (pdl.SGLD(step_size=0.5, control_variate=False, thinning=10), HEIGHTS),
        (pdl.SGHMC(step_size=0.2, control_variate=False, thinning=10), HEIGHTS),
    ],
)
def test_the_bias_of_a_gaussian_is_the_one_that_is_stated(method, model):
    result = pdl.infer(model, method, key=4)
    if model is GAUSSIAN:
        squares = (result["x"].to_numpy() - np.arange(5.0)) ** 2 / VARIANCES
    else:
        variance = 1 / (1 / 4 + len(Y))
        squares = (result["mu"].to_numpy() - (1 / 4 + Y.sum()) * variance) ** 2 / variance
    found = stated(result)
    stretch = 1 + found["relative_error"]
    assert result.status is pdl.Status.BIASED
    assert stretch > 1.05
    assert agrees(squares, stretch**2, least=2 * stretch * found["standard_error"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        pdl.ULA(target_bias=0.08, thinning=10, num_samples=4000),
        pdl.SGLD(target_bias=0.08, thinning=10, num_samples=4000),
        pdl.SGLD(step_size=0.2, control_variate=False, thinning=20, num_samples=2000),
    ],
)
def test_the_bias_of_a_logistic_regression_is_the_one_that_is_stated(method):
    everything = pdl.Model(classes, X, LABELS, seen=len(X))
    result = pdl.infer(everything if isinstance(method, pdl.ULA) else CLASSES, method, key=1)
    found, right = stated(result), pdl.infer(everything, pdl.NUTS(num_samples=4000), key=2)
    wide, true = (
        np.concatenate([np.atleast_1d(r[name].std(("chain", "draw"))) for name in ("alpha", "beta")])
        for r in (result, right)
    )
    assert found["relative_error"] > 0.05
    assert abs(max(wide / true) - 1 - found["relative_error"]) < 0.03 + 4 * found["standard_error"]
