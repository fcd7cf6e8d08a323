"""On which devices chains and data lie: one, or all of a mesh over one or many processes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from probdl.inference.processes import Processes
from probdl.inference.spreading import CHAIN, DATA


@dataclass(frozen=True)
class Devices:
    """Where arrays lie.

    Attributes:
        mesh: A mesh with an axis "chain", over which chains are spread, or "data", over which rows of data
            are, or both; None for the default device.

    Raises:
        TypeError: If it is no mesh.
        ValueError: If the mesh has another axis, or devices of some other processes but not of all.
    """

    mesh: Mesh | None = None

    def __post_init__(self) -> None:
        """Check the names of the axes; leave it to the compiler how arrays lie inside of a step."""
        mesh = self.mesh
        if mesh is None:
            return
        if not isinstance(mesh, Mesh):
            raise TypeError(
                f"Expected mesh to be a jax.sharding.Mesh; got {mesh!r}. "
                f"Pass for instance jax.make_mesh((jax.device_count(),), ('{CHAIN}',))."
            )
        if not {CHAIN, DATA} & set(mesh.axis_names):
            raise ValueError(
                f"Expected a mesh with an axis '{CHAIN}' or '{DATA}', or both; got axes {mesh.axis_names}. "
                f"Pass for instance jax.make_mesh((jax.device_count(),), ('{CHAIN}',))."
            )
        object.__setattr__(self, "mesh", Mesh(mesh.devices, mesh.axis_names))

    @functools.cached_property
    def processes(self) -> Processes:
        """The processes that have these devices."""
        return Processes.of(self.mesh)

    def size(self, axis: str) -> int:
        """Return the number of devices along an axis of the mesh."""
        return 1 if self.mesh is None else dict(self.mesh.shape).get(axis, 1)

    def check(self, num_chains: int) -> None:
        """Check that chains can be spread.

        Args:
            num_chains: Number of chains.

        Raises:
            ValueError: If they cannot.
        """
        devices = self.size(CHAIN)
        if num_chains % devices:
            raise ValueError(
                f"Expected num_chains to be a multiple of the {devices} devices along '{CHAIN}'; got "
                f"{num_chains}. Pass num_chains={max(1, round(num_chains / devices)) * devices}."
            )

    def chains(self, tree: Any) -> Any:
        """Spread arrays whose first axis is the chain."""
        return self._spread(tree, CHAIN)

    def data(self, tree: Any) -> Any:
        """Spread arrays whose first axis can be divided; the others are everywhere.

        Raises:
            ValueError: If there are devices for the data, and none of the arrays can be divided.
        """
        count = self.size(DATA)
        rows = sorted({np.shape(leaf)[0] for leaf in jax.tree.leaves(tree) if np.ndim(leaf)})
        if count > 1 and not any(n and n % count == 0 for n in rows):
            raise ValueError(
                f"Expected data whose number of rows is a multiple of the {count} devices along '{DATA}'; "
                f"got arrays of {', '.join(map(str, rows[-8:])) or 'no'} rows. Leave rows out, or use fewer "
                f"devices."
            )
        return self._spread(tree, DATA)

    def everywhere(self, tree: Any) -> Any:
        """Put arrays on all devices."""
        return self._spread(tree, None)

    def _spread(self, tree: Any, axis: str | None) -> Any:
        if self.mesh is None:
            return tree
        mesh, count = self.mesh, self.size(axis or "")
        named = axis if axis in mesh.axis_names else None

        def place(leaf: Any) -> Any:
            if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                data = place(np.asarray(jax.random.key_data(leaf)))
                return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
            host = np.asarray(leaf)
            splits = named is not None and host.ndim and len(host) and len(host) % count == 0
            sharding = NamedSharding(mesh, PartitionSpec(named) if splits else PartitionSpec())
            if self.processes.count == 1:
                return jax.device_put(host, sharding)
            return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

        return jax.tree.map(place, tree)

    def fetch(self, tree: Any) -> Any:
        """Return arrays as NumPy ones, parts of other processes included: all of these have to call it."""
        leaves, structure = jax.tree.flatten(tree)
        far = [i for i, leaf in enumerate(leaves) if _is_far(leaf)]
        if far and self.mesh is not None:
            near = _replicated([leaves[i] for i in far], NamedSharding(self.mesh, PartitionSpec()))
            for i, leaf in zip(far, near, strict=True):
                leaves[i] = leaf
        return jax.tree.unflatten(structure, [np.asarray(leaf) for leaf in leaves])


def _is_far(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated)


@functools.partial(jax.jit, static_argnums=1)
def _replicated(arrays: list[jax.Array], sharding: NamedSharding) -> list[jax.Array]:
    return [jax.lax.with_sharding_constraint(array, sharding) for array in arrays]
