"""State-space models as users give them: any precision, singular noise, and what does not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from probdl.exact.gaussians.gaussian_steady import SHORTEST
from probdl.exact.gaussians.innovations import smooth_by_innovations
from probdl.exact.gaussians.state_space import StateSpace, kalman_smoother
from probdl.program.precision import Precision
from tests.exact.gaussian_oracle import EPS
from tests.exact.test_gaussian_state_space import joint, random_model


def numbers(model):
    return StateSpace(*map(np.asarray, model))


def drawn_model(seed, d=2, p=1):
    with Precision.DOUBLE.active():
        return numbers(random_model(np.random.default_rng(seed), d, p))


def conditioned(model, data):
    """Return log likelihood and moments of all states by the joint covariance, which no noise need enter."""
    length, d = len(data), len(model.mean)
    mean, covariance, rows = joint(model, length)
    seen = ~np.isnan(data.ravel())
    rows = rows[seen]
    spread = rows @ covariance @ rows.T + np.kron(np.eye(length), model.emission_noise)[np.ix_(seen, seen)]
    surprise = data.ravel()[seen] - rows @ mean - np.tile(model.emission_offset, length)[seen]
    gain = covariance @ rows.T @ np.linalg.inv(spread)
    square = surprise @ np.linalg.solve(spread, surprise)
    log_likelihood = -(square + np.linalg.slogdet(2 * np.pi * spread)[1]) / 2
    blocks = (covariance - gain @ rows @ covariance).reshape(length, d, length, d)
    return (
        log_likelihood,
        (mean + gain @ surprise).reshape(length, d),
        np.array([blocks[t, :, t] for t in range(length)]),
        np.array([blocks[t, :, t + 1] for t in range(length - 1)]),
        np.linalg.cond(spread),
    )


def agree(found, expected):
    (log_likelihood, smoothed), (*expected, condition) = found, expected
    for a, b in zip((log_likelihood, *smoothed[:3]), expected, strict=True):
        largest = max(1.0, np.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=0, atol=256 * EPS * condition * largest)


def lags(noise=0.5):
    """An autoregression of two lags: the second state is the first of the step before."""
    turn, spread = np.array([[1.2, -0.5], [1.0, 0.0]]), np.diag([noise, 0.0])
    parts = (turn, spread, np.array([0.1, 0.0]), np.eye(1, 2), np.array([[0.3]]), np.array([0.2]))
    return StateSpace(*parts, np.zeros(2), np.eye(2))


SINGULAR = {
    "no noise at all": lags(0.0),
    "one lag has no noise": lags(),
    "noise along one direction": drawn_model(1)._replace(transition_noise=np.ones((2, 2))),
    "a known start": drawn_model(2)._replace(covariance=np.zeros((2, 2))),
    "two observations": drawn_model(3, 3, 2)._replace(transition_noise=np.diag([1.0, 0.0, 2.0])),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_singular_noise_is_conditioning_of_the_joint_gaussian(name):
    model = SINGULAR[name]
    r = np.random.default_rng(0)
    data = 3 * r.normal(size=(11, len(model.emission)))
    data[r.uniform(size=data.shape) < 0.2] = np.nan
    agree(kalman_smoother(model, data), conditioned(model, data))


@pytest.mark.slow
def test_innovations_are_what_potentials_find():
    model, data = drawn_model(4, 3, 2), np.random.default_rng(1).normal(size=(30, 2))
    data[5] = np.nan
    with Precision.DOUBLE.active():
        found = jax.jit(smooth_by_innovations)(model, data, ~np.isnan(data))
    agree(kalman_smoother(model, data), conditioned(model, data))
    agree(found, conditioned(model, data))


@pytest.mark.slow
@pytest.mark.parametrize("length", [5, SHORTEST])
def test_double_precision_whatever_the_flag(length):
    assert not jax.config.jax_enable_x64
    model, data = drawn_model(5), np.random.default_rng(2).normal(size=(length, 1))
    found, smoothed = kalman_smoother(model, data)
    assert not jax.config.jax_enable_x64
    with Precision.DOUBLE.active():
        expected, whole = jax.jit(kalman_smoother)(model, data)
    assert found.dtype == smoothed.mean.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=64 * EPS * np.sqrt(length))
    np.testing.assert_allclose(smoothed.mean, whole.mean, rtol=0, atol=256 * EPS * np.abs(whole.mean).max())


@pytest.mark.slow
def test_it_is_compiled_mapped_and_differentiated_in_the_precision_of_the_trace():
    model, data = drawn_model(6), np.random.default_rng(3).normal(size=(6, 1))
    expected = kalman_smoother(model, data)[0]
    single = np.finfo(np.float32).eps * 256

    def value(scale):
        return kalman_smoother(model._replace(transition_noise=scale * model.transition_noise), data)[0]

    compiled = jax.jit(kalman_smoother)(model, data)[0]
    mapped = jax.vmap(value)(jnp.ones(2))
    assert compiled.dtype == mapped.dtype == jnp.float32
    np.testing.assert_allclose([compiled, *mapped], expected, rtol=single)
    step = 1e-4
    slope = (value(1 + step) - value(1 - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(value)(1.0), slope, rtol=single + step)


@pytest.mark.slow
def test_one_axis_is_enough_for_one_number_a_time():
    model, data = drawn_model(7), np.random.default_rng(4).normal(size=9)
    assert kalman_smoother(model, data)[0] == kalman_smoother(model, data[:, None])[0]
    assert kalman_smoother(model, data.tolist())[0] == kalman_smoother(model, data[:, None])[0]


@pytest.mark.slow
def test_variances_in_different_units_are_not_singular():
    model = drawn_model(8)._replace(transition_noise=np.diag([1e-60, 1.0]))
    data = np.random.default_rng(5).normal(size=(4, 1))
    with Precision.DOUBLE.active():
        assert np.isfinite(model.chain(data).pair.precision).all()


DATA = np.zeros((10, 1))
ONE, TWO = drawn_model(9), drawn_model(10, 2, 2)
WRONG = {
    "columns": (ONE, np.zeros((10, 3)), r"data of shape \(time, 1\), .* got shape \(10, 3\)\. Reshape"),
    "one axis": (TWO, np.zeros(10), r"data of shape \(time, 2\), .* got shape \(10,\)"),
    "no data": (ONE, np.zeros((0, 1)), r"data of shape .* got shape \(0, 1\)"),
    "infinite": (
        ONE,
        np.array([[0.0], [np.inf]]),
        r"finite data, or NaN .* got inf at index \[1, 0\]\. .* NaN",
    ),
    "transition": (
        ONE._replace(transition=np.eye(3)),
        DATA,
        r"transition of shape \(2, 2\) for 2 states .* got shape \(3, 3\)",
    ),
    "noise": (ONE._replace(emission_noise=np.eye(2)), DATA, r"emission_noise of shape \(1, 1\) .* \(2, 2\)"),
    "offset": (ONE._replace(emission_offset=np.zeros(2)), DATA, r"emission_offset of shape \(1,\)"),
    "emission": (ONE._replace(emission=np.zeros(2)), DATA, r"emission of shape \(p, 2\); got shape \(2,\)"),
    "mean": (ONE._replace(mean=np.zeros((3, 2))), DATA, r"mean of shape \(states,\); got shape \(3, 2\)"),
    "nan": (ONE._replace(mean=np.array([0.0, np.nan])), DATA, r"finite mean; got nan at index \[1\]"),
    "negative": (
        ONE._replace(transition_noise=np.diag([1.0, -2.0])),
        DATA,
        r"transition_noise without negative eigenvalues; got one of -2\. Variances",
    ),
    "one-sided": (
        ONE._replace(covariance=np.array([[1.0, 0.5], [0.0, 1.0]])),
        DATA,
        r"symmetric covariance; got 0\.5 at \[0, 1\] and 0 at \[1, 0\]\. Give",
    ),
    "sure": (
        ONE._replace(emission_noise=np.zeros((1, 1))),
        DATA,
        r"positive definite emission_noise; got one with an eigenvalue of 0\. Remove .* identity",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_named(name):
    model, data, message = WRONG[name]
    for call in (kalman_smoother, StateSpace.roots, StateSpace.chain):
        with pytest.raises(ValueError, match="Expected (a |an )?" + message):
            call(model, data)


def test_shapes_are_checked_inside_a_trace_as_well():
    with pytest.raises(ValueError, match=r"got shape \(10, 3\)"):
        jax.jit(kalman_smoother)(ONE, np.zeros((10, 3)))


def test_potentials_need_a_density():
    with pytest.raises(ValueError, match=r"positive definite; got a singular one: .* Call kalman_smoother"):
        lags().roots(DATA)
