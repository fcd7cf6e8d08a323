"""Gaussian chains against dense algebra, and the laws of their derivatives and draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from probdl.exact.gaussians import gaussian_smoothing
from probdl.exact.gaussians.gaussian import Canonical
from probdl.exact.gaussians.gaussian_chain import GaussianChain
from probdl.exact.gaussians.gaussian_elimination import eliminate as plainly
from probdl.exact.gaussians.gaussian_evidence import condition_states
from probdl.program.precision import Precision
from tests.exact.gaussian_oracle import close, dense, integrated, random_chain


def plainly_integrated(chain):
    return condition_states(chain)[0]


eliminate, integrate_states = jax.jit(plainly), jax.jit(plainly_integrated)
smooth, sample = jax.jit(gaussian_smoothing.smooth), jax.jit(gaussian_smoothing.sample)

CASES = [  # length, size of a state, size of the border, whether the potentials are constant in time
    pytest.param(1, 1, 0, True, marks=pytest.mark.slow),
    (1, 2, 1, None),
    (2, 2, 0, False),
    pytest.param(7, 1, 0, None, marks=pytest.mark.slow),
    (7, 2, 2, True),
    pytest.param(7, 2, 2, False, marks=pytest.mark.slow),
    pytest.param(7, 2, 2, None, marks=pytest.mark.slow),
    pytest.param(40, 3, 1, None, marks=pytest.mark.slow),
    (5, 8, 1, False),  # beyond what is written out
]


@jax.jit
def answers(chain, o):
    eliminated = plainly(chain)
    return (
        eliminated.border,
        plainly_integrated(chain),
        gaussian_smoothing.smooth(eliminated),
        gaussian_smoothing.smooth(eliminated, o),
        gaussian_smoothing.conditional_mean(eliminated.steps, o),
    )


@pytest.fixture(autouse=True)
def _double():
    with Precision.DOUBLE.active():
        yield


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(("length", "d", "m", "constant"), CASES)
def test_integral_and_moments_are_those_of_dense_algebra(length, d, m, constant):
    r = np.random.default_rng(length + m)
    chain = random_chain(r, length, d, m, constant=constant)
    scale, linear, precision = dense(chain)
    size, condition = length * d, np.linalg.cond(precision)
    o = r.normal(size=m)
    plain_border, border, free, given, means = answers(chain, o)

    expected = integrated(scale, linear, precision, size)
    for found in (plain_border, border):
        for a, b in zip(found, expected, strict=True):
            close(a, b, condition)

    covariance = np.linalg.inv(precision)
    agrees(free, covariance @ linear, covariance, d, condition)

    covariance = np.zeros_like(precision)
    covariance[:size, :size] = np.linalg.inv(precision[:size, :size])
    mean = covariance[:size, :size] @ (linear[:size] - precision[:size, size:] @ o)
    agrees(given, np.append(mean, o), covariance, d, condition)
    close(means, mean.reshape(length, d), condition)


def agrees(found, mean, covariance, d, condition):
    length = len(found.mean)
    size = length * d
    close(found.mean, mean[:size].reshape(length, d), condition)
    blocks = covariance[:size, :size].reshape(length, d, length, d)
    close(found.covariance, [blocks[t, :, t] for t in range(length)], condition)
    lagged = [blocks[t, :, t + 1] for t in range(length - 1)]
    close(found.lagged, np.reshape(lagged, (length - 1, d, d)), condition)
    close(found.border.mean, mean[size:], condition)
    close(found.border.covariance, covariance[size:, size:], condition)


def plain(chain):
    """Integrate the states out densely, in a form that JAX can differentiate; weigh what is left."""
    length, d, m = chain.length, chain.state_size, chain.border_size
    size = length * d + m
    border = np.arange(length * d, size)
    scale, linear, precision = jnp.zeros(()), jnp.zeros(size), jnp.zeros((size, size))

    def at(array, t):
        return array[0] if array.shape[0] == 1 else array[t]

    places = [(range(d), chain.first)]
    places += [(range(t * d, t * d + d), [at(x, t) for x in chain.unary]) for t in range(length)]
    places += [(range(t * d, t * d + 2 * d), [at(x, t) for x in chain.pair]) for t in range(length - 1)]
    for states, (c, h, j) in places:
        own = np.concatenate([np.array(states), border])
        scale, linear = scale + c, linear.at[own].add(h)
        precision = precision.at[np.ix_(own, own)].add((j + j.T) / 2)
    n = length * d
    solved = jnp.linalg.solve(precision[:n, :n], jnp.column_stack([linear[:n], precision[:n, n:]]))
    log_det = jnp.linalg.slogdet(precision[:n, :n] / (2 * jnp.pi))[1]
    return Canonical(
        scale + linear[:n] @ solved[:, 0] / 2 - log_det / 2,
        linear[n:] - precision[n:, :n] @ solved[:, 0],
        precision[n:, n:] - precision[n:, :n] @ solved[:, 1:],
    )


def weighed(border):
    """Return one number in which all entries of a potential of the border count."""
    weights = jnp.cos(jnp.arange(border.precision.size)).reshape(border.precision.shape)
    quadratic = ((weights + weights.T) * border.precision).sum()
    return 0.3 * border.log_scale + jnp.cos(jnp.arange(border.size)) @ border.linear + quadratic


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "d", "m", "constant"), [pytest.param(4, 1, 0, True, marks=pytest.mark.slow), (3, 2, 1, None)]
)
def test_gradients_are_those_of_dense_algebra(length, d, m, constant):
    chain = random_chain(np.random.default_rng(length + m), length, d, m, constant=constant)
    condition = np.linalg.cond(dense(chain)[2])
    found, expected = (
        jax.jit(jax.grad(lambda c, f=f: weighed(f(c))))(chain) for f in (plainly_integrated, plain)
    )
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        close(a, b, condition)


@pytest.mark.slow
def test_forward_and_second_derivatives_are_those_of_dense_algebra():
    r = np.random.default_rng(3)
    chain = random_chain(r, 3, 1, 1)
    direction = jax.tree.map(lambda x: jnp.asarray(r.normal(size=x.shape)), chain)
    condition = np.linalg.cond(dense(chain)[2])

    def second(f):
        value = lambda t: weighed(f(jax.tree.map(lambda x, v: x + t * v, chain, direction)))  # noqa: E731
        return jax.jit(lambda t: (jax.jvp(value, (t,), (1.0,))[1], jax.hessian(value)(t)))(0.0)

    for a, b in zip(second(plainly_integrated), second(plain), strict=True):
        close(a, b, condition**2)


@pytest.mark.slow
def test_gradients_of_a_long_chain_are_moments():
    chain = random_chain(np.random.default_rng(4), 300, 1, 0, constant=False)
    gradient = jax.jit(jax.grad(lambda c: plainly_integrated(c).log_scale))(chain)
    found = smooth(eliminate(chain))
    second = found.covariance + found.mean[:, :, None] * found.mean[:, None, :]
    condition = np.linalg.cond(dense(chain)[2])
    close(gradient.unary.log_scale, np.ones(300))
    close(gradient.unary.linear, found.mean, condition)
    close(gradient.unary.precision, -second / 2, condition)
    close(gradient.first.precision, -second[0] / 2, condition)
    across = found.lagged + found.mean[:-1, :, None] * found.mean[1:, None, :]
    close(gradient.pair.precision[:, :1, 1:], -across / 2, condition)


@pytest.mark.slow
def test_a_constant_chain_is_one_whose_potentials_are_written_out():
    chain = random_chain(np.random.default_rng(5), 7, 2, 2, constant=True)
    spread = [
        Canonical(*(jnp.repeat(x, n, axis=0) for x in part))
        for part, n in ((chain.unary, 7), (chain.pair, 6))
    ]
    other = GaussianChain(chain.first, *spread, length=7)
    o, condition = np.ones(2), np.linalg.cond(dense(chain)[2])
    for a, b in zip(*(jax.tree.leaves(answers(c, o)) for c in (chain, other)), strict=True):
        close(a, b, condition)


def test_draws_have_the_moments_of_the_chain():
    chain = random_chain(np.random.default_rng(6), 4, 2, 1)
    n, o = 20_000, jnp.array([0.7])
    steps = eliminate(chain).steps
    keys = jax.random.split(jax.random.key(1), n)
    draws = np.asarray(jax.vmap(sample, (0, None, None))(keys, steps, o)).reshape(n, -1)
    _, linear, precision = dense(chain)
    covariance = np.linalg.inv(precision[:8, :8])
    mean = covariance @ (linear[:8] - precision[:8, 8:] @ np.asarray(o))
    sd = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(draws.mean(0) - mean) < 5 * sd / np.sqrt(n))
    error = np.sqrt((np.outer(sd, sd) ** 2 + covariance**2) / n)
    assert np.all(np.abs(np.cov(draws.T) - covariance) < 5 * error)


@pytest.mark.slow
def test_many_chains_are_each_one_of_them():
    chains = [random_chain(np.random.default_rng(i), 4, 1, 1, constant=False) for i in range(3)]
    both = jax.tree.map(lambda *x: jnp.stack(x), *chains)
    found = jax.jit(jax.vmap(plainly_integrated))(both)
    for i, chain in enumerate(chains):
        for a, b in zip(found, integrate_states(chain), strict=True):
            close(a[i], b, np.linalg.cond(dense(chain)[2]))


def test_an_improper_chain_gives_no_number():
    chain = random_chain(np.random.default_rng(7), 5, 8, 1, constant=False)
    hole = chain.unary.precision.at[3, 0, 0].add(-1e4)
    broken = GaussianChain(chain.first, chain.unary._replace(precision=hole), chain.pair, length=5)
    _, border, free, _, _ = answers(broken, np.zeros(1))
    assert jnp.isnan(border.log_scale)
    assert jnp.isnan(free.mean).any()


@pytest.mark.slow
def test_single_precision_is_kept():
    chain = jax.tree.map(
        lambda x: x.astype(jnp.float32), random_chain(np.random.default_rng(8), 7, 2, 2, constant=False)
    )
    found = jax.eval_shape(answers, chain, jnp.zeros(2, jnp.float32))
    assert {value.dtype for value in jax.tree.leaves(found)} == {jnp.dtype(jnp.float32)}


def test_shapes_that_do_not_fit_are_named():
    chain = random_chain(np.random.default_rng(9), 5, 2, 1, constant=False)
    message = (
        r"Expected `unary` potentials of 3 coordinates with a leading axis of 4 or 1; got shapes \(5,\), "
    )
    with pytest.raises(ValueError, match=message):
        plainly(GaussianChain(chain.first, chain.unary, chain.pair, length=4))
    with pytest.raises(
        ValueError, match="Expected `pair` potentials of 5 .* axis of 5 or 1; got shapes .*Reshape"
    ):
        plainly(GaussianChain(chain.first, Canonical(*(x[:1] for x in chain.unary)), chain.pair, length=6))
    with pytest.raises(ValueError, match=r"got 5 and 5 coordinates and length 5\. Give at least one state"):
        plainly(GaussianChain(Canonical(*(x[0] for x in chain.pair)), chain.unary, chain.pair, length=5))


@pytest.mark.slow
def test_nothing_is_as_large_as_the_square_of_the_length():
    chain = random_chain(np.random.default_rng(10), 1000, 2, 1, constant=False)
    text = str(jax.make_jaxpr(jax.value_and_grad(lambda c: plainly_integrated(c).log_scale))(chain))
    assert "1000,1000" not in text
    assert "1000,999" not in text
