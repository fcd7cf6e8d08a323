"""Calibration: exact probabilities, ranks, and mistakes in kernels that have to be found."""

import itertools
import math

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from arviz_stats.base.array import array_stats
from scipy.stats import binomtest, multinomial

import probdl as pdl
from probdl.inference import calibration_draws
from probdl.inference.calibration_bands import band, counts_below, p_values
from probdl.inference.calibration_ranks import ranked
from probdl.inference.calibration_thinning import bulk_ess, num_independent
from probdl.inference.calibration_verdict import family_wise
from tests.inference.counting import compilations
from tests.inference.kernels import Deaf, Drawn, NoJacobian, Uncorrected, Walk, WrongRule
from tests.inference.programs import HEIGHTS, SIGMA, Y, schools, spread, unit_gaussian
from tests.marks import exhaustive

GAUSSIAN = pdl.Model(unit_gaussian, HEIGHTS)
SPREAD = pdl.Model(spread, HEIGHTS[:2])
WALK = {"num_samples": 1000, "num_warmup": 0, "num_chains": 2}


def brute_force(count, cells):
    """The statistic of each possible outcome, by enumeration, with its probability."""
    found = []
    for cut in itertools.combinations(range(count + cells - 1), cells - 1):
        edges = (-1, *cut, count + cells - 1)
        inside = [b - a - 1 for a, b in itertools.pairwise(edges)]
        below = np.cumsum(inside)[:-1]
        tails = []
        for j, c in enumerate(below, start=1):
            low = binomtest(int(c), count, j / cells, "less").pvalue
            high = binomtest(int(c), count, j / cells, "greater").pvalue
            tails.append(min(1.0, 2 * min(low, high)))
        found.append((inside, min(tails), multinomial.pmf(inside, count, np.full(cells, 1 / cells))))
    return found


@pytest.mark.parametrize(("count", "cells"), [(5, 3), (7, 4), (3, 6)])
def test_p_values_are_those_of_an_enumeration(count, cells):
    outcomes = brute_force(count, cells)
    for inside, statistic, _ in outcomes:
        values = np.repeat((np.arange(cells) + 0.5) / cells, inside)
        exact = sum(p for _, other, p in outcomes if other <= statistic * (1 + 1e-9))
        assert p_values(values, cells) == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize(("count", "cells"), [(100, 100), (40, 20), (300, 10)])
def test_uniform_numbers_leave_the_band_as_often_as_it_says(count, cells):
    values = np.random.default_rng(0).random((count, 1000))
    p = p_values(values, cells)
    for level in (0.01, 0.1, 0.5):
        error = math.sqrt(level * (1 - level) / 1000)
        assert -0.2 * level - 4 * error < (p <= level).mean() - level < 4 * error
    bounds, shares = band(0.1, count, cells), counts_below(values, cells) / count
    outside = ((shares < bounds.lower - 1e-12) | (shares > bounds.upper + 1e-12)).any(1)
    np.testing.assert_array_equal(outside, p <= 0.1)


@pytest.mark.slow
def test_adjusted_p_values_are_those_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).random(20) ** 3
    np.testing.assert_allclose(family_wise(p), multipletests(p, method="holm")[1])


def test_effective_sizes_are_those_of_arviz():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(30, 4, 301))
    for i, correlation in enumerate(np.linspace(-0.4, 0.95, 30)):
        for t in range(1, 301):
            draws[i, :, t] = correlation * draws[i, :, t - 1] + math.sqrt(1 - correlation**2) * draws[i, :, t]
    draws[7, 0] += 3.0
    draws[8] = np.round(draws[8])
    peer = [array_stats.ess(one, chain_axis=0, draw_axis=1, method="bulk") for one in draws]
    np.testing.assert_allclose(bulk_ess(draws), peer, rtol=0.07)
    assert np.isnan(bulk_ess(np.ones((2, 10))))


