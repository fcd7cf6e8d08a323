"""Tests of independence: uniform p-values where it holds, power where it does not, oracles, invariances."""

import itertools
import math

import numpy as np
import pandas as pd
import pgmpy.ci_tests
import pytest
from scipy import stats
from statsmodels.multivariate.cancorr import CanCorr

from probdl.graphs.conditional_independence import (
    GTest,
    IndependenceTest,
    Outcome,
    PartialCorrelation,
    choose_test,
)
from probdl.graphs.regression import Regression, regression_on
from probdl.graphs.residual_test import ResidualTest, _tail
from tests.marks import by_name

NONE = np.zeros((1, 0))


def rng(seed):
    return np.random.default_rng(seed)


def columns(*values):
    return np.column_stack([np.asarray(v, float) for v in values])


def nothing(count):
    return np.zeros((count, 0))


def p_values(test, draw, count, rows):
    return np.array([test(*draw(rng(seed), rows), seed).p_value for seed in range(count)])


def bound(count):
    """The 99 % quantile of Kolmogorov's statistic."""
    return 1.63 / math.sqrt(count)


# Where independence holds.


def linear(r, n):
    z = r.normal(size=n)
    return columns(z + r.normal(size=n)), columns(z - r.normal(size=n)), columns(z)


def blocks(r, n):
    z = r.normal(size=(n, 2))
    return z @ r.normal(size=(2, 2)) + r.normal(size=(n, 2)), z + r.normal(size=(n, 2)), z


def tables(r, n):
    z = r.integers(0, 3, n)
    return columns(r.random(n) < 0.2 + 0.3 * z), columns(r.poisson(0.5 + z).clip(0, 2)), columns(z)


def sparse(r, n):
    return columns(r.poisson(0.3, n)), columns(r.poisson(0.3, n)), nothing(n)


def heavy(r, n):
    return columns(r.standard_cauchy(n)), columns(abs(r.standard_cauchy(n))), nothing(n)


def curved(r, n):
    z = r.normal(size=n)
    return columns(np.sin(2 * z) + 0.3 * r.normal(size=n)), columns(z**2 + 0.3 * r.normal(size=n)), columns(z)


def hierarchy(r, n):
    mu, tau = 5 * r.normal(size=n), abs(5 * r.standard_cauchy(n))
    theta = mu[:, None] + tau[:, None] * r.normal(size=(n, 2))
    return theta[:, :1], theta[:, 1:], columns(mu, tau)


def cauchy_chain(r, n):
    z = r.standard_cauchy(n)
    return columns(z + r.standard_cauchy(n)), columns(z + r.standard_cauchy(n)), columns(z)


def groups(r, n):
    k = r.integers(0, 3, n)
    scale = np.array([0.1, 1, 3])[k]
    return columns(k + scale * r.normal(size=n)), columns(-k + scale * r.normal(size=n)), columns(k)


def counts(r, n):
    a = r.normal(size=n)
    return columns(r.poisson(np.exp(a))), columns(r.poisson(np.exp(a))), columns(a)


def deterministic(r, n):
    a = r.normal(size=n)
    return columns(np.exp(a)), columns(a**2), columns(a)


def scale_alone(r, n):
    tau = abs(r.standard_cauchy(n))
    return columns(tau * r.normal(size=n)), columns(tau * r.normal(size=n)), columns(tau)


def mixture(r, n):
    mu, k = 5 * r.normal(size=(n, 3)), r.integers(0, 3, (n, 2))
    y = np.take_along_axis(mu, k, 1) + r.normal(size=(n, 2))
    return y[:, :1], y[:, 1:], columns(mu, k)


def change(r, n):
    at, means = 100 * r.random(n), 3 * r.normal(size=(n, 2))
    x, y = (np.where(at > time, *means.T) + r.normal(size=n) for time in (50, 53))
    return columns(x), columns(y), columns(at, means)


def items(r, n):
    z = r.normal(size=(n, 2))
    p = 1 / (1 + np.exp(z[:, 0] - z[:, 1]))
    return columns(r.random(n) < p), columns(r.random(n) < p), z


HARD = [curved, hierarchy, cauchy_chain, groups, counts, deterministic, scale_alone, mixture, change, items]
HARD_IN_A_WHOLE_RUN = ("cauchy_chain", "groups", "items")  # tails, scales, truth values
HARD_IN_A_WHOLE_RUN = ("cauchy_chain", "groups", "items")  # tails, scales, truth values


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "draw", "rows"),
    [
        (PartialCorrelation(), linear, 50),
        (PartialCorrelation(), blocks, 50),
        (GTest(), tables, 900),
        (ResidualTest(), heavy, 200),
    ],
)
def test_p_values_are_uniform_where_independence_holds(test, draw, rows):
    found = p_values(test, draw, 300, rows)
    assert stats.kstest(found, "uniform").statistic < bound(300)


