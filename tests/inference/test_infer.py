"""The verb: what it refuses, and with which words."""

import re
import signal

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.inference.status import InferenceWarning
from probdl.inference.watch import Watch
from tests.inference.counting import compilations
from tests.inference.programs import HEIGHTS, gaussian

MODEL = pdl.Model(gaussian, HEIGHTS)
SAMPLER = pdl.NUTS()


def mixture(y):
    z = numpyro.sample("z", dist.Categorical(jnp.ones(3) / 3))
    numpyro.sample("y", dist.Normal(z, 1.0), obs=y)


def subsampled(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("N", len(y), subsample_size=10):
        numpyro.sample("y", dist.Normal(mu, 1), obs=numpyro.subsample(y, 0))


def regression(X, y):
    b = numpyro.sample("b", dist.Normal(0, 1).expand([2]).to_event(1))
    numpyro.sample("y", dist.Normal(X @ b, 1), obs=y)


def window(y):
    b = numpyro.sample("b", dist.Normal(0, 1))
    numpyro.sample("y", dist.Uniform(b - 1, b + 1), obs=y)


def negative_log():
    b = numpyro.sample("b", dist.HalfNormal(1))
    numpyro.factor("evidence", jnp.log(-b))


def kink():
    b = numpyro.sample("b", dist.Normal(0, 1))
    numpyro.factor("f", jnp.where(True, 0.0, jnp.sqrt(b * 0)))  # noqa: FBT003


def constant():
    numpyro.deterministic("d", 1.0)


HOLE = np.ones((5, 2))
HOLE[3, 1] = np.nan

REFUSED = {
    "discrete": (
        lambda: pdl.infer(pdl.Model(mixture, 0.5), SAMPLER, key=0),
        pdl.NotApplicable,
        r"NUTS is not applicable: site 'z' is discrete \(Categorical\) and not observed\. Observe .* "
        r"sum it out",
    ),
    "subsampled": (
        lambda: pdl.infer(pdl.Model(subsampled, np.zeros(100)), pdl.HMC(), key=0),
        pdl.NotApplicable,
        r"HMC is not applicable: plate 'N' is subsampled \(10 of 100 elements\)",
    ),
    "nothing latent": (
        lambda: pdl.infer(pdl.Model(constant), key=0),
        pdl.NotApplicable,
        "the program has no latent site",
    ),
    "nan in the data": (
        lambda: pdl.infer(pdl.Model(gaussian, np.array([0.0, np.nan])), key=0),
        ValueError,
        r"Expected finite values for observed site 'y'; got nan at index \[1\]",
    ),
    "shape that broadcasts": (
        lambda: pdl.infer(pdl.Model(regression, np.ones((5, 2)), np.zeros((5, 1))), key=0),
        ValueError,
        r"Expected an observation of shape \(5,\) for site 'y'; got shape \(5, 1\)",
    ),
    "key of another type": (
        lambda: pdl.infer(MODEL, key="a"),
        TypeError,
        r"Expected an int or a JAX key; got 'a'\. Pass key=0",
    ),
    "no key": (lambda: pdl.infer(MODEL), TypeError, "'key'"),
    "no model": (
        lambda: pdl.infer(gaussian, key=0),
        TypeError,
        r"Expected model to be a Model; got <function gaussian.*Call infer\(Model\(program, \.\.\.\)",
    ),
    "class for a method": (
        lambda: pdl.infer(MODEL, pdl.NUTS, key=0),
        TypeError,
        "Expected method to be a Method; got <class .*NUTS",
    ),
    "no samples": (
        lambda: pdl.NUTS(num_samples=0),
        ValueError,
        r"Expected num_samples to be an integer of at least 1; got 0\. Pass for instance num_samples=1000",
    ),
    "negative warm-up": (lambda: pdl.NUTS(num_warmup=-1), ValueError, "num_warmup .* at least 0; got -1"),
    "fraction of a chain": (lambda: pdl.HMC(num_chains=1.5), ValueError, "num_chains .*; got 1.5"),
    "no depth": (lambda: pdl.NUTS(max_tree_depth=0), ValueError, "max_tree_depth .* at least 1; got 0"),
    "certain acceptance": (
        lambda: pdl.NUTS(target_acceptance=1.0),
        ValueError,
        r"Expected target_acceptance between 0 and 1; got 1\.0\.",
    ),
    "no length": (
        lambda: pdl.HMC(trajectory_length=0),
        ValueError,
        r"Expected a positive trajectory_length; got 0\.",
    ),
}


@pytest.mark.parametrize(("call", "error", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_before_anything_is_compiled(call, error, text):
    with compilations() as count, pytest.raises(error, match=text):
        call()
    assert count.value == 0


NOWHERE = {
    "nan in an argument": (
        pdl.Model(regression, HOLE, np.zeros(5)),
        r"argument 'X' has nan at \[3, 1\]; the log-probability of site 'y' is nan at \[3\], where the "
        r"observation is 0\.0\. Correct the data",
    ),
    "observation out of reach": (
        pdl.Model(window, np.array([0.0, 50.0, 0.0])),
        r"site 'y' is -inf at \[1\], where the observation is 50\.0",
    ),
    "factor": (pdl.Model(negative_log), "got none: factor 'evidence' is nan"),
    "gradient": (pdl.Model(kink), "the log-density is finite but its gradient is not, in 'b'"),
}


@pytest.mark.parametrize(("model", "text"), NOWHERE.values(), ids=NOWHERE.keys())
def test_finite_nowhere(model, text):
    with pytest.raises(ValueError, match="finite log-density at one of 100 random starting points") as error:
        pdl.infer(model, pdl.NUTS(), key=0)
    assert re.search(text, str(error.value))


def rare_start(y):
    b = numpyro.sample("b", dist.Normal(0, 1))
    numpyro.factor("gate", jnp.where(b > 1.8, 0.0, -jnp.inf))
    numpyro.sample("y", dist.Normal(b, 1.0), obs=y)


def test_starts_are_tried_again():
    result = pdl.infer(pdl.Model(rare_start, 2.0), pdl.NUTS(num_samples=20, num_warmup=20), key=0)
    assert (result["b"] > 1.8).all()


def test_zero_length_data_give_the_prior():
    def empty(y):
        mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
        with numpyro.plate("N", len(y)):
            z = numpyro.sample("z", dist.Normal(mu, 1))
            numpyro.sample("y", dist.Normal(z, 1), obs=y)

    result = pdl.infer(pdl.Model(empty, np.zeros(0)), pdl.NUTS(num_samples=2000), key=1)
    mu = result["mu"]
    assert abs(float(mu.mean()) - 1) < 0.2
    assert abs(float(mu.std()) - 2) < 0.2
    assert result["z"].shape == (4, 2000, 0)
    assert list(result.summary().table.index) == ["mu"]
    assert result.with_log_likelihood().data["log_likelihood"]["y"].shape == (4, 2000, 0)


def test_a_model_without_data_gives_the_prior():
    def prior():
        numpyro.sample("x", dist.Normal(0.0, 3.0))

    result = pdl.infer(pdl.Model(prior), key=0)
    assert abs(float((result["x"] ** 2).mean()) - 9) < 1
    assert "observed_data" not in result.data
    with pytest.raises(
        ValueError, match="Expected a model with observed sites for 'log_likelihood'; got none"
    ):
        result.with_log_likelihood()


def test_one_warning_says_what_is_wrong_and_where_it_was_called():
    with pytest.warns(InferenceWarning, match="LOW_ESS: 2 draws of each chain are too few") as caught:
        pdl.infer(MODEL, pdl.NUTS(num_samples=2, num_warmup=30), key=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_stopping_in_the_warm_up_says_so(monkeypatch):
    monkeypatch.setattr(Watch, "ended", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match=r"Stopped after 1 of 1000 steps of the warm-up: nothing"):
        pdl.infer(MODEL, pdl.NUTS(), key=0)


def test_progress_bar_shows_chains_divergences_and_step_size(capsys):
    with pytest.warns(InferenceWarning):
        pdl.infer(MODEL, pdl.NUTS(num_samples=30, num_warmup=30), key=0, progress=True)
    shown = capsys.readouterr().err
    assert "60/60" in shown
    assert "chains=4" in shown
    assert "divergences=" in shown
    assert "step size=" in shown


def test_no_progress_bar_where_there_is_no_terminal(capsys):
    with pytest.warns(InferenceWarning):
        pdl.infer(MODEL, pdl.NUTS(num_samples=30, num_warmup=30), key=0)
    assert capsys.readouterr().err == ""
