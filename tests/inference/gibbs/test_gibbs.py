"""Gibbs sampling against exact posteriors: what is drawn exactly, what inner methods move, and both."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import probdl as pdl
from tests.inference.gibbs import programs
from tests.inference.mcmc.agreement import agrees, has_frequencies


def run(program, *data, key=0, **options):
    return pdl.infer(pdl.Model(program, *data), pdl.Gibbs(**options), key=key)


def values(result, *names):
    return [result[name].to_numpy() for name in names]


@pytest.mark.slow
def test_gaussian_mixture():
    result = run(programs.mixture, programs.Y, num_samples=4000, num_warmup=200)
    z, mu, variance, w = values(result, "z", "mu", "variance", "w")
    far, near, mean, spread = programs.mixture_posterior(programs.Y)
    first = z[..., :1]
    assert agrees(z[..., 0] == z[..., 4], far)
    assert agrees(z[..., 0] == z[..., 1], near)
    assert agrees(np.take_along_axis(mu, first, -1)[..., 0], mean)
    assert agrees(np.take_along_axis(variance, first, -1)[..., 0], spread)
    assert agrees(w, [0.5, 0.5])


@pytest.mark.slow
def test_spins_of_a_lattice():
    result = run(programs.lattice, 0.3, 0.1, num_warmup=50)
    (spin,) = values(result, "spin")
    one, agree = programs.lattice_posterior(0.3, 0.1)
    assert agrees(spin, one)
    assert agrees(spin[..., 1:] == spin[..., :-1], agree)


@pytest.mark.slow
def test_change_point():
    options = {"blocks": (("day",), ("rate",)), "num_warmup": 100}
    result = run(programs.change_point, programs.COUNTS, **options)
    day, rate = values(result, "day", "rate")
    p, means = programs.change_point_posterior(programs.COUNTS)
    assert has_frequencies(day - 1, p)
    assert agrees(rate, means)


@pytest.mark.slow
def test_hierarchy_with_conjugate_variances():
    result = run(programs.hierarchy, programs.GROUPS, num_samples=2000, num_warmup=100)
    expected = programs.hierarchy_posterior(programs.GROUPS)
    found = values(result, "mu", "between", "within", "theta")
    assert agrees(np.concatenate([v.reshape(4, 2000, -1) for v in found], -1), expected)


@pytest.mark.slow
def test_states_of_a_chain_are_one_block():
    model = pdl.Model(programs.hidden_markov, programs.SIGNAL)
    assert pdl.Gibbs().blocks_of(model).blocks[0] == ("z",)
    result = pdl.infer(model, pdl.Gibbs(num_samples=2000, num_warmup=100), key=0)
    z, level, rows = values(result, "z", "level", "rows")
    one, levels, stays = programs.hidden_markov_posterior(programs.SIGNAL)
    assert agrees(z, one)
    assert agrees(level, levels)
    assert agrees(rows[..., 0, 0], stays)


INNER = {"default": None, "NUTS": pdl.NUTS(), "Metropolis": pdl.Metropolis()}


@pytest.mark.slow
@pytest.mark.parametrize("inner", INNER.values(), ids=INNER.keys())
def test_an_inner_method_moves_the_rest(inner):
    result = run(programs.selected_regression, programs.X, programs.WON, inner=inner, num_samples=2000)
    used, slope, offset = values(result, "used", "slope", "offset")
    expected = programs.selected_regression_posterior(programs.X, programs.WON)
    assert agrees(used, expected[0])
    assert agrees(slope, expected[1])
    assert agrees(offset, expected[2])
    stats_ = result.data["sample_stats"]
    assert 0.1 < float(stats_["acceptance_rate"].mean()) < 0.99
    assert ("tree_depth of slope, offset" in stats_) == (not isinstance(inner, pdl.Metropolis))


def unbounded(y):
    count = numpyro.sample("count", dist.Poisson(6.0))
    x = numpyro.sample("x", dist.Normal(0.5 * count, 1.0))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


@pytest.mark.slow
def test_counts_are_moved_by_metropolis():
    table = str(pdl.Gibbs().blocks_of(pdl.Model(unbounded, 5.0)))
    assert "count  moved by Metropolis" in table
    assert "x      drawn from a Gaussian" in table
    count, x = values(run(unbounded, 5.0), "count", "x")
    k = np.arange(60)
    p = stats.poisson.pmf(k, 6.0) * stats.norm.pdf(5.0, 0.5 * k, np.sqrt(2.0))
    p /= p.sum()
    assert agrees(count, p @ k)
    assert agrees(x, p @ (0.25 * k + 2.5))


def truncated():
    low = numpyro.sample("low", dist.Normal(0.0, 1.0))
    x = numpyro.sample("x", dist.LeftTruncatedDistribution(dist.Normal(0.0, 1.0), low=low))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=0.5)


@pytest.mark.slow
def test_a_support_that_another_block_moves():
    options = {"blocks": (("low",), ("x",)), "inner": pdl.Metropolis(), "num_samples": 3000}
    low, x = values(run(truncated, **options), "low", "x")
    grid = np.linspace(-6, 6, 1201)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    log = stats.norm.logpdf(a) + stats.norm.logpdf(b) - stats.norm.logsf(a) + stats.norm.logpdf(0.5, b)
    weight = np.where(b > a, np.exp(log), 0.0)
    weight /= weight.sum()
    assert (x > low).all()
    assert agrees(low, (weight * a).sum(), least=0.002)
    assert agrees(x, (weight * b).sum(), least=0.002)


@pytest.mark.slow
def test_the_blocks_print_themselves():
    blocks = pdl.Gibbs().blocks_of(pdl.Model(programs.selected_regression, programs.X, programs.WON))
    assert str(blocks).splitlines()[0] == "A sweep of 2 blocks"
    assert blocks.blocks == (("used",), ("slope", "offset"))
    assert "moved by NUTS" in str(blocks)
    assert "not quadratic" in str(blocks)
    assert "<table>" in blocks._repr_html_()


@pytest.mark.slow
def test_a_block_that_cannot_be_drawn_together_is_moved_together():
    model = pdl.Model(programs.selected_regression, programs.X, programs.WON)
    apart = pdl.Gibbs(blocks=(("slope",), ("offset",))).blocks_of(model)
    assert apart.blocks == (("used",), ("slope",), ("offset",))
    mixed = pdl.Gibbs(blocks=(("used", "slope"),)).blocks_of(model)
    assert "used    moved by Metropolis" in str(mixed)
    with pytest.raises(pdl.NotApplicable, match=r"NUTS cannot move a block: site 'used' is discrete"):
        pdl.Gibbs(blocks=(("used", "slope"),), inner=pdl.NUTS()).blocks_of(model)


def only_here_conjugate(y):
    far = numpyro.sample("far", dist.HalfNormal(50.0))
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
    numpyro.sample("y", dist.Poisson(jnp.where(far > 9.0, rate**2, rate)), obs=y)


@pytest.mark.slow
def test_a_conditional_that_turns_out_to_be_another_one():
    with pytest.raises(pdl.NotApplicable, match=r"distribution of 'rate' .* by_inner=\('rate',\)"):
        run(only_here_conjugate, 3, num_samples=200)


@pytest.mark.slow
def test_bad_input():
    model = pdl.Model(programs.selected_regression, programs.X, programs.WON)
    with pytest.raises(TypeError, match="Expected blocks of names"):
        pdl.Gibbs(blocks=("used", "slope"))
    with pytest.raises(ValueError, match="'used' twice"):
        pdl.Gibbs(blocks=(("used",), ("used", "slope")))
    with pytest.raises(TypeError, match="Markov chain; got Exact"):
        pdl.Gibbs(inner=pdl.Exact())
    with pytest.raises(TypeError, match="got Gibbs, but it draws blocks"):
        pdl.Gibbs(inner=pdl.Gibbs())
    with pytest.raises(pdl.SiteNotFound, match="got 'slop'. Did you mean 'slope'"):
        pdl.infer(model, pdl.Gibbs(by_inner=("slop",)), key=0)
    with pytest.raises(pdl.NotApplicable, match="'used' is drawn exactly, and float32 loses"):
        pdl.infer(model, pdl.Gibbs(precision=pdl.Precision.SINGLE), key=0)