def test_p_values_of_drawn_tables_are_never_too_small():
    found = np.sort(p_values(GTest(), sparse, 200, 60))
    excess = np.arange(1, 201) / 200 - found
    assert excess.max() < bound(200)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [hierarchy, groups])
def test_residuals_are_fair_where_regressions_are_needed(draw):
    found = p_values(ResidualTest(), draw, 20, 250)
    assert (found < 0.05).mean() <= 4 / 20  # 99.9 % of a binomial
    assert (found > 0.5).mean() > 0.2


@pytest.mark.parametrize("draw", by_name({draw.__name__: draw for draw in HARD}, whole=HARD_IN_A_WHOLE_RUN))
def test_residuals_are_fair_on_hard_nulls(draw):
    smooth = p_values(ResidualTest(doubt=0.0), draw, 100, 500)
    if draw is not change:  # a jump, which only the forest can follow
        assert stats.kstest(smooth, "uniform", alternative="greater").statistic < bound(100)
        assert stats.kstest(smooth, "uniform").statistic < 0.25  # cautious where regressions take much
    both = p_values(ResidualTest(), draw, 60, 1000)
    assert (both < 0.05).mean() <= 8 / 60  # 99 % of a binomial


@pytest.mark.slow
def test_noise_hides_the_errors_of_a_regression_that_leaves_next_to_nothing():
    for seed in range(3):
        z, noise = rng(seed).normal(size=(2, 300))
        wave = np.sin(5 * z)
        sample = (
            columns(wave + 0.02 * noise),
            columns(wave + 0.02 * rng(seed + 9).normal(size=300)),
            columns(z),
        )
        assert ResidualTest(noise=1e-6)(*sample, seed).p_value < 0.02
        assert ResidualTest()(*sample, seed).p_value > 0.02


def test_linear_regression_alone_is_fooled_by_curves_and_scales():
    for draw in (hierarchy, counts, scale_alone):
        found = p_values(PartialCorrelation(), draw, 20, 1000)
        assert (found < 0.01).mean() > 0.2


# Where it does not hold.


def collider(r, n):
    x, y = r.normal(size=(2, n))
    return columns(x), columns(y), columns(x + y + r.normal(size=n))


def parabola(r, n):
    x = r.normal(size=n)
    return columns(x), columns(x**2 + 2 * r.normal(size=n)), nothing(n)


def exclusive(r, n):
    x, y = r.integers(0, 2, (2, n))
    return columns(x), columns(y), columns(x ^ y ^ (r.random(n) < 0.25))


def exclusive_numbers(r, n):
    x, y = r.normal(size=(2, n))
    return columns(x), columns(y), columns(np.sign(x * y) * abs(r.normal(size=n)))


def spread(r, n):
    x = r.normal(size=n)
    return columns(x), columns(np.exp(0.5 * x) * r.normal(size=n)), nothing(n)


def missing_scale(r, n):
    x, y, given = hierarchy(r, n)
    return x, y, given[:, :1]


def category(r, n):
    z, k = r.normal(size=n), r.integers(0, 3, n)
    return columns(k), columns(np.array([0, 0.7, 0])[k] + z + r.normal(size=n)), columns(z)


DEPENDENT = [collider, parabola, exclusive, exclusive_numbers, spread, missing_scale, category]


@pytest.mark.slow
@pytest.mark.parametrize("draw", DEPENDENT)
def test_dependence_is_seen(draw):
    x, y, given = draw(rng(0), 1000)
    outcome = choose_test(x, y, given)(x, y, given, 0)
    assert outcome.p_value < 1e-3
    assert 0.1 < outcome.effect < 1.0


def test_exclusive_or_is_seen_by_residuals_as_well():
    assert ResidualTest()(*exclusive(rng(1), 500), 0).p_value < 1e-6


def test_correlation_of_several_columns_is_that_of_the_best_combination():
    r = rng(2)
    x, y = r.normal(size=(300, 2)), r.normal(size=(300, 2))
    y[:, 0] += 2 * (x[:, 0] + x[:, 1])
    outcome = PartialCorrelation()(x, y, nothing(300), 0)
    assert outcome.effect == pytest.approx(math.sqrt(8 / 9), abs=0.03)


# Oracles.


def test_partial_correlation_is_that_of_pgmpy():
    x, y, given = linear(rng(3), 80)
    data = pd.DataFrame(columns(x, y, given), columns=["x", "y", "z"])
    statistic, p_value = pgmpy.ci_tests.FisherZ(data).run_test("x", "y", ["z"])
    outcome = PartialCorrelation()(x, y, given, 0)
    assert outcome.p_value == pytest.approx(p_value, rel=1e-9)
    assert outcome.statistic == pytest.approx(abs(statistic), rel=1e-9)


