"""Sequential Monte Carlo: evidence and draws against closed forms, and what it cannot treat."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.distributions import constraints
from scipy import stats

import probdl as pdl
from probdl.inference.monte_carlo.particles import next_temperature
from tests.inference.monte_carlo.programs import (
    LINE,
    POINTS,
    X,
    coin,
    coin_evidence,
    line,
    line_evidence,
    mixture,
    mixture_evidence,
)

STANDARD_ERRORS = 5
METHOD = pdl.SMC(num_particles=500)


@pytest.mark.slow
def test_beta_binomial():
    result = pdl.infer(pdl.Model(coin, 9), METHOD, key=0)
    assert result.status is pdl.Status.OK
    assert abs(result.log_evidence - coin_evidence(9)) < STANDARD_ERRORS * result.log_evidence_error
    assert result.log_evidence_error < 0.1
    values = result["bias"].to_numpy()
    assert values.shape == (4, 500)
    sd = stats.beta(11, 4).std()
    assert abs(values.mean() - 11 / 15) < STANDARD_ERRORS * sd / np.sqrt(1000)
    assert abs(values.std() - sd) < STANDARD_ERRORS * sd / np.sqrt(2 * 1000)
    stages = result.data["tempering"]
    assert stages["temperature"].dims == ("chain", "stage")
    assert np.nanmax(stages["temperature"]) == 1
    assert (stages["correlation"].fillna(0) < 0.2).all()


@pytest.mark.slow
def test_unbiased_evidence():
    """The mean of the evidence of many small groups is the evidence; their own errors are honest."""
    result = pdl.infer(pdl.Model(line, X, LINE), pdl.SMC(num_particles=200, num_chains=60), key=1)
    assert abs(result.log_evidence - line_evidence()) < STANDARD_ERRORS * result.log_evidence_error
    assert result.log_evidence_error < 0.05


@pytest.mark.slow
def test_two_modes_far_apart():
    def program():
        x = numpyro.sample("x", dist.Normal(0.0, 10.0))
        both = dist.MixtureSameFamily(
            dist.Categorical(jnp.array([0.3, 0.7])), dist.Normal(jnp.array([-12.0, 12.0]), 0.3)
        )
        numpyro.factor("modes", both.log_prob(x))

    result = pdl.infer(pdl.Model(program), pdl.SMC(num_particles=1000), key=0)
    share = (result["x"].to_numpy() > 0).mean()
    assert abs(share - 0.7) < 0.1
    exact = stats.norm(0, np.hypot(10, 0.3)).logpdf(12.0)
    assert abs(result.log_evidence - exact) < STANDARD_ERRORS * result.log_evidence_error


@pytest.mark.slow
def test_marginalised():
    model = pdl.Model(mixture, POINTS)
    result = pdl.infer(model, pdl.Marginalized(METHOD, sites=("z",)), key=0)
    assert abs(result.log_evidence - mixture_evidence()) < STANDARD_ERRORS * result.log_evidence_error
    assert set(result.data["posterior"].data_vars) == {"loc", "z"}
    with pytest.raises(pdl.NotApplicable, match=r"site 'z' is discrete.*Marginalized\(SMC\(\)\)"):
        pdl.infer(model, METHOD, key=0)


def test_priors_that_depend_on_what_is_integrated():
    def program():
        x = numpyro.sample("x", dist.Normal(0.0, 1.0))
        s = numpyro.sample("s", dist.LogNormal(x, 1.0))
        numpyro.sample("y", dist.Cauchy(0.0, s), obs=0.4)

    with pytest.raises(pdl.NotApplicable, match="the prior of site 's' depends on 'x', which is integrated"):
        pdl.infer(pdl.Model(program), pdl.Marginalized(METHOD, sites=("x",)), key=0)


@pytest.mark.slow
def test_parts_of_the_prior_where_the_data_are_impossible():
    def program():
        x = numpyro.sample("x", dist.Normal(0.0, 1.0))
        numpyro.factor("above", jnp.where(x > 1.5, 0.0, -jnp.inf))

    result = pdl.infer(pdl.Model(program), METHOD, key=0)
    exact = stats.norm.logsf(1.5)
    assert abs(result.log_evidence - exact) < STANDARD_ERRORS * result.log_evidence_error
    assert (result["x"] > 1.5).all()


@pytest.mark.slow
def test_what_it_cannot_treat():
    def flat():
        m = numpyro.sample("m", dist.ImproperUniform(constraints.real, (), ()))
        numpyro.sample("y", dist.Normal(m, 1.0), obs=0.3)

    def part():
        m = numpyro.sample("m", dist.Normal(0.0, 1.0))
        with numpyro.plate("n", 10, subsample_size=2):
            numpyro.sample("y", dist.Normal(m, 1.0), obs=jnp.zeros(2))

    for program, reason in ((flat, "'m' has an improper prior"), (part, "plate 'n' is subsampled")):
        with pytest.raises(pdl.NotApplicable, match=reason):
            pdl.infer(pdl.Model(program), METHOD, key=0)

    def edge():
        rate = numpyro.sample("rate", dist.Gamma(1e-4, 1.0))
        numpyro.sample("y", dist.Poisson(rate), obs=1)

    with pytest.raises(ValueError, match="inside the support of site 'rate'; got some on its border"):
        pdl.infer(pdl.Model(edge), METHOD, key=0)


@pytest.mark.slow
def test_temperatures_keep_the_wanted_part():
    ratios = jnp.asarray(np.random.default_rng(0).normal(size=500) * 30)
    found = next_temperature(ratios, jnp.zeros(()), 0.5)
    w = np.exp(found * (ratios - ratios.max()))
    assert w.sum() ** 2 / (w**2).sum() == pytest.approx(250, rel=1e-3)
    mostly = jnp.where(jnp.arange(500) < 450, -jnp.inf, ratios)
    found = next_temperature(mostly, jnp.zeros(()), 0.5)
    w = np.exp(found * (mostly[450:] - mostly[450:].max()))
    assert w.sum() ** 2 / (w**2).sum() == pytest.approx(25, rel=1e-3)


def test_bad_numbers():
    for changes, message in (
        ({"num_particles": 1}, "num_particles to be an integer of at least 2; got 1"),
        ({"target_ess": 1.0}, "target_ess between 0 and 1; got 1.0"),
        ({"max_moves": 0}, "max_moves to be an integer of at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            pdl.SMC(**changes)
