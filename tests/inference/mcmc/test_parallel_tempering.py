"""Parallel tempering: swaps in balance, modes far apart with their right weights, even ladders."""

import itertools

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.inference.mcmc.ladder import equal_ladder, first_ladder
from tests.inference.mcmc.agreement import agrees, is_invariant, transition_counts
from tests.inference.mcmc.test_metropolis import TABLE, two_discrete


def two_modes():
    """The posterior has 30 per cent of its mass near -6, the rest near 6."""
    x = numpyro.sample("x", dist.Normal(0.0, 10.0).expand([2]).to_event(1))
    low = jnp.log(0.3) + dist.Normal(-6.0, 0.5).log_prob(x).sum()
    high = jnp.log(0.7) + dist.Normal(6.0, 0.5).log_prob(x).sum()
    numpyro.factor("likelihood", jnp.logaddexp(low, high))


def without_prior():
    x = numpyro.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))
    low = jnp.log(0.4) + dist.Normal(-5.0, 0.5).log_prob(x)
    numpyro.factor("likelihood", jnp.logaddexp(low, jnp.log(0.6) + dist.Normal(3.0, 1.0).log_prob(x)))


@pytest.mark.slow
@pytest.mark.parametrize("hottest", [3.0, np.inf])
def test_a_step_leaves_the_replicas_as_they_are(hottest):
    prior = np.array([[0.4], [0.6]]) * np.ones(3) / 3
    hot = prior * (TABLE / prior) ** (1 / hottest)
    joint = np.multiply.outer(TABLE.reshape(-1), hot.reshape(-1) / hot.sum()).reshape(-1)
    with pdl.Precision.DOUBLE.active():
        model = pdl.Model(two_discrete)
        asked = pdl.ParallelTempering(inner=pdl.Metropolis(thinning=1), temperatures=(1.0, hottest))
        method, density = asked.prepared(model)
        target = density.target(model.arrays(pdl.Precision.DOUBLE))
        one = list(itertools.product([0.0, 1.0], [0.0, 1.0, 2.0]))
        starts = jnp.array([[*a, *b] for a in one for b in one])
        counts = transition_counts(method, target, method.untuned(4), starts, 8_000)
    assert is_invariant(counts, joint)
    assert not is_invariant(counts, np.full(36, 1 / 36)), "the test sees nothing"


@pytest.mark.slow
def test_modes_far_apart_have_their_weights():
    model = pdl.Model(two_modes)
    alone = pdl.infer(model, pdl.NUTS(num_samples=200), key=0)["x"].to_numpy()
    assert len(np.unique((alone > 0).mean((1, 2)))) > 1, "NUTS goes from mode to mode"
    method = pdl.ParallelTempering(inner=pdl.Metropolis(thinning=5), num_samples=4000)
    result = pdl.infer(model, method, key=0)
    x = result["x"].to_numpy()
    assert agrees(x[..., 0] > 0, 0.7)
    assert agrees(np.abs(x), 5.985, 6.0)  # the prior draws modes to zero by 6 / 401
    rates = result.data["sample_stats"]["swap_rate"].to_numpy().mean((0, 1))
    assert rates.shape == (9,)
    assert np.ptp(rates) < 0.2
    assert 0.4 < rates.mean() < 0.95


@pytest.mark.slow
def test_replicas_of_nuts():
    method = pdl.ParallelTempering(num_samples=4000, num_warmup=600)
    x = pdl.infer(pdl.Model(two_modes), method, key=2)["x"].to_numpy()
    assert agrees(x[..., 0] > 0, 0.7)


@pytest.mark.slow
def test_the_whole_density_is_tempered_where_there_is_no_prior():
    method = pdl.ParallelTempering(inner=pdl.Slice(), num_temperatures=6, num_samples=2000)
    x = pdl.infer(pdl.Model(without_prior), method, key=0)["x"].to_numpy()
    assert agrees(x > -1.0, 0.6)
    with pytest.raises(ValueError, match="finite temperatures where the prior is tempered"):
        pdl.infer(pdl.Model(without_prior), pdl.ParallelTempering(temperatures=(1, np.inf)), key=0)


def test_ladders_reach_equal_rates():
    """Rejections of a ladder whose barrier is known: the square root of beta."""
    betas = first_ladder(6, 0.0)
    for _ in range(12):
        betas = equal_ladder(betas, 1 + 2 * np.diff(np.sqrt(betas)) / 2)
    np.testing.assert_allclose(np.sqrt(betas), np.linspace(1, 0, 6), atol=0.02)


def test_bad_input():
    with pytest.raises(TypeError, match="got Gibbs, but it draws blocks"):
        pdl.ParallelTempering(inner=pdl.Gibbs())
    with pytest.raises(TypeError, match="got ULA, but nothing would tell how large its bias is"):
        pdl.ParallelTempering(inner=pdl.ULA())
    with pytest.raises(TypeError, match="got ParallelTempering, but it moves several replicas"):
        pdl.Gibbs(inner=pdl.ParallelTempering())
    for compound in (pdl.Gibbs, pdl.ParallelTempering):
        with pytest.raises(TypeError, match="got HMC, but its reparametrize chooses the coordinates of all"):
            compound(inner=pdl.HMC(reparametrize="auto"))
        with pytest.raises(TypeError, match="that is a Markov chain; got 'NUTS'"):
            compound(inner="NUTS")
    for bad in ((2.0, 4.0), (1.0,), (1.0, 4.0, 3.0)):
        with pytest.raises(ValueError, match="two or more temperatures from 1 up"):
            pdl.ParallelTempering(temperatures=bad)
    with pytest.raises(pdl.NotApplicable, match="site 'a' is discrete"):
        pdl.infer(pdl.Model(two_discrete), pdl.ParallelTempering(), key=0)
