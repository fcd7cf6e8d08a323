"""Gaussian algebra against SciPy, against sums by hand, and against itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from probdl.distributions.gaussian import GaussianVector
from probdl.distributions.moments import Moments
from probdl.program.precision import Precision


@pytest.fixture(autouse=True)
def double():
    with Precision.DOUBLE.active():
        yield


def random_gaussian(r, size):
    root = r.normal(size=(size, size + 2))
    return GaussianVector(jnp.asarray(r.normal(size=size)), jnp.asarray(root @ root.T / size))


def scipy_of(gaussian):
    return stats.multivariate_normal(np.asarray(gaussian.mean), np.asarray(gaussian.covariance))


def same(a, b):
    for left, right in zip(a, b, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_density_entropy_and_distance():
    r = np.random.default_rng(0)
    g, x = random_gaussian(r, 3), r.normal(size=(4, 2, 3))
    np.testing.assert_allclose(g.log_prob(x), scipy_of(g).logpdf(x), rtol=1e-10)
    np.testing.assert_allclose(g.entropy(), scipy_of(g).entropy(), rtol=1e-10)
    error = x - np.asarray(g.mean)
    square = np.einsum("abi,ij,abj->ab", error, np.linalg.inv(g.covariance), error)
    np.testing.assert_allclose(g.mahalanobis(x), np.sqrt(square), rtol=1e-10)
    same(GaussianVector.from_precision(g.precision @ g.mean, g.precision), g)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_joint_is_marginal_times_conditional(seed):
    r = np.random.default_rng(seed)
    g, x = random_gaussian(r, 4), r.normal(size=4)
    known = r.permutation(4)[:2].tolist()
    rest = sorted({0, 1, 2, 3} - set(known))
    total = g.marginal(known).log_prob(x[known]) + g.condition(known, x[known]).log_prob(x[rest])
    np.testing.assert_allclose(total, g.log_prob(x), rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_bayes_is_prior_times_likelihood_over_evidence(seed):
    r = np.random.default_rng(seed)
    prior, noise, matrix = random_gaussian(r, 3), random_gaussian(r, 2), jnp.asarray(r.normal(size=(2, 3)))
    x, y = jnp.asarray(r.normal(size=3)), jnp.asarray(r.normal(size=2))
    posterior, evidence = prior.bayes(matrix, 0.5, noise.covariance, y)
    likelihood = GaussianVector(matrix @ x + 0.5, noise.covariance).log_prob(y)
    np.testing.assert_allclose(posterior.log_prob(x) + evidence, prior.log_prob(x) + likelihood, rtol=1e-9)


@pytest.mark.slow
def test_observations_one_by_one_are_all_at_once():
    r = np.random.default_rng(0)
    prior, matrix, y = (
        random_gaussian(r, 3),
        jnp.asarray(r.normal(size=(2, 3))),
        jnp.asarray(r.normal(size=2)),
    )
    first, gain = prior.bayes(matrix[:1], 0.0, jnp.eye(1), y[:1])
    second, more = first.bayes(matrix[1:], 0.0, jnp.eye(1), y[1:])
    whole, log_evidence = prior.bayes(matrix, 0.0, jnp.eye(2), y)
    same(second, whole)
    np.testing.assert_allclose(gain + more, log_evidence, rtol=1e-10)


def test_product_of_densities():
    r = np.random.default_rng(1)
    a, b, x = random_gaussian(r, 2), random_gaussian(r, 2), jnp.asarray(r.normal(size=2))
    product, log_integral = a.product(b)
    np.testing.assert_allclose(product.log_prob(x) + log_integral, a.log_prob(x) + b.log_prob(x), rtol=1e-9)


def test_affine_map_by_draws():
    r = np.random.default_rng(2)
    g, matrix = random_gaussian(r, 3), r.normal(size=(2, 3))
    draws = scipy_of(g).rvs(100_000, random_state=3) @ matrix.T + 1.0 + 0.5 * r.normal(size=(100_000, 2))
    mapped = g.affine(jnp.asarray(matrix), 1.0, 0.25 * jnp.eye(2))
    error = draws - np.asarray(mapped.mean)
    assert (np.abs(error.mean(0)) < 5 * draws.std(0) / np.sqrt(1e5)).all()
    squares = error[:, :, None] * error[:, None]
    assert (np.abs(squares.mean(0) - mapped.covariance) < 5 * squares.std(0) / np.sqrt(1e5)).all()


def test_divergence_and_information():
    r = np.random.default_rng(3)
    a, b = random_gaussian(r, 3), random_gaussian(r, 3)
    inverse, error = np.linalg.inv(b.covariance), np.asarray(b.mean - a.mean)
    by_hand = np.trace(inverse @ a.covariance) + error @ inverse @ error - 3
    by_hand += np.linalg.slogdet(b.covariance)[1] - np.linalg.slogdet(a.covariance)[1]
    np.testing.assert_allclose(a.kl(b), by_hand / 2, rtol=1e-10)
    np.testing.assert_allclose(a.kl(a), 0, atol=1e-12)
    pair = GaussianVector(jnp.zeros(2), jnp.array([[4.0, 1.2], [1.2, 1.0]]))
    np.testing.assert_allclose(pair.mutual_information([0], [1]), -np.log(1 - 0.6**2) / 2, rtol=1e-12)


@pytest.mark.slow
def test_operations_are_compiled_mapped_and_differentiated():
    g = random_gaussian(np.random.default_rng(4), 3)
    same(jax.jit(lambda g, y: g.condition([2], y))(g, jnp.ones(1)), g.condition([2], jnp.ones(1)))
    assert jax.vmap(lambda y: g.condition([2], y).mean)(jnp.ones((5, 1))).shape == (5, 2)
    np.testing.assert_allclose(jax.grad(lambda m: g._replace(mean=m).kl(g))(g.mean), 0, atol=1e-12)


def test_moments_in_batches_are_those_of_all():
    x = np.random.default_rng(5).normal(1e6, 1.0, (50, 2))
    moments = Moments.none(2)
    for batch in np.split(x, [1, 7, 30]):
        moments = moments.update(jnp.asarray(batch))
    np.testing.assert_allclose(moments.gaussian().mean, x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(moments.gaussian().covariance, np.cov(x.T, bias=True), rtol=1e-7)


def test_singular_matrices_are_named():
    flat = GaussianVector(jnp.zeros(2), jnp.ones((2, 2)))
    remedy = "Remove what is a linear function of the rest, or add a small multiple of the identity"
    with pytest.raises(ValueError, match=f"Expected a positive definite covariance; got one .*{remedy}"):
        flat.entropy()
    with pytest.raises(ValueError, match="positive definite covariance of the known variables"):
        flat.condition([0, 1], jnp.zeros(2))
    with pytest.raises(ValueError, match="positive definite precision"):
        GaussianVector.from_precision(jnp.zeros(2), -jnp.eye(2))
    with pytest.raises(ValueError, match="positive definite covariance of y"):
        flat.bayes(jnp.ones((2, 2)), 0.0, jnp.zeros((2, 2)), jnp.zeros(2))


@pytest.mark.parametrize("indices", [[2], [-1], [0, 0]])
def test_positions_are_checked(indices):
    with pytest.raises(
        ValueError, match="Expected different positions from 0 to 1; got .* Name each variable"
    ):
        GaussianVector(jnp.zeros(2), jnp.eye(2)).marginal(indices)


@pytest.mark.parametrize(
    ("mean", "matrix", "message"),
    [
        (
            np.zeros(3),
            np.eye(2),
            r"mean of shape \(dim,\) and a {} of .*; got \(3,\) and \(2, 2\)\. Give both",
        ),
        (np.zeros(()), np.eye(2), r"mean of shape \(dim,\) and a {} of .*; got \(\) and \(2, 2\)"),
        (np.zeros(2), np.zeros(2), r"mean of shape \(dim,\) and a {} of .*; got \(2,\) and \(2,\)"),
        (np.zeros(2), np.array([[1, 0.5], [0, 1]]), r"symmetric {}; got 0\.5 at \[0, 1\] and 0 at \[1, 0\]"),
    ],
)
def test_parameters_are_checked(mean, matrix, message):
    with pytest.raises(ValueError, match="Expected a " + message.format("covariance")):
        GaussianVector(jnp.asarray(mean), jnp.asarray(matrix))
    with pytest.raises(ValueError, match="Expected a " + message.format("precision")):
        GaussianVector.from_precision(jnp.asarray(mean), jnp.asarray(matrix))


def test_shapes_are_checked_inside_a_trace_as_well():
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2, 2\)"):
        jax.jit(lambda m: GaussianVector(m, jnp.eye(2)).entropy())(jnp.zeros(3))


def test_a_product_of_matrices_is_symmetric_but_for_rounding():
    root = jnp.asarray(np.random.default_rng(0).normal(size=(30, 40)), jnp.float32)
    turned = root @ (root.T @ jnp.eye(30, dtype=jnp.float32))
    GaussianVector(jnp.zeros(30), turned + jnp.triu(turned, 1) * jnp.finfo(jnp.float32).eps)


@pytest.mark.slow
def test_trees_may_hold_batches_gradients_and_other_things():
    r = np.random.default_rng(6)
    many = [random_gaussian(r, 3) for _ in range(4)]
    batch = jax.tree.map(lambda *parts: jnp.stack(parts), *many)
    x = jnp.asarray(r.normal(size=3))
    found = jax.jit(jax.vmap(lambda g: g.condition([2], x[2:])))(batch)
    for i, one in enumerate(many):
        same(jax.tree.map(lambda part, i=i: part[i], found), one.condition([2], x[2:]))
    of_one = jax.vmap(lambda g: g.log_prob(x), in_axes=(GaussianVector._make((0, None)),))
    moved = GaussianVector(batch.mean, many[0].covariance)
    expected = [GaussianVector(g.mean, many[0].covariance).log_prob(x) for g in many]
    np.testing.assert_allclose(of_one(moved), expected, rtol=1e-12)
    slope = jax.grad(lambda g: g.condition([0], x[:1]).mean.sum())(many[0])
    assert not np.allclose(slope.covariance, slope.covariance.T)
    assert jax.tree.map(jnp.ndim, many[0]) == (1, 2)
    assert [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(slope)] == [
        ".mean",
        ".covariance",
    ]