def test_a_run_that_does_not_move_is_not_thinned_away():
    assert num_independent(2.0, 4000, 99) == 19
    assert num_independent(2.0, 5, 99) == 5
    assert num_independent(np.nan, 4000, 99) == 99


@pytest.mark.parametrize("values", [8, None], ids=["ties", "continuous"])
def test_ranks_are_uniform(values):
    rng = np.random.default_rng(0)
    count, length = 5000, 9
    size = (count, length + 1)
    numbers = rng.random(size) if values is None else rng.integers(0, values, size)
    counts = rng.integers(3, length + 1, count)
    found = ranked(numbers[:, 0], numbers[:, 1:], counts, rng)
    assert (found.ranks <= counts).all()
    assert p_values(found.uniforms, 100) > 0.001
    same = ranked(numbers[:, 0], numbers[:, 1:], np.full(count, length), rng)
    expected = count / (length + 1)
    assert np.abs(np.bincount(same.ranks) - expected).max() < 4.5 * math.sqrt(expected)


@pytest.mark.slow
def test_a_right_kernel_passes():
    calibration = pdl.calibrate(GAUSSIAN, Walk(**WALK), key=0)
    assert calibration
    assert calibration.passed
    assert "passes" in repr(calibration)
    assert "fails with probability 0.01 at most" in repr(calibration)
    assert calibration.num_simulations == 100
    assert calibration.table["quantity"].to_list() == ["mu", "log_likelihood"]
    ranks = calibration.data["ranks"]["mu"]
    assert ranks.dims == ("simulation",)
    assert ranks.dtype.kind == "i"
    assert (ranks <= calibration.data["sample_stats"]["num_draws"]).all()
    np.testing.assert_array_equal(np.floor(calibration.data["pit"]["mu"] * 100), ranks)
    y, mu = calibration.data["prior_predictive"]["y"], calibration.data["prior"]["mu"]
    assert y.dims == ("simulation", "N")
    assert abs(float((y - mu).mean())) < 4 / math.sqrt(y.size)


BUGS = [
    pytest.param(WrongRule, GAUSSIAN, "mu", "too wide", {}, id="wrong rule of acceptance"),
    pytest.param(Uncorrected, GAUSSIAN, "mu", "too wide", {"scale": 0.75}, id="no correction"),
    pytest.param(Deaf, GAUSSIAN, "log_likelihood", "too low", {}, id="ignores the data"),
    pytest.param(NoJacobian, SPREAD, "sigma", "too low", {}, id="no Jacobian"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "model", "where", "fault", "options"), BUGS[:1])
def test_a_planted_mistake_is_found(kernel, model, where, fault, options):
    count = 300 if kernel is NoJacobian else 100
    calibration = pdl.calibrate(model, kernel(**WALK, **options), key=1, num_simulations=count)
    assert not calibration
    rows = calibration.failing.set_index("quantity")
    assert rows.loc[where, "posterior"] == fault
    assert "fails simulation-based calibration" in str(calibration)
    assert where in str(calibration)


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "model", "where", "fault", "options"), BUGS[1:])
def test_planted_mistakes_are_found(kernel, model, where, fault, options):
    test_a_planted_mistake_is_found(kernel, model, where, fault, options)


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "options"), [(Walk, {}), (WrongRule, {})])
def test_the_joint_test_tells_right_from_wrong(kernel, options):
    test = pdl.geweke(GAUSSIAN, kernel(**WALK, **options), key=0)
    assert test.passed == bool(test) == (kernel is Walk)
    assert ("passes" if test else "fails") in repr(test)
    assert "fails with probability 0.01 at most" in repr(test)
    assert set(test.table["quantity"]) == {"mu", *(f"y[{i}]" for i in range(5)), "log_likelihood"}


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "model", "where", "fault", "options"), BUGS)
def test_the_joint_test_finds_planted_mistakes(kernel, model, where, fault, options):
    test = pdl.geweke(model, kernel(**WALK, **options), key=0)
    assert not test
    assert where in test.failing["quantity"].to_list()


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [pdl.NUTS(num_warmup=200), pdl.HMC(num_warmup=0)], ids=["tuned", "untuned"]
)
def test_hamiltonian_kernels_pass_the_joint_test(method):
    model = pdl.Model(schools, SIGMA, Y)
    assert min(pdl.geweke(model, method, key=key).pvalue for key in range(5)) > 0.01 / 5


