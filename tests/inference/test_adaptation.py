"""The warm-up: its windows, and what it learns."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from blackjax.adaptation.staged_adaptation import build_schedule

import probdl as pdl
from probdl.inference.mcmc.adaptation import windows


@pytest.mark.parametrize("num_warmup", [1, 19, 20, 30, 149, 150, 151, 300, 1000])
def test_windows_are_stans(num_warmup):
    schedule = np.asarray(build_schedule(num_warmup))
    steps = [windows(jnp.array(t), jnp.array(num_warmup)) for t in range(num_warmup)]
    np.testing.assert_array_equal(np.array(steps, int), schedule)


def scales():
    numpyro.sample("x", dist.Normal(0, jnp.array([1e-3, 1.0, 1e3])).to_event(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [pdl.NUTS(), pdl.NUTS(dense_mass=True), pdl.HMC()], ids=["NUTS", "dense NUTS", "HMC"]
)
def test_scales_are_learnt(method):
    result = pdl.infer(pdl.Model(scales), method, key=0)
    stats = result.data["sample_stats"]
    assert result.status is pdl.Status.OK
    assert float(stats["n_steps"].mean()) < 10
    assert (stats["step_size"].std("draw") < 1e-12).all(), "the step size changes after the warm-up"
    np.testing.assert_allclose(result["x"].std(("chain", "draw")), [1e-3, 1, 1e3], rtol=0.1)


@pytest.mark.slow
def test_the_acceptance_follows_its_target():
    targets = (0.6, 0.8, 0.95)
    runs = [pdl.infer(pdl.Model(scales), pdl.NUTS(target_acceptance=t), key=0) for t in targets]
    rates = [float(run.data["sample_stats"]["acceptance_rate"].mean()) for run in runs]
    assert rates == sorted(rates)
    assert all(rate > target - 0.05 for rate, target in zip(rates, targets, strict=True))


def ridge():
    x = numpyro.sample("x", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(x, 0.02))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::probdl.inference.status.InferenceWarning")
def test_a_dense_mass_matrix_learns_correlations():
    diagonal, dense = (pdl.infer(pdl.Model(ridge), pdl.NUTS(dense_mass=d), key=0) for d in (False, True))
    steps = [float(r.data["sample_stats"]["n_steps"].mean()) for r in (diagonal, dense)]
    assert steps[1] < steps[0] / 5