def test_canonical_correlations_are_those_of_statsmodels():
    x, y, _ = blocks(rng(4), 90)
    outcome = PartialCorrelation()(x, y, nothing(90), 0)
    found = CanCorr(y, x)
    wilks = found.corr_test().stats["Wilks' lambda"].iloc[0]
    assert outcome.effect == pytest.approx(found.cancorr.max(), rel=1e-9)
    assert outcome.statistic == pytest.approx(-(90 - 1 - 2.5) * math.log(wilks), rel=1e-9)


def test_g_of_a_table_is_that_of_scipy():
    x, y, _ = tables(rng(5), 900)
    outcome = GTest()(x, y, nothing(900), 0)
    table = pd.crosstab(x[:, 0], y[:, 0])
    expected = stats.chi2_contingency(table, lambda_="log-likelihood", correction=False)
    assert (outcome.statistic, outcome.p_value) == pytest.approx((expected.statistic, expected.pvalue))


def test_g_in_strata_is_that_of_pgmpy():
    x, y, given = tables(rng(6), 900)
    data = pd.DataFrame(columns(x, y, given).astype(int), columns=["x", "y", "z"])
    statistic, p_value = pgmpy.ci_tests.GSq(data).run_test("x", "y", ["z"])[:2]
    outcome = GTest()(x, y, given, 0)
    assert (outcome.statistic, outcome.p_value) == pytest.approx((statistic, p_value))


def test_empty_cells_take_no_freedom():
    x, y, given = tables(rng(7), 900)
    wider = np.where(given == 2, y + 10, y)  # categories that a stratum has not
    outcome, same = (GTest()(x, part, given, 0) for part in (y, wider))
    assert outcome == same


def test_drawn_tables_agree_with_all_tables():
    x, y = columns([0] * 25 + [1] * 15), columns([0] * 21 + [1] * 4 + [0] * 15)
    outcome = GTest()(x, y, nothing(40), 0)
    weights = stats.hypergeom(40, 25, 4).pmf(np.arange(5))

    def g(cell):
        table = np.array([[25 - cell, cell], [11 + cell, 4 - cell]])
        return stats.power_divergence(
            table, np.outer(table.sum(1), table.sum(0)) / 40, axis=None, lambda_="log-likelihood"
        ).statistic

    extreme = [g(cell) >= g(4) - 1e-9 for cell in range(5)]
    exact = weights[extreme].sum()
    assert outcome.p_value == pytest.approx(exact, abs=4 * math.sqrt(exact / 1000))


def test_rows_are_left_out_without_fitting_again():
    r = rng(8)
    given, targets = r.normal(size=(60, 1)), r.normal(size=(60, 2))
    targets[:, 0] += 3 * given[:, 0]
    basis = regression_on(given, r).bases[0]
    regression = Regression((basis,))
    functions = basis.axes * np.sqrt(basis.weights)

    def refitted(held_out):
        """Ridge regression on the other rows; the intercept and the shrinkage as in the fit of all."""
        rest = np.setdiff1d(np.arange(60), held_out)
        design = np.column_stack([np.ones(60), functions])
        for j in range(2):
            penalty = 60 * 10.0 ** np.arange(-5, 3)
            for value in penalty:
                inside = design[rest].T @ design[rest] + np.diag([0.0, *([value] * functions.shape[1])])
                yield j, value, design[held_out] @ np.linalg.solve(inside, design[rest].T @ targets[rest, j])

    found = regression.left_over(targets).values
    for row in (0, 17):
        left = [targets[row, j] - fit[0] for j, _, fit in refitted(np.array([row])) if j == 0]
        assert min(abs(found[row, 0] - np.array(left))) < 1e-9
    rows = np.arange(3, 60, 10)
    predicted = regression.predicted(targets)[rows, 0] + targets[:, 0].mean()
    gaps = [abs(fit - predicted).max() for j, _, fit in refitted(rows) if j == 0]
    assert min(gaps) < 1e-9


def test_predictions_do_not_betray_what_was_left_out():
    r = rng(9)
    given, noise = r.normal(size=(400, 2)), r.normal(size=(400, 1))
    regression = regression_on(given, r)
    target = given[:, :1] + noise
    assert abs(np.corrcoef(regression.predicted(target)[:, 0] - given[:, 0], noise[:, 0])[0, 1]) < 0.2


def test_the_tail_is_exact_for_equal_weights_and_near_for_others():
    assert _tail(7.0, np.eye(3)) == pytest.approx(stats.chi2(3).sf(7.0))
    weights = np.array([1.0, 0.5, 0.5, 0.1, 0.1, 0.05])
    drawn = (rng(10).normal(size=(200_000, 6)) ** 2 @ weights) > 7.0
    error = 4 * drawn.std() / math.sqrt(len(drawn))
    assert _tail(7.0, np.diag(weights)) == pytest.approx(drawn.mean(), abs=error + 0.05 * drawn.mean())


