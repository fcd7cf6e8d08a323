"""Metropolis-Hastings: balance under proposals that are not symmetric, and proposals that cannot be used."""

import itertools

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import probdl as pdl
from tests.inference.gibbs import programs
from tests.inference.mcmc.agreement import after_a_step, agrees, balanced, follow, transition_counts
from tests.inference.mcmc.test_metropolis import TABLE, two_discrete
from tests.inference.mcmc.test_slice import gamma


def lopsided(current):
    """Prefers a = 1, and values of b near the present one."""
    numpyro.sample("a", dist.Bernoulli(0.8))
    near = jnp.abs(jnp.arange(3) - current["b"] - current["a"])
    numpyro.sample("b", dist.Categorical(logits=-1.0 * near))


def upward(current):
    numpyro.sample("x", dist.LogNormal(jnp.log(current["x"]) + 0.4, 0.5))


@pytest.mark.slow
def test_detailed_balance_on_a_small_discrete_space():
    with pdl.Precision.DOUBLE.active():
        model = pdl.Model(two_discrete)
        method, density = pdl.MetropolisHastings(lopsided).prepared(model)
        target = density.target(model.arrays(pdl.Precision.DOUBLE))
        starts = jnp.array(list(itertools.product([0.0, 1.0], [0.0, 1.0, 2.0])))
        counts = transition_counts(method, target, method.untuned(2), starts, 40_000)
    assert balanced(counts, TABLE.reshape(-1))
    assert not balanced(counts, np.full(6, 1 / 6)), "the test sees nothing"


@pytest.mark.slow
def test_a_step_leaves_a_distribution_as_it_is():
    known = stats.gamma(0.7, scale=0.5)
    x = known.rvs(20_000, random_state=np.random.default_rng(1))
    moved = after_a_step(pdl.MetropolisHastings(upward, thinning=3), pdl.Model(gamma), x)
    assert follow(moved, known)
    assert 0.4 < np.mean(moved != x) < 1


@pytest.mark.slow
def test_a_proposal_for_some_latents_inside_gibbs():
    def jump(current):
        spread = 0.5 + 0.5 * current["used"]
        numpyro.sample("slope", dist.Normal(current["slope"], spread))
        numpyro.sample("offset", dist.Normal(current["offset"], 0.5))

    model = pdl.Model(programs.selected_regression, programs.X, programs.WON)
    inner = pdl.MetropolisHastings(jump, thinning=10)
    result = pdl.infer(model, pdl.Gibbs(inner=inner, num_samples=3000), key=0)
    expected = programs.selected_regression_posterior(programs.X, programs.WON)
    found = np.stack([result[name].to_numpy() for name in ("used", "slope", "offset")], -1)
    assert agrees(found, expected)


def simplex_and_scale():
    numpyro.sample("w", dist.Dirichlet(jnp.ones(3)))
    numpyro.sample("s", dist.HalfNormal(1.0))
    numpyro.sample("x", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    numpyro.sample("z", dist.Bernoulli(0.5))


def samples(name, distribution):
    return lambda current: numpyro.sample(name, distribution)


BAD = {
    "unknown": (samples("scale", dist.HalfNormal(1.0)), pdl.SiteNotFound, "got 'scale'"),
    "close": (samples("W", dist.Dirichlet(jnp.ones(3))), pdl.SiteNotFound, "Did you mean 'w'"),
    "reads unknown": (lambda current: current["tau"], pdl.SiteNotFound, "got 'tau'"),
    "nothing": (lambda current: None, ValueError, "got one without sample sites"),
    "shape": (samples("x", dist.Normal(0, 1)), ValueError, r"shape \(2,\) for site 'x'; got shape \(\)"),
    "discrete": (
        samples("s", dist.Poisson(1.0)),
        ValueError,
        "continuous proposal for .* 's' .* got Poisson",
    ),
    "continuous": (samples("z", dist.Normal(0, 1)), ValueError, "discrete proposal for site 'z'"),
    "never": (
        samples("w", dist.Normal(0, 1).expand([3]).to_event(1)),
        ValueError,
        "site 'w' that is possible, in simplex",
    ),
    "too narrow": (
        samples("x", dist.HalfNormal(1).expand([2]).to_event(1)),
        ValueError,
        "'x' that reaches all of its support, real numbers; got HalfNormal, numbers from 0 up",
    ),
}


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(("proposal", "error", "message"), BAD.values(), ids=BAD.keys())
def test_proposals_that_cannot_be_used(proposal, error, message):
    with pytest.raises(error, match=message):
        pdl.infer(pdl.Model(simplex_and_scale), pdl.MetropolisHastings(proposal), key=0)


@pytest.mark.slow
def test_a_proposal_may_be_local_and_lead_out_of_the_support():
    def local(current):
        numpyro.sample("x", dist.Uniform(current["x"] - 0.4, current["x"] + 0.4))

    known = stats.gamma(0.7, scale=0.5)
    x = known.rvs(5_000, random_state=np.random.default_rng(1))
    assert follow(after_a_step(pdl.MetropolisHastings(local), pdl.Model(gamma), x), known)


def test_other_bad_input():
    with pytest.raises(TypeError, match="Expected a proposal, a NumPyro program"):
        pdl.MetropolisHastings("walk")
    assert str(pdl.MetropolisHastings(upward)) == "MetropolisHastings(upward)"
    assert repr(pdl.MetropolisHastings(upward)) == repr(pdl.MetropolisHastings(upward))
    assert repr(pdl.MetropolisHastings(upward)) != repr(pdl.MetropolisHastings(lopsided))
