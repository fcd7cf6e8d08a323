"""Products of potentials, as one table or one quadratic function over the variables of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.exact.gaussians.gaussian import Canonical
from probdl.exact.programs.potential import Potential, Space, check_table, key_of, spread
from probdl.exact.programs.variables import Ref


def joint_table(space: Space, potentials: Sequence[Potential], discrete: Sequence[Ref]) -> Array:
    """Return the logarithm of a product of potentials of discrete variables.

    Args:
        space: The variables.
        potentials: The potentials, over the same axes.
        discrete: The variables of the table, in order.

    Returns:
        Axes, then states; of full length along the axes of variables that are read.
    """
    lead = len(potentials[0].axes)
    check_table(space, jnp.broadcast_shapes(*(p.log.shape[:lead] for p in potentials)), discrete)
    parts = [spread(space, potential, discrete, potential.log) for potential in potentials]
    total = sum(parts[1:], parts[0])
    sizes = [space.variables[ref.name].size for ref in discrete]
    return jnp.broadcast_to(total, (*total.shape[:lead], *sizes))


def joint_quadratic(
    space: Space, potentials: Sequence[Potential], discrete: Sequence[Ref], others: Sequence[Ref]
) -> Canonical:
    """Return a product of potentials as a quadratic function of Gaussian variables.

    Args:
        space: The variables.
        potentials: The potentials, over the same axes.
        discrete: The discrete variables that the function depends on, in order.
        others: The Gaussian variables, in order.

    Returns:
        Axes, states, then coordinates.
    """
    lead = len(potentials[0].axes) + len(discrete)
    sizes = [space.variables[ref.name].size for ref in others]
    starts = dict(zip(map(key_of, others), np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
    total = sum(sizes)
    log: Any = 0.0
    linear, precision = jnp.zeros((1,) * lead + (total,)), jnp.zeros((1,) * lead + (total, total))
    for potential in potentials:
        log = log + spread(space, potential, discrete, potential.log)
        if potential.linear is None or potential.precision is None:
            continue
        own = [ref for ref in potential.refs if not space.is_tabulated(ref)]
        places = np.concatenate(
            [starts[key_of(ref)] + np.arange(space.variables[ref.name].size) for ref in own]
        )
        linear = embedded(linear, spread(space, potential, discrete, potential.linear), (places,))
        precision = embedded(
            precision, spread(space, potential, discrete, potential.precision), (places, places)
        )
    shape = jnp.broadcast_shapes(log.shape, linear.shape[:-1], precision.shape[:-2])
    return Canonical(
        jnp.broadcast_to(log, shape),
        jnp.broadcast_to(linear, (*shape, total)),
        jnp.broadcast_to(precision, (*shape, total, total)),
    )


def curvatures(
    space: Space, potentials: Sequence[Potential], discrete: Sequence[Ref], name: str
) -> list[Array]:
    """Return minus the second derivatives by the coordinates of a Gaussian variable, of each potential.

    Args:
        space: The variables.
        potentials: The potentials, over the same axes.
        discrete: The variables of tables that they depend on, in order.
        name: The variable.

    Returns:
        One array a potential: axes, states, then coordinates.
    """
    found = []
    for potential in potentials:
        own = [ref for ref in potential.refs if not space.is_tabulated(ref)]
        start = 0
        for ref in own:
            size = space.variables[ref.name].size
            if ref.name == name and potential.precision is not None:
                diagonal = jnp.diagonal(potential.precision, axis1=-2, axis2=-1)[..., start : start + size]
                found.append(spread(space, potential, discrete, diagonal))
            start += size
    return found


def embedded(whole: Array, part: Array, places: tuple[np.ndarray, ...]) -> Array:
    """Add an array to some coordinates of another; leading axes broadcast.

    Args:
        whole: What is added to.
        part: What is added.
        places: Where its last axes go, one array each.

    Returns:
        The sum.
    """
    last = whole.shape[-len(places) :]
    if all(len(p) == n and (p == np.arange(n)).all() for p, n in zip(places, last, strict=True)):
        return whole + part
    wide = jnp.zeros((*part.shape[: -len(places)], *last), part.dtype)
    index = np.ix_(*places) if len(places) > 1 else places
    return whole + wide.at[(..., *index)].set(part)


def quadratic(
    axes: tuple[str, ...], discrete: Sequence[Ref], others: Sequence[Ref], function: Canonical
) -> Potential:
    """Return a quadratic function as a potential.

    Args:
        axes: Its axes.
        discrete: The discrete variables that it depends on.
        others: The Gaussian ones; there may be none.
        function: The function.

    Returns:
        The potential.
    """
    if not others:
        return Potential(axes, tuple(discrete), function.log_scale)
    refs = (*discrete, *others)
    return Potential(axes, refs, function.log_scale, function.linear, function.precision)


def over_batch(function: Callable[..., Any], arrays: Sequence[Array], ranks: Sequence[int]) -> Any:
    """Apply a function to arrays, along all axes but the last ones of each.

    Args:
        function: The function of single items.
        arrays: The arrays; their first axes broadcast.
        ranks: The number of axes of a single item.

    Returns:
        The results, with the first axes.
    """
    leads = [x.shape[: x.ndim - rank] for x, rank in zip(arrays, ranks, strict=True)]
    shape = np.broadcast_shapes(*leads)
    if not shape:
        return function(*arrays)
    mapped, axes = [], []
    for x, lead in zip(arrays, leads, strict=True):
        single = int(np.prod(lead)) == 1
        body = x.shape[len(lead) :]
        mapped.append(x.reshape(body) if single else jnp.broadcast_to(x, (*shape, *body)).reshape(-1, *body))
        axes.append(None if single else 0)
    if all(axis is None for axis in axes):
        results = jax.tree.map(lambda x: x[None], function(*mapped))
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (*shape, *x.shape[1:])), results)
    results = jax.vmap(function, in_axes=tuple(axes))(*mapped)
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), results)
