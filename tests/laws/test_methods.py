"""Every method x the laws that all must obey. A new method is one row."""

import json
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
from probdl.inference.langevin.stochastic import StochasticGradient
from probdl.inference.watch import Watch
from tests.inference.counting import compilations
from tests.inference.programs import HEIGHTS, gaussian, gaussian_posterior
from tests.marks import by_name


def with_errors(y):
    """The posterior of mu is that of `gaussian`: the variances of error and noise add up to one."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    with numpyro.plate("N", len(y)):
        error = numpyro.sample("error", dist.Normal(0.0, 0.6))
        numpyro.sample("y", dist.Normal(mu + error, 0.8), obs=y)


def by_minibatches(y):
    """The posterior of mu is that of `gaussian`."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    with numpyro.plate("N", len(y), subsample_size=2):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=numpyro.subsample(y, 0))


def walk(current):
    numpyro.sample("mu", dist.Normal(current["mu"], 1.0))


CHAINS = {
    "NUTS": pdl.NUTS(num_samples=1000, num_warmup=500),
    "NUTS diagonal": pdl.NUTS(num_samples=1000, num_warmup=500, preconditioner=pdl.Diagonal()),
    "HMC": pdl.HMC(num_samples=1000, num_warmup=500),
    "Marginalized": pdl.Marginalized(pdl.NUTS(num_samples=1000, num_warmup=500), sites=("error",)),
}
PLAIN_CHAINS = {  # the log-density alone
    "Metropolis": pdl.Metropolis(num_samples=1000, num_warmup=500),
    "Slice": pdl.Slice(num_samples=1000, num_warmup=500),
    "MetropolisHastings": pdl.MetropolisHastings(walk, num_samples=1000, num_warmup=500, thinning=5),
    "EllipticalSlice": pdl.EllipticalSlice(num_samples=1000, num_warmup=500),
    "ParallelTempering": pdl.ParallelTempering(
        num_samples=1000, num_warmup=500, inner=pdl.Metropolis(), num_temperatures=3
    ),
    "AdaptiveRejection": pdl.AdaptiveRejection(num_samples=1000, num_warmup=100),
    "Gibbs": pdl.Gibbs(num_samples=1000, num_warmup=500),
    "Gibbs of NUTS": pdl.Gibbs(num_samples=1000, num_warmup=500, inner=pdl.NUTS(), by_inner=("mu",)),
}
ADJUSTED = {  # one gradient a move, and a test of Metropolis
    "MALA": pdl.MALA(num_samples=1000, num_warmup=500),
    "Barker": pdl.Barker(num_samples=1000, num_warmup=500, thinning=2),
    "AdjustedMCLMC": pdl.AdjustedMCLMC(num_samples=1000, num_warmup=500),
}
BIASED = {  # no test of Metropolis: the result says how much that costs
    "ULA": pdl.ULA(num_samples=1000, num_warmup=500, target_bias=0.1),
    "UnderdampedLangevin": pdl.UnderdampedLangevin(num_samples=1000, num_warmup=500),
    "MCLMC": pdl.MCLMC(num_samples=1000, num_warmup=500),
    "SGLD": pdl.SGLD(num_samples=1000, num_warmup=500, target_bias=0.1),
    "SGHMC": pdl.SGHMC(num_samples=1000, num_warmup=500),
}
LANGEVIN = {**ADJUSTED, **BIASED}
EXACT_PARTS = (pdl.Marginalized, pdl.Gibbs)  # of which single precision would lose the digits
CHAINS |= PLAIN_CHAINS | LANGEVIN
METHODS = {**CHAINS, "Exact": pdl.Exact()}
UNBIASED = {name: method for name, method in METHODS.items() if name not in BIASED}
EVERYDAY = {"NUTS", "Marginalized", "Metropolis", "Gibbs", "MALA", "Exact"}  # a family shares its code
SHORT = {"num_samples": 40, "num_warmup": 60}


def every(methods):
    return pytest.mark.parametrize("method", by_name(methods, EVERYDAY))


every_method, every_chain = every(METHODS), every(CHAINS)


def model_for(method, y=HEIGHTS):
    if isinstance(method, StochasticGradient):
        return pdl.Model(by_minibatches, y)
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


@every(UNBIASED)
def test_right_posterior(method):
    mu = draws(pdl.infer(model_for(method), method, key=3))
    mean, sd = gaussian_posterior(HEIGHTS)
    assert within_mcse(mu, mean)
    assert within_mcse((mu - mean) ** 2, sd**2)


@every(BIASED)
def test_posterior_is_as_far_off_as_stated(method):
    result = pdl.infer(model_for(method), method, key=3)
    stated = json.loads(result.data.attrs["bias"])
    mu = draws(result)
    mean, sd = gaussian_posterior(HEIGHTS)
    assert within_mcse(mu, mean)
    stretch = 1 + stated["relative_error"]
    assert within_mcse(((mu - mean) / stretch) ** 2, sd**2)
    assert stated["standard_error"] < 0.02
    assert (
        abs(stated["relative_error"]) < 5 * stated["standard_error"] + getattr(method, "target_bias", 0) * 1.5
    )


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
    alone = {"num_warmup": 0}  # in which chains learn from each other
    one, four = (draws(pdl.infer(model, short(method, num_chains=n, **alone), key=1)) for n in (1, 4))
    np.testing.assert_allclose(one[0], four[0], rtol=1e-9)
    assert len(np.unique(four[:, -1])) == 4


@every_chain
def test_draws_do_not_depend_on_the_chunks(method, monkeypatch):
    model = model_for(method)
    whole = draws(pdl.infer(model, short(method), key=1))
    monkeypatch.setattr("probdl.inference.driver.SECONDS", 1e-9)
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
    single = precision is pdl.Precision.SINGLE
    if single and isinstance(method, EXACT_PARTS) and not getattr(method, "by_inner", ()):
        with pytest.raises(pdl.NotApplicable, match="digits"):
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


def test_the_listener_hears_compilations():
    method = pdl.Metropolis(num_samples=3, num_warmup=0)
    with compilations() as count:
        pdl.infer(model_for(method, np.resize(HEIGHTS, 11)), method, key=1)
    assert count.value > 0


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
    monkeypatch.setattr("probdl.inference.driver.SECONDS", 1e-9)
    ended, steps = Watch.ended, []

    def interrupt(self, underway, chunk):
        steps.append(1)
        if len(steps) == SHORT["num_warmup"] + 7:
            signal.raise_signal(signal.SIGINT)
        return ended(self, underway, chunk)

    monkeypatch.setattr(Watch, "ended", interrupt)
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
    assert {name: stats.sizes[name] for name in ("chain", "draw")} == {"chain": 4, "draw": 40}
    np.testing.assert_array_equal(result.data["observed_data"]["y"], HEIGHTS)
    assert result.data.attrs["method"] == repr(short(method))


@every_chain
def test_transitions_are_recorded(method):
    stats = pdl.infer(model_for(method), short(method), key=1).data["sample_stats"]
    expected = {"diverging", "energy", "acceptance_rate", "n_steps", "step_size"}
    if method in PLAIN_CHAINS.values():
        expected = {"lp"}
    if method in LANGEVIN.values():
        expected = expected - {"energy"} | {"lp"}
    assert expected <= set(stats.data_vars)
