"""Models: what they declare, how they are conditioned, and what their densities are."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan
from numpyro.infer.util import log_density, potential_energy
from scipy import stats

import probdl as pdl
from probdl.program.datatree import site_variables

SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])


def schools(sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(sigma)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def level(y=None, length=6):
    q = numpyro.sample("q", dist.HalfNormal(1.0))

    def step(state, y_now):
        x = numpyro.sample("x", dist.Normal(state, q))
        numpyro.sample("y", dist.Normal(x, 1), obs=y_now)
        return x, None

    scan(step, 0.0, y, length=length)


VALUES = {"mu": 1.0, "tau": 2.0, "theta": np.linspace(-1, 6, 8)}


def schools_log_joint(mu, tau, theta):
    return (
        stats.norm(0, 5).logpdf(mu)
        + stats.halfcauchy(0, 5).logpdf(tau)
        + stats.norm(mu, tau).logpdf(theta).sum()
        + stats.norm(theta, SIGMA).logpdf(Y).sum()
    )


def close(a, b):
    """Equal to rounding in double precision."""
    np.testing.assert_allclose(a, b, rtol=1e-12)


def test_log_joint_is_that_of_scipy():
    close(pdl.Model(schools, SIGMA, y=Y).log_joint(VALUES), schools_log_joint(**VALUES))


def test_obs_and_condition_are_the_same():
    by_obs = pdl.Model(schools, SIGMA, y=Y)
    by_condition = pdl.Model(schools, SIGMA).condition(y=Y)
    assert by_obs.log_joint(VALUES) == by_condition.log_joint(VALUES)
    assert by_obs.sites == by_condition.sites
    assert by_obs.latents == by_condition.latents == ("mu", "tau", "theta")


def test_models_are_immutable():
    model = pdl.Model(schools, SIGMA)
    conditioned = model.condition(y=Y)
    assert "y" in model.latents
    assert "y" not in conditioned.latents
    with pytest.raises(AttributeError):
        model.program = None
    with pytest.raises(TypeError):
        model.kwargs["sigma"] = None


def test_log_joint_of_a_scan_is_that_of_a_loop():
    y, x, q = np.arange(6.0), np.linspace(0, 3, 6), 0.7
    before = np.concatenate([[0.0], x[:-1]])
    expected = (
        stats.halfnorm(0, 1).logpdf(q)
        + stats.norm(before, q).logpdf(x).sum()
        + stats.norm(x, 1).logpdf(y).sum()
    )
    close(pdl.Model(level, y).log_joint({"q": q, "x": x}), expected)
    close(pdl.Model(level).condition(y=y).log_joint({"q": q, "x": x}), expected)


def test_do_removes_the_density_of_the_site():
    model = pdl.Model(schools, SIGMA, y=Y).do(tau=2.0)
    rest = schools_log_joint(**VALUES) - stats.halfcauchy(0, 5).logpdf(2.0)
    close(model.log_joint({"mu": 1.0, "theta": VALUES["theta"]}), rest)
    assert model.latents == ("mu", "theta")


def test_do_holds_params_and_refuses_factors():
    def program():
        w = numpyro.param("w", 1.0)
        x = numpyro.sample("x", dist.Normal(w, 1))
        numpyro.factor("f", -x)

    model = pdl.Model(program).do(w=3.0)
    close(model.log_joint({"x": 2.0}), stats.norm(3, 1).logpdf(2.0) - 2.0)
    assert model.sites["w"].kind is pdl.SiteKind.INTERVENED
    with pytest.raises(ValueError, match="got 'f', a factor, which has no value"):
        model.do(f=0.0)


def test_arguments_may_have_any_name():
    def program(program, self):
        numpyro.sample("self", dist.Normal(program, self))

    model = pdl.Model(program, program=1.0, self=2.0).condition(self=1.5)
    close(model.log_joint({}), stats.norm(1, 2).logpdf(1.5))


def test_an_intervention_overrides_an_observation():
    model = pdl.Model(schools, SIGMA).condition(tau=3.0).do(tau=2.0)
    assert model.sites["tau"].kind is pdl.SiteKind.INTERVENED


@pytest.mark.slow
@pytest.mark.parametrize(("program", "arguments"), [(schools, (SIGMA, Y)), (level, (np.arange(6.0),))])
def test_target_is_the_density_of_numpyro(program, arguments):
    with pdl.Precision.DOUBLE.active():
        model = pdl.Model(program, *arguments)
        position = model.target.init(jax.random.key(0))
        unconstrained = model.density.layout.unravel(position)
        theirs = -potential_energy(program, arguments, {}, unconstrained)
        np.testing.assert_allclose(model.target.log_density(position), theirs, rtol=1e-12)
        values = model.target.constrain(position)
        np.testing.assert_allclose(
            model.log_joint(values), log_density(program, arguments, {}, values)[0], rtol=1e-12
        )


def test_support_that_depends_on_a_latent():
    def program():
        low = numpyro.sample("low", dist.Normal(0, 1))
        numpyro.sample("x", dist.TruncatedNormal(0, 1, low=low))

    model = pdl.Model(program)
    values = model.target.constrain(jnp.array([0.5, -3.0]))
    assert values["x"] > values["low"]


def test_data_are_arguments_and_constants_only_where_they_must_be():
    def program(group, y):
        with numpyro.plate("group", len(np.unique(group))):
            a = numpyro.sample("a", dist.Normal(0, 1))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Normal(a[group], 1), obs=y)

    group = np.array([0, 1, 1, 2])
    model = pdl.Model(program, group, np.zeros(4))
    assert list(model.bound[1].leaves) == ["1"]
    same = pdl.Model(program, group.copy(), np.ones(4))
    assert same.density == model.density
    assert hash(same.density) == hash(model.density)
    assert pdl.Model(program, np.array([0, 1, 1, 1]), np.ones(4)).density != model.density


def test_numpy_functions_of_latents():
    def program(y):
        a = numpyro.sample("a", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(np.exp(a), 1), obs=y)

    model = pdl.Model(program, 0.3)
    close(model.log_joint({"a": 0.5}), stats.norm(0, 1).logpdf(0.5) + stats.norm(np.exp(0.5), 1).logpdf(0.3))
    assert not hasattr(jax.core.Tracer, "__array_ufunc__")


def test_user_flags_are_not_touched():
    assert jnp.zeros(()).dtype == jnp.float32
    pdl.Model(schools, SIGMA, y=Y).log_joint(VALUES)
    assert jnp.zeros(()).dtype == jnp.float32


@pytest.mark.slow
def test_prior_draws_are_labelled():
    tree = pdl.Model(schools, SIGMA, y=Y).sample(0, 50)
    assert tree["prior"]["theta"].dims == ("chain", "draw", "school")
    assert tree["prior_predictive"]["y"].shape == (1, 50, 8)
    assert "y" not in tree["prior"]
    again = pdl.Model(schools, SIGMA, y=Y).sample(jax.random.key(0), 50)
    assert tree.identical(again)


@pytest.mark.slow
def test_prior_draws_of_a_scan():
    tree = pdl.Model(level, np.zeros(6)).sample(1, 2000)
    x, q = (tree["prior"][name].to_numpy()[0] for name in ("x", "q"))
    assert tree["prior"]["x"].dims == ("chain", "draw", "time")
    steps = np.diff(x, axis=1, prepend=0) / q[:, None]
    assert abs(steps.mean()) < 4 / np.sqrt(steps.size)
    assert abs(steps.var() - 1) < 4 * np.sqrt(2 / steps.size)


@pytest.mark.slow
def test_predictive_draws_follow_the_posterior():
    model = pdl.Model(level, np.zeros(6))
    prior = model.sample(0, 300)
    given = prior.copy()
    given["posterior"] = given["prior"]
    tree = model.sample(1, 300, given=given)
    x, y = prior["prior"]["x"].to_numpy()[0], tree["posterior_predictive"]["y"].to_numpy()[0]
    noise = y - x
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < 4 * np.sqrt(2 / noise.size)


@pytest.mark.slow
def test_every_name_survives():
    names = ["net/w", "net/l1.b", "<b>", "a:b", "θ", "chain", "x y", "a//b"]

    def program():
        with numpyro.plate("n", 2):
            for name in names:
                numpyro.sample(name, dist.Normal(0, 1))

    tree = pdl.Model(program).sample(0, 3)
    assert sorted(name for name, _ in site_variables(tree["prior"])) == sorted(names)
    assert tree["prior"]["net/w"].shape == (1, 3, 2)


BAD = {
    "missing argument": (
        lambda: pdl.Model(schools),
        TypeError,
        r"schools\(sigma, y=None\).*missing.*'sigma'",
    ),
    "unknown argument": (
        lambda: pdl.Model(schools, SIGMA, z=1),
        TypeError,
        "unexpected keyword argument 'z'",
    ),
    "not a program": (lambda: pdl.Model(3), TypeError, "Expected a NumPyro program, a callable; got int"),
    "misspelt in condition": (
        lambda: pdl.Model(schools, SIGMA).condition(thta=1.0),
        pdl.SiteNotFound,
        r"in condition; got 'thta'\. Did you mean 'theta'\?",
    ),
    "misspelt in do": (
        lambda: pdl.Model(schools, SIGMA).do(taw=1.0),
        pdl.SiteNotFound,
        r"in do; got 'taw'\. Did you mean 'tau'\?",
    ),
    "missing value": (
        lambda: pdl.Model(schools, SIGMA, y=Y).log_joint({"mu": 1.0}),
        ValueError,
        r"shape \(\) for latent site 'tau'; got none.*mu, tau, theta",
    ),
    "wrong shape of a value": (
        lambda: pdl.Model(schools, SIGMA, y=Y).log_joint({**VALUES, "theta": np.zeros(7)}),
        ValueError,
        r"shape \(8,\) for latent site 'theta'; got shape \(7,\)",
    ),
    "steps": (
        lambda: pdl.Model(level, length=6).condition(y=np.zeros(5)),
        ValueError,
        r"6 steps along the first axis for site 'y' in condition; got shape \(5,\)",
    ),
    "nan": (
        lambda: pdl.Model(schools, SIGMA, y=np.where(Y == 8, np.nan, Y)).check(),
        ValueError,
        r"finite values for observed site 'y'; got nan at index \[1\].*obs_mask",
    ),
    "inf": (
        lambda: pdl.Model(schools, SIGMA).condition(y=np.where(Y == 7, np.inf, Y)).check(),
        ValueError,
        r"finite values for observed site 'y'; got inf at index \[3\]",
    ),
    "broadcast": (
        lambda: pdl.Model(schools, SIGMA, y=Y[:, None]).check(),
        ValueError,
        r"observation of shape \(8,\) for site 'y'; got shape \(8, 1\), which would broadcast",
    ),
    "longer than the plate": (
        lambda: pdl.Model(schools, SIGMA, y=np.zeros(9)).check(),
        ValueError,
        r"site 'y' in plate 'school' of size 8; got shape \(9,\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("distribution", "value", "message"),
    [
        (dist.Poisson(1.0), [1, -1], r"support of Poisson, integers from 0 up; got -1 at index \[1\]"),
        (dist.Bernoulli(0.5), [0, 2], r"support of Bernoulli, 0 or 1; got 2 at index \[1\]"),
        (dist.Beta(1, 1), [0.5, 1.5], r"support of Beta, .*; got 1\.5 at index \[1\]"),
        (dist.HalfNormal(1), [-0.5, 1.5], r"support of HalfNormal, .*; got -0\.5 at index \[0\]"),
        (
            dist.Binomial(10, 0.5),
            [4, 11],
            r"support of Binomial, integers from 0 to 10; got 11 at index \[1\]",
        ),
        (dist.Poisson(1.0), [1.5, 2.0], r"support of Poisson.*got 1\.5 at index \[0\]"),
    ],
)
def test_data_outside_the_support(distribution, value, message):
    def program(y):
        numpyro.sample("y", distribution, obs=y)

    with pytest.raises(ValueError, match=message):
        pdl.Model(program, np.array(value)).check()


def test_masked_missing_values_are_allowed():
    def program(y, seen):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        with numpyro.handlers.mask(mask=seen):
            numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    pdl.Model(program, np.array([1.0, np.nan]), np.array([True, False])).check()


def test_integers_that_do_not_fit():
    from probdl.program.arrays import convert

    with pytest.raises(
        OverflowError, match=r"Expected integers of 'y' between .*; got 3000000000 at index \[1\]"
    ):
        convert(np.array([1, 3_000_000_000]), pdl.Precision.SINGLE, "y")
    with pytest.raises(OverflowError, match="Run in double precision, rescale it, or pass floats"):
        convert(np.array([2**63], np.uint64), pdl.Precision.DOUBLE, "y")
    with pytest.raises(TypeError, match="Expected real numbers for 'y'"):
        convert(np.array(["a"]), pdl.Precision.DOUBLE, "y")


def test_empty_data_leave_the_prior():
    model = pdl.Model(schools, np.zeros(0), y=np.zeros(0))
    assert model.plates == {"school": 0}
    values = {"mu": 1.0, "tau": 2.0, "theta": np.zeros(0)}
    close(model.log_joint(values), stats.norm(0, 5).logpdf(1.0) + stats.halfcauchy(0, 5).logpdf(2.0))


def test_nothing_has_density_outside_its_support():
    def program(y):
        theta = numpyro.sample("theta", dist.HalfNormal(10))
        numpyro.sample("y", dist.Uniform(0, theta), obs=y)

    for enabled in (True, False):
        with numpyro.validation_enabled(is_validate=enabled):
            model = pdl.Model(program, 3.0)
            assert model.log_joint({"theta": 2.0}) == -np.inf
            close(model.log_joint({"theta": 4.0}), stats.halfnorm(0, 10).logpdf(4.0) - np.log(4.0))


def test_invalid_parameters_are_placed():
    def program(scale):
        numpyro.sample("mu", dist.Normal(0, 1))
        numpyro.sample("x", dist.Normal(0, scale))

    with pytest.raises(ValueError, match="at site 'x': Normal .* invalid scale parameter"):
        _ = pdl.Model(program, -1.0).sites


@pytest.mark.slow
def test_predictions_at_new_inputs():
    def line(x, y=None):
        a = numpyro.sample("a", dist.Normal(0, 1))
        mean = numpyro.deterministic("mean", a * x)
        with numpyro.plate("n", len(x)):
            numpyro.sample("y", dist.Normal(mean, 1), obs=y)

    given = pdl.Model(line, np.ones(3), y=np.zeros(3)).sample(0, 20)
    given["posterior"] = given["prior"]
    tree = pdl.Model(line, np.full(5, 2.0)).sample(1, 20, given=given)["posterior_predictive"]
    assert tree["y"].shape == (1, 20, 5)
    np.testing.assert_allclose(tree["mean"][0, :, 4], 2 * given["posterior"]["a"][0], rtol=1e-12)


@pytest.mark.slow
def test_sites_come_in_the_order_of_the_program():
    tree = pdl.Model(schools, SIGMA, y=Y).sample(0, 3)
    assert list(tree["prior"].data_vars) == ["mu", "tau", "theta"]


def test_a_program_is_the_same_one_in_a_notebook(monkeypatch):
    """There JAX prints what it traced in colours."""
    plain = pdl.Model(schools, SIGMA, np.zeros(8)).bound[0].fingerprint
    monkeypatch.setattr("jax._src.pretty_printer.CAN_USE_COLOR", True)
    assert pdl.Model(schools, SIGMA, np.zeros(8)).bound[0].fingerprint == plain
