"""The reads of an edge against an independent oracle: the pattern of a Jacobian at a random point."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import probdl as pdl

SIZE = 6
PERMUTATION = jnp.array([3, 1, 5, 0, 2, 4])
INDEX = jnp.array([0, 0, 2, 5, 5, 1])
MASK = jnp.array([True, False, True, True, False, True])
SPARSE = jnp.eye(SIZE)[INDEX] + 2 * jnp.eye(SIZE)[PERMUTATION]

EXACT = {
    "times literal mask": lambda x: x * jnp.arange(SIZE).astype(bool),
    "exp": jnp.exp,
    "reverse": lambda x: x[::-1],
    "roll": lambda x: jnp.roll(x, 2),
    "permute": lambda x: x[PERMUTATION],
    "gather": lambda x: x[INDEX],
    "lag": lambda x: jnp.concatenate([jnp.zeros(1), x[:-1]]),
    "pad": lambda x: jnp.pad(x[2:], (0, 2)),
    "mask": lambda x: jnp.where(MASK, x, 0.0),
    "update": lambda x: x.at[1].set(0.0),
    "scatter": lambda x: jnp.zeros(SIZE).at[PERMUTATION].set(x),
    "stack": lambda x: jnp.stack([x, x[::-1]])[1],
    "matrix": lambda x: jnp.reshape(x, (2, 3)).T.reshape(-1),
    "vmap": jax.vmap(lambda e: jnp.sin(e) + 1),
    "first of two": lambda x: jnp.split(jnp.concatenate([x, 2 * x]), 2)[0],
}
COARSE = {
    "sparse matrix": lambda x: SPARSE @ x,
    "times mask": lambda x: x * MASK,
    "cumsum": jnp.cumsum,
    "centre": lambda x: x - x.mean(),
    "partial sum": lambda x: x + x[:3].sum(),
    "loop": lambda x: jax.lax.scan(lambda c, e: (0.5 * c + e, c + e), 0.0, x)[1],
    "while": lambda x: jax.lax.fori_loop(0, 3, lambda i, c: c + jnp.roll(c, 1) * i, x),
    "scatter add": lambda x: jnp.zeros(SIZE).at[INDEX].add(x),
}


def edge_of(functions):
    def program():
        with numpyro.plate("n", SIZE):
            x = numpyro.sample("x", dist.Normal(0, 1))
        for function in functions:
            x = function(x)
        with numpyro.plate("n", SIZE):
            numpyro.sample("y", dist.Normal(x, 1))

    graph = pdl.graph(pdl.Model(program))
    return graph.edges["x", "y"] if graph.has_edge("x", "y") else None


def pattern(edge):
    """Return the matrix that says whether element j of y reads element i of x."""
    reads = np.zeros((SIZE, SIZE), bool)
    for read in () if edge is None else edge["reads"]:
        where = np.broadcast_to(True if read.where is None else read.where, SIZE)
        position = read.positions["n"]
        for j in np.flatnonzero(where):
            if position is None:
                reads[j] = True
            elif isinstance(position, int):
                reads[j, j + position] = True
            else:
                reads[j, np.broadcast_to(position, SIZE)[j]] = True
    return reads


def jacobian(functions):
    def composed(x):
        for function in functions:
            x = function(x)
        return x

    point = jax.random.uniform(jax.random.key(1), (SIZE,), minval=0.1, maxval=1.0)
    slopes = np.asarray(jax.jacobian(composed)(point))
    assume(np.isfinite(slopes).all())  # where exponentials overflow, zeros become NaN
    return slopes != 0


FEW = settings(deadline=None, max_examples=25, derandomize=True)
MANY = settings(FEW, max_examples=250)
moves = st.lists(st.sampled_from(sorted(EXACT)), min_size=1, max_size=4)
steps = st.lists(st.sampled_from(sorted({**EXACT, **COARSE})), min_size=1, max_size=4)


def check_exactly_read(names):
    functions = [EXACT[name] for name in names]
    assert (pattern(edge_of(functions)) == jacobian(functions)).all()


def check_none_missed(names):
    functions = [{**EXACT, **COARSE}[name] for name in names]
    assert (pattern(edge_of(functions)) >= jacobian(functions)).all()


@pytest.mark.slow
@FEW
@given(moves)
def test_moves_are_read_exactly(names):
    check_exactly_read(names)


@pytest.mark.slow
@FEW
@given(steps)
def test_no_read_is_ever_missed(names):
    check_none_missed(names)


@pytest.mark.slow
@MANY
@given(moves)
def test_many_moves_are_read_exactly(names):
    check_exactly_read(names)


@pytest.mark.slow
@MANY
@given(steps)
def test_no_read_of_many_steps_is_ever_missed(names):
    check_none_missed(names)
