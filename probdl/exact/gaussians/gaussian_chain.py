"""Gaussian chains: states in a row, each coupled to the next, and a border that all of them may touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.exact.gaussians.gaussian import Canonical, multiply, shift

ENDS = range(3)  # the first state, those between, and the last one: where an invariant chain differs


@partial(jax.tree_util.register_dataclass, data_fields=["first", "unary", "pair"], meta_fields=["length"])
@dataclass(frozen=True)
class GaussianChain:
    """The product of potentials of states x_0 ... x_(T-1) of size d and of a border o of size m.

    Each array of `unary` and of `pair` has a leading axis, of its own length or of length one where it is the
    same at every step. Several chains: `jax.vmap`.

    Args:
        first: Potential of (x_0, o); no leading axis.
        unary: Potentials of (x_t, o); leading axis T or 1.
        pair: Potentials of (x_t, x_(t+1), o); leading axis T - 1 or 1.
        length: T.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> zero, none = jnp.zeros(1), jnp.zeros((1, 1, 1))
        >>> start = Canonical(jnp.zeros(()), jnp.zeros(1), jnp.eye(1))
        >>> step = Canonical(zero, jnp.zeros((1, 2)), jnp.array([[[1.0, -1.0], [-1.0, 1.0]]]))
        >>> walk = GaussianChain(start, Canonical(zero, zero[None], none), step, length=3)
        >>> walk.state_size, walk.border_size
        (1, 0)
    """

    first: Canonical
    unary: Canonical
    pair: Canonical
    length: int

    @property
    def state_size(self) -> int:
        """Size of each state, d."""
        return self.pair.size - self.first.size

    @property
    def border_size(self) -> int:
        """Size of the border, m."""
        return 2 * self.first.size - self.pair.size

    @property
    def is_invariant(self) -> bool:
        """Whether precisions between the ends are given once for all steps."""
        return len(self.unary.precision) == len(self.pair.precision) == 1 and self.length > len(ENDS)

    def about(self, states: Float[Array, "time d"], border: Float[Array, " border"]) -> GaussianChain:
        """Return the chain as a function of deviations from given states and border.

        Args:
            states: One point for each state.
            border: A point for the border.

        Returns:
            The chain of the deviations; its integral has fewer terms that cancel if they are small.
        """
        fixed = jnp.broadcast_to(border, (self.length, border.size))
        single = jnp.concatenate([states, fixed], -1)
        double = jnp.concatenate([states[:-1], states[1:], fixed[1:]], -1)
        return GaussianChain(
            shift(self.first, single[0]), shift(self.unary, single), shift(self.pair, double), self.length
        )


class Blocks(NamedTuple):
    """The log density of a chain as a block tridiagonal matrix with a border.

    Attributes:
        diagonal: Precision of each state; where the chain is invariant, of the first one, of all those
            between, and of the last one.
        coupling: Precision of each state and the next one; where the chain is invariant, one for all.
        right: Linear term of each state, then minus its precision with the border, as columns.
        border: What touches the border alone.
    """

    diagonal: Float[Array, "steps d d"]
    coupling: Float[Array, "steps d d"]
    right: Float[Array, "time d columns"]
    border: Canonical

    @property
    def is_invariant(self) -> bool:
        """Whether the precisions are given once for all steps between the ends."""
        return len(self.diagonal) < len(self.right)


def assemble(chain: GaussianChain) -> Blocks:
    """Add up the potentials of a chain.

    Args:
        chain: The chain.

    Returns:
        The blocks of its precision, and its linear terms.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> zero = jnp.zeros(1)
        >>> start = Canonical(jnp.zeros(()), jnp.zeros(1), jnp.eye(1))
        >>> none = Canonical(zero, zero[None], zero[None, None])
        >>> pair = Canonical(zero, jnp.zeros((1, 2)), jnp.array([[[1.0, -1.0], [-1.0, 1.0]]]))
        >>> assemble(GaussianChain(start, none, pair, length=3)).diagonal.ravel().tolist()
        [2.0, 2.0, 1.0]
    """
    _check(chain)
    d, m, length = chain.state_size, chain.border_size, chain.length
    first = Canonical(*(array[None] for array in chain.first))
    places = (_Place(first, 0, 0, 1), _Place(chain.unary, 0, 0, length), _Place(chain.pair, 0, 0, length - 1))
    both = (*places, _Place(chain.pair, d, 1, length - 1))
    across = (chain.pair.precision[:, :d, d : 2 * d] + chain.pair.precision[:, d : 2 * d, :d].mT) / 2
    corners = (total(_corner(place.potential, m, place.reach)) for place in places)
    steps = ENDS if chain.is_invariant else range(length)
    return Blocks(
        reduce(add, (_diagonal(place, d, len(steps), length - len(steps)) for place in both)),
        across if chain.is_invariant else repeated(across, length - 1),
        reduce(add, (_right(place, d, m, length) for place in both)),
        multiply(*corners),
    )


def repeated(array: Float[Array, "*steps"], length: int) -> Float[Array, "length ..."]:
    """Return an array with a leading time axis of full length.

    Args:
        array: Its leading axis has that length, or is one where all steps are the same.
        length: Number of steps.

    Returns:
        The array, repeated if need be.

    Example:
        >>> repeated(jnp.ones((1, 2)), 3).shape
        (3, 2)
    """
    return jnp.broadcast_to(array, (length, *array.shape[1:]))


def total(potentials: Canonical) -> Canonical:
    """Return the product of the potentials of all steps.

    Args:
        potentials: Potentials with a leading time axis.

    Returns:
        The product.

    Example:
        >>> total(Canonical(jnp.ones(3), jnp.ones((3, 1)), jnp.ones((3, 1, 1)))).log_scale.tolist()
        3.0
    """
    return Canonical(*(array.sum(0) for array in potentials))


class _Place(NamedTuple):
    """Where a potential stands: its coordinates from `begin` on are the states from time `at` on."""

    potential: Canonical
    begin: int
    at: int
    reach: int

    def padded(self, array: Float[Array, "steps rows columns"], length: int) -> Array:
        """Return an array of the potential at the times of all states."""
        margin = ((self.at, length - self.at - self.reach), (0, 0), (0, 0))
        return jnp.pad(repeated(array, self.reach), margin)


def _diagonal(place: _Place, d: int, length: int, left_out: int) -> Float[Array, "length d d"]:
    own = slice(place.begin, place.begin + d)
    precision = place.potential.precision[:, own, own]
    reach = place.reach - left_out if place.reach > left_out else place.reach
    return place._replace(reach=reach).padded((precision + precision.mT) / 2, length)


def _right(place: _Place, d: int, m: int, length: int) -> Float[Array, "length d columns"]:
    potential, own = place.potential, slice(place.begin, place.begin + d)
    border = slice(potential.size - m, None)
    linear = place.padded(potential.linear[:, own, None], length)
    if not m:
        return linear
    across = (potential.precision[:, own, border] + potential.precision[:, border, own].mT) / 2
    return jnp.concatenate([linear, -place.padded(across, length)], -1)


def _corner(potential: Canonical, border_size: int, reach: int) -> Canonical:
    border = slice(potential.size - border_size, None)
    corner = (potential.log_scale, potential.linear[:, border], potential.precision[:, border, border])
    return Canonical(*(repeated(array, reach) for array in corner))


def _check(chain: GaussianChain) -> None:
    d, m, length = chain.state_size, chain.border_size, chain.length
    if length < 1 or d < 1 or m < 0:
        raise ValueError(
            f"Expected potentials of (x_t, o) and of (x_t, x_(t+1), o); got {chain.first.size} and "
            f"{chain.pair.size} coordinates and length {length}. Give at least one state, and each state at "
            "least one coordinate."
        )
    for name, potential, steps in (("unary", chain.unary, length), ("pair", chain.pair, length - 1)):
        size = d + m if name == "unary" else 2 * d + m
        shapes = tuple(array.shape[1:] for array in potential)
        leading = {array.shape[:1] for array in potential}
        if shapes != ((), (size,), (size, size)) or not leading <= {(1,), (steps,)}:
            raise ValueError(
                f"Expected `{name}` potentials of {size} coordinates with a leading axis of {steps} or 1; "
                f"got shapes {', '.join(str(array.shape) for array in potential)}. Reshape these arrays."
            )
