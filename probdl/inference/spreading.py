"""Compiled functions of chains that are spread over the devices of a mesh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

CHAIN, DATA = "chain", "data"


def spread_over(mesh: Mesh | None) -> str | None:
    """Return the axis of a mesh over which chains are spread, if there is one."""
    return CHAIN if mesh is not None and CHAIN in mesh.axis_names else None


def on_mesh(
    run: Callable, mesh: Mesh | None, given: tuple[Any, ...], returned: Any, *, apart: bool
) -> Callable:
    """Return a function as it runs on a mesh; without one, the function itself.

    Along the axis of the chains each device runs the function on chains of its own, and waits for the others
    only where the function says so: a loop that goes on until all chains are done ends on each device when
    those are. Along other axes, and where chains need each other, the compiler divides the work.

    Args:
        run: A function of arrays.
        mesh: The devices.
        given: For each argument, or for parts of it, the axis of arrays that is the chain; None for what all
            chains share.
        returned: The same of what it returns.
        apart: Whether each chain can do without the others.

    Returns:
        A function of the same arguments.
    """
    axis = spread_over(mesh)
    if mesh is None:
        return run
    specs_in, specs_out = (_specs(axes, axis) for axes in (given, returned))
    inner = run
    if axis is not None and apart:
        inner = jax.shard_map(
            run, mesh=mesh, in_specs=specs_in, out_specs=specs_out, axis_names={axis}, check_vma=False
        )

    def outer(*arguments: Any) -> Any:
        found = inner(*arguments)
        shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs_out, is_leaf=_is_spec)
        return jax.lax.with_sharding_constraint(found, shardings)

    return outer


def _is_spec(leaf: Any) -> bool:
    return isinstance(leaf, PartitionSpec)


def _specs(axes: Any, name: str | None) -> Any:
    def spec(axis: int | None) -> PartitionSpec:
        return PartitionSpec() if axis is None or name is None else PartitionSpec(*[None] * axis, name)

    return jax.tree.map(spec, axes, is_leaf=lambda leaf: leaf is None)
