"""What a process writes to, it has alone."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Keep others, in this process or another one, away from a path while a block runs; a kill frees it.

    Args:
        path: A file or folder, which need not exist. The lock is a hidden file beside it, and goes with the
            block.

    Raises:
        BlockingIOError: If it is claimed already.

    Warns:
        UserWarning: If the file system knows no locks.

    Example:
        >>> import tempfile
        >>> run = Path(tempfile.mkdtemp()) / "run.zarr"
        >>> with claimed(run), claimed(run):
        ...     pass
        Traceback (most recent call last):
        ...
        BlockingIOError: Expected no other run to write to '...
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    file = _locked(lock, path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # where an open file cannot be removed, it is harmless
            lock.unlink()
        file.close()


def _locked(lock: Path, path: Path) -> IO[bytes]:
    while True:
        file = open(lock, "a+b")  # noqa: SIM115
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError) as error:
            file.close()
            raise BlockingIOError(
                f"Expected no other run to write to '{path}'; got one that does. Wait for it, or choose "
                f"another store."
            ) from error
        except OSError as error:
            warnings.warn(
                f"Expected a file system with locks at '{path}'; got one without ({error.strerror}). See to "
                f"it that no other process writes there.",
                stacklevel=5,
            )
            return file
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(lock)):
                return file
        file.close()  # whoever had it has removed it in the meantime


def _lock(descriptor: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
