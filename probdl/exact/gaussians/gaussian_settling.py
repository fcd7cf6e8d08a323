r"""Recursions of covariances, run until they have settled.

A recursion of positive definite matrices whose steps are all the same converges, if it does, at a geometric
rate. Whether it has is checked, since a small step need not mean a small rest. If two matrices that follow
each other differ by $|\Delta_{ij}| \le r \sqrt{S_{ii} S_{jj}}$, then $\pm\Delta \le d r \, \mathrm{diag}\,S$
in the order of positive definite matrices, and what all $n$ further steps add is to first order at most

$$\sum_{k < n} G'^k \Delta G^k \le d r \sum_{k < n} G'^k \, (\mathrm{diag}\,S) \, G^k$$

with the gain $G$ of this step. Where a part of the state is never seen and not stable, this sum grows with
$n$, and tells so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from probdl.exact.gaussians.cholesky import gram

BLOCK = 64  # steps between two checks
MOST_BLOCKS = 32  # how many are tried
ROUNDINGS = 2**10  # what may be left: 2e-13 of the diagonal in double precision


class Settling[Out](NamedTuple):
    """The first blocks of a recursion, up to where it settled.

    Attributes:
        blocks: How many blocks were run.
        left: Bound on what all further steps would add, relative to the diagonal.
        state: What the last step returned.
        outputs: Those of all steps; zero beyond the last one, or before it if they are in reverse order.
    """

    blocks: Int[Array, ""]
    left: Float[Array, ""]
    state: Float[Array, "d d"]
    outputs: Out

    @property
    def has_settled(self) -> Bool[Array, ""]:
        """Whether what is left is nothing but rounding."""
        return self.left <= ROUNDINGS * jnp.finfo(self.left.dtype).eps


def settle[Out](
    step: Callable[[Array], tuple[Array, Out]],
    start: Float[Array, "d d"],
    gain: Callable[[Array], Array],
    length: int,
    *,
    reverse: bool = False,
) -> Settling[Out]:
    """Run a recursion of positive definite matrices until it has settled.

    Args:
        step: Makes of a matrix the next one, and an output.
        start: The first matrix.
        gain: The matrix G of a state by which a small change of it is carried on, as G' change G.
        length: Number of steps of the whole recursion; half of them are tried at most.
        reverse: Whether to return the outputs in reverse order.

    Returns:
        What was found; `has_settled` says whether further steps would make no difference.

    Example:
        >>> def decay(x):
        ...     return x / 4 + 1, x
        >>> found = settle(decay, jnp.eye(1), lambda _: jnp.eye(1) / 2, 1000)
        >>> bool(found.has_settled), int(found.blocks), round(float(found.state[0, 0]), 3)
        (True, 1, 1.333)
    """
    most = min(MOST_BLOCKS, (length - 1) // (2 * BLOCK))
    empty = jax.tree.map(
        lambda x: jnp.zeros((most * BLOCK, *x.shape), x.dtype), jax.eval_shape(step, start)[1]
    )
    endless = jnp.full((), jnp.inf, start.dtype)

    def block(run: Settling[Out]) -> Settling[Out]:
        def both(states: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Out]:
            after, output = step(states[1])
            return (states[1], after), output

        (before, state), found = lax.scan(both, (run.state, run.state), length=BLOCK)
        at = run.blocks * BLOCK
        if reverse:
            found, at = jax.tree.map(lambda x: x[::-1], found), (most - 1) * BLOCK - at
        change = _change(before, state)
        is_small = len(state) * change <= ROUNDINGS * jnp.finfo(start.dtype).eps
        left = lax.cond(is_small, lambda: _left(gain(state), state, change, length), lambda: endless)
        return Settling(run.blocks + 1, left, state, stored(run.outputs, found, at))

    begin = Settling(jnp.zeros((), int), endless, start, empty)
    return lax.while_loop(lambda run: ~run.has_settled & (run.blocks < most), block, begin)


def _change(before: Float[Array, "d d"], now: Float[Array, "d d"]) -> Float[Array, ""]:
    """Return the largest difference of two matrices, relative to the square roots of the diagonal."""
    scale = jnp.sqrt(jnp.diagonal(now))
    return jnp.abs((now - before) / (scale[:, None] * scale)).max()


def _left(
    gain: Float[Array, "d d"], now: Float[Array, "d d"], change: Float[Array, ""], length: int
) -> Float[Array, ""]:
    """Return a bound on what all further steps add, relative to the diagonal."""
    diagonal = jnp.diagonal(now)

    def double(_: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        total, power = sums
        across = lax.optimization_barrier(gram(total, power))
        return total + gram(power, across), gram(power.mT, power)

    doublings = math.ceil(math.log2(length))
    total, _ = lax.fori_loop(0, doublings, double, (jnp.diag(diagonal), gain))
    return len(now) * change * (jnp.diagonal(total) / diagonal).max()


def stored[Out](outputs: Out, found: Out, at: Array) -> Out:
    """Return arrays with other ones written into them.

    Args:
        outputs: The arrays.
        found: What to write; shorter in the leading axis.
        at: Where its first entry goes.

    Returns:
        The arrays.

    Example:
        >>> stored(jnp.zeros(3), jnp.ones(2), jnp.asarray(1)).tolist()
        [0.0, 1.0, 1.0]
    """
    return jax.tree.map(lambda x, y: lax.dynamic_update_slice_in_dim(x, y, at, 0), outputs, found)


def joined(
    front: Array, num_front: Array, between: Array, back: Array, num_back: Array | int, length: int
) -> Float[Array, "length d d"]:
    """Return the first entries of an array and the last ones of another, with one matrix all between.

    Args:
        front: What is first.
        num_front: How many of its entries to take, from the first on.
        between: The matrix.
        back: What is last.
        num_back: How many of its entries to take, up to the last one.
        length: Number of entries in all.

    Returns:
        The entries.

    Example:
        >>> front, one, back = jnp.full((2, 1, 1), 5.0), jnp.ones((1, 1)), jnp.full((2, 1, 1), 7.0)
        >>> joined(front, jnp.asarray(1), one, back, 2, 6).ravel().tolist()
        [5.0, 1.0, 1.0, 1.0, 7.0, 7.0]
    """
    is_front = jnp.arange(len(front)) < num_front
    is_back = jnp.arange(len(back)) >= len(back) - num_back
    whole = jnp.broadcast_to(between, (length, *between.shape))
    whole = whole.at[: len(front)].set(jnp.where(is_front[:, None, None], front, between))
    return whole.at[length - len(back) :].set(jnp.where(is_back[:, None, None], back, between))
