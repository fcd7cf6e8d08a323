"""Gaussian potentials against dense algebra, quadrature, and their own laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import integrate as quadrature

from probdl.exact.gaussians import cholesky as small
from probdl.exact.gaussians import gaussian_integral as verbs
from probdl.exact.gaussians.gaussian import Canonical, multiply, shift
from probdl.exact.gaussians.gaussian_integral import Regression
from probdl.program.precision import Precision
from tests.exact.gaussian_oracle import close, integrated, random_potential

integrate = jax.jit(verbs.integrate, static_argnums=1)
maximize = jax.jit(verbs.maximize, static_argnums=1)
expected_log, log_normalizer, moments, is_proper = map(
    jax.jit, (verbs.expected_log, verbs.log_normalizer, verbs.moments, verbs.is_proper)
)


@pytest.fixture(autouse=True)
def _double():
    with Precision.DOUBLE.active():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 3, 9, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 6))])
def test_small_factors_are_those_of_lapack(size):
    r = np.random.default_rng(size)
    half = r.normal(size=(4, size + 2, size))
    matrix = half.mT @ half
    right = r.normal(size=(4, size, 3))

    @jax.jit
    def answers(matrix, right):
        factor = small.cholesky(matrix)
        solved = small.solve_lower(factor, right), small.solve_upper(factor, right)
        return factor, *solved, small.inverse(factor), small.log_determinant(factor), small.gram(right, right)

    factor = np.linalg.cholesky(matrix)
    solved = np.linalg.solve(factor, right), np.linalg.solve(factor.mT, right)
    expected = factor, *solved, np.linalg.inv(matrix), np.linalg.slogdet(matrix)[1], right.mT @ right
    for found, value in zip(answers(matrix, right), expected, strict=True):
        close(found, value, np.linalg.cond(matrix).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "k"),
    [(1, 0), (1, 1), (4, 2), (9, 7)]
    + [pytest.param(*case, marks=pytest.mark.slow) for case in ((3, 1), (5, 3), (9, 9))],
)
def test_integrals_and_conditionals_are_those_of_dense_algebra(size, k):
    r = np.random.default_rng(10 * size + k)
    potential = random_potential(r, size, (3,), ridge=1.0)
    rest, conditional = integrate(potential, k)
    for i in range(3):
        c, h, j = (np.asarray(array[i]) for array in potential)
        condition = np.linalg.cond(j)
        for found, expected in zip(rest, integrated(c, h, j, k), strict=True):
            close(found[i], expected, condition)
        own, gain, offset = (
            np.asarray(x[i]) for x in (conditional.cholesky, conditional.gain, conditional.offset)
        )
        close(own @ own.T, j[:k, :k])
        at = r.normal(size=size - k)
        expected = np.linalg.solve(j[:k, :k], h[:k] - j[:k, k:] @ at)
        close(gain @ at + offset, expected, condition)


def test_a_log_integral_is_that_of_quadrature():
    potential = random_potential(np.random.default_rng(0), 2, ridge=1.0)
    c, h, j = map(np.asarray, potential)

    def density(y, x):
        v = np.array([x, y])
        return np.exp(c + h @ v - v @ j @ v / 2)

    center = np.linalg.solve(j, h)
    far = 12 * np.sqrt(np.diag(np.linalg.inv(j)))
    low, high = center - far, center + far
    found, error = quadrature.dblquad(density, low[0], high[0], low[1], high[1])
    assert abs(np.exp(float(log_normalizer(potential))) - found) < 5 * error


@pytest.mark.slow
def test_a_maximum_is_attained_at_the_mean():
    potential = random_potential(np.random.default_rng(1), 5, ridge=1.0)
    rest, conditional = maximize(potential, 3)
    at = jnp.asarray([0.3, -2.0])
    best = jnp.concatenate([conditional.mean(at), at])
    close(potential.log_value(best), rest.log_value(at))
    assert potential.log_value(best.at[1].add(0.01)) < potential.log_value(best)


@pytest.mark.slow
def test_products_and_shifts_have_the_values_that_they_should():
    r = np.random.default_rng(2)
    a, b = random_potential(r, 2, (4,)), random_potential(r, 2)
    x = jnp.asarray(r.normal(size=(4, 5)))
    close(multiply(a, b).log_value(x[:, :2]), a.log_value(x[:, :2]) + b.log_value(x[:, :2]))
    by = jnp.asarray(r.normal(size=2))
    close(shift(a, by).log_value(x[:, :2] - by), a.log_value(x[:, :2]))


def test_only_the_symmetric_part_of_a_precision_counts():
    r = np.random.default_rng(3)
    potential = random_potential(r, 4, ridge=1.0)
    skew = np.triu(r.normal(size=(4, 4)), 1)
    other = potential._replace(precision=potential.precision + skew - skew.T)
    for found, expected in zip(integrate(other, 2)[1], integrate(potential, 2)[1], strict=True):
        close(found, expected, np.linalg.cond(potential.precision))
    close(log_normalizer(other), log_normalizer(potential), np.linalg.cond(potential.precision))


def test_an_expected_logarithm_is_that_of_sigma_points():
    r = np.random.default_rng(4)
    k, rest = 3, 2
    potential = random_potential(r, k + rest)
    half = r.normal(size=(k, k))
    given = Regression(*map(jnp.asarray, (r.normal(size=(k, rest)), r.normal(size=k), half @ half.T)))
    at = r.normal(size=rest)
    mean = np.asarray(given.gain) @ at + np.asarray(given.offset)
    points = [np.append(mean + s * np.sqrt(k) * half[:, i], at) for i in range(k) for s in (-1, 1)]
    expected = np.mean([potential.log_value(jnp.asarray(point)) for point in points])
    close(expected_log(potential, given).log_value(jnp.asarray(at)), expected, 10.0)


IMPROPER = {
    "negative": np.diag([1.0, -1.0]),
    "zero": np.zeros((2, 2)),
    "singular": np.ones((2, 2)),
    "singular but for rounding": np.array([[1.0, 0.1 * 3], [0.1 * 3, 0.3**2]]),
    "indefinite": np.array([[1.0, 2.0], [2.0, 1.0]]),
    "not a number": np.diag([1.0, np.nan]),
    "infinite": np.diag([1.0, np.inf]),
}


@pytest.mark.parametrize("name", IMPROPER)
@pytest.mark.parametrize("more", [0, 6])
def test_an_improper_potential_gives_no_number(name, more):
    precision = np.eye(2 + more)
    precision[:2, :2] = IMPROPER[name]
    potential = Canonical(jnp.zeros(()), jnp.zeros(2 + more), jnp.asarray(precision))
    assert not is_proper(potential)
    assert not jnp.isfinite(log_normalizer(potential))
    assert jnp.isnan(moments(potential).mean).any()


def test_an_ill_scaled_but_proper_potential_passes():
    scale = np.array([1e-8, 1.0, 1e8])
    precision = scale[:, None] * np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]]) * scale
    potential = Canonical(jnp.zeros(()), jnp.asarray(scale), jnp.asarray(precision))
    assert is_proper(potential)
    expected = np.log((2 * np.pi) ** 3 / 4) / 2 + 0.5  # |scaled matrix| = 4, and 1'A^-1 1 = 1
    close(log_normalizer(potential), expected, 10.0)


def test_a_likelihood_of_some_coordinates_leaves_the_others_free():
    seen = Canonical(jnp.zeros(()), jnp.array([1.0, 0.0]), jnp.diag(jnp.array([1.0, 0.0])))
    assert not is_proper(seen)
    rest, _ = integrate(seen, 1)
    close(rest.precision, np.zeros((1, 1)))
    close(rest.linear, np.zeros(1))


@pytest.mark.slow
def test_gradients_of_a_log_integral_are_moments():
    potential = random_potential(np.random.default_rng(5), 4, ridge=1.0)
    gradient = jax.jit(jax.grad(verbs.log_normalizer))(potential)
    mean = np.linalg.solve(potential.precision, potential.linear)
    covariance = np.linalg.inv(potential.precision)
    condition = np.linalg.cond(potential.precision)
    close(gradient.log_scale, 1.0)
    close(gradient.linear, mean, condition)
    close(gradient.precision, -(covariance + np.outer(mean, mean)) / 2, condition)
    close(moments(potential).covariance, covariance, condition)


@pytest.mark.slow
@pytest.mark.parametrize("verb", [verbs.integrate, verbs.maximize])
def test_derivatives_are_those_of_differences(verb):
    potential = random_potential(np.random.default_rng(6), 3, ridge=2.0)
    check_grads(jax.jit(lambda p: verb(p, 2)), (potential,), order=1, modes=("fwd", "rev"), eps=1e-5)


@pytest.mark.slow
def test_second_derivatives_are_those_of_a_plain_formula():
    potential = random_potential(np.random.default_rng(6), 3, ridge=2.0)

    def plain(p):
        precision = (p.precision + p.precision.mT) / 2
        solved = jnp.linalg.solve(precision, p.linear)
        log_det = jnp.linalg.slogdet(precision / (2 * jnp.pi))[1]
        return p.log_scale + p.linear @ solved / 2 - log_det / 2

    found, expected = (jax.jit(jax.hessian(f))(potential) for f in (verbs.log_normalizer, plain))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        close(a, b, np.linalg.cond(potential.precision) ** 2)


@pytest.mark.slow
def test_draws_have_the_conditional_moments():
    potential = random_potential(np.random.default_rng(7), 3, ridge=0.5)
    _, conditional = integrate(potential, 2)
    n = 20_000
    rest = jnp.array([1.5])
    draws = np.asarray(conditional.sample(jax.random.key(0), jnp.broadcast_to(rest, (n, 1))))
    covariance = np.linalg.inv(potential.precision[:2, :2])
    sd = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(draws.mean(0) - conditional.mean(rest)) < 5 * sd / np.sqrt(n))
    error = np.sqrt((np.outer(sd, sd) ** 2 + covariance**2) / n)
    assert np.all(np.abs(np.cov(draws.T) - covariance) < 5 * error)


def test_precision_of_the_input_is_kept():
    potential = Canonical(*(x.astype(jnp.float32) for x in random_potential(np.random.default_rng(8), 3)))
    assert {x.dtype for x in jax.tree.leaves(integrate(potential, 2))} == {jnp.dtype(jnp.float32)}


def test_many_blocks_on_a_border_are_one_integral():
    r = np.random.default_rng(9)
    blocks = random_potential(r, 3, (50,), ridge=1.0)
    border = jax.tree.map(lambda x: x.sum(0), integrate(blocks, 1)[0])
    scale, linear, precision = 0.0, np.zeros(52), np.zeros((52, 52))
    for i in range(50):
        at = [i, 50, 51]
        scale += float(blocks.log_scale[i])
        linear[at] += np.asarray(blocks.linear[i])
        precision[np.ix_(at, at)] += np.asarray(blocks.precision[i])
    expected = integrated(scale, linear, precision, 50)
    for found, value in zip(border, expected, strict=True):
        close(found, value, np.linalg.cond(precision))
