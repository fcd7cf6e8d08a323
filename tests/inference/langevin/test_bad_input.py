"""What Langevin methods refuse, and what they say."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from tests.inference.langevin.programs import Y, heights, labels, own_latents

METHODS = (
    pdl.ULA,
    pdl.MALA,
    pdl.UnderdampedLangevin,
    pdl.MCLMC,
    pdl.AdjustedMCLMC,
    pdl.Barker,
    pdl.SGLD,
    pdl.SGHMC,
)
ADJUSTED = (pdl.MALA, pdl.Barker, pdl.AdjustedMCLMC)
SHORT = {"num_samples": 5, "num_warmup": 5}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_size": 0}, r"Expected a positive step_size; got 0\. Pass .* leave it out and it is tuned"),
        ({"step_size": -0.1}, "Expected a positive step_size; got -0.1"),
        ({"step_size": np.nan}, "Expected a positive step_size; got nan"),
        ({"step_size": "small"}, "Expected a positive step_size; got 'small'"),
        ({"num_samples": 0}, "Expected num_samples to be an integer of at least 1; got 0"),
        ({"num_warmup": -1}, "Expected num_warmup to be an integer of at least 0; got -1"),
        ({"thinning": 0}, "Expected thinning to be an integer of at least 1; got 0"),
    ],
)
def test_hyper_parameters_of_all(method, changes, message):
    with pytest.raises(ValueError, match=message):
        method(**changes)


OWN = [
    *((method, {"target_acceptance": value}, "between 0 and 1") for method in ADJUSTED for value in (0, 1.2)),
    (pdl.ULA, {"target_bias": 0}, "positive target_bias; got 0"),
    (pdl.SGLD, {"target_bias": -1}, "positive target_bias; got -1"),
    (pdl.MCLMC, {"target_energy_variance": 0}, "positive target_energy_variance; got 0"),
    (pdl.MCLMC, {"decoherence_length": -1}, "positive decoherence_length; got -1"),
    (pdl.UnderdampedLangevin, {"friction": 0}, "positive friction; got 0"),
    (pdl.SGHMC, {"friction": -2}, "positive friction; got -2"),
    (pdl.AdjustedMCLMC, {"max_num_steps": 0}, "max_num_steps to be an integer of at least 1; got 0"),
    (pdl.AdjustedMCLMC, {"trajectory_length": 0.0}, "positive trajectory_length; got 0.0"),
    (pdl.Constant, {"initial": 0}, "positive initial step size; got 0"),
    (pdl.PolynomialDecay, {"power": 0.6}, "power above 0 and of at most 1/2; got 0.6"),
    (pdl.PolynomialDecay, {"offset": 0}, "positive offset; got 0"),
    (pdl.ControlVariate, {"num_rows": 0}, "num_rows to be an integer of at least 1; got 0"),
    (pdl.ControlVariate, {"max_iterations": 0}, "max_iterations to be an integer of at least 1; got 0"),
]


@pytest.mark.parametrize(("method", "changes", "message"), OWN)
def test_hyper_parameters_of_some(method, changes, message):
    with pytest.raises(ValueError, match=message):
        method(**changes)


def test_wrong_types():
    with pytest.raises(TypeError, match="control_variate to be True, False or a ControlVariate; got 3"):
        pdl.SGLD(control_variate=3)
    with pytest.raises(TypeError, match=r"stream to be a Stream; got \[\]. Pass Stream\(plate, batches\)"):
        pdl.SGHMC(stream=[])
    with pytest.raises(ValueError, match="buffer to be an integer of at least 1; got 0"):
        pdl.Stream("N", [], buffer=0)


@pytest.mark.parametrize("method", METHODS)
def test_discrete_latents_are_offered_what_takes_them(method):
    message = rf"site 'z' is discrete .*Marginalized\({method.__name__}\(\)\)"
    with pytest.raises(pdl.NotApplicable, match=message):
        pdl.infer(pdl.Model(labels, Y), method(**SHORT), key=0)


@pytest.mark.parametrize("method", [m for m in METHODS if not issubclass(m, pdl.SGLD | pdl.SGHMC)])
def test_minibatches_are_left_to_those_that_take_them(method):
    with pytest.raises(pdl.NotApplicable, match=r"plate 'N' is subsampled \(6 of 24 .* SGLD\(\) or SGHMC"):
        pdl.infer(pdl.Model(heights, Y), method(**SHORT), key=0)


@pytest.mark.parametrize("method", [pdl.SGLD, pdl.SGHMC])
def test_a_latent_of_each_row_needs_all_rows(method):
    message = "site 'z' is in plate 'N', which is subsampled: .* drop the subsample_size of its plate"
    with pytest.raises(pdl.NotApplicable, match=message):
        pdl.infer(pdl.Model(own_latents, Y), method(**SHORT), key=0)


def test_a_batch_that_is_larger_than_the_data():
    with pytest.raises(ValueError, match="subsample_size of at most 24, the size of plate 'N'; got 30"):
        pdl.infer(pdl.Model(heights, Y, seen=30), pdl.SGLD(**SHORT), key=0)


def lost():
    x = numpyro.sample("x", dist.Normal(0, 1))
    numpyro.factor("f", (x - 20) ** -0.5 * np.nan)


@pytest.mark.slow
@pytest.mark.parametrize("method", [pdl.MALA, pdl.SGLD])
def test_a_density_that_is_no_number(method):
    with pytest.raises(ValueError, match="log-density|log_density|finite"):
        pdl.infer(pdl.Model(lost), method(**SHORT), key=0)
