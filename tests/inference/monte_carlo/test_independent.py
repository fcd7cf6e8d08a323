"""Ancestral sampling, importance sampling and resampling: right, weighted, and checked at the border."""

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.distributions import constraints
from scipy.special import logsumexp

import probdl as pdl
from tests.inference.monte_carlo.programs import (
    LINE,
    POINTS,
    SEEN,
    X,
    coin,
    coin_evidence,
    hidden_markov,
    line,
    line_evidence,
    mixture,
    mixture_evidence,
)
from tests.inference.programs import SIGMA, schools

COIN = pdl.Model(coin, 7)
STANDARD_ERRORS = 5


def weights(result):
    return np.exp(result.data["sample_stats"]["log_weight"].to_numpy())


def assert_evidence(result, exact):
    assert abs(result.log_evidence - exact) < STANDARD_ERRORS * result.log_evidence_error
    assert result.log_evidence_error < 0.2


def assert_mean(result, name, exact):
    w, x = weights(result), result[name].to_numpy()
    mean = (w * x).sum()
    assert abs(mean - exact) < STANDARD_ERRORS * np.sqrt((w**2 * (x - mean) ** 2).sum())


def guide(heads):
    numpyro.sample("bias", dist.Beta(6.0, 4.0))


@pytest.mark.slow
def test_the_prior_as_guide():
    result = pdl.infer(COIN, pdl.ImportanceSampling(), key=0)
    assert result.status is pdl.Status.OK
    assert_evidence(result, coin_evidence(7))
    assert_mean(result, "bias", 9 / 15)
    assert weights(result).sum() == pytest.approx(1)
    raw = result.data["sample_stats"]["log_ratio"].to_numpy()
    assert result.log_evidence == pytest.approx(logsumexp(raw) - np.log(raw.size))


@pytest.mark.slow
@pytest.mark.parametrize("given", [guide, pdl.Model(guide, None), pdl.LaplaceGuide()])
def test_a_guide_near_the_posterior(given):
    result = pdl.infer(COIN, pdl.ImportanceSampling(guide=given, num_samples=1000), key=1)
    assert_evidence(result, coin_evidence(7))
    assert_mean(result, "bias", 9 / 15)
    assert result.data.attrs["weighted_ess"] > 3000


@pytest.mark.slow
def test_the_exact_posterior_as_guide_has_equal_weights():
    def posterior():
        numpyro.sample("bias", dist.Beta(9.0, 6.0))

    result = pdl.infer(COIN, pdl.ImportanceSampling(guide=posterior, num_samples=100), key=0)
    assert result.log_evidence == pytest.approx(coin_evidence(7), rel=1e-9)
    np.testing.assert_allclose(weights(result), 1 / 400)


@pytest.mark.slow
def test_discrete_and_scanned_latents():
    result = pdl.infer(pdl.Model(mixture, POINTS), pdl.ImportanceSampling(num_samples=10_000), key=0)
    assert_evidence(result, mixture_evidence())
    chain = pdl.Model(hidden_markov, SEEN)
    result = pdl.infer(chain, pdl.ImportanceSampling(num_samples=10_000), key=0)
    assert_evidence(result, pdl.exact_posterior(chain).log_evidence)


@pytest.mark.slow
def test_a_normal_guide_of_a_normal_posterior_has_equal_weights():
    normal = pdl.LaplaceGuide(degrees_of_freedom=math.inf)
    result = pdl.infer(pdl.Model(line, X, LINE), pdl.ImportanceSampling(guide=normal, num_samples=100), key=0)
    assert result.log_evidence == pytest.approx(line_evidence(), rel=1e-6)
    np.testing.assert_allclose(weights(result), 1 / 400, rtol=1e-4)
    assert result["mean"].dims == ("chain", "draw", "n")


def scaled(y):
    with handlers.scale(scale=0.5):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
    with handlers.mask(mask=np.array([True, False])):
        numpyro.sample("y", dist.Normal(mu, 1.0).expand([2]), obs=y)


@pytest.mark.slow
def test_scales_and_masks_count():
    y = np.array([0.7, 9.0])
    result = pdl.infer(pdl.Model(scaled, y), pdl.ImportanceSampling(), key=0)
    grid = np.linspace(-20, 20, 40001)
    terms = [0.5 * dist.Normal(0, 1).log_prob(grid), dist.Normal(grid, 1).log_prob(0.7)]
    exact = logsumexp(np.sum(np.asarray(terms, float), 0)) + np.log(grid[1] - grid[0])
    assert_evidence(result, exact)


