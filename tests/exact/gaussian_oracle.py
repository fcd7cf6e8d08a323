"""Dense Gaussian algebra in NumPy, and random potentials and chains: what the engines are held against."""

import itertools

import jax.numpy as jnp
import numpy as np

from probdl.exact.gaussians.gaussian import Canonical
from probdl.exact.gaussians.gaussian_chain import GaussianChain

EPS = np.finfo(float).eps


def close(found, expected, condition=1.0):
    """Compare with a tolerance of some roundings of the largest entry, times a condition number."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    largest = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=256 * EPS * condition * largest)


def random_potential(r, size, leading=(), rank=None, ridge=0.0):
    """Draw a potential whose precision has a rank, and some more on its diagonal."""
    half = r.normal(size=(*leading, size if rank is None else rank, size))
    precision = np.swapaxes(half, -1, -2) @ half + ridge * np.eye(size)
    return Canonical(*map(jnp.asarray, (r.normal(size=leading), r.normal(size=(*leading, size)), precision)))


def random_chain(r, length, d, m, *, constant=None):
    """Draw a chain; each array has its own leading axis unless all are constant or all vary."""

    def leading(steps):
        own = [1, steps] if constant is None else [1] if constant else [steps]
        return r.choice(own)

    def mixed(size, steps, rank):
        parts = random_potential(r, size, (steps,), rank)
        return Canonical(*(part[: leading(steps)] if steps else part for part in parts))

    first = random_potential(r, d + m, (), ridge=0.5)
    steps = max(1, length - 1)
    return GaussianChain(first, mixed(d + m, length, 1), mixed(2 * d + m, steps, d), length=length)


def step(potential, t):
    """Return the arrays of a potential at one time."""
    return [np.asarray(array)[0 if array.shape[0] == 1 else t] for array in potential]


def dense(chain):
    """Return (c, h, J) of all states, then the border, added up one potential at a time."""
    length, d, m = chain.length, chain.state_size, chain.border_size
    size = length * d + m
    scale, linear, precision = 0.0, np.zeros(size), np.zeros((size, size))
    border = list(range(length * d, size))
    places = [(list(range(d)) + border, [np.asarray(array) for array in chain.first])]
    places += [(list(range(t * d, t * d + d)) + border, step(chain.unary, t)) for t in range(length)]
    both = [(list(range(t * d, t * d + 2 * d)) + border, step(chain.pair, t)) for t in range(length - 1)]
    for at, (c, h, j) in places + both:
        scale += c
        for i, k in itertools.product(range(len(at)), repeat=2):
            precision[at[i], at[k]] += (j[i, k] + j[k, i]) / 2
        linear[at] += h
    return scale, linear, precision


def integrated(scale, linear, precision, k):
    """Integrate the first k coordinates out of (c, h, J)."""
    own, across = precision[:k, :k], precision[:k, k:]
    solved = np.linalg.solve(own, np.column_stack([linear[:k, None], across]))
    log_det = np.linalg.slogdet(own / (2 * np.pi))[1]
    return (
        scale + linear[:k] @ solved[:, 0] / 2 - log_det / 2,
        linear[k:] - across.T @ solved[:, 0],
        precision[k:, k:] - across.T @ solved[:, 1:],
    )
