"""Natural parameters read off a log-density, against updates written by hand; and what must be refused."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.distributions import constraints

from probdl.distributions.families import family_of
from probdl.distributions.independent import IndependentFamily
from probdl.distributions.matrices import InverseWishartFamily, WishartFamily
from probdl.distributions.normal_gamma import NormalGamma, NormalGammaFamily
from probdl.distributions.positive import GammaFamily, InverseGammaFamily, LogNormalFamily
from probdl.distributions.real import NormalFamily, VonMisesFamily
from probdl.distributions.simplex import BetaFamily, DirichletFamily
from probdl.distributions.vectors import MultivariateNormalFamily
from probdl.exact.conjugacy.certificate import candidates, certify
from probdl.exact.conjugacy.conjugate import interpolation, solve
from probdl.exact.conjugacy.conjugate_integral import integrated
from probdl.program.precision import Precision
from tests.marks import by_name

ELEMENTS = 3


@pytest.fixture(autouse=True)
def double():
    with Precision.DOUBLE.active():
        yield


class Pair(NamedTuple):
    """A prior, a likelihood of data of shape (observations, elements), and the posterior by hand."""

    prior: Any
    likelihood: Any
    data: Any
    natural: Any


def matrix_natural(power, matrix):
    return np.concatenate(
        [np.broadcast_to(power, matrix.shape[:-2])[..., None], matrix.reshape(ELEMENTS, -1)], -1
    )


def scatter(y):
    return np.einsum("nei,nej->eij", y, y)


SQUARE = np.array([[2.0, 0.3], [0.3, 1.0]])
INVERSE = np.linalg.inv(SQUARE)
PAIRS = {
    "beta, Bernoulli": Pair(
        lambda: dist.Beta(2.0, 3.0),
        dist.Bernoulli,
        lambda r, n: r.integers(0, 2, (n, ELEMENTS)),
        lambda y, n: np.stack([1 + y.sum(0), 2 + n - y.sum(0)], -1),
    ),
    "beta, binomial by logits": Pair(
        lambda: dist.Beta(0.5, 0.5),
        lambda p: dist.Binomial(20, logits=jnp.log(p) - jnp.log1p(-p)),
        lambda r, n: r.binomial(20, 0.3, (n, ELEMENTS)),
        lambda y, n: np.stack([y.sum(0) - 0.5, 20 * n - y.sum(0) - 0.5], -1),
    ),
    "Dirichlet, categorical": Pair(
        lambda: dist.Dirichlet(jnp.array([0.5, 1.0, 2.0, 3.0])),
        dist.Categorical,
        lambda r, n: r.integers(0, 4, (n, ELEMENTS)),
        lambda y, n: (y[..., None] == np.arange(4)).sum(0) + np.array([-0.5, 0.0, 1.0, 2.0]),
    ),
    "gamma, Poisson": Pair(
        lambda: dist.Gamma(2.0, 3.0),
        dist.Poisson,
        lambda r, n: r.poisson([0.1, 4.0, 300.0], (n, ELEMENTS)),
        lambda y, n: np.stack([1 + y.sum(0), np.full(ELEMENTS, -3.0 - n)], -1),
    ),
    "gamma, tiny unit": Pair(
        lambda: dist.Gamma(2.0, 3.0),
        dist.Exponential,
        lambda r, n: r.exponential(1e5, (n, ELEMENTS)),
        lambda y, n: np.stack([np.full(ELEMENTS, 1.0 + n), -3 - y.sum(0)], -1),
    ),
    "gamma, precision": Pair(
        lambda: dist.Gamma(2.0, 3.0),
        lambda tau: dist.Normal(1.0, 1 / jnp.sqrt(tau)),
        lambda r, n: r.normal(1.5, 0.3, (n, ELEMENTS)),
        lambda y, n: np.stack([np.full(ELEMENTS, 1 + n / 2), -3 - ((y - 1) ** 2).sum(0) / 2], -1),
    ),
    "inverse gamma, variance": Pair(
        lambda: dist.InverseGamma(2.0, 3.0),
        lambda v: dist.Normal(1.0, jnp.sqrt(v)),
        lambda r, n: r.normal(1.5, 30.0, (n, ELEMENTS)),
        lambda y, n: np.stack([np.full(ELEMENTS, -3 - n / 2), -3 - ((y - 1) ** 2).sum(0) / 2], -1),
    ),
    "log-normal, log-normal": Pair(
        lambda: dist.LogNormal(0.5, 2.0),
        lambda x: dist.Normal(jnp.log(x), 0.5),
        lambda r, n: r.normal(1.0, 0.5, (n, ELEMENTS)),
        lambda y, n: np.stack([0.125 - 1 + 4 * y.sum(0), np.full(ELEMENTS, -0.125 - 2 * n)], -1),
    ),
    "normal, normal": Pair(
        lambda: dist.Normal(1.0, 2.0),
        lambda m: dist.Normal(m, 0.5),
        lambda r, n: r.normal([0.0, 3.0, -40.0], 0.5, (n, ELEMENTS)),
        lambda y, n: np.stack([0.25 + 4 * y.sum(0), np.full(ELEMENTS, -0.125 - 2 * n)], -1),
    ),
    "normal, far from zero": Pair(
        lambda: dist.Normal(0.0, 1e4),
        lambda m: dist.Normal(m, 1.0),
        lambda r, n: r.normal(3e3, 1.0, (n, ELEMENTS)),
        lambda y, n: np.stack([y.sum(0), np.full(ELEMENTS, -0.5e-8 - n / 2)], -1),
    ),
    "multivariate normal": Pair(
        lambda: dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2)),
        lambda m: dist.MultivariateNormal(m, jnp.asarray(SQUARE)),
        lambda r, n: r.normal(1.0, 2.0, (n, ELEMENTS, 2)),
        lambda y, n: np.concatenate(
            [y.sum(0) @ INVERSE, np.tile(-(np.eye(2) + n * INVERSE).ravel() / 2, (ELEMENTS, 1))], -1
        ),
    ),
    "Wishart, precision": Pair(
        lambda: dist.Wishart(4.0, rate_matrix=jnp.asarray(SQUARE)),
        lambda x: dist.MultivariateNormal(jnp.zeros(2), precision_matrix=x),
        lambda r, n: r.normal(0.0, 2.0, (n, ELEMENTS, 2)),
        lambda y, n: matrix_natural((1 + n) / 2, -(SQUARE + scatter(y)) / 2),
    ),
    "inverse Wishart, covariance": Pair(
        lambda: dist.InverseWishart(4.0, scale_matrix=jnp.asarray(SQUARE)),
        lambda x: dist.MultivariateNormal(jnp.zeros(2), x),
        lambda r, n: r.normal(0.0, 2.0, (n, ELEMENTS, 2)),
        lambda y, n: matrix_natural(-(7 + n) / 2, -(SQUARE + scatter(y)) / 2),
    ),
    "von Mises, von Mises": Pair(
        lambda: dist.VonMises(0.5, 2.0),
        lambda m: dist.VonMises(m, 3.0),
        lambda r, n: r.vonmises(-1.0, 3.0, (n, ELEMENTS)),
        lambda y, n: np.stack(
            [2 * np.cos(0.5) + 3 * np.cos(y).sum(0), 2 * np.sin(0.5) + 3 * np.sin(y).sum(0)], -1
        ),
    ),
    "normal-gamma, normal": Pair(
        lambda: NormalGamma(1.0, 2.0, 3.0, 4.0),
        lambda x: dist.Normal(x[0], 1 / jnp.sqrt(x[1])),
        lambda r, n: r.normal(2.0, 0.5, (n, ELEMENTS)),
        lambda y, n: np.stack(
            [
                np.full(ELEMENTS, 2.5 + n / 2),
                -5 - (y**2).sum(0) / 2,
                2 + y.sum(0),
                np.full(ELEMENTS, -1 - n / 2),
            ],
            -1,
        ),
    ),
}


def everyday(table, names):
    """Return the rows of a table; those that are not named are slow."""
    return [name if name in names else pytest.param(name, marks=pytest.mark.slow) for name in table]


OFTEN = {"gamma, Poisson", "normal, normal", "von Mises, von Mises"}
pairs = pytest.mark.parametrize("name", everyday(PAIRS, OFTEN))


def family(pair):
    return family_of(pair.prior())


def log_likelihood(pair, y, x):
    return pair.likelihood(x).log_prob(y).sum(0)


def log_joint(pair, y, x):
    return pair.prior().log_prob(x) + log_likelihood(pair, y, x)


@functools.cache
def certified(name, n):
    pair = PAIRS[name]
    y = pair.data(np.random.default_rng(n), n)
    return y, family(pair), certify(functools.partial(log_joint, pair, jnp.asarray(y)), family(pair))


@pytest.mark.few(3)
@pytest.mark.slow
@pairs
def test_natural_parameters_are_those_of_the_posterior(name):
    check_natural_parameters(name, 7)


@pytest.mark.few(3)
@pytest.mark.parametrize("n", [1, 100_000])
@pytest.mark.parametrize("name", by_name(list(PAIRS), whole=OFTEN))
def test_natural_parameters_of_one_datum_and_of_many(name, n):
    check_natural_parameters(name, n)


def check_natural_parameters(name, n):
    y, _, found = certified(name, n)
    assert found.holds, str(found)
    assert found.is_proper
    expected = PAIRS[name].natural(y, n)
    error = np.abs(found.fit.natural - expected).max(-1) / np.abs(expected).max(-1)
    assert error.max() < 1e-10
    relative = np.abs(found.fit.natural / np.where(expected == 0, 1, expected) - 1)[expected != 0]
    assert relative.max() < 1e-9


@pytest.mark.few(3)
@pytest.mark.slow
@pairs
def test_log_evidence_is_joint_less_posterior_at_every_value(name):
    y, kind, found = certified(name, 7)
    posterior = kind.distribution(found.fit.natural[0])  # normalised by NumPyro, not by us
    rounding = 100 * np.finfo(float).eps * abs(found.fit.log_constant[0])
    points = jnp.asarray(found.interpolation.points)
    table = jax.vmap(functools.partial(log_joint, PAIRS[name], jnp.asarray(y)))(points)
    log_evidence = integrated(found.interpolation, kind, jnp.moveaxis(table, 0, -1))[0][0]
    for x, log_density in zip(points[:2], table[:2, 0], strict=True):
        difference = log_density - posterior.log_prob(x)
        np.testing.assert_allclose(log_evidence, difference, rtol=1e-10, atol=1e-10 + rounding)


@jax.jit
def compiled(y, points):
    values = jax.vmap(functools.partial(log_joint, PAIRS["gamma, Poisson"], y))(jnp.asarray(points.points))
    return solve(points, values)


@pytest.mark.slow
def test_the_fit_runs_inside_a_compiled_step_and_has_gradients():
    y = jnp.asarray(PAIRS["gamma, Poisson"].data(np.random.default_rng(0), 5), float)
    for scale in (1.0, 10.0):
        natural = compiled(y, interpolation(GammaFamily(), scale)).natural
        np.testing.assert_allclose(natural, PAIRS["gamma, Poisson"].natural(np.asarray(y), 5), rtol=1e-11)
    slope = jax.jacobian(lambda y: compiled(y, interpolation(GammaFamily())).natural[:, 0])(y)
    np.testing.assert_allclose(slope.sum((1, 2)), 5.0, rtol=1e-10)  # the shape is one more for each count
    assert compiled._cache_size() == 1


NOT_CONJUGATE = {
    "half-Cauchy scale": (GammaFamily(), dist.HalfCauchy(1.0).log_prob),
    "scale of a normal": (GammaFamily(), lambda x: dist.Normal(0.0, x).log_prob(2.0) - x),
    "inverse gamma for gamma": (GammaFamily(), lambda x: -2 * jnp.log(x) - 3 / x),
    "gamma for inverse gamma": (InverseGammaFamily(), lambda x: jnp.log(x) - 3 * x),
    "gamma for log-normal": (LogNormalFamily(), lambda x: jnp.log(x) - 3 * x),
    "Weibull": (GammaFamily(), dist.Weibull(1.0, 1.5).log_prob),
    "Student": (NormalFamily(), dist.StudentT(3.0).log_prob),
    "logistic likelihood": (NormalFamily(), lambda x: -(x**2) / 2 - jax.nn.softplus(x)),
    "softplus that is a line nearby": (
        NormalFamily(),
        lambda x: -(x**2) / 2 - 1e3 * jax.nn.softplus(x - 50.0),
    ),
    "floor": (NormalFamily(), lambda x: -(jnp.floor(x) ** 2) / 2),
    "fine floor": (NormalFamily(), lambda x: -((jnp.floor(x * 1e4) / 1e4) ** 2) / 2),
    "where": (NormalFamily(), lambda x: jnp.where(x > 3.7, -(x**2), -(x**2) / 2)),
    "where far out": (
        NormalFamily(),
        lambda x: jnp.where(abs(x) < 500.0, -(x**2) / 2, -250.0 * abs(x)),
    ),
    "clipped": (NormalFamily(), lambda x: -(jnp.clip(x, -30.0, 30.0) ** 2) / 2),
    "rate that saturates": (GammaFamily(), lambda x: 2 * jnp.log(x) - jnp.minimum(x, 40.0)),
    "small power": (GammaFamily(), lambda x: 1e5 * (jnp.log(x) - x) - 1e-3 * x**1.5),
    "ripple": (NormalFamily(), lambda x: -1e5 * x**2 + 1e-3 * jnp.sin(7 * x)),
    "zero-inflated": (BetaFamily(), lambda x: jnp.log(0.1 + 0.9 * x)),
    "beta with a step": (BetaFamily(), lambda x: jnp.log(x) + jnp.where(x > 0.5, 0.1, 0.0)),
    "logistic normal": (DirichletFamily(3), lambda x: -jnp.sum((jnp.log(x[:-1]) - jnp.log(x[-1])) ** 2)),
    "mixture weight": (DirichletFamily(3), lambda x: jnp.log(x @ jnp.array([0.2, 0.3, 0.5]))),
    "quartic": (MultivariateNormalFamily(2), lambda x: -jnp.sum(x**2) - 1e-6 * (x[0] * x[1]) ** 2),
    "banana": (MultivariateNormalFamily(2), lambda x: -(x[0] ** 2) - (x[1] - x[0] ** 2) ** 2),
    "LKJ-like": (WishartFamily(2), lambda x: jnp.log(x[0, 0]) - jnp.trace(x)),
    "Wishart for inverse": (InverseWishartFamily(2), lambda x: -jnp.trace(x)),
    "wrapped": (VonMisesFamily(), lambda x: -(x**2)),
    "second harmonic": (VonMisesFamily(), lambda x: jnp.cos(x) + 1e-6 * jnp.cos(2 * x)),
    "gamma that falls too slowly": (NormalGammaFamily(), lambda x: jnp.log(x[1]) - x[1] - x[0] ** 2),
    "no number": (NormalFamily(), lambda x: jnp.sqrt(x)),
}


SELDOM = {"quartic", "banana", "LKJ-like", "Wishart for inverse", "gamma that falls too slowly"}


@pytest.mark.parametrize("name", everyday(NOT_CONJUGATE, NOT_CONJUGATE.keys() - SELDOM))
def test_what_is_not_of_the_form_is_refused(name):
    kind, log_density = NOT_CONJUGATE[name]
    found = certify(log_density, kind)
    assert not found.holds
    assert "does not have the form" in str(found)


def test_one_element_that_is_not_of_the_form_is_enough():
    powers = jnp.array([1.0, 1.0, 1.0 + 1e-6])
    assert not certify(lambda x: -(x**powers), GammaFamily()).holds
    assert certify(lambda x: -(x ** jnp.ones(3)), GammaFamily()).holds


def test_what_has_the_form_but_no_integral_is_not_proper():
    flat = certify(lambda x: jnp.zeros(()), NormalFamily())
    assert flat.holds
    assert not flat.is_proper
    upward = certify(lambda x: jnp.log(x) + x, GammaFamily())
    assert upward.holds
    assert not upward.is_proper


def test_candidates_follow_the_support():
    assert candidates(constraints.positive, ()) == (GammaFamily(), InverseGammaFamily(), LogNormalFamily())
    assert candidates(constraints.simplex, (4,)) == (DirichletFamily(4),)
    assert candidates(constraints.real, ()) == (NormalFamily(),)
    assert candidates(constraints.positive_integer, ()) == ()
    assert candidates(constraints.positive_integer, (3,)) == ()
    assert candidates(constraints.unit_interval, (3, 2)) == (IndependentFamily(BetaFamily(), (3, 2)),)
    assert candidates(constraints.simplex, (3, 4)) == (IndependentFamily(DirichletFamily(4), (3,)),)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gamma, Poisson", "normal, normal"])
def test_the_users_precision_does_not_matter(name):
    pair, y = PAIRS[name], PAIRS[name].data(np.random.default_rng(0), 4)
    with Precision.SINGLE.active():
        found = certify(functools.partial(log_joint, pair, y), family(pair))
    assert found.holds
    np.testing.assert_allclose(found.fit.natural, pair.natural(y, 4), rtol=1e-10)
