"""Every method x the laws that all must obey. A new method is one row."""

import signal
import threading
import warnings

import jax
import numpy as np
import pytest
from arviz_stats.base.array import array_stats

import probdl as pdl
from probdl.inference.progress import Progress
from tests.inference.counting import compilations
from tests.inference.programs import HEIGHTS, gaussian, gaussian_posterior

METHODS = {
    "NUTS": pdl.NUTS(num_samples=1000, num_warmup=500),
    "NUTS dense": pdl.NUTS(num_samples=1000, num_warmup=500, dense_mass=True),
    "HMC": pdl.HMC(num_samples=1000, num_warmup=500),
}
SHORT = {"num_samples": 40, "num_warmup": 60}

pytestmark = [
    pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys()),
    pytest.mark.filterwarnings("ignore::probdl.inference.status.InferenceWarning"),
]


def short(method, **changes):
    return type(method)(**{**vars(method), **SHORT, **changes})


def draws(result, name="mu"):
    return result[name].to_numpy()


def within_mcse(values, exact, number=4):
    error = array_stats.mcse(values, chain_axis=0, draw_axis=1, method="mean")
    return abs(values.mean() - exact) < number * error


def test_right_posterior(method):
    mu = draws(pdl.infer(pdl.Model(gaussian, HEIGHTS), method, key=3))
    mean, sd = gaussian_posterior(HEIGHTS)
    assert within_mcse(mu, mean)
    assert within_mcse((mu - mean) ** 2, sd**2)


def test_same_key_same_draws(method):
    model = pdl.Model(gaussian, HEIGHTS)
    first, again, other = (draws(pdl.infer(model, short(method), key=k)) for k in (5, jax.random.key(5), 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_chain_0_does_not_depend_on_the_number_of_chains(method):
    model = pdl.Model(gaussian, HEIGHTS)
    one, four = (draws(pdl.infer(model, short(method, num_chains=n), key=1)) for n in (1, 4))
    np.testing.assert_allclose(one[0], four[0], rtol=1e-9)
    assert len(np.unique(four[:, -1])) == 4


def test_draws_do_not_depend_on_the_chunks(method, monkeypatch):
    model = pdl.Model(gaussian, HEIGHTS)
    whole = draws(pdl.infer(model, short(method), key=1))
    monkeypatch.setattr("probdl.inference.chunks.SECONDS", 1e-9)
    np.testing.assert_array_equal(draws(pdl.infer(model, short(method), key=1)), whole)


def test_draws_do_not_depend_on_how_many_are_asked_for(method):
    model = pdl.Model(gaussian, HEIGHTS)
    few, many = (draws(pdl.infer(model, short(method, num_samples=n), key=1)) for n in (10, 40))
    np.testing.assert_array_equal(few, many[:, :10])


@pytest.mark.parametrize("precision", pdl.Precision)
def test_precision_is_kept_and_the_users_is_not_touched(method, precision):
    before = jax.numpy.zeros(()).dtype
    result = pdl.infer(pdl.Model(gaussian, HEIGHTS), short(method, precision=precision), key=1)
    assert draws(result).dtype == precision.floating
    assert result.data["sample_stats"]["lp"].dtype == precision.floating
    assert jax.numpy.zeros(()).dtype == before


def test_compiles_once_for_a_program(method, monkeypatch):
    monkeypatch.setattr("probdl.inference.diagnostics.HIGHEST_RHAT", np.inf)  # what follows it may compile
    pdl.infer(pdl.Model(gaussian, HEIGHTS), short(method), key=0)
    with compilations() as count:
        pdl.infer(pdl.Model(gaussian, HEIGHTS + 1.0), short(method), key=1)
        pdl.infer(pdl.Model(gaussian, HEIGHTS + 2.0), short(method, num_samples=55, num_warmup=70), key=2)
    assert count.value == 0
    with compilations() as count:
        pdl.infer(pdl.Model(gaussian, HEIGHTS[:3]), short(method), key=1)
    assert count.value > 0, "the listener hears nothing"


def test_an_interrupted_run_keeps_its_draws(method, monkeypatch):
    model = pdl.Model(gaussian, HEIGHTS)
    whole = draws(pdl.infer(model, short(method), key=1))
    monkeypatch.setattr("probdl.inference.chunks.SECONDS", 1e-9)
    advance, steps = Progress.advance, []

    def interrupt(self, stats, warming_up):
        advance(self, stats, warming_up)
        steps.append(1)
        if len(steps) == SHORT["num_warmup"] + 7:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Progress, "advance", interrupt)
    result = pdl.infer(model, short(method), key=1)
    assert result.status is pdl.Status.INTERRUPTED
    assert "stopped after 7 of 40 draws" in str(result.findings[0])
    np.testing.assert_array_equal(draws(result), whole[:, :7])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_runs_outside_the_main_thread(method):
    found = []
    model = pdl.Model(gaussian, HEIGHTS)

    def run():
        with warnings.catch_warnings(action="ignore"):
            found.append(pdl.infer(model, short(method), key=1))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert draws(found[0]).shape == (4, 40)


def test_result_is_labelled(method):
    result = pdl.infer(pdl.Model(gaussian, HEIGHTS), short(method), key=1)
    stats = result.data["sample_stats"]
    assert {"diverging", "energy", "acceptance_rate", "n_steps", "step_size", "lp"} <= set(stats.data_vars)
    assert dict(stats.sizes) == {"chain": 4, "draw": 40}
    np.testing.assert_array_equal(result.data["observed_data"]["y"], HEIGHTS)
    assert result.data.attrs["method"].startswith(type(method).__name__)