@exhaustive
def test_a_right_kernel_fails_the_joint_test_as_often_as_stated():
    p = np.array([pdl.geweke(GAUSSIAN, Walk(**WALK), key=key).pvalue for key in range(100)])
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() < level + 4 * math.sqrt(level / 100)


@exhaustive
def test_a_right_method_fails_as_often_as_stated():
    method = Walk(num_samples=500, num_warmup=0, num_chains=2)
    p = np.array([pdl.calibrate(GAUSSIAN, method, key=key).pvalue for key in range(100)])
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() < level + 4 * math.sqrt(level / 100)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        Walk(num_samples=40, num_warmup=0, num_chains=2),
        pdl.NUTS(num_samples=10, num_warmup=60, num_chains=2),
        pdl.Metropolis(num_samples=20, num_warmup=60, num_chains=2),
    ],
    ids=["untuned", "NUTS", "Metropolis"],
)
def test_the_draws_are_those_of_infer(method, monkeypatch):
    seen = []
    run = calibration_draws.Fleet.run
    monkeypatch.setattr(calibration_draws.Fleet, "run", lambda self: seen.append(run(self)) or seen[-1])
    calibration = pdl.calibrate(GAUSSIAN, method, key=7, num_simulations=12, num_draws=9)
    for number in (3, 8):
        y = calibration.data["prior_predictive"]["y"].to_numpy()[number]
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(7), 1), number)
        with pytest.warns(pdl.InferenceWarning):
            result = pdl.infer(GAUSSIAN.condition(y=y), method, key=key)
        np.testing.assert_allclose(seen[0][number].positions[..., 0], result["mu"], rtol=1e-6)


@pytest.mark.slow
def test_batches_and_repetitions_change_nothing(monkeypatch):
    method = Walk(num_samples=40, num_warmup=0, num_chains=2)
    whole = pdl.calibrate(GAUSSIAN, method, key=7, num_simulations=12, num_draws=9)
    shifted = pdl.Model(unit_gaussian, HEIGHTS + 1)
    with compilations() as count:
        again = pdl.calibrate(shifted, method, key=7, num_simulations=12, num_draws=9)
    assert count.value == 0
    np.testing.assert_array_equal(again.data["pit"]["mu"], whole.data["pit"]["mu"])
    monkeypatch.setattr(calibration_draws, "_most_at_once", lambda *_: 5)
    parts = pdl.calibrate(GAUSSIAN, method, key=7, num_simulations=12, num_draws=9)
    np.testing.assert_array_equal(parts.data["ranks"]["mu"], whole.data["ranks"]["mu"])
    other = pdl.calibrate(GAUSSIAN, method, key=8, num_simulations=12, num_draws=9)
    assert not np.array_equal(other.data["ranks"]["mu"], whole.data["ranks"]["mu"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "passes"),
    [({"stretch": 3.0}, False), pytest.param({"weighted": True}, True, marks=pytest.mark.slow)],
    ids=["too wide", "weighted"],
)
def test_methods_that_are_no_chains_are_run_one_data_set_after_another(options, passes):
    calibration = pdl.calibrate(GAUSSIAN, Drawn(**options), key=0, num_simulations=25)
    assert calibration.passed == passes


