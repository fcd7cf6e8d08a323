"""Processes that run the same chains together: what the first decides, all do; where one fails, all do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

LONGEST_TEXT = 2000
OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Processes:
    """The processes that run the same chains.

    Attributes:
        count: How many there are.
        is_first: Whether this one is the first: it alone writes, is told of each chunk, and decides.

    Example:
        >>> Processes().shared({"a": np.arange(2)})
        {'a': array([0, 1])}
    """

    count: int = 1
    is_first: bool = True

    @classmethod
    def of(cls, mesh: Mesh | None) -> Processes:
        """Return the processes whose devices a mesh has.

        Args:
            mesh: The mesh; None: this process is alone.

        Raises:
            ValueError: If the mesh has devices of other processes, but not of all.
        """
        if mesh is None:
            return cls()
        numbers = {device.process_index for device in mesh.devices.flat}
        if numbers <= {jax.process_index()}:
            return cls()
        if len(numbers) != jax.process_count():
            raise ValueError(
                f"Expected a mesh over devices of this process, or of all {jax.process_count()}; got one "
                f"over "
                f"processes {sorted(numbers)}. Pass jax.make_mesh((jax.device_count(),), ('chain',))."
            )
        return cls(len(numbers), jax.process_index() == 0)

    def shared(self, tree: Any) -> Any:
        """Return arrays as the first process has them; all processes have to call it.

        Args:
            tree: Arrays of the same types and shapes in all processes.

        Returns:
            NumPy arrays.
        """
        if self.count == 1:
            return tree
        from jax.experimental import multihost_utils

        def sent(leaf: Any) -> np.ndarray:
            array = np.ascontiguousarray(leaf)
            content = array.reshape(-1).view(np.uint8)  # whatever JAX's precision is
            got = multihost_utils.broadcast_one_to_all(content, is_source=self.is_first)
            return np.asarray(got).view(array.dtype).reshape(np.shape(leaf))

        return jax.tree.map(sent, tree)

    def any(self, flag: bool) -> bool:  # noqa: FBT001
        """Return whether a flag is set in any process; all of them have to call it."""
        return bool(self._gathered(np.array([flag])).any())

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Do a block in all processes, or fail in all: none goes on from a block in which another one failed.

        Raises:
            RuntimeError: If another process failed; the message is that of its error.
        """
        if self.count == 1:
            yield
            return
        error: Exception | None = None
        try:
            yield
        except jax.errors.JaxRuntimeError:
            raise
        except Exception as raised:
            error = raised
        text = "" if error is None else f"{type(error).__name__}: {error}"
        padded = np.zeros(LONGEST_TEXT, np.uint8)
        content = np.frombuffer(text.encode()[:LONGEST_TEXT], np.uint8)
        padded[: len(content)] = content
        texts = [bytes(row).rstrip(b"\0").decode(errors="ignore") for row in self._gathered(padded)]
        if error is not None:
            raise error
        if failed := [f"process {number}: {text}" for number, text in enumerate(texts) if text]:
            raise RuntimeError(f"Expected all processes to go on; got an error in {failed[0]}")

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Say in plain words that another process has died, or that the chains do not fit into memory.

        Raises:
            RuntimeError: If another process does not answer any more.
            MemoryError: If the device has no room.
        """
        try:
            yield
        except jax.errors.JaxRuntimeError as error:
            what = str(error).partition("\n")[0][:300]
            if OUT_OF_MEMORY in what:
                raise MemoryError(
                    f"Expected chains that fit into the memory of the device; got: {what}. Pass fewer "
                    f"num_chains, or spread them over more devices with mesh=."
                ) from error
            if self.count == 1:
                raise
            raise RuntimeError(
                f"Expected an answer of all {self.count} processes; got none of one that has died, or cannot "
                f"be reached: {what}. Start all of them again, on as many devices as there are, with "
                f"resume=True: the run goes on from its last checkpoint."
            ) from error

    def _gathered(self, array: np.ndarray) -> np.ndarray:
        """Return the arrays of all processes, stacked."""
        if self.count == 1:
            return array[None]
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(array))
