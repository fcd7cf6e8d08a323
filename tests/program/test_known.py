"""Data that a program computes or scans over: checked as those that it is given, where they count."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.program import known as known_values
from probdl.program.known import known

Y = np.array([1.0, 2.0, np.nan, 0.5])
SEEN = np.nan_to_num(Y)
ASKS = {"plan": pdl.plan, "infer": lambda model: pdl.infer(model, key=0), "exact": pdl.exact_posterior}


def computed(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    with numpyro.plate("n", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=2 * jnp.asarray(y))


def scanned(y):
    def step(x, seen):
        x = numpyro.sample("x", dist.Normal(x, 1.0))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=seen)
        return x, None

    scan(step, 0.0, y)


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("program", [computed, scanned])
def test_missing_values_are_named_before_anything_runs(program, ask):
    message = (
        r"site 'y'; got nan at index \[2\]: y\[2\] is NaN\. If it is .*`with_missing\(model\)`.*, or impute"
    )
    with pytest.raises(ValueError, match=message):
        ASKS[ask](pdl.Model(program, Y))


def test_an_element_is_named_as_in_a_graph():
    def program(y):
        with numpyro.plate("row", 2, dim=-1), numpyro.plate("column", 3, dim=-2):
            numpyro.sample("y", dist.Normal(numpyro.sample("m", dist.Normal(0.0, 1.0)), 1.0), obs=y)

    y = np.zeros((3, 2))
    y[2, 0] = np.nan
    with pytest.raises(ValueError, match=r"got nan at index \[2, 0\]: y\[0,2\] is NaN"):
        pdl.Model(program, y).check()


def test_infinite_values_and_supports():
    def counts(y):
        def step(x, seen):
            rate = numpyro.sample("rate", dist.Gamma(1.0, 1.0))
            numpyro.sample("y", dist.Poisson(rate), obs=seen)
            return x, None

        scan(step, 0.0, y)

    with pytest.raises(ValueError, match=r"got inf at index \[1\]\. Correct it"):
        pdl.Model(scanned, np.array([0.0, np.inf])).check()
    with pytest.raises(ValueError, match=r"support of Poisson, integers from 0 up; got -1 at index \[2\]"):
        pdl.Model(counts, np.array([3, 0, -1])).check()


def masked_computed(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    with numpyro.plate("n", len(y)), handlers.mask(mask=jnp.arange(len(y)) != 2):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=jnp.asarray(y))


def masked_inside(y):
    def step(x, seen):
        x = numpyro.sample("x", dist.Normal(x, 1.0))
        with handlers.mask(mask=~jnp.isnan(seen)), numpyro.plate("n", 2):
            numpyro.sample("y", dist.Normal(x, 1.0), obs=jnp.stack([seen, seen]))
        return x, None

    scan(step, 0.0, y)


def masked_twice(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    keep = np.arange(len(y)) != 2
    with numpyro.plate("n", len(y)), handlers.mask(mask=keep), handlers.mask(mask=np.ones(len(y), bool)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def masked_around(y):
    with handlers.mask(mask=False):
        scanned(y)


@pytest.mark.parametrize("program", [masked_computed, masked_inside, masked_twice, masked_around])
def test_what_is_masked_may_be_missing(program):
    pdl.Model(program, Y).check()


def test_what_is_not_masked_may_not():
    other = np.array([1.0, np.nan, np.nan, 0.5])
    for program in (masked_computed, masked_twice):
        with pytest.raises(ValueError, match=r"y\[1\] is NaN"):
            pdl.Model(program, other).check()
    with pytest.raises(ValueError, match=r"y\[2,1\] is NaN"):
        pdl.Model(masked_inside, SEEN).condition(y=np.stack([SEEN, Y], 1)).check()


def test_latents_in_an_observation_or_a_mask_are_not_looked_at():
    def program(y):
        x = numpyro.sample("x", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(0.0, 1.0), obs=jnp.asarray(y)[2] + x)
        with handlers.mask(mask=x > 0):
            numpyro.sample("z", dist.Normal(x, 1.0), obs=y[2])

    model = pdl.Model(program, Y)
    model.check()
    assert not known(model).observations
    assert not known(model).masks


def test_the_same_program_on_other_data_is_not_traced_again():
    pdl.Model(scanned, SEEN).check()
    before = known_values._recipe.cache_info().misses
    model = pdl.Model(scanned, SEEN + 1)
    model.check()
    assert known_values._recipe.cache_info().misses == before
    np.testing.assert_array_equal(known(model).observations["y"], SEEN + 1)


FLAT, TURN = 2 * np.ones((2, 2)), np.array([[1.0, 0.0], [1.0, 0.0]])


def observed(cov):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    numpyro.sample("x", dist.MultivariateNormal(mu * jnp.ones(2), cov), obs=np.array([1.0, 2.0]))


def latent(cov):
    x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), cov))
    numpyro.sample("y", dist.Normal(x.sum(), 1.0), obs=1.0)


def computed_covariance(cov):
    latent(2 * jnp.asarray(cov))


def constant(cov):
    latent(jnp.ones((2, 2)))


def precision(cov):
    x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), precision_matrix=jnp.asarray(cov)))
    numpyro.sample("y", dist.Normal(x.sum(), 1.0), obs=1.0)


def triangular(cov):
    x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), scale_tril=jnp.asarray(TURN)))
    numpyro.sample("y", dist.Normal(x.sum(), 1.0), obs=1.0)


def of_a_scan(cov):
    def step(x, _):
        x = numpyro.sample("x", dist.MultivariateNormal(x, jnp.asarray(cov)))
        numpyro.sample("y", dist.Normal(x.sum(), 1.0), obs=1.0)
        return x, None

    scan(step, jnp.zeros(2), None, length=3)


SINGULAR = [observed, latent, computed_covariance, constant, precision, triangular, of_a_scan]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("program", SINGULAR)
def test_a_singular_covariance_is_named(program, ask):
    message = r"covariance of site 'x'; got a .* the covariance is singular or not positive definite\. Remove"
    with pytest.raises(ValueError, match=message):
        ASKS[ask](pdl.Model(program, FLAT))


@pytest.mark.parametrize("wrong", [np.diag([1.0, -1.0]), np.array([[1.0, 0.9], [0.0, 1.0]]), FLAT / 3])
def test_what_is_no_covariance_is_named(wrong):
    with pytest.raises(ValueError, match=r"covariance of site 'x'; got a covariance_matrix by which"):
        pdl.Model(latent, wrong).check()


def test_which_of_a_batch():
    def program(cov):
        with numpyro.plate("n", 3):
            x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), jnp.asarray(cov)))
            numpyro.sample("y", dist.Normal(x.sum(-1), 1.0), obs=np.zeros(3))

    with pytest.raises(ValueError, match=r"got a covariance_matrix at index \[1\] by which"):
        pdl.Model(program, np.stack([np.eye(2), FLAT, np.eye(2)])).check()


def test_small_variances_and_strong_correlations_are_regular():
    for good in (np.diag([1e-30, 1.0]), np.array([[1.0, 1 - 1e-12], [1 - 1e-12, 1.0]])):
        for program in (latent, computed_covariance, of_a_scan):
            pdl.Model(program, good).check()


def test_the_site_of_a_refused_parameter_is_named():
    def program(scale):
        numpyro.sample("a", dist.Normal(0.0, 1.0))
        numpyro.sample("b", dist.LogNormal(0.0, scale).expand([2]).to_event(1))

    with pytest.raises(ValueError, match=r"got, at site 'b': .* invalid scale parameter\. Correct"):
        pdl.Model(program, np.array(-1.0)).check()
