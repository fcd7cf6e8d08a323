"""Metropolis: detailed balance, exact posteriors, discrete latents, tuning, bad input."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import probdl as pdl
from probdl.inference.mcmc.metropolis import other
from tests.inference.mcmc.agreement import agrees, balanced, has_frequencies, smallest_ess, transition_counts

TABLE = np.array([[0.1, 0.25, 0.05], [0.3, 0.2, 0.1]])
DATA = np.array([2.0, 3.1, 2.4, 4.0])


def two_discrete():
    """The joint distribution of a and b is TABLE."""
    a = numpyro.sample("a", dist.Bernoulli(0.6))
    b = numpyro.sample("b", dist.Categorical(probs=jnp.ones(3) / 3))
    numpyro.factor("table", jnp.log(jnp.asarray(TABLE))[a, b] - jnp.log(jnp.array([0.4, 0.6]))[a])


def counts_and_scale(y):
    k = numpyro.sample("k", dist.Poisson(30.0))
    m = numpyro.sample("m", dist.Binomial(12, 0.3))
    c = numpyro.sample("c", dist.Categorical(jnp.array([0.2, 0.5, 0.3])))
    with numpyro.plate("n", len(y)):
        numpyro.sample("y", dist.Normal(0.1 * k - c + 0.2 * m, 1.5), obs=y)


def enumerated(y):
    """Return p(k, m, c | y) as a table."""
    k, m, c = np.ogrid[:150, :13, :3]
    log = stats.poisson.logpmf(k, 30.0) + stats.binom.logpmf(m, 12, 0.3)
    log = log + np.log(np.array([0.2, 0.5, 0.3]))[c]
    mean = 0.1 * k - c + 0.2 * m
    log = log + sum(stats.norm.logpdf(value, mean, 1.5) for value in y)
    table = np.exp(log - log.max())
    return table / table.sum()


def correlated():
    mixing = jnp.array([[3.0, 0.0, 0.0], [2.9, 0.5, 0.0], [0.0, 0.0, 0.01]])
    numpyro.sample("x", dist.MultivariateNormal(jnp.array([1.0, -2.0, 3.0]), scale_tril=mixing))


@pytest.mark.slow
def test_detailed_balance_on_a_small_discrete_space():
    with pdl.Precision.DOUBLE.active():
        model = pdl.Model(two_discrete)
        method, density = pdl.Metropolis(thinning=1).prepared(model)
        target = density.target(model.arrays(pdl.Precision.DOUBLE))
        starts = jnp.array(list(itertools.product([0.0, 1.0], [0.0, 1.0, 2.0])))
        counts = transition_counts(method, target, method.untuned(2), starts, 40_000)
    assert balanced(counts, TABLE.reshape(-1))
    assert not balanced(counts, np.full(6, 1 / 6)), "the test sees nothing"


@pytest.mark.slow
def test_a_fair_coin_is_not_turned_each_time():
    def program():
        numpyro.sample("a", dist.Bernoulli(0.5).expand([2]).to_event(1))

    a = pdl.infer(pdl.Model(program), pdl.Metropolis(num_warmup=0), key=0)["a"].to_numpy()
    assert agrees(a, 0.5)
    assert smallest_ess(a) > 1500


@pytest.mark.slow
@pytest.mark.parametrize(("low", "high"), [(0, 2), (-3, 9), (-np.inf, np.inf)])
def test_proposals_of_integers_are_symmetric(low, high):
    states = np.arange(0, 3) if high < 3 else np.arange(-3, 10)
    uniforms = jax.random.uniform(jax.random.key(0), (100_000, 3))
    found = jax.jit(jax.vmap(lambda v, u: other(v, float(low), float(high), 2.0, u), (None, 0)))
    rates = np.array([[(np.asarray(found(float(s), uniforms)) == t).mean() for t in states] for s in states])
    assert (np.diagonal(rates) == 0).all()
    np.testing.assert_allclose(rates, rates.T, atol=0.012)
    if high < 3:
        np.testing.assert_allclose(rates[0, 1:], 0.5, atol=0.01)


@pytest.mark.slow
def test_counts_binomials_and_categories_are_as_enumerated():
    result = pdl.infer(pdl.Model(counts_and_scale, DATA), pdl.Metropolis(num_samples=2000), key=0)
    table = enumerated(DATA)
    assert agrees(result["k"], (table.sum((1, 2)) * np.arange(150)).sum())
    assert agrees(result["k"] ** 2, (table.sum((1, 2)) * np.arange(150) ** 2).sum())
    assert has_frequencies(result["m"].to_numpy(), table.sum((0, 2)))
    assert has_frequencies(result["c"].to_numpy(), table.sum((0, 1)))
    assert result["k"].dtype == np.int64
    assert "gradient" not in result.data["sample_stats"]


@pytest.mark.slow
def test_learns_scales_and_correlations_from_draws():
    result = pdl.infer(pdl.Model(correlated), pdl.Metropolis(num_warmup=2000), key=1)
    x = result["x"].to_numpy()
    assert agrees(x, [1.0, -2.0, 3.0])
    assert agrees((x - [1.0, -2.0, 3.0]) ** 2, [9.0, 2.9**2 + 0.25, 1e-4])
    acceptance = result.data["sample_stats"]["acceptance_rate"].to_numpy().mean()
    assert abs(acceptance - (0.234 + 0.206 / 3)) < 0.05
    assert smallest_ess(x) > 800


@pytest.mark.slow
def test_a_step_size_that_is_given_stays():
    method = pdl.Metropolis(step_size=0.25, num_samples=20, num_warmup=50)
    result = pdl.infer(pdl.Model(correlated), method, key=1)
    np.testing.assert_allclose(result.data["sample_stats"]["step_size"], 0.25)


@pytest.mark.slow
def test_a_density_without_gradient():
    def program():
        x = numpyro.sample("x", dist.Normal(0, 1))
        length = jax.lax.while_loop(lambda n: n < 3.0, lambda n: n + 1.0, x * 0)
        numpyro.factor("f", -jnp.floor(jnp.abs(x)) * length / 3)

    model = pdl.Model(program)
    with pytest.raises(pdl.NotApplicable, match="a loop whose length"):
        pdl.infer(model, pdl.NUTS(num_samples=5, num_warmup=5), key=0)
    x = pdl.infer(model, pdl.Metropolis(), key=0)["x"].to_numpy()
    weights = np.exp(-np.arange(6)) * np.diff(stats.norm.cdf(np.arange(7)))
    assert has_frequencies(np.floor(np.abs(x)), weights / weights.sum())


def test_gradient_methods_offer_what_takes_discrete_latents():
    with pytest.raises(pdl.NotApplicable, match=r"'a' is discrete .* Marginalized\(NUTS\(\)\).* Gibbs\(\)"):
        pdl.infer(pdl.Model(two_discrete), pdl.NUTS(), key=0)


def test_bad_input():
    with pytest.raises(ValueError, match="Expected a positive step_size; got 0"):
        pdl.Metropolis(step_size=0)
    with pytest.raises(ValueError, match="Expected thinning to be an integer of at least 1; got 0"):
        pdl.Metropolis(thinning=0)

    def votes():
        numpyro.sample("n", dist.Multinomial(10, probs=jnp.ones(3) / 3))

    with pytest.raises(pdl.NotApplicable, match="entries of site 'n' .* one without another"):
        pdl.infer(pdl.Model(votes), pdl.Metropolis(), key=0)