@pytest.mark.slow
def test_a_narrow_guide_is_found_out():
    def narrow(heads):
        numpyro.sample("bias", dist.Beta(900.0, 600.0))

    with pytest.warns(pdl.InferenceWarning, match=r"HIGH_PARETO_K: Pareto k-hat of 10000 weights is"):
        result = pdl.infer(COIN, pdl.ImportanceSampling(guide=narrow), key=0)
    assert result.status is pdl.Status.HIGH_PARETO_K
    assert pdl.Status.LOW_ESS in [finding.status for finding in result.findings]


@pytest.mark.slow
def test_unbiased_evidence():
    """The mean of many small estimates of the evidence is the evidence."""
    method = pdl.ImportanceSampling(num_samples=20, num_chains=2000)
    raw = pdl.infer(COIN, method, key=4).data["sample_stats"]["log_ratio"].to_numpy()
    small = np.exp(logsumexp(raw, axis=1) - np.log(20) - coin_evidence(7))
    assert abs(small.mean() - 1) < STANDARD_ERRORS * small.std() / np.sqrt(small.size)


@pytest.mark.slow
def test_sir():
    result = pdl.infer(COIN, pdl.SIR(), key=0)
    assert result.status is pdl.Status.OK
    assert not result.is_weighted
    assert_evidence(result, coin_evidence(7))
    values = result["bias"].to_numpy()
    exact, sd = 9 / 15, np.sqrt(9 * 6 / (15**2 * 16))
    assert abs(values.mean() - exact) < STANDARD_ERRORS * sd / np.sqrt(result.data.attrs["weighted_ess"] / 2)
    guided = pdl.infer(COIN, pdl.SIR(guide=guide, num_candidates=2000, num_samples=500), key=0)
    assert_evidence(guided, coin_evidence(7))


@pytest.mark.slow
def test_sir_says_when_there_were_too_few_candidates():
    few = pdl.SIR(num_samples=100, num_candidates=100)
    with pytest.warns(pdl.InferenceWarning, match=r"LOW_ESS: 400 weighted draws are worth"):
        pdl.infer(pdl.Model(coin, 10), few, key=0)
    with pytest.raises(ValueError, match="at least as many candidates as draws; got num_candidates=5"):
        pdl.SIR(num_candidates=5)


@pytest.mark.slow
def test_ancestral_sampling():
    model = pdl.Model(schools, SIGMA)
    result = pdl.infer(model, pdl.AncestralSampling(), key=0)
    assert result.status is pdl.Status.OK
    assert result.log_evidence == result.log_evidence_error == 0.0
    mu = result["mu"].to_numpy()
    assert abs(mu.mean()) < STANDARD_ERRORS * 5 / np.sqrt(mu.size)
    np.testing.assert_allclose(
        result["theta"], mu[..., None] + result["tau"].to_numpy()[..., None] * result["effect"]
    )
    assert result["y"].dims == ("chain", "draw", "school")


def rooted(cloudy):
    cloudy = numpyro.sample("cloudy", dist.Bernoulli(0.5), obs=cloudy)
    numpyro.sample("rain", dist.Bernoulli(jnp.where(cloudy == 1, 0.8, 0.1)))


@pytest.mark.slow
def test_observed_roots_take_their_values():
    result = pdl.infer(pdl.Model(rooted, 1), pdl.AncestralSampling(num_samples=5000), key=0)
    assert result.log_evidence == pytest.approx(np.log(0.5))
    assert abs(result["rain"].mean() - 0.8) < STANDARD_ERRORS * 0.4 / np.sqrt(20_000)


@pytest.mark.slow
def test_ancestral_sampling_refuses_observed_descendants():
    with pytest.raises(
        pdl.NotApplicable, match=r"site 'heads' is observed and depends on 'bias', which is not.*SMC\(\)"
    ):
        pdl.infer(COIN, pdl.AncestralSampling(), key=0)
    with pytest.raises(pdl.NotApplicable, match="a mask or a scale of a latent site"):
        pdl.infer(pdl.Model(scaled_latent), pdl.AncestralSampling(num_samples=10), key=0)


def scaled_latent():
    with handlers.scale(scale=0.5):
        numpyro.sample("mu", dist.Normal(0, 1))


def missing(heads):
    numpyro.sample("other", dist.Beta(6.0, 4.0))


def shaped(heads):
    numpyro.sample("bias", dist.Beta(6.0, 4.0).expand([2]))