@pytest.mark.slow
def test_discrete_sites_are_ranked_with_ties():
    def mixture(y):
        w = numpyro.sample("w", dist.Beta(2, 2))
        with numpyro.plate("N", len(y)):
            z = numpyro.sample("z", dist.Bernoulli(w))
            numpyro.sample("y", dist.Normal(2.0 * z, 1.0), obs=y)

    method = pdl.Marginalized(pdl.NUTS(num_samples=200, num_warmup=200))
    calibration = pdl.calibrate(pdl.Model(mixture, HEIGHTS), method, key=0)
    assert calibration
    assert "z[3]" in calibration.table["quantity"].to_list()


def improper(y):
    mu = numpyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample("y", dist.Normal(mu, 1), obs=y)


def with_factor(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.factor("penalty", -(mu**2))
    numpyro.sample("y", dist.Normal(mu, 1), obs=y)


def subsampled(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("N", 10, subsample_size=5):
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)


def scaled(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.handlers.scale(scale=2.0):
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)


def masked(y):
    with numpyro.handlers.mask(mask=False):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(mu, 1), obs=y)


def residual(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("error", dist.Normal(0, 1), obs=y - mu)


def unobserved(y):
    numpyro.sample("mu", dist.Normal(y, 1))


def known(y):
    numpyro.sample("y", dist.Normal(0, 1), obs=y)


@pytest.mark.parametrize("function", [pdl.calibrate, pdl.geweke])
@pytest.mark.parametrize(
    ("program", "message"),
    [
        (improper, "site 'mu' has an improper prior"),
        (with_factor, "site 'penalty' is a factor"),
        (subsampled, "plate 'N' is subsampled"),
        (scaled, "site 'y' has a scaled log-density"),
        (masked, "latent site 'mu' is masked"),
        (residual, "observed at site 'error' depends on latent"),
        (unobserved, "no site is observed"),
        (known, "no site is latent"),
    ],
)
def test_programs_that_are_no_recipe_for_data_are_refused_by_name(function, program, message):
    y = np.zeros(5) if program is subsampled else np.array(1.0)
    with pytest.raises(pdl.NotApplicable, match=message):
        function(pdl.Model(program, y), Walk(), key=0)


def overflowing(y):
    x = numpyro.sample("x", dist.Normal(0, 1000))
    with numpyro.plate("N", 2):
        numpyro.sample("y", dist.Normal(jax.numpy.exp(x), 1), obs=y)


def discrete(y):
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    numpyro.sample("y", dist.Normal(z, 1), obs=y)


@pytest.mark.slow
def test_bad_input_is_named():
    with pytest.raises(TypeError, match="Expected model to be a Model; got 3. Call calibrate"):
        pdl.calibrate(3, Walk(), key=0)
    with pytest.raises(TypeError, match="Expected method to be a Method; got 'NUTS'. Call geweke"):
        pdl.geweke(GAUSSIAN, "NUTS", key=0)
    with pytest.raises(TypeError, match="Expected an int or a JAX key"):
        pdl.calibrate(GAUSSIAN, Walk(), key=0.5)
    with pytest.raises(ValueError, match="num_simulations to be an integer of at least 10; got 3"):
        pdl.calibrate(GAUSSIAN, Walk(), key=0, num_simulations=3)
    for function in (pdl.calibrate, pdl.geweke):
        with pytest.raises(ValueError, match="false_alarm_rate between 0 and 1; got 1"):
            function(GAUSSIAN, Walk(), key=0, false_alarm_rate=1)
    with pytest.raises(pdl.NotApplicable, match="site 'z' is discrete"):
        pdl.calibrate(pdl.Model(discrete, np.array(1.0)), pdl.NUTS(), key=0)
    with pytest.raises(pdl.NotApplicable, match="no kernel .* Call calibrate"):
        pdl.geweke(GAUSSIAN, Drawn(), key=0)
    with pytest.raises(ValueError, match=r"finite numbers from the prior; got inf for site 'y' at \[0\]"):
        pdl.calibrate(pdl.Model(overflowing, np.zeros(2)), Walk(), key=0)
