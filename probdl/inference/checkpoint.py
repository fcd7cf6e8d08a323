"""A run on disk, from which it goes on bit for bit: arrays without pickle, replaced as a whole, hashed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from probdl.errors import CannotResume

VERSION = 1
FILE = "checkpoint.npz"


def save(path: Path, tree: Any, facts: Mapping[str, Any]) -> None:
    """Write a tree of arrays; the file that was there stays until the new one is complete.

    Args:
        path: The file.
        tree: Arrays, none of them keys.
        facts: What else is to be known, as JSON.
    """
    leaves = {jax.tree_util.keystr(where): np.asarray(leaf) for where, leaf in _flat(tree)}
    arrays = {f"a{i}": leaf for i, leaf in enumerate(leaves.values())}
    head = {"version": VERSION, "leaves": list(leaves), "facts": facts, "sha256": _digest(arrays, facts)}
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays, head=_bytes(head))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read arrays and facts.

    Args:
        path: The file.

    Returns:
        Arrays by their place in the tree, and the facts.

    Raises:
        CannotResume: If the file is no checkpoint, or damaged.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            head = json.loads(bytes(file["head"]))
            arrays = {f"a{i}": file[f"a{i}"] for i in range(len(head["leaves"]))}
        whole = head["version"] == VERSION and _digest(arrays, head["facts"]) == head["sha256"]
    except Exception as error:  # whatever damage leads to
        raise CannotResume(f"its checkpoint '{path}' cannot be read: {error}") from error
    if not whole:
        raise CannotResume(f"its checkpoint '{path}' is damaged, or of another version of probdl")
    return dict(zip(head["leaves"], arrays.values(), strict=True)), head["facts"]


def restored(template: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return a tree like another one, of arrays that were read.

    Args:
        template: A tree of the same structure.
        arrays: Arrays by place.

    Returns:
        The tree.

    Raises:
        CannotResume: If the structure, or the type or number of axes of an array, is another one.
    """
    found = []
    for where, leaf in _flat(template):
        name, like = jax.tree_util.keystr(where), np.asarray(leaf)
        if name not in arrays or arrays[name].dtype != like.dtype or arrays[name].ndim != like.ndim:
            raise CannotResume(f"its checkpoint has no array that fits '{name}'")
        found.append(arrays[name])
    return jax.tree.unflatten(jax.tree.structure(template), found)


def _bytes(head: Mapping[str, Any]) -> np.ndarray:
    return np.frombuffer(json.dumps(head).encode(), np.uint8)


def _flat(tree: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_flatten_with_path(tree)[0]


def _digest(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for array in arrays.values():
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    """Have the folder on disk, so that the new name survives a loss of power."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
