"""Adaptive rejection: known distributions, independence, full conditionals, and what is not log-concave."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import probdl as pdl
from probdl.inference.mcmc.adaptive_rejection import draw
from tests.inference.gibbs import programs
from tests.inference.mcmc.agreement import after_a_step, agrees, follow, smallest_ess
from tests.inference.mcmc.test_slice import two_modes


def one(distribution):
    def program():
        numpyro.sample("x", distribution)

    return pdl.Model(program)


KNOWN = {
    "normal": (dist.Normal(300.0, 0.02), stats.norm(300.0, 0.02)),
    "wide": (dist.Normal(-4.0, 5e4), stats.norm(-4.0, 5e4)),
    "gamma": (dist.Gamma(0.4, 2.0), stats.gamma(0.4, scale=0.5)),
    "beta": (dist.Beta(0.5, 3.0), stats.beta(0.5, 3.0)),
    "half-Cauchy": (dist.HalfCauchy(2.0), stats.halfcauchy(scale=2.0)),
    "Laplace": (dist.Laplace(1.0, 2.0), stats.laplace(1.0, 2.0)),
    "uniform": (dist.Uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0)),
}


@pytest.mark.few(4)
@pytest.mark.slow
@pytest.mark.parametrize(("distribution", "known"), KNOWN.values(), ids=KNOWN.keys())
def test_known_distributions(distribution, known):
    start = np.full(4_000, known.ppf(0.9))
    drawn = after_a_step(pdl.AdaptiveRejection(), one(distribution), start)
    assert follow(drawn, known)
    assert not follow(drawn + 0.1 * known.std() if known.std() < np.inf else drawn * 1.3, known)


@pytest.mark.slow
def test_draws_of_one_latent_are_independent():
    result = pdl.infer(one(dist.Gamma(0.4, 2.0)), pdl.AdaptiveRejection(num_warmup=20), key=0)
    x = np.log(result["x"].to_numpy())
    steps = x - x.mean()
    correlation = (steps[:, 1:] * steps[:, :-1]).mean() / steps.var()
    assert abs(correlation) < 4.5 / np.sqrt(x.size)
    assert smallest_ess(x) > 3000
    evaluations = result.data["sample_stats"]["n_evaluations"]
    assert float(evaluations.mean()) < 12


@pytest.mark.slow
def test_full_conditionals_inside_gibbs():
    model = pdl.Model(programs.selected_regression, programs.X, programs.WON)
    result = pdl.infer(model, pdl.Gibbs(inner=pdl.AdaptiveRejection(), num_samples=3000), key=0)
    found = np.stack([result[name].to_numpy() for name in ("used", "slope", "offset")], -1)
    assert agrees(found, programs.selected_regression_posterior(programs.X, programs.WON))


def bounded():
    """A density that is zero, without a slope, where x is above 1."""
    x = numpyro.sample("x", dist.Normal(0.0, 1.0))
    numpyro.factor("edge", jnp.where(x > 1.0, -jnp.inf, -2.0 * x))


@pytest.mark.slow
def test_a_region_without_density():
    drawn = after_a_step(pdl.AdaptiveRejection(), pdl.Model(bounded), np.zeros(4_000))
    assert follow(drawn, stats.truncnorm(-np.inf, 3.0, loc=-2.0))


@pytest.mark.slow
@pytest.mark.parametrize("start", [-1.40546, -2.1480912, 0.6])
def test_a_bend_where_no_draw_comes_from(start):
    """A program clips probabilities: far out, the log-density of a logit bends.

    From the first, one step ends just behind the mode, and the tangent there is all but flat.
    """

    def log_density(u):
        p = jnp.clip(jax.nn.sigmoid(u), 1e-15, 1 - 1e-15)
        return 10 * jnp.log(p) + 15 * jnp.log1p(-p)

    line = lambda u: jax.jvp(log_density, (u,), (jnp.ones_like(u),))  # noqa: E731
    with pdl.Precision.DOUBLE.active():
        from_key = jax.vmap(lambda key: draw(key, line, jnp.array(start), jnp.array(1.0), 24))
        drawn = jax.tree.map(np.asarray, jax.jit(from_key)(jax.random.split(jax.random.key(0), 20_000)))
    assert drawn.is_concave.all()
    assert drawn.tries.mean() < 4
    assert follow(1 / (1 + np.exp(-drawn.value)), stats.beta(10, 15))


def heavy_tails():
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    with numpyro.plate("n", 2):
        numpyro.sample("b", dist.StudentT(2.0, a, 1.0))


@pytest.mark.slow
def test_what_is_not_log_concave_is_found_out():
    with pytest.raises(pdl.NotApplicable, match=r"log-density of site 'x', .* is not concave.* Use Slice"):
        pdl.infer(pdl.Model(two_modes), pdl.AdaptiveRejection(), key=0)
    with pytest.raises(pdl.NotApplicable, match=r"site '(a|b)'"):
        pdl.infer(pdl.Model(heavy_tails), pdl.AdaptiveRejection(), key=0)
    with pytest.raises(pdl.NotApplicable, match=r"AdaptiveRejection .* site 'b' at \[\d\]"):
        pdl.infer(pdl.Model(heavy_tails), pdl.Gibbs(inner=pdl.AdaptiveRejection(), by_inner=("a",)), key=0)


def test_bad_input():
    with pytest.raises(ValueError, match="num_points to be an integer of at least 3; got 2"):
        pdl.AdaptiveRejection(num_points=2)
