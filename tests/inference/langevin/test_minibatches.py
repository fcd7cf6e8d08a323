"""Gradients of minibatches: right on average, and less noisy with control variates."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import probdl as pdl
from probdl.inference.langevin.minibatches import Batch, Standardized, Turn, log_density_of
from probdl.program.subsample import Subsampled, whole
from tests.inference.langevin.moves import same_mean
from tests.inference.langevin.programs import LABELS, X, Y, classes, heights

CLASSES = pdl.Model(classes, X, LABELS)
HEIGHTS = pdl.Model(heights, Y)


def log_posterior(position):
    """The log-density of `classes` on all rows, by hand, up to a constant."""
    logits = position[0] + X @ position[1:]
    return (LABELS * logits - jnp.logaddexp(0, logits)).sum() - (position**2).sum() / 8


def prepared(model, method=None, seed=0):
    """Return the target of a model through its map, with the data that were prepared."""
    method = pdl.SGLD() if method is None else method
    complete = whole(model)
    inner = Subsampled.of(model, complete)
    density = Standardized(inner, bool(method.control_variate))
    arrays = method.feed(jax.random.key(seed), density, complete.arrays(pdl.Precision.DOUBLE), model).arrays
    return density.target(arrays), arrays


def estimates(target, position, count=4000):
    """Return gradients at a position by independent minibatches."""
    keys = jax.random.split(jax.random.key(8), count)
    return np.asarray(jax.jit(jax.vmap(lambda key: target.minibatch(Turn(key))(position)[1]))(keys))


def test_the_mean_over_all_minibatches_is_the_gradient_on_all_rows():
    model = pdl.Model(heights, Y[:7], seen=3)
    with pdl.Precision.DOUBLE.active():
        complete = whole(model)
        inner, arrays = Subsampled.of(model, complete), complete.arrays(pdl.Precision.DOUBLE)
        rows = jnp.array(list(itertools.combinations(range(7), 3)))
        position = jnp.array([0.3])
        slope = jax.grad(lambda x, some: log_density_of(inner, arrays, Batch({"N": some}, {}), x))
        found = np.asarray(jax.jit(jax.vmap(slope, (None, 0)))(position, rows))
        by_hand = (1.0 - 0.3) / 4 + (Y[:7] - 0.3).sum()
        whole_density = complete.target.log_density(position)
        np.testing.assert_allclose(inner.target(arrays).log_density(position), whole_density)
    assert np.ptp(found) > 1
    np.testing.assert_allclose(found.mean(0), by_hand, rtol=1e-12)


@pytest.mark.slow
def test_rows_are_drawn_equally_often_and_never_twice():
    (plate,) = Subsampled.of(HEIGHTS, whole(HEIGHTS)).plates
    rows = np.asarray(jax.vmap(plate.rows)(jax.random.split(jax.random.key(0), 5000)))
    assert (np.diff(np.sort(rows, 1), axis=1) > 0).all()
    expected = len(rows) * plate.seen / plate.size
    counts = np.bincount(rows.reshape(-1), minlength=plate.size)
    assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.slow
def test_control_variates_leave_the_mean_and_take_most_of_the_noise():
    with pdl.Precision.DOUBLE.active():
        noise = {}
        for control in (True, False):
            target, arrays = prepared(CLASSES, pdl.SGLD(control_variate=control))
            for where in (np.zeros(3), np.array([0.5, -1.0, 0.7])):
                found = estimates(target, jnp.asarray(where))
                at = arrays.map.position(jnp.asarray(where))
                exact = np.asarray(arrays.map.pulled(jax.grad(log_posterior)(at)))
                assert same_mean(found, exact) or np.allclose(found, exact)
                noise[control, bool(where.any())] = found.var(0).sum()
    assert noise[True, False] < 1e-12, "at the centre nothing is left of it"
    assert noise[True, True] < 0.2 * noise[False, True]


@pytest.mark.slow
def test_the_centre_is_the_mode_and_the_map_its_shape():
    with pdl.Precision.DOUBLE.active():
        _, arrays = prepared(CLASSES)
        mode = np.asarray(arrays.center)
        hessian = np.asarray(jax.hessian(log_posterior)(jnp.asarray(mode)))
        np.testing.assert_allclose(jax.grad(log_posterior)(jnp.asarray(mode)), arrays.gradient, atol=1e-6)
        units = np.stack([arrays.map.position(unit) - arrays.map.position(np.zeros(3)) for unit in np.eye(3)])
    deviation = np.sqrt(np.diagonal(np.linalg.inv(-hessian)))
    assert (abs(np.asarray(arrays.gradient)) * deviation < 0.05).all()
    np.testing.assert_allclose(-units @ hessian @ units.T, np.eye(3), atol=0.15)


@pytest.mark.slow
def test_steps_shrink_as_the_schedule_says():
    method = pdl.SGLD(
        num_samples=50, num_warmup=20, step_size=pdl.PolynomialDecay(0.3, power=0.5, offset=10), thinning=2
    )
    sizes = pdl.infer(HEIGHTS, method, key=0).data["sample_stats"]["step_size"].to_numpy()
    last = 2 * np.arange(50) + 1  # the move that is recorded
    np.testing.assert_allclose(sizes, np.tile(0.3 / np.sqrt(1 + last / 10), (4, 1)), rtol=1e-12)


@pytest.mark.parametrize("power", [1 / 6, 0.5])
def test_a_schedule_is_a_power_of_the_number_of_moves(power):
    moves = np.array([0, 10, 10_000])
    decay = pdl.PolynomialDecay(power=power, offset=100)
    np.testing.assert_allclose(decay.factor(moves), (1 + moves / 100) ** -power, rtol=1e-6)
    np.testing.assert_array_equal(pdl.Constant().factor(moves), 1)
