"""Stein's test of reference draws: right draws pass as often as is said, planted errors are found."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro.contrib.control_flow import scan
from scipy import stats

import probdl as pdl
from probdl.inference.stein import Statement, stein_tests
from tests.marks import by_name

WEIGHTS, PRIOR = np.array([2.0, 5.0, 3.0]), np.array([1.0, 1.5, 1.0])


def conjugate(prior_scale=1.0):
    """A Dirichlet, a Gamma, an interval and normals in two plates, each with a posterior of closed form."""
    numpyro.sample("weight", dist.Dirichlet(WEIGHTS))
    numpyro.sample("rate", dist.Gamma(3, 2))
    numpyro.sample("share", dist.Beta(2, 3))
    with numpyro.plate("row", 3, dim=-2):
        level = numpyro.sample("level", dist.Normal(0, prior_scale))
        numpyro.deterministic("twice", 2 * level)
        with numpyro.plate("column", 2, dim=-1):
            numpyro.sample("y", dist.Normal(level, 1), obs=np.arange(6.0).reshape(3, 2))


def conjugate_draws(seed, chains=4, draws=250):
    """Independent draws of the posterior."""
    r = np.random.default_rng(seed)
    level = np.arange(6.0).reshape(3, 2).sum(1) / 3 + r.normal(0, 3**-0.5, (chains, draws, 3))
    return {
        "weight": r.dirichlet(WEIGHTS, (chains, draws)),
        "rate": r.gamma(3, 1 / 2, (chains, draws)),
        "share": r.beta(2, 3, (chains, draws)),
        "level": level,
    }


MODEL = pdl.Model(conjugate)


@pytest.mark.slow
def test_right_draws_pass_and_say_so():
    check = pdl.check_density(MODEL, conjugate_draws(0, draws=1000))
    assert check
    assert check.passed
    assert not check.failures
    assert check.num_draws == 4000
    dim = 2 + 1 + 1 + 3
    assert check.num_tests == 2 * (4 * dim + dim * (dim - 1))
    assert len(check.table) == len(check.tests)
    assert 0.02 < check.sensitivity < 0.2
    assert "Nothing speaks against the draws, in 140 tests." in str(check)
    assert "4000 draws; right ones fail with probability 0.01 at most." in repr(check)


@pytest.mark.parametrize("false_alarm", by_name([0.2, 0.05], whole=[0.2]))
def test_right_draws_fail_no_more_often_than_is_said(false_alarm):
    failed = sum(
        not pdl.check_density(MODEL, conjugate_draws(seed), false_alarm=false_alarm) for seed in range(200)
    )
    assert failed <= stats.binom.isf(1e-4, 200, false_alarm)
    assert failed >= (1 if false_alarm == 0.2 else 0)


def autoregressive(rng, correlation, size):
    """Chains of standard normals."""
    steps = rng.normal(size=size)
    values = [steps[:, 0]]
    for step in range(1, size[1]):
        values.append(correlation * values[-1] + np.sqrt(1 - correlation**2) * steps[:, step])
    return np.stack(values, 1)


def laws(rng, name):
    """Draws (chain, draw, dim) of a density, and their scores."""
    size = (4, 250, 3)
    if name in ("exponential", "one exponential"):
        x = rng.exponential(size=size if name == "exponential" else (4, 500, 1))
        return np.log(x), 1 - x
    if name == "student":
        x = rng.standard_t(3, size=size)
        return x, -4 * x / (3 + x**2)
    if name == "correlated":
        precision = np.linalg.inv(np.full((3, 3), 0.99) + 0.01 * np.eye(3))
        x = rng.normal(size=size) @ np.linalg.cholesky(np.linalg.inv(precision)).T
        return x, -x @ precision
    if name == "chain":
        x = autoregressive(rng, 0.8, (4, 500, 3))
        return x, -x
    v, x = rng.normal(0, 1.5, (4, 250, 1)), rng.normal(size=size)
    x = x * np.exp(v / 2)
    score = -v / 1.5**2 - 3 / 2 + (x**2 * np.exp(-v)).sum(2, keepdims=True) / 2
    return np.concatenate([v, x], 2), np.concatenate([score, -x * np.exp(-v)], 2)


@pytest.mark.parametrize(
    "name",
    by_name(["exponential", "one exponential", "student", "correlated", "chain", "funnel"], whole=["funnel"]),
)
def test_the_tests_hold_their_level_for_skewed_heavy_correlated_and_dependent_draws(name):
    smallest = []
    for seed in range(300):
        tests = stein_tests(*laws(np.random.default_rng(seed), name))
        smallest.append(tests.p_values.min() * tests.total)
    for level in (0.1, 0.02):
        assert (np.array(smallest) < level).sum() <= stats.binom.isf(1e-3, 300, level)


@pytest.mark.parametrize(
    ("site", "change", "statement"),
    [
        ("level", lambda x: x.mean((0, 1)) + 1.1 * (x - x.mean((0, 1))), Statement.SCALE),
        ("rate", lambda x: x**1.1, Statement.SCALE),
        ("level", lambda x: x + 0.08, Statement.LOCATION),
        ("share", lambda x: np.random.default_rng(1).beta(3, 4, x.shape), Statement.LOCATION),
        ("rate", lambda x: np.random.default_rng(1).gamma(2, 1 / 2, x.shape), Statement.LOCATION),
        ("weight", lambda x: np.random.default_rng(1).dirichlet(PRIOR * WEIGHTS, x.shape[:2]), None),
    ],
    ids=[
        "scale",
        "scale of a logarithm",
        "shift",
        "Jacobian of logit",
        "Jacobian of log",
        "prior of a simplex",
    ],
)
def test_a_planted_error_is_found_at_its_site(site, change, statement):
    draws = conjugate_draws(0, draws=1000)
    check = pdl.check_density(MODEL, {**draws, site: change(draws[site])})
    assert not check
    assert site in check.failures[0].where[-1]
    assert all(site in test.where[-1] or "direction" in test.where[-1] for test in check.failures)
    if statement is not None:
        assert statement in {test.statement for test in check.failures}
    assert "The draws do not fit the density: " in str(check)
    assert check.failures[0].p_value < 1e-4


@pytest.mark.slow
def test_a_wrong_prior_is_found():
    check = pdl.check_density(pdl.Model(conjugate, prior_scale=1.5), conjugate_draws(0, draws=1000))
    assert not check
    assert all("level" in test.where[-1] or "direction" in test.where[-1] for test in check.failures)


def line(x, y):
    a = numpyro.sample("a", dist.Normal(0, 100))
    b = numpyro.sample("b", dist.Normal(0, 100))
    with numpyro.plate("n", len(x)):
        numpyro.sample("y", dist.Normal(a + b * x, 1), obs=y)


def test_a_small_error_of_strongly_correlated_latents_is_found_along_their_direction():
    x = 20 + np.linspace(-1, 1, 30)
    model = pdl.Model(line, x, np.zeros(30))
    design = np.column_stack([np.ones(30), x])
    covariance = np.linalg.inv(design.T @ design + 1e-4 * np.eye(2))
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4, 1000, 2)) @ np.linalg.cholesky(covariance).T
    assert pdl.check_density(model, {"a": draws[..., 0], "b": draws[..., 1]})
    narrow = 0.93 * draws
    check = pdl.check_density(model, {"a": narrow[..., 0], "b": narrow[..., 1]})
    assert not check
    assert all(test.where[-1].startswith("the direction of") for test in check.failures)


def test_a_lost_dependence_is_found():
    covariance = np.array([[1.0, 0.3], [0.3, 1.0]])

    def pair():
        numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), covariance))

    check = pdl.check_density(pdl.Model(pair), {"x": np.random.default_rng(0).normal(size=(4, 1000, 2))})
    assert not check
    found = {(test.statement, test.where) for test in check.failures}
    assert (Statement.DEPENDENCE, ("x[0]", "x[1]")) in found


def test_draws_with_tails_that_are_too_heavy_are_no_excuse():
    def scale():
        numpyro.sample("tau", dist.HalfNormal(1))

    draws = np.abs(np.random.default_rng(0).standard_cauchy((4, 1000)))
    check = pdl.check_density(pdl.Model(scale), {"tau": draws})
    assert not check


@pytest.mark.slow
def test_the_draws_of_a_run_pass_as_they_are():
    result = pdl.infer(MODEL, pdl.NUTS(num_samples=500, num_warmup=500), key=0, progress=False)
    assert "twice" in result.data["posterior"]
    for draws in (result, result.data, dict(result.data["posterior"].to_dataset())):
        assert pdl.check_density(MODEL, draws)


def walk(y):
    start = numpyro.sample("start", dist.Normal(0, 1))

    def step(previous, value):
        now = numpyro.sample("z", dist.Normal(previous, 1))
        numpyro.sample("y", dist.Normal(now, 1), obs=value)
        return now, None

    scan(step, start, y)


def test_a_scan_is_checked_against_its_joint_gaussian():
    y = np.array([1.0, -2.0, 0.5])
    paths = np.tril(np.ones((4, 4)))
    covariance = np.linalg.inv(np.linalg.inv(paths @ paths.T) + np.diag([0.0, 1, 1, 1]))
    mean = covariance @ np.concatenate([[0.0], y])
    rng = np.random.default_rng(0)
    draws = mean + rng.normal(size=(4, 1000, 4)) @ np.linalg.cholesky(covariance).T
    model = pdl.Model(walk, y)
    assert pdl.check_density(model, {"start": draws[..., 0], "z": draws[..., 1:]})
    late = np.roll(draws[..., 1:], 1, axis=-1)
    check = pdl.check_density(model, {"start": draws[..., 0], "z": late})
    assert any("z[" in where for test in check.failures for where in test.where)


def test_a_support_may_depend_on_another_site():
    def nested():
        low = numpyro.sample("low", dist.Uniform(0, 1))
        numpyro.sample("high", dist.Uniform(low, 2))

    rng = np.random.default_rng(0)
    low = rng.uniform(size=(4, 1000))
    draws = {"low": low, "high": rng.uniform(low, 2)}
    assert pdl.check_density(pdl.Model(nested), draws)
    assert not pdl.check_density(pdl.Model(nested), {**draws, "high": rng.uniform(1, 2, (4, 1000))})


def without(name):
    draws = conjugate_draws(0)
    del draws[name]
    return draws


@pytest.mark.parametrize(
    ("draws", "error", "message"),
    [
        (
            without("rate"),
            pdl.SiteNotFound,
            "a site that has draws in the model; got 'rate'. Known: weight, share, level",
        ),
        ({**without("rate"), "rte": 1.0}, pdl.SiteNotFound, "got 'rte'. Did you mean 'rate'?"),
        (
            {**conjugate_draws(0), "rate": np.ones((4, 250))},
            ValueError,
            "vary; got 1.0 in every draw of site 'rate'",
        ),
        (
            {**conjugate_draws(0), "rate": -conjugate_draws(0)["rate"]},
            ValueError,
            "support of site 'rate' .Gamma.",
        ),
        (
            {**conjugate_draws(0), "weight": 2 * conjugate_draws(0)["weight"]},
            ValueError,
            "support of site 'weight'",
        ),
        (
            {**conjugate_draws(0), "level": np.ones((4, 250, 2))},
            ValueError,
            r"\(chain, draw, 3\) of site 'level'",
        ),
        (
            {**conjugate_draws(0), "rate": np.ones((4, 99))},
            ValueError,
            "many chains and draws of 'rate' as of",
        ),
        (
            {**conjugate_draws(0), "rate": np.full((4, 250), np.nan)},
            ValueError,
            "finite draws of site 'rate'; got nan",
        ),
        (
            conjugate_draws(0, 4, 20),
            ValueError,
            "at least 100 draws, and 20 in each chain; got 4 chains of 20",
        ),
        (xr.DataTree(), ValueError, "group 'posterior'; got the groups: none"),
        ([1.0], TypeError, "Expected draws; got list"),
    ],
)
def test_bad_draws_are_named(draws, error, message):
    with pytest.raises(error, match=message):
        pdl.check_density(MODEL, draws)


def test_weighted_draws_are_refused():
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"x": (("chain", "draw"), np.zeros((1, 100)))}),
            "sample_stats": xr.Dataset({"log_weight": (("chain", "draw"), np.zeros((1, 100)))}),
        }
    )
    with pytest.raises(ValueError, match="draws of equal weight; got weighted ones. Resample"):
        pdl.check_density(MODEL, tree)


def test_other_bad_input_is_named():
    def discrete():
        numpyro.sample("z", dist.Bernoulli(0.5))

    with pytest.raises(pdl.NotApplicable, match="check_density is not applicable: site 'z' is discrete"):
        pdl.check_density(pdl.Model(discrete), {"z": np.zeros((4, 100))})
    with pytest.raises(ValueError, match="false_alarm between 0 and 1; got 1"):
        pdl.check_density(MODEL, conjugate_draws(0), false_alarm=1)
    with pytest.raises(TypeError, match="model to be a Model"):
        pdl.check_density(conjugate, conjugate_draws(0))


def test_a_score_that_is_not_finite_is_named():
    def broken():
        x = numpyro.sample("x", dist.Normal(0, 1))
        numpyro.factor("root", jnp.where(x > 0, jnp.sqrt(x), 0.0))

    with pytest.raises(ValueError, match="finite gradient of the log-density at every draw; got nan at 'x'"):
        pdl.check_density(pdl.Model(broken), {"x": np.random.default_rng(0).normal(size=(4, 100))})
