"""The log-density of a program as separate terms, one a site, traced once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpyro

from probdl.program.bound import Arrays, BoundProgram
from probdl.program.describe import masks_of
from probdl.program.handlers import Fix, Message
from probdl.program.target import log_prob_of, log_probs

TERM = "log_prob of "


@dataclass(frozen=True, eq=False)
class Terms:
    """The log-probabilities of sites as one traced function of the data and the values of all latents.

    Attributes:
        jaxpr: From the flat inputs to one array a term: steps of a scan first, then the batch of the site.
        names: The site of each output.
        inputs: For each flat input the latent that it is, or None.
        trailing: How many last axes a term has that are no part of the batch.
    """

    jaxpr: Any
    names: tuple[str, ...]
    inputs: tuple[str | None, ...]
    trailing: int = 0


def flat_inputs(arrays: Arrays, values: Mapping[str, Any]) -> list[Any]:
    """Return the inputs of the terms of a program.

    Args:
        arrays: The dynamic half of the model.
        values: Values of all latents.

    Returns:
        One array an input.
    """
    return jax.tree.leaves((arrays, dict(values)))


class _Follow(Fix):
    """Run at given values of the latents; keep the log-probability of each step of a scan.

    NumPyro stacks what the steps draw from and forgets how they hang together. So the log-probability of a
    step becomes a deterministic value of it: without its scale, and with no more than the masks of the body,
    since what is around the scan is not seen inside. The name of the value says how many masks these are.
    """

    def visit(self, msg: Message) -> None:
        """Give a held site its value."""
        super().visit(msg)
        if self.scan is not None and msg["type"] == "sample" and msg["value"] is not None:
            plain = dict(msg, scale=None)
            name = f"{TERM}{len(masks_of(msg['fn']))}/{msg['name']}"
            numpyro.deterministic(name, log_prob_of(plain, trusted=True))


def _around(trace: dict[str, Message], step: str) -> tuple[str, Any]:
    """Return a site and the log-probabilities of its steps, with the scales and masks around its scan."""
    count, name = step.removeprefix(TERM).split("/", 1)
    msg, found = trace[name], trace[step]["value"]
    masks = masks_of(msg["fn"])
    for mask in masks[: len(masks) - int(count)]:
        found = jnp.where(mask, found, 0.0)
    return name, found if msg["scale"] is None else msg["scale"] * found


@functools.lru_cache(maxsize=64)
def terms(
    bound: BoundProgram, scan_of: tuple[tuple[str, str], ...], leaves: tuple[Any, ...], structure: Any
) -> Terms:
    """Trace the log-probabilities of a program. No array is computed.

    Args:
        bound: The program.
        scan_of: The scan of each latent that is in one.
        leaves: Shapes and types of the inputs: arrays of the model, values of the latents.
        structure: Their tree.

    Returns:
        The terms.
    """

    def run(arrays: Arrays, values: dict[str, Any]) -> dict[str, Any]:
        trace = bound.trace(arrays, _Follow(None, values, dict(scan_of)))
        whole = log_probs(trace, trusted=True)
        steps = dict(_around(trace, name) for name in trace if name.startswith(TERM))
        return {name: steps.get(name, term) for name, term in whole.items()}

    return traced_terms(run, leaves, structure)


def traced_terms(
    run: Callable[..., Mapping[str, Any]], leaves: tuple[Any, ...], structure: Any, trailing: int = 0
) -> Terms:
    """Trace a function of arrays of a model, values of its latents, and others.

    Args:
        run: The function; it returns one term a site.
        leaves: Shapes and types of its inputs.
        structure: Their tree.
        trailing: How many last axes a term has that are no part of the batch.

    Returns:
        The terms.
    """
    names: list[str] = []

    def listed(*inputs: Any) -> list[Any]:
        found = run(*inputs)
        names[:] = found
        return [jnp.asarray(term) for term in found.values()]

    abstract = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    jaxpr = jax.make_jaxpr(listed)(*abstract)
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(abstract)]
    inputs = tuple(path[1].key if path[0].idx == 1 else None for path in paths)
    return Terms(jaxpr, tuple(names), inputs, trailing)


def abstractly(tree: Any) -> tuple[Any, Any]:
    """Return the shapes and types of a tree of arrays, and its structure: what can be compared and hashed.

    Args:
        tree: The tree.

    Returns:
        Leaves as (shape, type), and the structure.

    Example:
        >>> abstractly({"a": jnp.zeros((2, 3), "int32")})[0]
        (((2, 3), dtype('int32')),)
    """
    leaves, structure = jax.tree.flatten(tree)
    return tuple((tuple(jnp.shape(leaf)), jnp.result_type(leaf)) for leaf in leaves), structure
