"""A density that is estimated from minibatches, in coordinates in which it is about a standard normal."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.maps import Map, Unmoved, through
from probdl.program.bound import Arrays
from probdl.program.layout import Layout, uniform_points
from probdl.program.subsample import Subsampled, log_density_on
from probdl.program.target import Sampled, Target


class Batch(NamedTuple):
    """Some rows of the data.

    Attributes:
        rows: Their numbers, by plate.
        leaves: Arguments of the program that are given with them, by their position; else it has all of them.
    """

    rows: dict[str, Any]
    leaves: dict[str, Any]


class Turn(NamedTuple):
    """What chooses a minibatch.

    Attributes:
        key: A key, for rows that are drawn.
        move: Number of the move, for batches that come in order.
        chain: Number of the chain.
    """

    key: Array
    move: Any = 0
    chain: Any = 0


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Prepared(Arrays):
    """Data, and what was found out from them before the chains start.

    Attributes:
        map: From standardized positions to those of the program.
        center: A position near the mode, of the program.
        log_density: Log-density there, on all rows.
        gradient: Its gradient there, on all rows.
        batches: Batches of a stream, (move, chain, ...); none if rows are drawn.
        first: Number of the move of the first one.
    """

    map: Map
    center: Float[Any, " dim"]
    log_density: Float[Any, ""]
    gradient: Float[Any, " dim"]
    batches: Batch
    first: Any = 0


def log_density_of(
    inner: Sampled, arrays: Arrays, batch: Batch, position: Float[Array, " dim"]
) -> Float[Array, ""]:
    """Return the log-density of a position, scaled up from a batch if the density is subsampled."""
    if not isinstance(inner, Subsampled):
        return inner.target(arrays).log_density(position)
    with_batch = Arrays({**arrays.leaves, **batch.leaves}, arrays.observed, arrays.held)
    return log_density_on(inner, with_batch, batch.rows, position)


def of_a_batch(inner: Sampled) -> Sampled:
    """Return the density of a program whose arguments are those of a batch: it takes no rows of them."""
    if not isinstance(inner, Subsampled):
        return inner
    return replace(inner, plates=tuple(plate._replace(size=plate.seen) for plate in inner.plates))


@dataclass(frozen=True)
class Standardized:
    """The static half of a target that kernels see through a map, and by minibatches.

    Attributes:
        inner: The density of the program.
        control: Whether estimates are corrected by what is known at the centre.
        streamed: Names and positions of the arguments that come with a stream; None if rows are drawn.
    """

    inner: Sampled
    control: bool
    streamed: tuple[tuple[str, str], ...] | None = None

    @property
    def layout(self) -> Layout:
        """Where the latents lie in a position."""
        return self.inner.layout

    def target(self, arrays: Arrays) -> Target:
        """Return the target: its log-density is that of one minibatch, always the same."""
        found = prepared(arrays)

        whole = self.inner.target(found)
        if not isinstance(self.inner, Subsampled):
            return through(whole, found.map)

        def minibatch(turn: Turn) -> Any:
            batch = self._batch(found, turn)
            slope = jax.grad(lambda position: log_density_of(self.inner, found, batch, position))
            return functools.partial(_estimated, found, slope, control=self.control)

        same = self._batch(found, Turn(jax.random.key(0)))
        log_density = functools.partial(log_density_of, self.inner, found, same)
        return through(Target(log_density, whole.init, whole.constrain, minibatch=minibatch), found.map)

    def _batch(self, arrays: Prepared, turn: Turn) -> Batch:
        if not isinstance(self.inner, Subsampled):
            return Batch({}, {})
        if self.streamed is None:
            return Batch(self.inner.rows(turn.key), {})
        place = jnp.clip(turn.move - arrays.first, 0)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[place, turn.chain], arrays.batches)

    def points(self, arrays: Arrays, keys: Array, attempt: int) -> Float[np.ndarray, "chain dim"]:
        """Return a random starting point around the centre for each key of a chain."""
        found = prepared(arrays)
        if isinstance(found.map, Unmoved):
            return np.tile(np.asarray(found.center), (len(keys), 1))
        return uniform_points(self.layout.dim, keys, attempt)

    def log_density(self, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-density of a standardized position on all rows."""
        return self.inner.log_density(arrays, prepared(arrays).map.position(position))

    def site_log_probs(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the log-probability of each site at a standardized position, on all rows that there are."""
        seen = self.inner if self.streamed is None else of_a_batch(self.inner)
        return seen.site_log_probs(arrays, prepared(arrays).map.position(position))

    def complete(self, arrays: Arrays, keys: Array, positions: Float[Array, "*draw dim"]) -> dict[str, Array]:
        """Return the values of the latent and deterministic sites at standardized positions."""
        return self.inner.complete(arrays, keys, prepared(arrays).map.position(positions))


def _estimated(
    found: Prepared, slope: Any, position: Float[Array, " dim"], *, control: bool
) -> tuple[Array, Array]:
    """Return log-density and gradient at a position, the latter corrected by what is known at the centre.

    The log-density follows from the gradients there and at the centre, to third order: its own estimate would
    have more noise, and the steps need none.
    """
    if control:
        both = jax.vmap(slope)(jnp.stack([position, found.center]))
        gradient = found.gradient + both[0] - both[1]
    else:
        gradient = slope(position)
    rise = (found.gradient + gradient) @ (position - found.center) / 2
    return found.log_density + rise, gradient


def prepared(arrays: Arrays) -> Prepared:
    """Return data that have been prepared.

    Raises:
        TypeError: If they have not.
    """
    if not isinstance(arrays, Prepared):
        raise TypeError(
            f"Expected data that a feed has prepared; got {type(arrays).__name__}. Call feed first."
        )
    return arrays


def with_batches(arrays: Prepared, batches: Batch, first: int) -> Prepared:
    """Return the data with the batches of some moves."""
    return replace(arrays, batches=batches, first=np.int64(first))
