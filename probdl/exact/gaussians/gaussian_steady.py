"""Gaussian chains whose precision is the same at every step: recursions that settle.

The pivots of such a chain, and the covariances of its states given all data, converge: in a Kalman filter,
that is where the gain becomes constant. From there on only vectors are left to compute. Where they do not
converge, or later than is tried, the recursions are run to their ends.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.gaussians.block_tridiagonal import Factor, Pivot, factorize, pivot_of
from probdl.exact.gaussians.cholesky import log_determinant
from probdl.exact.gaussians.gaussian_settling import BLOCK, joined, settle, stored
from probdl.exact.gaussians.linear_recursion import covariance_before, covariances_backward

SHORTEST = 32 * BLOCK  # chains below this length cost less step by step

_NOTHING = np.zeros((), jax.dtypes.float0)  # the differential of an integer


def factorize_invariant(ends: Float[Array, "3 d d"], coupling: Float[Array, "1 d d"], length: int) -> Factor:
    """Return the factor of a block tridiagonal matrix that is the same everywhere but at its ends.

    Args:
        ends: First block of the diagonal, all those between, and the last one; symmetric.
        coupling: What couples each step and the next.
        length: Number of steps.

    Returns:
        The factor, with the step from which it is constant.

    Example:
        >>> ends = jnp.array([[[2.0]], [[2.0]], [[1.0]]])
        >>> factor = factorize_invariant(ends, -jnp.full((1, 1, 1), 0.9), length=1000)
        >>> int(factor.settled), round(float(factor.cholesky[500, 0, 0] ** 2), 3)
        (64, 1.436)

    Source:
        Anderson & Moore (1979), §4.4.
    """
    return _factorize_invariant(ends, coupling, length)


def settled_covariances(factor: Factor) -> tuple[Float[Array, "time d d"], Float[Array, "before d d"]]:
    """Return the covariances of all states, and those of neighbours.

    Args:
        factor: A factor that `factorize_invariant` made.

    Returns:
        What `covariances_backward` does.

    Example:
        >>> ends = jnp.array([[[2.0]], [[2.0]], [[1.0]]])
        >>> factor = factorize_invariant(ends, -jnp.full((1, 1, 1), 0.9), length=1000)
        >>> round(float(settled_covariances(factor)[0][500, 0, 0]), 3)
        1.147
    """
    return _settled_covariances(factor)


def written_out(
    ends: Float[Array, "3 d d"], coupling: Float[Array, "1 d d"], length: int
) -> tuple[Float[Array, "length d d"], Float[Array, "before d d"]]:
    """Return the blocks of all steps.

    Args:
        ends: First block of the diagonal, all those between, and the last one.
        coupling: What couples each step and the next.
        length: Number of steps.

    Returns:
        The diagonal, and the couplings.

    Example:
        >>> written_out(jnp.arange(3.0)[:, None, None], jnp.ones((1, 1, 1)), 5)[0].ravel().tolist()
        [0.0, 1.0, 1.0, 1.0, 2.0]
    """
    between = jnp.broadcast_to(ends[1], (length - 2, *ends.shape[1:]))
    diagonal = jnp.concatenate([ends[:1], between, ends[2:]])
    return diagonal, jnp.broadcast_to(coupling, (length - 1, *coupling.shape[1:]))


# The derivatives are those of the plain recursions: they settle later than what they are derivatives of.


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _factorize_invariant(ends: Array, coupling: Array, length: int) -> Factor:
    first, middle, last = ends
    across = coupling[0]

    def step(pivot: Array) -> tuple[Array, Pivot]:
        removed, found = pivot_of(pivot, across)
        return middle - removed, found

    def rest(pivot: Array) -> Array:
        return pivot_of(pivot, across)[1].gain

    head = settle(step, first, rest, length)

    def constant() -> Factor:
        removed, now = pivot_of(head.state, across)
        ending = pivot_of(last - removed, jnp.zeros_like(across))[1]
        steps = head.blocks * BLOCK
        parts = zip(head.outputs, now, ending, strict=True)
        pivots = Pivot(*(joined(front, steps, one, end[None], 1, length) for front, one, end in parts))
        between = (length - 1 - steps).astype(ends.dtype) * log_determinant(now.cholesky)
        is_begun = jnp.arange(len(head.outputs.cholesky)) < steps
        begun = jnp.where(is_begun, log_determinant(head.outputs.cholesky), 0.0).sum()
        return Factor(*pivots, begun + between + log_determinant(ending.cholesky), steps)

    return lax.cond(head.has_settled, constant, lambda: _factorize_plainly(ends, coupling, length))


@_factorize_invariant.defjvp
def _(length: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Factor, Factor]:
    def plainly(ends: Array, coupling: Array) -> Factor:
        return _factorize_plainly(ends, coupling, length)._replace(settled=None)

    moved = jax.jvp(plainly, primals, tangents)[1]
    return _factorize_invariant(*primals, length), moved._replace(settled=_NOTHING)


def _factorize_plainly(ends: Array, coupling: Array, length: int) -> Factor:
    found = factorize(*written_out(ends, coupling, length))
    return found._replace(settled=jnp.asarray(length))


@jax.custom_jvp
def _settled_covariances(factor: Factor) -> tuple[Array, Array]:
    length = len(factor.gain)
    settled = jnp.minimum(jnp.asarray(factor.settled), length - 2)
    gain, noise = factor.gain[settled], factor.covariance[settled]

    def step(after: Array) -> tuple[Array, tuple[Array, Array]]:
        found = covariance_before(after, gain, noise)
        return found[0], found

    tail = settle(step, factor.covariance[-1], lambda _: gain.mT, length, reverse=True)

    def constant() -> tuple[Array, Array]:
        now, lagged = covariance_before(tail.state, gain, noise)
        front, lagged_front = _head(factor, settled // BLOCK, now, tail.outputs)
        steps = tail.blocks * BLOCK
        back = jnp.concatenate([tail.outputs[0], factor.covariance[-1:]])
        return (
            joined(front, settled, now, back, steps + 1, length),
            joined(lagged_front, settled, lagged, tail.outputs[1], steps, length - 1),
        )

    has_settled = (jnp.asarray(factor.settled) < length) & tail.has_settled
    return lax.cond(has_settled, constant, lambda: covariances_backward(factor.gain, factor.covariance))


@_settled_covariances.defjvp
def _(primals: tuple[Factor], tangents: tuple[Factor]):
    (factor,), (moved,) = primals, tangents
    arrays = (factor.gain, factor.covariance), (moved.gain, moved.covariance)
    return _settled_covariances(factor), jax.jvp(covariances_backward, *arrays)[1]


def _head(
    factor: Factor, num_blocks: Array, after: Array, like: tuple[Array, Array]
) -> tuple[Float[Array, "steps d d"], Float[Array, "steps d d"]]:
    """Return the covariances of the first blocks of states, backward from the state after them."""
    arrays = factor.gain, factor.covariance

    def step(after: Array, now: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        found = covariance_before(after, *now)
        return found[0], found

    def before(last: tuple[Array, Array, tuple[Array, Array]]) -> tuple[Array, Array, tuple[Array, Array]]:
        block, after, found = last
        at = (block - 1) * BLOCK
        now = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, at, BLOCK), arrays)
        after, own = lax.scan(step, after, now, reverse=True)
        return block - 1, after, stored(found, own, at)

    begin = (num_blocks, after, jax.tree.map(jnp.zeros_like, like))
    return lax.while_loop(lambda last: last[0] > 0, before, begin)[2]
