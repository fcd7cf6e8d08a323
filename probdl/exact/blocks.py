"""Scans whose steps forget: the blocks of one sequence, run side by side.

Each step of a scan takes its time to begin, however little it does. Cut in $B$ blocks that run as a batch, a
scan of $T$ steps has only $T / B$ steps. What enters a block is what leaves the one before it, and it is found
by rounds: in each, all blocks run from what left their predecessors in the round before, in the first from a
guess. After round $n$ the first $n$ blocks are right in any case; all of them are as soon as every block
forgets where it began, which takes two rounds if blocks are longer than the memory of the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

MOST_ROUNDS = 8


class _Round[Carry, Y](NamedTuple):
    """What came of one run of all blocks, and whether it began with what it ended with."""

    number: Int[Array, ""]
    left: Carry
    outputs: Y
    agreed: Bool[Array, ""]


def scan_in_blocks[Carry, X, Y](
    step: Callable[[Carry, X], tuple[Carry, Y]],
    start: Carry,
    xs: X,
    *,
    num_blocks: int,
    agree: Callable[[Carry, Carry], Bool[Array, ...]],
    guess: Carry,
    reverse: bool = False,
    memory: int | None = None,
    most_rounds: int = MOST_ROUNDS,
    axis: int = 0,
) -> tuple[Carry, Y]:
    r"""Return what `lax.scan(step, start, xs, reverse=reverse)` does, sooner if the steps forget.

    The outputs of each block are those of a scan that begins with a carry $c$ for which `agree(c, d)` holds,
    $d$ being what left the block before in the very same round. If `most_rounds` rounds do not get so far,
    the result is that of the plain scan.

    So a carry is off by at most what `agree` lets pass, summed over the blocks, if it bounds a distance that
    no step makes larger: $\max_i \log(c_i / d_i) - \min_i \log(c_i / d_i)$, Hilbert's, is one for products
    with non-negative matrices and divisions by sums.

    It can be compiled and batched, but not differentiated in reverse.

    Args:
        step: Makes the next carry and an output of a carry and an item. It is called on a batch.
        start: The first carry.
        xs: Items, along the leading axis of each leaf.
        num_blocks: The most blocks to cut them in.
        agree: Says of two carries, that of the round before first, whether they are as good as equal.
        guess: What enters the blocks in the first round; of the shapes and types of `start`.
        reverse: Whether to begin with the last item.
        memory: How many items of each block the first round reads, those that come last; None means all.
        most_rounds: How often to run the blocks, at least 2, before the plain scan.
        axis: Where the blocks are in a batch: 0, or -1, which is faster where a carry is a few numbers.

    Returns:
        The last carry, and the outputs in the order of the items.

    Raises:
        ValueError: If there is no block, or a single round.

    Example:
        >>> def halve(carry, x):
        ...     return carry / 2 + x, carry
        >>> def agree(before, after):
        ...     return abs(before - after) < 1e-6
        >>> last, _ = scan_in_blocks(halve, 0.0, jnp.ones(1000), num_blocks=10, agree=agree, guess=0.0)
        >>> round(float(last), 5)
        2.0

    Source:
        Birkhoff (1957), doi:10.1090/S0002-9947-1957-0087058-6, for the contraction.
    """
    if num_blocks < 1 or most_rounds < 2:
        raise ValueError(
            f"Expected at least 1 block and 2 rounds; got {num_blocks} and {most_rounds}. "
            f"Call lax.scan where no rounds are wanted."
        )
    num_items = len(jax.tree.leaves(xs)[0])
    length = max(math.ceil(num_items / num_blocks), 1)
    num_blocks, rest = divmod(num_items, length)
    if num_blocks < 2:
        return lax.scan(step, start, xs, reverse=reverse)
    odd, even = _cut(xs, num_items - rest)[::-1] if reverse else _cut(xs, rest)
    begun, before = lax.scan(step, start, odd, reverse=reverse)
    blocks = jax.tree.map(lambda x: _in_blocks(x, num_blocks, axis), even)
    steps = jax.vmap(step, axis, axis)

    def entering(left: Carry) -> Carry:
        return jax.tree.map(lambda one, x: _handed_on(one, x, axis, reverse=reverse), begun, left)

    def run(left: Carry) -> tuple[Carry, Y]:
        return lax.scan(steps, entering(left), blocks, reverse=reverse)

    def again(last: _Round[Carry, Y]) -> _Round[Carry, Y]:
        left, outputs = run(last.left)
        agreed = jax.vmap(agree, axis)(entering(last.left), entering(left)).all()
        return _Round(last.number + 1, left, outputs, agreed)

    def once(_: tuple[Array, tuple[Carry, Y]]) -> tuple[Array, tuple[Carry, Y]]:
        return jnp.ones((), bool), lax.scan(step, begun, even, reverse=reverse)

    ends = blocks if memory is None else _cut(blocks, memory if reverse else -memory)[0 if reverse else 1]
    guesses = jax.vmap(lambda _: guess, out_axes=axis)(jnp.arange(num_blocks))
    left, _ = lax.scan(lambda carry, x: (steps(carry, x)[0], None), entering(guesses), ends, reverse=reverse)
    outputs = jax.tree.map(lambda y: jnp.zeros(y.shape, y.dtype), jax.eval_shape(run, left)[1])
    start_round = _Round(jnp.ones((), int), left, outputs, jnp.zeros((), bool))
    found = lax.while_loop(lambda last: ~last.agreed & (last.number < most_rounds), again, start_round)
    last = jax.tree.map(lambda x: x.take(0 if reverse else -1, axis), found.left)
    quick = last, jax.tree.map(lambda y: _in_row(y, axis), found.outputs)
    last, after = lax.while_loop(lambda found: ~found[0], once, (found.agreed, quick))[1]
    pieces = (after, before) if reverse else (before, after)
    return last, jax.tree.map(lambda *parts: jnp.concatenate(parts), *pieces) if rest else after


def _cut[Tree](tree: Tree, place: int) -> tuple[Tree, Tree]:
    """Cut the leading axes of all leaves in two."""
    return jax.tree.map(lambda x: x[:place], tree), jax.tree.map(lambda x: x[place:], tree)


def _in_blocks(x: Array, num_blocks: int, axis: int) -> Array:
    """Return items with the steps of a block first, then the batch of blocks at an axis."""
    cut = x.reshape(num_blocks, -1, *x.shape[1:])
    return jnp.moveaxis(cut, 1, 0) if axis == 0 else jnp.moveaxis(cut, 0, -1)


def _in_row(y: Array, axis: int) -> Array:
    """Return outputs of blocks one after the other."""
    blocks = jnp.moveaxis(y, 1 if axis == 0 else -1, 0)
    return blocks.reshape(-1, *blocks.shape[2:])


def _handed_on(begun: Array, left: Array, axis: int, *, reverse: bool) -> Array:
    """Return the carries that left the blocks, each moved on to the next."""
    own = jnp.expand_dims(begun, axis)
    kept = slice(1, None) if reverse else slice(-1)
    others = jnp.moveaxis(jnp.moveaxis(left, axis, 0)[kept], 0, axis)
    return jnp.concatenate([others, own] if reverse else [own, others], axis)
