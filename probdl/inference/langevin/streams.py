"""Minibatches that come from elsewhere, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probdl.errors import SiteNotFound
from probdl.inference.langevin.minibatches import Batch, Prepared, with_batches
from probdl.inference.method import at_least
from probdl.program.arrays import convert
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.subsample import Subsampling, subsamplings

Batches = Iterable[tuple[Any, Mapping[str, Any]]]


@dataclass(frozen=True)
class Stream:
    """Batches of rows that need not be in memory together.

    The model is bound to one batch, as an example. Its program has a plate of the size of all data, of which
    it sees the rows of a batch: `plate("N", 10**9, subsample_size=len(y))`. Batches are used up in order, one
    a chain and move.

    Args:
        plate: Name of the plate.
        batches: What yields pairs (rows, arrays): numbers of the rows in the plate, and arguments of the
            program by name. Or a function that returns it: called again when it has come to its end. The
            rows of a batch have to be random ones: shuffle the data.
        buffer: How many batches are handed over at once.

    Raises:
        ValueError: If `buffer` is not positive.

    Example:
        >>> y = np.random.default_rng(0).normal(size=1000)
        >>> def batches():
        ...     for rows in np.random.default_rng(1).permutation(1000).reshape(-1, 50):
        ...         yield rows, {"y": y[rows]}
        >>> Stream("N", batches).buffer
        256
    """

    plate: str
    batches: Batches | Callable[[], Batches] = field(repr=False, compare=False)
    buffer: int = 256

    def __post_init__(self) -> None:
        """Check the number."""
        at_least("buffer", self.buffer, 1)

    def again(self) -> Iterator[tuple[Any, Mapping[str, Any]]]:
        """Return the batches from the first one."""
        return iter(self.batches() if callable(self.batches) else self.batches)


@dataclass(frozen=True, eq=False)
class Reader:
    """A stream as a program takes it: batches that have been checked.

    Attributes:
        stream: The stream.
        plate: Its plate.
        examples: Shape and type of each streamed argument, by name and position.
        precision: Precision of the run.
    """

    stream: Stream
    plate: Subsampling
    examples: Mapping[tuple[str, str], Any]
    precision: Precision

    @classmethod
    def of(cls, stream: Stream, model: Model, precision: Precision) -> Reader:
        """Return the reader of a stream for a model.

        Args:
            stream: The stream.
            model: The model, bound to one batch.
            precision: Precision of the run.

        Raises:
            SiteNotFound: If the model has no such plate, or the program no such argument.
            ValueError: If the plate is not subsampled, or there is no batch.
        """
        if stream.plate not in model.plates:
            raise SiteNotFound(stream.plate, model.plates, "the stream", "a plate")
        plate = next((p for p in subsamplings(model) if p.name == stream.plate), None)
        if plate is None:
            raise ValueError(
                f"Expected plate '{stream.plate}' to be subsampled; got all of its elements. Write "
                f"plate('{stream.plate}', size of all data, subsample_size=size of a batch)."
            )
        first = next(stream.again(), None)
        if first is None:
            raise ValueError("Expected a stream of batches; got none. Pass a function that returns them.")
        names = model.argument_names
        leaves = model.arrays(precision).leaves
        known = {names[int(place)]: place for place in leaves}
        for name in first[1]:
            if name not in known:
                raise SiteNotFound(name, known, "the stream", "an array among the arguments of the program")
        examples = {(name, known[name]): np.asarray(leaves[known[name]]) for name in first[1]}
        return cls(stream, plate, examples, precision)

    def endless(self) -> Iterator[Batch]:
        """Yield batches, from the first again when the stream has come to its end."""
        empty = False
        while not empty:
            empty = True
            for batch in self.once():
                empty = False
                yield batch
        raise ValueError(
            "Expected more batches of the stream; got none. Pass a function that returns an iterator, so "
            "that it can begin again, or one without an end."
        )

    def once(self) -> Iterator[Batch]:
        """Yield the batches until the stream comes to its end."""
        for rows, arrays in self.stream.again():
            yield self._checked(np.asarray(rows), arrays)

    def _checked(self, rows: np.ndarray, arrays: Mapping[str, Any]) -> Batch:
        name, size, seen = self.plate
        if rows.shape != (seen,) or rows.dtype.kind not in "iu":
            raise ValueError(
                f"Expected the numbers of {seen} rows of plate '{name}' with each batch; got {rows.dtype} "
                f"of shape {rows.shape}. Give all batches the size of the one that the model is bound to."
            )
        if not ((rows >= 0) & (rows < size)).all():
            wrong = rows[(rows < 0) | (rows >= size)][0]
            raise ValueError(
                f"Expected rows of plate '{name}' between 0 and {size - 1}; got {wrong}. Give the plate "
                f"the size of all data."
            )
        leaves = {}
        for (argument, place), example in self.examples.items():
            if argument not in arrays:
                raise ValueError(
                    f"Expected '{argument}' in each batch, as in the first one; got {sorted(arrays)}. "
                    f"Yield the same arguments always."
                )
            value = convert(np.asarray(arrays[argument]), self.precision, argument)
            if value.shape != example.shape:
                raise ValueError(
                    f"Expected '{argument}' of shape {example.shape} in each batch; got {value.shape}. "
                    f"Give all batches the size of the one that the model is bound to."
                )
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise ValueError(
                    f"Expected finite values of '{argument}' in each batch; got "
                    f"{value[~np.isfinite(value)][0]} in one of the rows from {rows[0]} on. Drop what is "
                    f"missing."
                )
            leaves[place] = value.astype(example.dtype, copy=False)
        return Batch({name: rows.astype(self.precision.integer)}, leaves)


class Streamed:
    """A feed of batches, in order: one for each move of each chain.

    Args:
        reader: What reads the stream.
        arrays: The data that stay.
        num_chains: Number of chains.
        thinning: Number of moves of a step.
    """

    def __init__(self, reader: Reader, arrays: Prepared, num_chains: int, thinning: int) -> None:
        self._reader, self._arrays = reader, arrays
        self._num_chains, self._thinning = num_chains, thinning
        self._begin, self._held = 0, []
        self._source = reader.endless()

    @property
    def arrays(self) -> Prepared:
        """The data that stay."""
        return self._arrays

    @property
    def most_steps(self) -> int:
        """The most steps for which there are batches at once."""
        return max(1, self._reader.stream.buffer // (self._num_chains * self._thinning))

    def chunk(self, begin: int, count: int) -> Prepared:
        """Return the data with the batches of some steps."""
        first, moves = begin * self._thinning, self.most_steps * self._thinning
        needed = max(count * self._thinning, 1) * self._num_chains
        found = self._range(first * self._num_chains, needed)
        found += [found[-1]] * (moves * self._num_chains - needed)
        shape = (moves, self._num_chains)
        stacked = Batch(
            {
                self._reader.plate.name: _stacked(
                    [batch.rows[self._reader.plate.name] for batch in found], shape
                )
            },
            {place: _stacked([batch.leaves[place] for batch in found], shape) for place in found[0].leaves},
        )
        return with_batches(self._arrays, stacked, first)

    def _range(self, begin: int, count: int) -> list[Batch]:
        """Return some batches by their numbers; reads on, or from the beginning if these have gone by."""
        if begin < self._begin:
            self._begin, self._held, self._source = 0, [], self._reader.endless()
        while self._begin < begin:
            if self._held:
                self._held.pop(0)
            else:
                next(self._source)
            self._begin += 1
        while len(self._held) < count:
            self._held.append(next(self._source))
        return self._held[:count]


def _stacked(parts: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    stacked = np.stack(parts)
    return stacked.reshape(*shape, *stacked.shape[1:])
