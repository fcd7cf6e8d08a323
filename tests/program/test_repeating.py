"""Traced functions of arrays that repeat: the same results as of whole arrays, however they repeat."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax import lax
from jax.extend.core import jaxpr_as_fun
from numpyro import validation_enabled

from probdl.program.repeated import Repeated
from probdl.program.repeating import RULES, run
from tests.marks import by_name

N, D = 5, 3
R = np.random.default_rng(0)
MATRIX = R.normal(size=(4, D, 2 * D))
COVARIANCES = jnp.array(MATRIX @ MATRIX.swapaxes(1, 2))
STATES, ROWS, SQUARE = R.integers(0, 4, N), R.normal(size=(N, D)), R.normal(size=(N, D, D))
POSITIVE = SQUARE @ SQUARE.swapaxes(1, 2) + np.eye(D)
TABLE = jnp.array(R.normal(size=(4, D)))

FUNCTIONS = {
    "elements": (lambda x, y: jnp.where(x > 0, x * y, jnp.exp(-y)) + 2.0, ROWS, ROWS),
    "clamp": (lambda x, y: lax.clamp(-0.5, x, 0.5) + y, ROWS, ROWS),
    "broadcasts": (lambda x, y: x[:, None, :] + y[None, :, :], ROWS, ROWS),
    "joined axes": (lambda x, y: x.reshape(-1) + y.T.reshape(-1), ROWS, ROWS),
    "axes of one": (lambda x, y: x.reshape(N, 1, D, 1)[..., 0] * y[:, None], ROWS, ROWS),
    "split axes": (lambda x, y: x.reshape(N * D).reshape(D, N).T - y, ROWS, ROWS),
    "slices": (lambda x, y: x[1:4] + y[::2, :], ROWS, ROWS),
    "an empty slice": (lambda x, y: x[2:2].sum() + y, ROWS, ROWS),
    "reversed": (lambda x, y: x[::-1] + y[:, ::-1], ROWS, ROWS),
    "put together": (lambda x, y: jnp.concatenate([x, y]) @ jnp.ones(D), ROWS, ROWS),
    "side by side": (lambda x, y: jnp.stack([x, y], -1), ROWS, ROWS),
    "cumulated": (lambda x, y: jnp.cumsum(x, 0) + jnp.cumsum(y, 1), ROWS, ROWS),
    "sums": (lambda x, y: x.sum() + y.sum(0) + y.sum(1).sum(), ROWS, ROWS),
    "extremes": (lambda x, y: x.max(0) - y.min(), ROWS, ROWS),
    "products": (lambda x, y: x.prod(0) + y.prod(1).sum(), ROWS, ROWS),
    "truth": (lambda x, y: (x > 0).all(0) | (y > 0).any(), ROWS, ROWS),
    "largest": (lambda x, y: x.argmax(1) + y.argmax(), ROWS, ROWS),
    "products of rows": (lambda x, y: jnp.einsum("nd,nd->n", x, y), ROWS, ROWS),
    "products with all": (lambda x, y: x @ y.T, ROWS, ROWS),
    "products over rows": (lambda x, y: x.T @ y, ROWS, ROWS),
    "products of matrices": (lambda x, y: jnp.einsum("nij,nj->ni", x, y), SQUARE, ROWS),
    "products of all axes": (lambda x, y: jnp.einsum("nij,mjk->mnki", x, y), SQUARE, SQUARE),
    "solved": (lambda a, y: jnp.linalg.solve(jnp.linalg.cholesky(a), y[..., None]), POSITIVE, ROWS),
    "triangles": (
        lambda a, y: lax.linalg.triangular_solve(a, y[:, None], left_side=False, lower=True),
        POSITIVE,
        ROWS,
    ),
    "triangles from the left": (
        lambda a, y: lax.linalg.triangular_solve(a, y[..., None], left_side=True, transpose_a=True),
        POSITIVE,
        ROWS,
    ),
    "decomposed": (lambda a, y: jnp.linalg.cholesky(a).sum(-1) + y, POSITIVE, ROWS),
    "diagonals": (lambda a, y: jnp.diagonal(a, axis1=1, axis2=2) * y, POSITIVE, ROWS),
    "looked up": (lambda z, x: TABLE[z] + x, STATES, ROWS),
    "looked up by entry": (lambda z, x: jnp.take_along_axis(x, z[:, None] % D, 1), STATES, ROWS),
    "columns": (lambda z, x: x[:, z % D], STATES, ROWS),
    "rows": (lambda z, x: x[z % N], STATES, ROWS),
    "spread out": (lambda z, x: jnp.zeros((4, D)).at[z].add(x), STATES, ROWS),
    "a condition": (lambda z, x: lax.cond(z[0] > 1, jnp.sin, jnp.cos, x), STATES, ROWS),
    "a loop": (lambda x, y: lax.scan(lambda c, r: (c + r, c), x[0], y)[1], ROWS, ROWS),
    "functions of their own, twice": (
        lambda x, y: jax.grad(lambda v: jax.nn.softplus(v * x).sum())(y) + jax.nn.relu(x),
        ROWS,
        ROWS,
    ),
    "categories": (lambda z, x: dist.Categorical(logits=x).log_prob(z % D), STATES, ROWS),
    "normals": (lambda z, x: dist.Normal(TABLE[z], 2.0).to_event(1).log_prob(x), STATES, ROWS),
    "vectors": (
        lambda z, x: dist.MultivariateNormal(TABLE[z], covariance_matrix=COVARIANCES[z]).log_prob(x),
        STATES,
        ROWS,
    ),
    "vectors by precision": (
        lambda z, x: dist.MultivariateNormal(TABLE[z], precision_matrix=COVARIANCES[z]).log_prob(x),
        STATES,
        ROWS,
    ),
    "functions of their own": (
        lambda x, y: jax.nn.softplus(x) + jax.scipy.special.xlogy(2.0, y**2),
        ROWS,
        ROWS,
    ),
}


def kept(array, axes):
    """Return an array that is the same along some axes."""
    first = jnp.asarray(array)[tuple(slice(0, 1) if i in axes else slice(None) for i in range(array.ndim))]
    return Repeated(first, array.shape)


def axes_of(array):
    return [axes for k in range(3) for axes in itertools.combinations(range(min(array.ndim, 2)), k)]


@pytest.mark.parametrize("name", by_name(list(FUNCTIONS), ("joined axes", "products of all axes", "vectors")))
def test_results_are_those_of_whole_arrays(name):
    function, *arrays = FUNCTIONS[name]
    with validation_enabled(is_validate=False):
        closed = jax.make_jaxpr(function)(*arrays)
    for axes in itertools.product(*map(axes_of, arrays)):
        if name == "solved" or closed.jaxpr.invars[0].aval.shape == POSITIVE.shape:
            axes = (axes[0][:1] if axes[0] == (0,) else (), axes[1])  # what is left of a matrix can be solved
        inputs = [kept(array, own) for array, own in zip(arrays, axes, strict=True)]
        (found,) = run(closed, inputs)
        expected = jaxpr_as_fun(closed)(*(value.whole for value in inputs))[0]
        assert found.shape == expected.shape
        assert found.array.dtype == expected.dtype
        np.testing.assert_allclose(found.whole, expected, rtol=2e-5, atol=1e-5)


def test_every_rule_is_asked():
    seen = set()

    def look(jaxpr):
        for equation in jaxpr.eqns:
            seen.add(equation.primitive.name)
            for value in equation.params.values():
                if hasattr(value, "jaxpr"):
                    look(value.jaxpr)

    for function, *arrays in FUNCTIONS.values():
        with validation_enabled(is_validate=False):
            look(jax.make_jaxpr(function)(*arrays).jaxpr)
    assert set(RULES) - seen <= {"cumprod", "cumlogsumexp", "cummax", "argmin"}  # as cumsum, as argmax


def test_a_matrix_that_all_elements_share_is_decomposed_once():
    function, states, rows = FUNCTIONS["vectors"]
    with validation_enabled(is_validate=False):
        closed = jax.make_jaxpr(function)(states, rows)
    once = jax.make_jaxpr(lambda z, x: run(closed, [Repeated(z, states.shape), x])[0].whole)(states[:1], rows)
    shapes = [
        equation.outvars[0].aval.shape
        for equation in once.jaxpr.eqns
        if equation.primitive.name in ("cholesky", "triangular_solve")
    ]
    assert shapes == [(1, D, D), (D, D)]


def test_derivatives_are_those_of_whole_arrays():
    function, states, rows = FUNCTIONS["vectors"]
    with validation_enabled(is_validate=False):
        closed = jax.make_jaxpr(lambda x, mean: function(states[:1] * jnp.ones(N, int), x - mean))(
            rows, rows[0]
        )

    def total(mean, rows):
        return run(closed, [rows, mean])[0].whole.sum()

    def whole(mean, rows):
        return jaxpr_as_fun(closed)(rows, mean)[0].sum()

    np.testing.assert_allclose(jax.grad(total)(rows[0], rows), jax.grad(whole)(rows[0], rows), rtol=2e-5)


def test_a_rule_for_a_derivative_is_kept():
    def function(x):
        return jax.scipy.special.xlogy(x, x) + jax.nn.softplus(x)

    closed = jax.make_jaxpr(function)(jnp.zeros(N))
    for x in (0.0, 0.5, 800.0):
        one = Repeated(jnp.full(1, x), (N,))
        (found,) = run(closed, [one])
        assert found.array.shape == (1,)
        for order in (jax.grad, lambda f: jax.grad(jax.grad(f))):
            slope = order(lambda v: run(closed, [Repeated(v[None], (N,))])[0].array[0])(x)
            np.testing.assert_array_equal(slope, order(function)(x))
