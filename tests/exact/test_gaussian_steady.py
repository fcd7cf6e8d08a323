"""Chains whose recursions settle, against the recursions run to their ends and against dense algebra."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from probdl.exact.gaussians import gaussian_steady
from probdl.exact.gaussians.block_tridiagonal import factorize
from probdl.exact.gaussians.gaussian import Canonical
from probdl.exact.gaussians.gaussian_chain import GaussianChain
from probdl.exact.gaussians.gaussian_evidence import condition_states
from probdl.exact.gaussians.gaussian_settling import BLOCK, MOST_BLOCKS, ROUNDINGS, settle
from probdl.exact.gaussians.gaussian_steady import SHORTEST
from probdl.exact.gaussians.linear_recursion import covariances_backward
from probdl.exact.gaussians.state_space import StateSpace, kalman_smoother
from probdl.program.precision import Precision
from tests.exact.gaussian_oracle import EPS, close

LENGTH = 520
EVERYDAY = {"stable", "unseen walk"}


@pytest.fixture(autouse=True)
def _double():
    with Precision.DOUBLE.active():
        yield


@jax.jit
def settling(ends, coupling):
    factor = gaussian_steady.factorize_invariant(ends, coupling, LENGTH)
    return factor, gaussian_steady.settled_covariances(factor)


@jax.jit
def to_the_end(ends, coupling):
    factor = factorize(*gaussian_steady.written_out(ends, coupling, LENGTH))
    return factor, covariances_backward(factor.gain, factor.covariance)


def blocks(transition, noise, emission, seen, start):
    """Return the precision of the states of a state-space model, as its ends and a coupling."""
    weight = np.linalg.inv(noise)
    data = emission.T @ np.linalg.solve(seen, emission)
    ahead = transition.T @ weight @ transition
    ends = [data + np.linalg.inv(start) + ahead, data + weight + ahead, data + weight]
    return np.stack(ends), -(transition.T @ weight)[None]


def stable(seed):
    r = np.random.default_rng(seed)
    half = r.normal(size=(2, 2))
    transition = r.normal(size=(2, 2))
    transition *= r.uniform(0.5, 0.99) / np.abs(np.linalg.eigvals(transition)).max()
    return blocks(
        transition, half @ half.T + 0.1 * np.eye(2), r.normal(size=(1, 2)), np.eye(1), 10 * np.eye(2)
    )


def trend(noise=0.1):
    transition = np.array([[1.0, 1.0], [0.0, 1.0]])
    return blocks(transition, noise * np.diag([1.0, 0.1]), np.eye(1, 2), np.eye(1), 10 * np.eye(2))


def cycle():
    turn = 2 * np.pi / 10
    transition = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return blocks(transition, 0.1 * np.eye(2), np.eye(1, 2), np.eye(1), np.eye(2))


def two_walks(seen):
    """Two random walks, of which one is seen with that weight."""
    emission = np.diag([1.0, seen])
    return blocks(np.eye(2), np.eye(2), emission, np.eye(2), np.eye(2))


SETTLING = {"stable": stable(0), "less stable": stable(1), "trend": trend(), "cycle": cycle()}
OTHERS = {"unseen walk": two_walks(0.0), "smooth trend": trend(1e-6)}
CHAINS = SETTLING | OTHERS
by_chain = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in EVERYDAY else pytest.mark.slow) for n in CHAINS]
)


@pytest.mark.slow
@by_chain
def test_what_settles_is_what_the_whole_recursion_gives(name):
    chain = CHAINS[name]
    (factor, found), (whole, expected) = settling(*chain), to_the_end(*chain)
    _, condition = dense(name)
    # The bound on what is left, and as much again for the roundings of each of the two.
    scale = np.sqrt(np.diagonal(whole.covariance, axis1=1, axis2=2))
    cross = scale[:, :, None] * scale[:, None, :]
    assert np.all(np.abs(factor.covariance - whole.covariance) <= 3 * ROUNDINGS * EPS * cross)
    close(factor.gain, whole.gain, condition)
    close(factor.cholesky, whole.cholesky, condition)
    close(factor.log_determinant, whole.log_determinant, LENGTH)
    for a, b in zip(found, expected, strict=True):
        close(a, b, condition)


@functools.cache
def dense(name):
    """Return the whole precision of a chain, and its condition."""
    ends, coupling = CHAINS[name]
    d, precision = len(ends[0]), np.zeros((LENGTH * len(ends[0]),) * 2)
    for t in range(LENGTH):
        own = slice(t * d, t * d + d)
        precision[own, own] = ends[0 if t == 0 else 2 if t == LENGTH - 1 else 1]
        if t:
            before = slice(own.start - d, own.start)
            precision[before, own], precision[own, before] = coupling[0], coupling[0].T
    values = np.linalg.eigvalsh(precision)
    return precision, values[-1] / values[0]


@by_chain
def test_what_settles_is_dense_algebra(name):
    precision, condition = dense(name)
    factor, (covariance, lagged) = settling(*CHAINS[name])
    close(factor.log_determinant, np.linalg.slogdet(precision)[1], LENGTH)
    inverse = np.linalg.inv(precision).reshape(LENGTH, 2, LENGTH, 2)
    close(covariance, [inverse[t, :, t] for t in range(LENGTH)], condition)
    close(lagged, [inverse[t, :, t + 1] for t in range(LENGTH - 1)], condition)


def test_only_what_converges_in_time_is_taken_for_settled():
    for chain in SETTLING.values():
        assert settling(*chain)[0].settled <= LENGTH // 2
    for chain in OTHERS.values():
        assert settling(*chain)[0].settled == LENGTH


def approaching(rate):
    """Return a recursion towards one that shrinks differences by a rate, and its gain."""
    return lambda x: (rate * x + (1 - rate), x), lambda _: jnp.sqrt(jnp.full((1, 1), rate))


def test_a_small_step_is_not_taken_for_a_small_rest():
    step, gain = approaching(1 - 1e-7)
    start, length = jnp.full((1, 1), 1 + 1e-7), 100_000
    slow = jax.jit(lambda x: settle(step, x, gain, length))(start)
    assert abs(step(slow.state)[0] - slow.state) < 0.1 * ROUNDINGS * EPS
    assert slow.blocks == MOST_BLOCKS
    assert not slow.has_settled
    # What is left is what the horizon of 1e5 steps of the remaining 1e7 adds.
    rest = abs(start - 1) * (1 - (1 - 1e-7) ** length)
    assert rest / 2 < slow.left < 2 * rest


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.97])
def test_what_is_left_bounds_what_is_left(rate):
    step, gain = approaching(rate)
    found = jax.jit(lambda x: settle(step, x, gain, 10_000))(jnp.full((1, 1), 3.0))
    assert found.has_settled
    assert abs(found.state - 1) <= found.left + EPS / (1 - rate)
    expected = 1 + 2 * rate ** np.arange(found.blocks * BLOCK)
    close(found.outputs[: found.blocks * BLOCK].ravel(), expected, 1 / (1 - rate))


def test_what_is_left_is_the_sum_of_what_all_further_steps_add():
    gain, limit = np.array([[0.999, 0.001], [0.0, 0.998]]), np.eye(2)
    start = limit + 1e-11 * np.array([[1.0, 0.5], [0.5, 1.0]])
    found = jax.jit(
        lambda x: settle(
            lambda x: (gain.T @ (x - limit) @ gain + limit, x), x, lambda _: jnp.asarray(gain), 1000
        )
    )(start)
    last, now = found.outputs[found.blocks * BLOCK - 1], np.asarray(found.state)
    scale = np.sqrt(np.diag(now))
    step = np.abs((now - last) / np.outer(scale, scale)).max()
    assert 8 * EPS < step < ROUNDINGS * EPS
    powers = [np.linalg.matrix_power(gain, k) for k in range(1024)]  # the next power of two
    total = sum(power.T @ np.diag(np.diag(now)) @ power for power in powers)
    np.testing.assert_allclose(found.left, 2 * step * (np.diag(total) / np.diag(now)).max(), rtol=1e-10)


def test_a_factor_that_has_not_settled_is_not_taken_as_constant():
    factor = settling(*trend())[0]
    gain = factor.gain * jnp.linspace(0.5, 1, LENGTH)[:, None, None]
    varying = factor._replace(gain=gain, settled=jnp.asarray(LENGTH))
    found = jax.jit(gaussian_steady.settled_covariances)(varying)
    for a, b in zip(found, covariances_backward(gain, factor.covariance), strict=True):
        close(a, b)


def test_outputs_in_reverse_end_with_the_first_step():
    step, gain = approaching(0.5)
    found = settle(step, jnp.full((1, 1), 3.0), gain, 1_000, reverse=True)
    assert found.outputs[-1] == 3.0
    assert found.outputs[-2] == 2.0
    assert len(found.outputs) == (1_000 // (2 * BLOCK)) * BLOCK


def walk(length, scale=1.0):
    """Return a random walk, seen with noise, and data."""
    one, zero = jnp.eye(1), jnp.zeros(1)
    r = np.random.default_rng(length)
    data = r.normal(size=(length, 1))  # small: a gradient is the difference of sums of squares of states
    return StateSpace(one, scale * one, zero, one, one, zero, zero, one), jnp.asarray(data)


def invariant(chain):
    """Return a chain with the precisions of its second step for all."""
    unary, pair = (part._replace(precision=part.precision[:1]) for part in (chain.unary, chain.pair))
    return GaussianChain(chain.first, unary, pair, chain.length)


def spread(chain):
    """Return a chain with the precisions of all steps written out."""
    unary, pair = (
        Canonical(part.log_scale, part.linear, jnp.repeat(part.precision, n, axis=0))
        for part, n in ((chain.unary, chain.length), (chain.pair, chain.length - 1))
    )
    return GaussianChain(chain.first, unary, pair, chain.length)


@jax.jit
def evidence_and_slope(scale):
    model, data = walk(SHORTEST)
    found = []
    for form in (invariant, lambda chain: spread(invariant(chain))):

        def value(scale, form=form):
            chain = form(model._replace(transition_noise=scale[:, None]).chain(data))
            return condition_states(chain)[0].log_scale

        found.append(jax.value_and_grad(value)(scale))
    return found


@pytest.mark.slow
def test_gradients_are_those_of_the_whole_recursion():
    (value, slope), (expected, expected_slope) = evidence_and_slope(jnp.ones(1))
    close(value, expected)
    close(slope, expected_slope, SHORTEST)


@pytest.mark.slow
def test_many_chains_are_each_one_of_them():
    scales = jnp.array([0.5, 1.0, 1e-4])[:, None]  # the last one does not settle
    both = jax.jit(jax.vmap(evidence_and_slope))(scales)
    for i, scale in enumerate(scales):
        for a, b in zip(jax.tree.leaves(both), jax.tree.leaves(evidence_and_slope(scale)), strict=True):
            close(a[i], b, SHORTEST / scale[0])


@pytest.mark.slow
def test_means_and_covariances_can_be_differentiated_both_ways():
    model, data = walk(SHORTEST)

    @jax.jit
    def value(log_scale):
        scaled = model._replace(transition_noise=jnp.exp(log_scale) * jnp.eye(1))
        found = kalman_smoother(scaled, data)[1]
        return found.mean[250, 0] + found.covariance[250, 0, 0] + found.lagged[250, 0, 0]

    step = 1e-5
    expected = (value(step) - value(-step)) / (2 * step)
    for differentiate in (jax.grad, jax.jacfwd):
        # Central differences: the square of the step, and the rounding of values over the step.
        assert abs(jax.jit(differentiate(value))(0.0) - expected) < 1e-8 * (1 + abs(value(0.0)))


@pytest.mark.slow
def test_complete_data_are_smoothed_as_incomplete_ones():
    near, seen = walk(SHORTEST)
    far = near._replace(mean=near.mean + 1e6)
    for model, data in ((near, seen), (far, seen + 1e6)):
        extended = jnp.concatenate([data, jnp.full((1, 1), jnp.nan)])
        found, smoothed = kalman_smoother(model, data)
        expected, whole = kalman_smoother(model, extended)
        close(found, expected, SHORTEST)
        size = max(1.0, float(jnp.abs(data).max()))
        np.testing.assert_allclose(smoothed.mean, whole.mean[:-1], rtol=0, atol=16 * EPS * size)
        close(smoothed.covariance, whole.covariance[:-1], 4)
        close(smoothed.lagged, whole.lagged[:-1], 4)
        traced, _ = jax.jit(kalman_smoother)(model, data)
        close(traced, found, SHORTEST)
