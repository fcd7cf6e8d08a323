"""The abstract value of an array: what it reads, and its value where that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from probdl.graphs import strands
from probdl.graphs.strands import Reads, restrict, transform

KNOWN_LIMIT = 1 << 20


@dataclass
class Flow:
    """What one array reads.

    Attributes:
        shape: Its shape.
        reads: The elements of sites that each of its elements reads.
        known: Computes its value, where it depends on no site; None where it is unknown.
        given: Whether the value comes from data. A zero in data is a coincidence, one in the program is not:
            only the latter can remove an edge.
    """

    shape: tuple[int, ...]
    reads: Reads = field(default_factory=dict)
    known: Callable[[], Any] | None = None
    given: bool = False

    def value(self) -> np.ndarray | None:
        """Return the value if it is known and small enough to look at, else None."""
        if self.known is None or int(np.prod(self.shape, dtype=float)) > KNOWN_LIMIT:
            return None
        result = self.known()
        if result is None or jnp.issubdtype(getattr(result, "dtype", float), jax.dtypes.extended):
            return None
        array = np.asarray(result)
        self.known = lambda: array
        return array


@dataclass(frozen=True)
class Sources:
    """The sites that can be read, by number: lengths of their tracked axes."""

    sizes: tuple[tuple[int, ...], ...]

    def of(self, source: int) -> tuple[int, ...]:
        """Return the lengths of the tracked axes of a source."""
        return self.sizes[source]

    def reduce(self, flow: Flow, axes: tuple[int, ...]) -> Reads:
        """Return what the array reads along some axes, which become of length one."""
        return strands.reduce(flow.reads, flow.shape, axes, self.of)

    def everything(self, flow: Flow, rank: int) -> Reads:
        """Return all that any element reads, for every element of an array of some rank."""
        reads = self.reduce(flow, tuple(range(len(flow.shape))))
        return transform(
            _without_masks(reads), (1,) * len(flow.shape), lambda a: a.reshape((1,) * rank), lambda _: None
        )


def _without_masks(reads: Reads) -> Reads:
    return {source: tuple(s._replace(where=None) for s in found) for source, found in reads.items()}


def picked(flow: Flow, position: np.ndarray) -> Reads:
    """Return what an array reads whose elements are those of another at flat positions, -1 for none."""
    inside = position >= 0
    index = np.where(inside, position, 0)
    moved = transform(
        flow.reads,
        flow.shape,
        lambda a: (
            np.broadcast_to(a, flow.shape).reshape(-1)[index] if flow.shape else a.reshape((1,) * index.ndim)
        ),
        lambda _: None,
    )
    return moved if inside.all() else restrict(moved, inside, position.shape)


def constant(value: Any, *, given: bool = False) -> Flow:
    """Return the flow of a constant."""
    return Flow(tuple(np.shape(value)), {}, lambda: value, given)


Shape = tuple[int, ...]
Rule = Callable[[dict[str, Any], list[Flow], list[Shape], Sources], list[Reads] | None]
