"""Programs that look harmless: each was once a wrong number."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from numpyro.contrib.control_flow import scan
from scipy import stats

import probdl as pdl
from probdl.program.datatree import site_variables


def close(a, b):
    """Equal to rounding in double precision."""
    np.testing.assert_allclose(a, b, rtol=1e-12)


def normal(name, *parameters, **options):
    return numpyro.sample(name, dist.Normal(*parameters), **options)


def test_globals_and_closures_that_change():
    outside = {"y": np.zeros(2), "scale": 1.0}

    def program():
        m = normal("m", 0, outside["scale"])
        normal("y", m, 1, obs=outside["y"])

    before = pdl.Model(program).log_joint({"m": 0.0})
    outside["y"] = np.ones(2)
    close(pdl.Model(program).log_joint({"m": 0.0}), before - 1.0)
    outside["scale"] = 2.0
    close(pdl.Model(program).log_joint({"m": 0.0}), before - 1.0 - np.log(2))


def test_arguments_of_other_types_that_compare_equal():
    def program(flag):
        normal("x", 0, 10.0 if flag is True else 1.0)

    close(pdl.Model(program, flag=1).log_joint({"x": 0.0}), stats.norm(0, 1).logpdf(0))
    close(pdl.Model(program, flag=True).log_joint({"x": 0.0}), stats.norm(0, 10).logpdf(0))


def test_narrow_integers():
    def program(n, y):
        numpyro.sample("y", dist.Binomial(n, probs=0.4), obs=y)

    n, y = np.array([200, 255], np.uint8), np.array([100, 200], np.uint8)
    close(pdl.Model(program, n, y).log_joint({}), stats.binom(n.astype(int), 0.4).logpmf(y.astype(int)).sum())


def test_masks_and_scales_leave_the_jacobian_alone():
    def program(y):
        with numpyro.handlers.scale(scale=0.25):
            s = numpyro.sample("s", dist.HalfNormal(1.0))
        with numpyro.handlers.mask(mask=False), numpyro.plate("n", 2):
            numpyro.sample("t", dist.HalfNormal(1.0))
        normal("y", 0, s, obs=y)

    with pdl.Precision.DOUBLE.active():
        model = pdl.Model(program, 0.5)
        position = jnp.array([0.3, -0.2, 0.7])
        values = model.target.constrain(position)
        close(model.target.log_density(position), model.log_joint(values) + position.sum())


@pytest.mark.slow
def test_single_precision_stays_inside_the_simplex():
    def program():
        numpyro.sample("p", dist.Dirichlet(jnp.ones(2000)))

    model = pdl.Model(program)
    positions = jax.vmap(model.target.init)(jax.random.split(jax.random.key(0), 50))
    assert np.isfinite(jax.vmap(model.target.log_density)(positions)).all()


def test_data_cannot_be_changed_behind_the_model():
    y = np.zeros(3)
    model = pdl.Model(lambda y: normal("y", 0, 1, obs=y), y)
    before = model.log_joint({})
    y[:] = 5.0
    assert model.log_joint({}) == before


def test_pandas_arguments_stay_pandas():
    def program(frame):
        normal("y", frame["x"].to_numpy(), 1, obs=frame["y"].to_numpy())

    frame = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 1.0]})
    close(pdl.Model(program, frame).log_joint({}), stats.norm([0, 1], 1).logpdf(1.0).sum())


def nested():
    def inner(state, _):
        x = normal("x", state, 1)
        return x, x

    def outer(state, _):
        state, _ = scan(inner, state, jnp.arange(3))
        return state, state

    scan(outer, 0.0, jnp.arange(4))


def site_and_plate():
    g = normal("n", 0, 1)
    with numpyro.plate("n", 3):
        normal("y", g, 1, obs=np.zeros(3))


def scalar_in_a_plate():
    with numpyro.plate("n", 50):
        normal("y", 0, 1, obs=2.0)


def one_plate():
    with numpyro.plate("n", 1):
        normal("y", 0, 1, obs=np.zeros(60))


def plate_called_time():
    def step(state, _):
        with numpyro.plate("time", 3):
            return normal("x", state, 1), None

    scan(step, jnp.zeros(3), None, length=5)


def scoped_scan():
    def step(state, _):
        return normal("x", state, 1), None

    with numpyro.handlers.scope(prefix="a"):
        scan(step, 0.0, None, length=4)


def listed():
    normal("y", 0, 1, obs=[1.0, 2.0])


def plain():
    with numpyro.plate("n", 3):
        x = normal("x", 0, 1)
        normal("y", x, 1)


def scanned_nan():
    def step(state, y):
        return normal("y", state, 1, obs=y), None

    scan(step, 0.0, None, length=3)


REFUSED = {
    "nested scans": (lambda: pdl.Model(nested).check(), ValueError, "no scan inside another"),
    "site and plate": (lambda: pdl.Model(site_and_plate).sites, ValueError, "got 'n' twice"),
    "scalar": (
        lambda: pdl.Model(scalar_in_a_plate).check(),
        ValueError,
        r"size 50; got shape \(\)",
    ),
    "plate of one": (
        lambda: pdl.Model(one_plate).check(),
        ValueError,
        r"size 1; got shape \(60,\)",
    ),
    "plate called time": (lambda: pdl.Model(plate_called_time).sites, ValueError, "Rename the plate"),
    "scope": (lambda: pdl.Model(scoped_scan).sites, ValueError, "got 'a/x', renamed around a scan"),
    "list": (lambda: pdl.Model(listed).sites, TypeError, "observation of site 'y'; got a list"),
    "text": (lambda: pdl.Model(plain).condition(y="a"), TypeError, "numbers for site 'y' in condition"),
    "none": (lambda: pdl.Model(plain).do(x=None), TypeError, "numbers for site 'x' in do"),
    "shape": (
        lambda: pdl.Model(plain).do(x=np.ones(5)),
        ValueError,
        r"site 'x' in do; got shape \(5,\)",
    ),
    "case": (lambda: pdl.Model(plain).condition(Y=1.0), pdl.SiteNotFound, "Did you mean 'y'"),
    "complex": (
        lambda: pdl.Model(plain).condition(y=np.ones(3) * 1j).log_joint({"x": np.zeros(3)}),
        TypeError,
        "real numbers for 'y'",
    ),
    "nan in a scan": (
        lambda: pdl.Model(scanned_nan).condition(y=np.array([0.0, np.nan, 1.0])).check(),
        ValueError,
        r"got nan at index \[1\]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name):
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


def test_draws_of_other_plates_are_refused():
    def program(n):
        with numpyro.plate("n", n):
            normal("x", 0, 1)

    given = pdl.Model(program, 3).sample(0, 4)
    given["posterior"] = given["prior"]
    with pytest.raises(ValueError, match=r"shape \(4,\) \('n',\) for site 'x' in given; got \(3,\)"):
        pdl.Model(program, 4).sample(0, given=given)


@pytest.mark.slow
def test_names_that_are_no_paths():
    names = ["..", "a/..", "./c", "é" * 300, "b"]

    def program():
        for name in names:
            normal(name, 0, 1)

    tree = pdl.Model(program).sample(0, 2)
    assert sorted(name for name, _ in site_variables(tree["prior"])) == sorted(names)


def test_a_numpy_table_may_be_indexed_by_a_latent():
    def program(table):
        z = numpyro.sample("z", dist.Bernoulli(0.5))
        numpyro.sample("b", dist.Bernoulli(table[z]))

    model = pdl.Model(program, np.array([0.1, 0.9]))
    assert set(pdl.graph(model).edges) == {("z", "b")}
    assert np.isclose(model.log_joint({"z": 1, "b": 1}), np.log(0.5 * 0.9))
    assert set(model.sample(0, 3)["prior"]) == {"z", "b"}


def test_a_graph_is_read_after_a_run_in_double_precision():
    """Warnings are errors here: what was declared in double precision is traced in it."""

    def program(y=None):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu, 1), obs=y)

    model = pdl.Model(program).condition(y=np.float64(0.3))
    model.sample(0, 2)
    assert set(pdl.graph(model).edges) == {("mu", "y")}


GROUPS, OFFSETS = np.array([0, 1, 1, 0]), np.array([0.1, 0.7, -0.3, 1 / 3])


def grouped():
    with numpyro.plate("groups", 2):
        level = normal("level", 0, 1)
    with numpyro.plate("n", 4):
        numpyro.sample("y", dist.Normal(level[GROUPS] + OFFSETS, 1), obs=OFFSETS**2)


@pytest.mark.slow
def test_global_arrays_keep_their_digits():
    """JAX keeps the type that it first gave to an array as long as a trace holds it."""
    level = np.array([0.2, -1.4])
    exact = stats.norm.logpdf(level).sum() + stats.norm.logpdf(OFFSETS**2, level[GROUPS] + OFFSETS).sum()
    kept = []
    for _ in range(3):
        model = pdl.Model(grouped)
        assert set(pdl.graph(model).edges) == {("level", "y")}
        close(model.log_joint({"level": level}), exact)
        pdl.plan(model)
        kept.append(model)
