"""Where a run is kept to go on from, and whether what is kept is the run that is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.errors import CannotResume
from probdl.inference import checkpoint
from probdl.inference.claim import claimed
from probdl.inference.devices import Devices
from probdl.inference.method import Method, Options
from probdl.program.bound import Constant, Opaque, Plain
from probdl.program.model import Model
from probdl.program.precision import Precision

if TYPE_CHECKING:
    from probdl.inference.underway import Underway

FACTS = {
    "program": "its program is another one",
    "data": "its data are others",
    "method": "its method was {old}, and is {new}",
    "key": "its key is another one",
    "labels": "its dims or coords are others",
}
VERSIONS = ("probdl", "jax", "numpyro")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Saved:
    """A folder with the checkpoint of a run.

    Attributes:
        folder: The folder.
        facts: What run it is.
    """

    folder: Path
    facts: dict[str, str]

    def write(self, underway: Underway) -> None:
        """Replace the checkpoint."""
        checkpoint.save(self.folder / checkpoint.FILE, underway, self.facts)

    def _newer(self, facts: Mapping[str, Any]) -> str:
        """Return which libraries have changed: they may trace the same program to another one."""
        old, new = (found.get("versions", "unknown") for found in (facts, self.facts))
        return "" if old == new else f", or looks so to another version of a library ({old} then, {new} now)"

    def begin(self) -> None:
        """Have an empty folder: what was kept of a run before is removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / checkpoint.FILE).unlink(missing_ok=True)

    def read(self, template: Underway) -> Underway | None:
        """Return the chains that were saved; None if nothing was yet.

        Args:
            template: Chains of the same structure.

        Raises:
            CannotResume: If it is another run, or the file is damaged.
        """
        path = self.folder / checkpoint.FILE
        if not path.is_file():
            return None
        arrays, facts = checkpoint.load(path)
        for name, text in FACTS.items():
            if facts.get(name) != self.facts[name]:
                why = text.format(old=facts.get(name), new=self.facts[name])
                raise CannotResume(why + self._newer(facts) if name == "program" else why)
        prefix = jax.tree_util.keystr((jax.tree_util.GetAttrKey("stats"),))
        names = [where[len(prefix) + 2 : -2] for where in arrays if where.startswith(prefix)]
        return checkpoint.restored(
            template._replace(stats={name: arrays[f"{prefix}['{name}']"] for name in names}), arrays
        )


@contextlib.contextmanager
def kept_apart(options: Options) -> Iterator[None]:
    """Keep other runs away from the store and the checkpoint while a block runs.

    Args:
        options: Where the draws go, and the checkpoint; of several processes the first one has both.

    Raises:
        BlockingIOError: If another run has one of them.
        FileNotFoundError: If a process does not see what the first one does.
    """
    processes = Devices(options.mesh).processes
    paths = [path for path in (options.store, options.checkpoint) if path is not None]
    with contextlib.ExitStack() as stack:
        with processes.together():
            for path in paths if processes.is_first else ():
                stack.enter_context(claimed(path))
        with processes.together():
            for path in paths:
                if not path.parent.exists():
                    raise FileNotFoundError(
                        f"Expected a file system that all processes share at '{path}'; got none. Choose a "
                        f"store on one."
                    )
        yield


def saved(options: Options, facts: Mapping[str, str]) -> Saved | None:
    """Return the folder of the checkpoint, after what may not be lost has been looked for.

    Args:
        options: Where the draws go, and the checkpoint.
        facts: What run it is.

    Returns:
        The folder; None if nothing is kept.

    Raises:
        FileExistsError: If there is another run, which is neither gone on with nor to be replaced.
        CannotResume: If there is nothing to go on from.
    """
    folder, store = options.checkpoint, options.store
    if folder is None or store is None:
        return None
    file = folder / checkpoint.FILE
    if options.resume and not file.is_file() and store.exists():
        raise CannotResume(f"there is no checkpoint in '{folder}'")
    if not options.resume and not options.overwrite and not store.exists() and file.is_file():
        raise FileExistsError(
            f"Expected a path with nothing there for the checkpoint; got '{file}', of a run that had not "
            f"drawn yet. Pass resume=True to go on with it, or overwrite=True, or choose another store."
        )
    return Saved(folder, dict(facts))


def facts(key: Array, method: Method, model: Model, options: Options) -> dict[str, str]:
    """Return what identifies a run: equal in another process, however many draws are asked for.

    Args:
        key: The key of the run.
        method: The method.
        model: The model.
        options: How the draws are labelled.

    Returns:
        Digests of the program, the data and the labels; the method in words; the key; versions.
    """
    data = hashlib.sha256()
    with Precision.DOUBLE.active():
        arrays = model.arrays(Precision.DOUBLE)
        for where, leaf in jax.tree_util.tree_flatten_with_path(arrays)[0]:
            array = _plain(leaf)
            data.update(f"{jax.tree_util.keystr(where)}{array.dtype.str}{array.shape}".encode())
            data.update(np.ascontiguousarray(array).tobytes())
    bound = model.bound[0]
    static = [_described(leaf) for leaf in bound.static if leaf is not None]
    program = f"{bound.fingerprint or _described(bound.program)}{static}{bound.scan_of}"
    return {
        "program": _digest(program),
        "data": data.hexdigest(),
        "method": ADDRESS.sub("", repr(method.unlimited)),
        "key": json.dumps([str(jax.random.key_impl(key)), np.asarray(jax.random.key_data(key)).tolist()]),
        "labels": _digest(repr([_plain_text(labels) for labels in (options.dims, options.coords)])),
        "versions": ", ".join(f"{name} {version(name)}" for name in VERSIONS),
    }


def identity(facts: Mapping[str, str]) -> str:
    """Return one digest of the facts that make a run what it is."""
    return _digest(json.dumps({name: facts[name] for name in FACTS}, sort_keys=True))


def _plain_text(labels: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted((name, np.asarray(values).tolist()) for name, values in labels.items())


def _described(value: Plain | Opaque | Constant) -> str:
    """Return a text that stands for what a program is given, in any process."""
    if isinstance(value, Constant):
        return value.digest
    code = getattr(value.value, "__code__", None)
    return ADDRESS.sub("", repr(value.value)) + ("" if code is None else f"{code.co_code}{code.co_consts}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(leaf: Any) -> np.ndarray:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(leaf))
    return np.asarray(leaf)