def unbounded(heads):
    numpyro.sample("bias", dist.Normal(0.6, 0.1))


def discrete(heads):
    numpyro.sample("bias", dist.Bernoulli(0.6))


def half(heads):
    numpyro.sample("bias", dist.Uniform(0.0, 0.5))


def observing(heads):
    numpyro.sample("bias", dist.Beta(6.0, 4.0))
    numpyro.sample("heads", dist.Poisson(3.0), obs=heads)


def flat(heads):
    numpyro.sample("bias", dist.ImproperUniform(constraints.unit_interval, (), ()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (missing, r"draws 'bias'; got one without 'bias' and with 'other', which the model does not draw"),
        (shaped, r"draws 'bias' with shape \(\); got \(2,\)"),
        (unbounded, r"draws 'bias' over the same values as its prior \(Beta: .*\); got Normal: real numbers"),
        (discrete, r"draws 'bias' over the same values .*; got Bernoulli: 0 or 1"),
        (half, r"draws 'bias' over the same values .*; got Uniform: numbers from 0 to 0.5"),
        (observing, r"a guide that only draws; got an observed site 'heads'"),
        (flat, r"site 'bias' has an improper prior"),
    ],
)
def test_guides_that_do_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        pdl.infer(COIN, pdl.ImportanceSampling(guide=given), key=0)


def test_guides_of_other_arguments_and_kinds():
    with pytest.raises(TypeError, match="Expected a guide that takes the arguments of the model, or none"):
        pdl.infer(COIN, pdl.ImportanceSampling(guide=lambda a, b, c, d: None), key=0)
    with pytest.raises(TypeError, match="Expected guide to be a NumPyro program"):
        pdl.ImportanceSampling(guide=3)


@pytest.mark.slow
def test_improper_priors_have_no_evidence():
    def program():
        mu = numpyro.sample("mu", dist.ImproperUniform(constraints.real, (), ()))
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=0.4)

    with pytest.raises(pdl.NotApplicable, match="site 'mu' has an improper prior"):
        pdl.infer(pdl.Model(program), pdl.ImportanceSampling(), key=0)
    method = pdl.ImportanceSampling(guide=pdl.LaplaceGuide(), num_samples=500)
    result = pdl.infer(pdl.Model(program), method, key=0)
    assert result.log_evidence is None
    assert_mean(result, "mu", 0.4)


@pytest.mark.slow
def test_impossible_and_undefined_data():
    def impossible():
        p = numpyro.sample("p", dist.Uniform(0.0, 0.5))
        numpyro.factor("never", jnp.where(p > 0.7, 0.0, -jnp.inf))

    for method in (pdl.ImportanceSampling(), pdl.SIR(), pdl.Rejection()):
        with pytest.raises(ValueError, match=r"possible; got \d+ of weight zero: factor 'never' is -inf\. "):
            pdl.infer(pdl.Model(impossible), method, key=0)

    def undefined():
        p = numpyro.sample("p", dist.Normal(0.0, 1.0))
        numpyro.factor("root", jnp.sqrt(p))

    with pytest.warns(pdl.InferenceWarning, match=r"UNDEFINED: \d+ of 10000 draws have no log-density"):
        result = pdl.infer(pdl.Model(undefined), pdl.ImportanceSampling(), key=0)
    assert result.status is pdl.Status.UNDEFINED

    def rising():
        numpyro.sample("s", dist.ImproperUniform(constraints.positive, (), ()))

    with pytest.raises(ValueError, match="a posterior with a highest point; got one that rises without end"):
        pdl.infer(pdl.Model(rising), pdl.ImportanceSampling(guide=pdl.LaplaceGuide()), key=0)


def many_numbers():
    with numpyro.plate("n", 1000):
        numpyro.sample("x", dist.Normal(0.0, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "text"),
    [
        (pdl.ImportanceSampling(num_samples=10**8), r"draws .* 4 chains of 100000000, .*fewer num_samples"),
        (pdl.AncestralSampling(num_samples=10**8), r"draws .* 4 chains of 100000000, .*fewer num_samples"),
        (pdl.SMC(num_particles=10**8), r"particles .* 4 groups of 100000000, .*fewer num_particles"),
        (pdl.Nested(num_live=10**8), r"live points .* 100000000 of them, .*fewer num_live"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_does_not_fit_into_memory_is_refused_at_once(method, text):
    with pytest.raises(MemoryError, match=f"Expected {text}"):
        pdl.infer(pdl.Model(many_numbers), method, key=0)
