"""Every method x the laws that all must obey. A new method is one row."""

import signal
import threading
import warnings
from dataclasses import fields, replace

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from arviz_stats.base.array import array_stats

import probdl as pdl
from probdl.inference.progress import Progress
from tests.inference.counting import compilations
from tests.inference.programs import HEIGHTS, gaussian, gaussian_posterior


def with_errors(y):
    """The posterior of mu is that of `gaussian`: the variances of error and noise add up to one."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    with numpyro.plate("N", len(y)):
        error = numpyro.sample("error", dist.Normal(0.0, 0.6))
        numpyro.sample("y", dist.Normal(mu + error, 0.8), obs=y)


CHAINS = {
    "NUTS": pdl.NUTS(num_samples=1000, num_warmup=500),
    "NUTS dense": pdl.NUTS(num_samples=1000, num_warmup=500, dense_mass=True),
    "HMC": pdl.HMC(num_samples=1000, num_warmup=500),
    "Marginalized": pdl.Marginalized(pdl.NUTS(num_samples=1000, num_warmup=500), sites=("error",)),
}
METHODS = {**CHAINS, "Exact": pdl.Exact()}
SHORT = {"num_samples": 40, "num_warmup": 60}

pytestmark = pytest.mark.filterwarnings("ignore::probdl.inference.status.InferenceWarning")
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
every_chain = pytest.mark.parametrize("method", CHAINS.values(), ids=CHAINS.keys())


def model_for(method, y=HEIGHTS):
    return pdl.Model(with_errors if isinstance(method, pdl.Marginalized) else gaussian, y)


def short(method, **changes):
    if isinstance(method, pdl.Marginalized):
        return replace(method, inner=short(method.inner, **changes))
    known = {field.name for field in fields(method)}
    return replace(method, **{name: value for name, value in {**SHORT, **changes}.items() if name in known})


def draws(result, name="mu"):
    return result[name].to_numpy()


def within_mcse(values, exact, number=4):
    error = array_stats.mcse(values, chain_axis=0, draw_axis=1, method="mean")
    return abs(values.mean() - exact) < number * error


@every_method
def test_right_posterior(method):
    mu = draws(pdl.infer(model_for(method), method, key=3))
    mean, sd = gaussian_posterior(HEIGHTS)
    assert within_mcse(mu, mean)
    assert within_mcse((mu - mean) ** 2, sd**2)


@every_method
def test_same_key_same_draws(method):
    model = model_for(method)
    first, again, other = (draws(pdl.infer(model, short(method), key=k)) for k in (5, jax.random.key(5), 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.slow
@every_method
def test_chain_0_does_not_depend_on_the_number_of_chains(method):
    model = model_for(method)
    one, four = (draws(pdl.infer(model, short(method, num_chains=n), key=1)) for n in (1, 4))
    np.testing.assert_allclose(one[0], four[0], rtol=1e-9)
    assert len(np.unique(four[:, -1])) == 4


@every_chain
def test_draws_do_not_depend_on_the_chunks(method, monkeypatch):
    model = model_for(method)
    whole = draws(pdl.infer(model, short(method), key=1))
    monkeypatch.setattr("probdl.inference.chunks.SECONDS", 1e-9)
    np.testing.assert_array_equal(draws(pdl.infer(model, short(method), key=1)), whole)


@every_method
def test_draws_do_not_depend_on_how_many_are_asked_for(method):
    model = model_for(method)
    few, many = (draws(pdl.infer(model, short(method, num_samples=n), key=1)) for n in (10, 40))
    np.testing.assert_array_equal(few, many[:, :10])


@every_chain
@pytest.mark.parametrize("precision", pdl.Precision)
def test_precision_is_kept_and_the_users_is_not_touched(method, precision):
    before = jax.numpy.zeros(()).dtype
    if isinstance(method, pdl.Marginalized) and precision is pdl.Precision.SINGLE:
        with pytest.raises(pdl.NotApplicable, match="integrals lose their digits"):
            pdl.infer(model_for(method), short(method, precision=precision), key=1)
        return
    result = pdl.infer(model_for(method), short(method, precision=precision), key=1)
    assert draws(result).dtype == precision.floating
    assert result.data["sample_stats"]["lp"].dtype == precision.floating
    assert jax.numpy.zeros(()).dtype == before


@pytest.mark.slow
@every_method
def test_compiles_once_for_a_program(method, monkeypatch):
    monkeypatch.setattr("probdl.inference.diagnostics.HIGHEST_RHAT", np.inf)  # what follows it may compile
    pdl.infer(model_for(method), short(method), key=0)
    with compilations() as count:
        pdl.infer(model_for(method, HEIGHTS + 1.0), short(method), key=1)
    assert count.value == 0
    with compilations() as count:
        pdl.infer(model_for(method, HEIGHTS[:3]), short(method), key=1)
    assert count.value > 0, "the listener hears nothing"


@every_chain
def test_compiles_once_for_all_lengths(method, monkeypatch):
    monkeypatch.setattr("probdl.inference.diagnostics.HIGHEST_RHAT", np.inf)
    pdl.infer(model_for(method), short(method), key=0)
    with compilations() as count:
        pdl.infer(model_for(method), short(method, num_samples=55, num_warmup=70), key=2)
    assert count.value == 0


@every_chain
def test_an_interrupted_run_keeps_its_draws(method, monkeypatch):
    model = model_for(method)
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


@every_method
def test_runs_outside_the_main_thread(method):
    found = []
    model = model_for(method)

    def run():
        with warnings.catch_warnings(action="ignore"):
            found.append(pdl.infer(model, short(method), key=1))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert draws(found[0]).shape == (4, 40)


@every_method
def test_result_is_labelled(method):
    result = pdl.infer(model_for(method), short(method), key=1)
    stats = result.data["sample_stats"]
    assert "lp" in stats.data_vars
    assert dict(stats.sizes) == {"chain": 4, "draw": 40}
    np.testing.assert_array_equal(result.data["observed_data"]["y"], HEIGHTS)
    assert result.data.attrs["method"] == repr(short(method))


@every_chain
def test_transitions_are_recorded(method):
    stats = pdl.infer(model_for(method), short(method), key=1).data["sample_stats"]
    assert {"diverging", "energy", "acceptance_rate", "n_steps", "step_size"} <= set(stats.data_vars)
