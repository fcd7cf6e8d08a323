"""State-space models against a textbook filter, and chains of square roots against an extended one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from probdl.exact.gaussians import gaussian_root, state_space
from probdl.exact.gaussians.gaussian_elimination import eliminate
from probdl.exact.gaussians.gaussian_evidence import condition_states
from probdl.exact.gaussians.gaussian_root import Root, RootChain
from probdl.exact.gaussians.gaussian_smoothing import conditional_mean, smooth
from probdl.exact.gaussians.state_space import StateSpace
from probdl.program.precision import Precision
from tests.exact.gaussian_oracle import EPS, close, dense, integrated

kalman_smoother = jax.jit(state_space.kalman_smoother)


@pytest.fixture(autouse=True)
def _double():
    with Precision.DOUBLE.active():
        yield


def random_model(r, d, p):
    half = [r.normal(size=(n, n)) for n in (d, p, d)]
    noises = [a @ a.T + 0.3 * np.eye(len(a)) for a in half]
    rotation = np.linalg.qr(r.normal(size=(d, d)))[0]
    parts = (0.9 * rotation, noises[0], r.normal(size=d), r.normal(size=(p, d)), noises[1], r.normal(size=p))
    return StateSpace(*map(jnp.asarray, (*parts, r.normal(size=d), noises[2])))


def joint(model, length):
    """Return mean and covariance of all states, and the map from these to all observations."""
    f, q, b, h, _, _, m, p = map(np.asarray, model)
    d = len(m)
    means, covariance = [m], np.zeros((length * d, length * d))
    covariance[:d, :d] = p
    for t in range(1, length):
        now, past = slice(t * d, t * d + d), slice(0, t * d)
        means.append(f @ means[-1] + b)
        last = covariance[now.start - d : now.start]
        covariance[now, past] = f @ last[:, past]
        covariance[past, now] = covariance[now, past].T
        covariance[now, now] = f @ last[:, now.start - d : now.start] @ f.T + q
    return np.concatenate(means), covariance, np.kron(np.eye(length), h)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "d", "p", "missing"),
    [(1, 2, 1, 0.0), (12, 2, 2, 0.3), pytest.param(12, 3, 1, 0.0, marks=pytest.mark.slow)],
)
def test_smoothing_is_conditioning_of_the_joint_gaussian(length, d, p, missing):
    r = np.random.default_rng(d)
    model = random_model(r, d, p)
    data = r.normal(size=(length, p)) * 3
    data[r.uniform(size=data.shape) < missing] = np.nan
    if missing:
        data[4] = np.nan
    mean, covariance, rows = joint(model, length)
    seen = ~np.isnan(data.ravel())
    rows = rows[seen]
    noise = np.kron(np.eye(length), model.emission_noise)[np.ix_(seen, seen)]
    spread = rows @ covariance @ rows.T + noise
    surprise = data.ravel()[seen] - rows @ mean - np.tile(model.emission_offset, length)[seen]
    gain = covariance @ rows.T @ np.linalg.inv(spread)
    mean, covariance = mean + gain @ surprise, covariance - gain @ rows @ covariance
    log_likelihood = (
        -(surprise @ np.linalg.solve(spread, surprise) + np.linalg.slogdet(2 * np.pi * spread)[1]) / 2
    )

    found, smoothed = kalman_smoother(model, data)
    condition = np.linalg.cond(dense(model.chain(jnp.asarray(data)))[2])
    close(found, log_likelihood, condition)
    close(smoothed.mean, mean.reshape(length, d), condition)
    blocks = covariance.reshape(length, d, length, d)
    close(smoothed.covariance, [blocks[t, :, t] for t in range(length)], condition)
    close(
        smoothed.lagged, np.reshape([blocks[t, :, t + 1] for t in range(length - 1)], (-1, d, d)), condition
    )


def long_filter(model, data):
    """Return log likelihood, last mean and covariance of a scalar series, in extended precision."""
    f, q, _, h, r, _, m, p = (np.asarray(x, np.longdouble) for x in model)
    total, h, r = np.longdouble(0), h[0], r[0, 0]
    for t, y in enumerate(np.asarray(data, np.longdouble)[:, 0]):
        if t:
            m, p = f @ m, f @ p @ f.T + q
        s, e = h @ p @ h + r, y - h @ m
        k = p @ h / s
        total -= (e * e / s + np.log(2 * np.longdouble(np.pi) * s)) / 2
        shrink = np.eye(len(m), dtype=np.longdouble) - np.outer(k, h)
        m, p = m + k * e, shrink @ p @ shrink.T + r * np.outer(k, k)
    return float(total), m.astype(float), p.astype(float)


def trend(noise, length=2000):
    r = np.random.default_rng(0)
    transition = np.array([[1.0, 1.0], [0.0, 1.0]])
    state, data = np.zeros(2), np.zeros((length, 1))
    for t in range(length):
        data[t] = state[0] + r.normal()
        state = transition @ state + r.normal(size=2) * np.sqrt(noise)
    parts = (transition, noise * np.eye(2), np.zeros(2), np.eye(1, 2), np.eye(1), np.zeros(1), np.zeros(2))
    return StateSpace(*map(jnp.asarray, (*parts, 100 * np.eye(2)))), data


@jax.jit
def by_roots(model, data):
    rough = gaussian_root.eliminate_roots(model.roots(data))
    about = conditional_mean(rough.steps, jnp.zeros(0))
    fine = gaussian_root.eliminate_roots(model.roots(data, about))
    found = smooth(fine)
    return fine.border.log_scale, found._replace(mean=found.mean + about)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [1.0, 1e-4, 1e-8, 1e-12])
def test_precision_falls_with_the_noise_of_potentials_but_not_of_roots(noise):
    model, data = trend(noise)
    log_likelihood, mean, covariance = long_filter(model, data)
    for answer, loss in ((kalman_smoother, EPS / noise), (by_roots, EPS)):
        found, smoothed = answer(model, data)
        # Each step may lose `loss` of the precision of an observation, and each sum some roundings.
        assert abs(found - log_likelihood) < 16 * len(data) * (loss + EPS * np.sqrt(len(data)))
        sd = np.sqrt(np.diag(covariance))
        tolerance = 16 * len(data) * loss
        assert np.all(np.abs(smoothed.mean[-1] - mean) < tolerance * sd + 16 * EPS * np.abs(mean))
        assert np.all(np.abs(smoothed.covariance[-1] / covariance - 1) < tolerance)


@pytest.mark.slow
def test_the_integral_is_taken_about_the_states():
    model, data = trend(0.1)
    far = model._replace(mean=model.mean + jnp.array([1e7, 0.0]))
    data = data + 1e7
    expected = long_filter(far, data)[0]
    chain = far.chain(jnp.asarray(data))
    rounding = EPS * float(jnp.abs(chain.unary.log_scale).max()) * np.sqrt(len(data))
    assert abs(jax.jit(condition_states)(chain)[0].log_scale - expected) < 16 * rounding
    assert abs(eliminate(chain).border.log_scale - expected) > 16 * rounding
    assert abs(kalman_smoother(far, data)[0] - expected) < 1e-9 * abs(expected)


def random_roots(r, length, d, m):
    def part(steps, rows, size):
        return Root(*(jnp.asarray(r.normal(size=(*steps, *s))) for s in ((), (rows, size), (rows,))))

    return RootChain(part((), d + m, d + m), part((1,), 1, d + m), part((length - 1,), d, 2 * d + m), length)


def canonical(chain):
    return state_space.GaussianChain(
        *(x.canonical() for x in (chain.first, chain.unary, chain.pair)), chain.length
    )


@pytest.mark.slow
def test_roots_have_the_integral_and_the_moments_of_their_squares():
    chain = random_roots(np.random.default_rng(0), 6, 2, 1)
    squared = canonical(chain)
    scale, linear, precision = dense(squared)
    condition = np.linalg.cond(precision)
    border = jax.jit(gaussian_root.eliminate_roots)(chain).border
    for a, b in zip(border, integrated(scale, linear, precision, 12), strict=True):
        close(a, b, condition)
    found, expected = (
        jax.jit(lambda c, f=f: smooth(f(c)))(c)
        for f, c in ((gaussian_root.eliminate_roots, chain), (eliminate, squared))
    )
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        close(a, b, condition)


@pytest.mark.slow
def test_an_improper_chain_of_roots_gives_no_number():
    chain = random_roots(np.random.default_rng(1), 6, 2, 0)
    blind = jax.tree.map(jnp.zeros_like, (chain.first, chain.unary))
    pair = chain.pair._replace(rows=chain.pair.rows.at[:, :, 1].set(0.0))
    found = jax.jit(gaussian_root.eliminate_roots)(RootChain(*blind, pair, 6))
    assert jnp.isnan(found.border.log_scale)


@pytest.mark.slow
def test_the_likelihood_has_the_gradient_of_differences():
    model, data = trend(0.1, 50)

    @jax.jit
    def value(log_noise):
        scaled = model._replace(transition_noise=jnp.exp(log_noise) * jnp.eye(2))
        return condition_states(scaled.chain(jnp.asarray(data)))[0].log_scale

    step = 1e-5
    expected = (value(step) - value(-step)) / (2 * step)
    found = jax.jit(jax.grad(value))(0.0)
    assert abs(found - expected) < 1e-6 * abs(expected)
