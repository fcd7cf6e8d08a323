"""Entropies and informations against SciPy, scikit-learn and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro import distributions as dist
from scipy import stats
from scipy.special import digamma
from sklearn.metrics import mutual_info_score

from probdl.distributions.information import (
    conditional_mutual_information,
    entropy,
    kl_divergence,
    mutual_information,
)
from probdl.distributions.nearest_neighbours import differential_entropy, mutual_information_of_draws
from probdl.program.precision import Precision

RUNS = 20


@pytest.fixture(autouse=True)
def double():
    with Precision.DOUBLE.active():
        yield


def random_counts(seed, shape):
    return np.random.default_rng(seed).integers(0, 20, shape)


def random_table(seed, shape):
    counts = random_counts(seed, shape) + 1
    return counts / counts.sum()


@pytest.mark.slow
def test_tables_against_scipy_and_sklearn():
    p, q = random_table(0, (3, 4)), random_table(1, (3, 4))
    np.testing.assert_allclose(entropy(p), stats.entropy(p.ravel()), rtol=1e-12)
    np.testing.assert_allclose(kl_divergence(p, q), stats.entropy(p.ravel(), q.ravel()), rtol=1e-10)
    expected = mutual_info_score(None, None, contingency=random_counts(0, (3, 4)) + 1)
    np.testing.assert_allclose(mutual_information(p, [0], [1]), expected, rtol=1e-10)
    assert kl_divergence(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])) == jnp.inf
    assert entropy(jnp.array([1.0, 0.0])) == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_conditional_information_is_the_mean_over_what_is_given(seed):
    counts = random_counts(seed, (2, 3, 4, 2))
    p, slices = counts / counts.sum(), np.moveaxis(counts.sum(3), 2, 0)
    parts = [part.sum() / counts.sum() * mutual_info_score(None, None, contingency=part) for part in slices]
    found = conditional_mutual_information(p, [0], [1], [2])
    np.testing.assert_allclose(found, sum(parts), rtol=1e-9)
    chain_rule = mutual_information(p, [0], [2]) + found
    np.testing.assert_allclose(mutual_information(p, [0], [1, 2]), chain_rule, rtol=1e-10)


def test_entropy_has_a_gradient():
    p = jnp.array([0.2, 0.8])
    np.testing.assert_allclose(jax.jit(jax.grad(entropy))(p), -np.log(p) - 1, rtol=1e-12)


CONTINUOUS = {
    "normal": (lambda r: r.normal(1.0, 3.0, 2000), 0.5 * np.log(2 * np.pi * np.e * 9)),
    "exponential": (lambda r: r.exponential(2.0, 2000), 1 + np.log(2.0)),
    "correlated": (lambda r: r.normal(size=(2000, 2)) @ [[1, 0.5], [0, 2]], np.log(2 * np.pi * np.e * 2)),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_entropy_of_draws(name):
    draw, exact = CONTINUOUS[name]
    estimates = [differential_entropy(draw(np.random.default_rng(seed))) for seed in range(RUNS)]
    bias = {"correlated": 1 / np.sqrt(2000)}.get(name, 3 / 2000)  # of order neighbours / draws to the 2 / dim
    assert abs(np.mean(estimates) - exact) < 4 * np.std(estimates) / np.sqrt(RUNS) + bias


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_information_of_draws(correlation):
    def estimate(seed):
        x, e = np.random.default_rng(seed).normal(size=(2, 1000))
        return mutual_information_of_draws(x, correlation * x + np.sqrt(1 - correlation**2) * e)

    estimates = [estimate(seed) for seed in range(RUNS)]
    error = 4 * np.std(estimates) / np.sqrt(RUNS) + 3 / 1000
    assert abs(np.mean(estimates) + 0.5 * np.log(1 - correlation**2)) < error


def test_information_of_draws_by_counting():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    terms = []
    for i in range(30):
        dx, dy = np.abs(np.delete(x, i) - x[i]), np.abs(np.delete(y, i) - y[i])
        radius = np.sort(np.maximum(dx, dy))[2]
        terms.append(digamma((dx < radius).sum() + 1) + digamma((dy < radius).sum() + 1))
    by_hand = digamma(3) + digamma(30) - np.mean(terms)
    np.testing.assert_allclose(mutual_information_of_draws(x, y), by_hand, rtol=1e-10)


@pytest.mark.slow
def test_lists_are_tables():
    table = [[0.1, 0.2], [0.3, 0.4]]
    assert entropy(table) == entropy(np.array(table))
    assert entropy([1, 0]) == 0
    assert kl_divergence(table, np.full((2, 2), 0.25)) == kl_divergence(
        np.array(table), np.full((2, 2), 0.25)
    )
    assert mutual_information(table, [0], [1]) == mutual_information(np.array(table), [0], [1])
    np.testing.assert_allclose(jax.jit(lambda p: entropy([p, 1 - p]))(0.3), stats.entropy([0.3, 0.7]))


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (dist.Categorical(jnp.array([0.5, 0.5])), "a Categorical"),
        ([[0.5], [0.2, 0.3]], r"\[\[0.5\]"),
        (None, "None"),
    ],
)
def test_what_is_no_table_is_named(what, name):
    message = f"Expected a table of probabilities; got {name}.* Pass an array .* call its `entropy"
    for call in (entropy, lambda p: kl_divergence(p, p), lambda p: mutual_information(p, [0], [1])):
        with pytest.raises(TypeError, match=message):
            call(what)


def test_messages():
    with pytest.raises(ValueError, match="a sum of 1.1 and 0.5 as the least"):
        entropy([0.5, 0.6])
    with pytest.raises(ValueError, match="a sum of 0 and 0 as the least"):
        entropy([])
    with pytest.raises(
        ValueError, match="Expected probabilities that sum to one; got a sum of 3 and .* Divide"
    ):
        entropy(np.ones(3))
    with pytest.raises(ValueError, match="-0.5 as the least"):
        entropy(np.array([1.5, -0.5]))
    with pytest.raises(ValueError, match=r"Expected tables of one shape; got \(2,\) and \(4,\)"):
        kl_divergence(np.full(2, 0.5), np.full(4, 0.25))
    with pytest.raises(ValueError, match=r"Expected different axes from 0 to 1; got \[0, 0\]"):
        mutual_information(np.eye(2) / 2, [0], [0])
    with pytest.raises(ValueError, match="got 5 that equal 3 others or more. Use `entropy`"):
        differential_entropy(np.zeros(5))
    with pytest.raises(ValueError, match="Expected more than 3 draws"):
        differential_entropy(np.zeros(3))
    with pytest.raises(ValueError, match="Expected as many draws of both; got 9 and 8"):
        mutual_information_of_draws(np.zeros(9), np.zeros(8))
