"""Where each latent site lies in a flat position."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Span(NamedTuple):
    """The values that each entry of a discrete site can take.

    Attributes:
        low: The least, or None where there is none or it is not known.
        high: The greatest, or None.
    """

    low: int | None = None
    high: int | None = None


class Integers(NamedTuple):
    """Which coordinates of a position are integers: the last ones.

    Attributes:
        start: The first of them.
        low: The least value of each; minus infinity where it is not known.
        high: The greatest value of each; infinity where it is not known.
    """

    start: int
    low: Float[np.ndarray, " integers"]
    high: Float[np.ndarray, " integers"]

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.low)


@dataclass(frozen=True)
class Layout:
    """Where each latent site lies in a flat position.

    Most coordinates are unconstrained. Those of a discrete site are its values, as floating-point numbers,
    which hold them exactly; a method may ask for the values of other sites as well.

    Attributes:
        names: The latent sites, in order: discrete ones last.
        shapes: Shapes of what they have in a position.
        scan_of: The scan of each latent of the program that is in one.
        own: The sites whose coordinates are their values.
        spans: What the entries of the discrete sites can be; the last sites of `names`, all in `own`.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    scan_of: tuple[tuple[str, str], ...] = ()
    own: frozenset[str] = frozenset()
    spans: tuple[Span, ...] = ()

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return sum(math.prod(shape) for shape in self.shapes)

    @property
    def discrete(self) -> tuple[str, ...]:
        """The discrete sites."""
        return self.names[len(self.names) - len(self.spans) :]

    @property
    def continuous(self) -> tuple[str, ...]:
        """All other sites."""
        return self.names[: len(self.names) - len(self.spans)]

    @property
    def integers(self) -> Integers:
        """Which coordinates are integers."""
        shapes = self.shapes[len(self.continuous) :]
        sizes = [math.prod(shape) for shape in shapes]

        def each(bounds: Sequence[int | None], unknown: float) -> np.ndarray:
            known = (np.full(n, unknown if b is None else b) for n, b in zip(sizes, bounds, strict=True))
            return np.concatenate([np.zeros(0), *known])

        low, high = each([s.low for s in self.spans], -np.inf), each([s.high for s in self.spans], np.inf)
        return Integers(self.dim - sum(sizes), low, high)

    def only(self, names: Sequence[str]) -> Layout:
        """Return the layout of some of the sites alone, in the same order.

        Args:
            names: The sites.

        Returns:
            Their layout.

        Example:
            >>> Layout(("a", "b"), ((), (2,))).only(["b"]).dim
            2
        """
        kept = [i for i, name in enumerate(self.names) if name in names]
        first = len(self.continuous)
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            shapes=tuple(self.shapes[i] for i in kept),
            own=self.own & frozenset(names),
            spans=tuple(self.spans[i - first] for i in kept if i >= first),
        )

    def places(self, names: Sequence[str]) -> np.ndarray:
        """Return the numbers of the coordinates of some sites, in the order of the layout."""
        numbers = self.unravel(np.arange(self.dim))  # pyright: ignore[reportArgumentType]
        return np.concatenate([np.zeros(0, int), *(np.ravel(numbers[n]) for n in self.names if n in names)])

    def unravel(self, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Split a position into what it has of each site.

        Args:
            position: Shape (dim,).

        Returns:
            One array a site.

        Example:
            >>> layout = Layout(("a", "b"), ((), (2,)))
            >>> {k: v.shape for k, v in layout.unravel(jnp.arange(3.0)).items()}
            {'a': (), 'b': (2,)}
        """
        values, start = {}, 0
        for name, shape in zip(self.names, self.shapes, strict=True):
            stop = start + math.prod(shape)
            values[name] = position[start:stop].reshape(shape)
            start = stop
        return values

    def ravel(self, values: Mapping[str, Array]) -> Float[Array, " dim"]:
        """Return the position that has these arrays.

        Args:
            values: One array a site.

        Returns:
            Shape (dim,), of JAX's floating-point type.

        Example:
            >>> layout = Layout(("a", "b"), ((), (2,)), spans=(Span(0, 1),))
            >>> layout.ravel({"b": jnp.ones(2, int), "a": jnp.array(0.5)}).tolist()
            [0.5, 1.0, 1.0]
        """
        kind = jnp.result_type(float)
        parts = [jnp.ravel(jnp.asarray(values[name], kind)) for name in self.names]
        return jnp.concatenate([jnp.zeros(0, kind), *parts])

    def typed(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return what a position has of each site, with discrete values as integers."""
        kind = jnp.result_type(int)
        return {k: jnp.round(v).astype(kind) if k in self.discrete else v for k, v in values.items()}


def uniform_points(dim: int, keys: Array, attempt: int) -> Float[np.ndarray, "chain dim"]:
    """Return starting points, uniform on (-2, 2) in each coordinate; on the host, where nothing is compiled.

    Args:
        dim: Number of coordinates.
        keys: Keys of the chains.
        attempt: The number of the attempt.

    Returns:
        One point a chain.

    Example:
        >>> uniform_points(2, jax.random.split(jax.random.key(0), 3), 0).shape
        (3, 2)
    """
    words = np.asarray(jax.random.key_data(keys)).reshape(len(keys), -1)
    seeds = ([*map(int, word), attempt] for word in words)
    return np.stack([np.random.default_rng(seed).uniform(-2, 2, dim) for seed in seeds])
