"""Gaussian potentials as sums of squares, and chains of them that keep all digits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.gaussians.block_tridiagonal import Factor
from probdl.exact.gaussians.cholesky import gram, inverse, log_determinant, solve_upper
from probdl.exact.gaussians.gaussian import Canonical
from probdl.exact.gaussians.gaussian_chain import repeated
from probdl.exact.gaussians.gaussian_elimination import Eliminated
from probdl.exact.gaussians.gaussian_integral import Conditional
from probdl.exact.gaussians.linear_recursion import vectors_backward


class Root(NamedTuple):
    """The function exp(c - |A x - b|^2 / 2) of a vector x.

    `Canonical` holds A'A, whose rounding can be more than the information in x where some rows of A are much
    larger than others; the rows themselves have no such loss.

    Attributes:
        log_scale: c, in nats.
        rows: A.
        target: b.

    Example:
        >>> Root(jnp.zeros(()), jnp.array([[2.0]]), jnp.array([6.0])).canonical().linear.tolist()
        [12.0]
    """

    log_scale: Float[Array, "*batch"]
    rows: Float[Array, "*batch r n"]
    target: Float[Array, "*batch r"]

    def canonical(self) -> Canonical:
        """Return the potential in canonical form."""
        squares = (self.target * self.target).sum(-1)
        if math.prod(self.rows.shape[:-2]) == 1:
            linear = self.target @ self.rows.reshape(self.rows.shape[-2:])
        else:
            linear = gram(self.rows, self.target[..., None])[..., 0]
        return Canonical(self.log_scale - squares / 2, linear, gram(self.rows, self.rows))


@partial(jax.tree_util.register_dataclass, data_fields=["first", "unary", "pair"], meta_fields=["length"])
@dataclass(frozen=True)
class RootChain:
    """A `GaussianChain` whose potentials are sums of squares.

    Args:
        first: Potential of (x_0, o); no leading axis.
        unary: Potentials of (x_t, o); leading axis T or 1.
        pair: Potentials of (x_t, x_(t+1), o); leading axis T - 1 or 1.
        length: T.

    Example:
        >>> one = jnp.ones((1, 1, 1))
        >>> start = Root(jnp.zeros(()), one[0], jnp.ones(1))
        >>> seen = Root(jnp.zeros(1), one, 3 * jnp.ones((1, 1)))
        >>> step = Root(jnp.zeros(1), jnp.array([[[-1.0, 1.0]]]), jnp.zeros((1, 1)))
        >>> found = eliminate_roots(RootChain(start, seen, step, length=1))
        >>> print(f"{found.steps.offset[0, 0]:.4f}")
        2.0000
    """

    first: Root
    unary: Root
    pair: Root
    length: int


def eliminate_roots(chain: RootChain) -> Eliminated:
    """Integrate the states out from the first to the last by orthogonal transformations.

    The potentials that touch x_t are rows on (x_t, x_(t+1), o) with their targets as a last column. Their QR
    decomposition has the conditional of x_t in its first d rows, and what is left for x_(t+1) and o in the
    others, with the sum of squares that no state explains in its corner: nothing is ever subtracted.

    Args:
        chain: The chain.

    Returns:
        The conditionals of the states, and the integral, as `eliminate`.

    Example:
        >>> one = jnp.ones((1, 1, 1))
        >>> start = Root(jnp.zeros(()), one[0], jnp.zeros(1))
        >>> seen = Root(jnp.zeros(1), one, jnp.ones((1, 1)))
        >>> step = Root(jnp.zeros(1), jnp.array([[[-1.0, 1.0]]]), jnp.zeros((1, 1)))
        >>> eliminate_roots(RootChain(start, seen, step, length=1)).steps.offset.round(3).tolist()
        [[0.5]]

    Source:
        Bierman (1977), ch. V and X, the square-root information filter; Cox & Higham (1998) for the order of
        the rows.
    """
    length, n = chain.length, chain.first.rows.shape[-1]
    d = chain.pair.rows.shape[-1] - n
    pair, unary = _augmented(chain.pair), _augmented(chain.unary)
    seen = jnp.pad(unary, ((0, 0), (0, 0), (d, 0)))
    zero = jnp.zeros((n + 1, d), pair.dtype)

    def step(message: Array, rows: tuple[Array, Array]) -> tuple[Array, Array]:
        known = jnp.concatenate([message[:, :d], zero, message[:, d:]], 1)
        # Large rows come first: reflections are then stable row by row, whatever the noise of the pair.
        triangle = _triangle(jnp.concatenate([rows[0], known, rows[1]]))
        return triangle[d:, d:], triangle[:d]

    start = _triangle(jnp.concatenate([_augmented(chain.first), unary[0]]))
    later = repeated(seen, length)[1:]
    last, rows = lax.scan(step, start, (repeated(pair, length - 1), later))
    ending = jnp.concatenate([last[:d, :d], jnp.zeros((d, d), pair.dtype), last[:d, d:]], 1)
    rows = jnp.concatenate([rows, ending[None]])
    root = _regular(rows[..., :d]).mT
    solved = solve_upper(root, rows[..., d:])
    factor = Factor(root, -solved[..., :d], inverse(root), log_determinant(root).sum())
    scale = chain.first.log_scale + (length * d * math.log(2 * math.pi) - factor.log_determinant) / 2
    scale = scale + repeated(chain.unary.log_scale, length).sum()
    scale = scale + repeated(chain.pair.log_scale, length - 1).sum()
    border = Root(scale, last[d:, d:-1], last[d:, -1]).canonical()
    steps = Conditional(-solved[..., :-1], solved[..., -1], root)
    shift = jnp.concatenate([solved[..., -1:], -solved[..., d:-1]], -1)
    return Eliminated(steps, border, vectors_backward(factor.gain, shift), factor)


def _triangle(rows: Float[Array, "r n"]) -> Float[Array, "n n"]:
    """Return the triangular factor of a QR decomposition, with a positive diagonal."""
    missing = max(0, rows.shape[1] - rows.shape[0])
    triangle = jnp.linalg.qr(jnp.pad(rows, ((0, missing), (0, 0))), mode="r")
    return jnp.where(jnp.diagonal(triangle)[:, None] < 0, -triangle, triangle)


def _regular(triangle: Float[Array, "*batch d d"]) -> Float[Array, "*batch d d"]:
    """Make triangles NaN whose pivots are no more than the rounding of their columns."""
    pivots = jnp.diagonal(triangle, axis1=-2, axis2=-1)
    floor = triangle.shape[-1] * jnp.finfo(triangle.dtype).eps * jnp.sqrt((triangle * triangle).sum(-2))
    return jnp.where((pivots > floor).all(-1)[..., None, None], triangle, jnp.nan)


def _augmented(root: Root) -> Float[Array, "*batch r columns"]:
    rows, target = root.rows, root.target[..., None]
    batch = jnp.broadcast_shapes(rows.shape[:-2], target.shape[:-2])
    return jnp.concatenate([jnp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (rows, target)], -1)
