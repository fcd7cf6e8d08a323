"""Slice sampling leaves distributions as they are, learns scales, and says what is wrong."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import probdl as pdl
from tests.inference.mcmc.agreement import after_a_step, agrees, follow, smallest_ess
from tests.inference.mcmc.test_metropolis import correlated


def gamma():
    numpyro.sample("x", dist.Gamma(0.7, 2.0))


def two_modes():
    pair = dist.Normal(jnp.array([-4.0, 3.0]), jnp.array([1.0, 0.3]))
    numpyro.sample("x", dist.MixtureSameFamily(dist.Categorical(jnp.array([0.3, 0.7])), pair))


@pytest.mark.slow
@pytest.mark.parametrize("random_directions", [False, True])
def test_a_step_leaves_a_distribution_as_it_is(random_directions):
    method = pdl.Slice(random_directions=random_directions)
    known = stats.gamma(0.7, scale=0.5)
    x = known.rvs(20_000, random_state=np.random.default_rng(1))
    moved = after_a_step(method, pdl.Model(gamma), x)
    assert follow(moved, known)
    assert not np.isclose(moved, x).any()
    assert not follow(moved * 1.1, known), "the test sees nothing"


@pytest.mark.slow
def test_a_step_leaves_two_modes_as_they_are():
    r = np.random.default_rng(2)
    x = np.where(r.random(20_000) < 0.3, r.normal(-4, 1, 20_000), r.normal(3, 0.3, 20_000))
    moved = after_a_step(pdl.Slice(), pdl.Model(two_modes), x)
    cdf = lambda v: 0.3 * stats.norm.cdf(v, -4) + 0.7 * stats.norm.cdf(v, 3, 0.3)  # noqa: E731
    assert stats.kstest(moved, cdf).pvalue > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("random_directions", [False, True])
def test_learns_scales_and_correlations(random_directions):
    method = pdl.Slice(random_directions=random_directions)
    result = pdl.infer(pdl.Model(correlated), method, key=1)
    x = result["x"].to_numpy()
    assert agrees(x, [1.0, -2.0, 3.0])
    assert agrees((x - [1.0, -2.0, 3.0]) ** 2, [9.0, 2.9**2 + 0.25, 1e-4])
    assert smallest_ess(x) > (600 if random_directions else 2500)
    sample_stats = result.data["sample_stats"]
    assert abs(float(sample_stats["expansion_rate"].mean()) - 0.5) < 0.05
    assert float(sample_stats["n_evaluations"].mean()) < 3 * 8
    assert (sample_stats["acceptance_rate"] == 1).all()


def test_bad_input():
    with pytest.raises(ValueError, match=r"Expected a positive width; got -1.0"):
        pdl.Slice(width=-1.0)

    def coin():
        numpyro.sample("z", dist.Bernoulli(0.3))

    with pytest.raises(
        pdl.NotApplicable, match=r"Slice is not applicable: site 'z' is discrete .* Gibbs\(\)"
    ):
        pdl.infer(pdl.Model(coin), pdl.Slice(), key=0)