# Invariances.


@pytest.mark.parametrize(
    ("test", "draw"), [(PartialCorrelation(), blocks), (GTest(), tables), (ResidualTest(), heavy)]
)
def test_neither_the_order_of_rows_nor_of_sides_matters(test, draw):
    x, y, given = draw(rng(11), 900)
    outcome, order = test(x, y, given, 0), rng(12).permutation(900)
    for other in (test(y, x, given, 0), test(x[order], y[order], given[order], 0)):
        assert other.p_value == pytest.approx(outcome.p_value, rel=1e-7)
        assert other.statistic == pytest.approx(outcome.statistic, rel=1e-7)


def test_ranks_alone_matter_where_nothing_is_given():
    x, y, given = heavy(rng(13), 300)
    outcome = ResidualTest()(x, y, given, 0)
    assert ResidualTest()(np.arctan(x), -np.log(y), given, 0).p_value == pytest.approx(outcome.p_value)


def test_units_do_not_matter():
    x, y, given = hierarchy(rng(14), 300)
    outcome = ResidualTest()(x, y, given, 0)
    scaled = ResidualTest()(1e6 * x + 3, 1e-6 * y, given * [1e9, 1e-9], 0)
    assert scaled.p_value == pytest.approx(outcome.p_value, rel=1e-5)


def test_names_of_categories_do_not_matter():
    x, y, given = tables(rng(15), 900)
    p_value = GTest()(x, y, given, 0).p_value
    assert GTest()(5 - 3 * x, y, 7 * given, 0).p_value == pytest.approx(p_value, rel=1e-9)


def test_a_key_repeats_an_outcome():
    sample = curved(rng(16), 300)
    outcomes = [ResidualTest()(*sample, key) for key in (0, 0, 1)]
    assert outcomes[0] == outcomes[1] != outcomes[2]


# Edges.


@pytest.mark.parametrize(
    ("test", "draw"), [(PartialCorrelation(), linear), (GTest(), tables), (ResidualTest(), linear)]
)
def test_constants_among_the_given_change_nothing(test, draw):
    x, y, given = draw(rng(17), 900)
    assert test(x, y, columns(given, np.ones(900)), 0) == test(x, y, given, 0)


@pytest.mark.parametrize(("test", "draw"), [(PartialCorrelation(), linear), (GTest(), tables)])
def test_copies_among_the_given_change_little(test, draw):
    x, y, given = draw(rng(17), 900)
    p_value = test(x, y, given, 0).p_value
    assert test(x, y, columns(given, given), 0).p_value == pytest.approx(p_value, abs=0.01)


@pytest.mark.parametrize("test", [PartialCorrelation(), ResidualTest()])
def test_a_copy_of_what_is_given_is_independent_of_all(test):
    _, y, given = linear(rng(18), 300)
    assert test(given, y, given, 0).p_value > 0.05
    assert test(2 * given + 1, given - 3, given, 0).p_value > 0.05


def test_a_copy_is_as_dependent_as_can_be():
    x = rng(19).normal(size=(200, 1))
    for test in (PartialCorrelation(), ResidualTest()):
        outcome = test(x, x, nothing(200), 0)
        assert outcome.p_value < 1e-20
        assert outcome.effect > 0.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((50, 1)), np.arange(50.0)[:, None], nothing(50)), "Expected x to vary"),
        ((np.arange(9.0), np.arange(9.0), nothing(9)), "Expected at least 40 rows"),
        ((np.arange(50.0), np.arange(60.0), nothing(50)), "the same for x, y and given; got 50, 60, 50"),
        ((np.arange(50.0), np.full(50, np.nan), nothing(50)), "Expected y as finite numbers"),
    ],
)
def test_what_cannot_be_tested_is_refused(arguments, message):
    for test in (PartialCorrelation(), GTest(), ResidualTest()):
        with pytest.raises(ValueError, match=message):
            test(*arguments, 0)


def test_tests_are_chosen_by_what_the_columns_are():
    r = rng(20)
    coin, number, count = r.integers(0, 2, (400, 1)), r.normal(size=(400, 1)), r.poisson(40, (400, 1))
    many = r.integers(0, 2, (400, 9))
    assert choose_test(coin, coin, coin) == GTest()
    for x, y, given in [(coin, number, coin), (coin, coin, number), (coin, count, coin), (coin, coin, many)]:
        assert choose_test(x, y, given) == ResidualTest()


def test_any_callable_is_a_test():
    def always(x, y, given, key):
        return Outcome(0.0, 1.0, 0.0)

    assert isinstance(always, IndependenceTest)
    for test, draw in itertools.product((PartialCorrelation(), GTest(), ResidualTest()), (linear,)):
        assert isinstance(test, IndependenceTest), draw
