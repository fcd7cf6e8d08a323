"""Scores of draws: the gradients of the log-density where they lie in unconstrained space."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Array, Float

from probdl.graphs.places import place_at
from probdl.program.arrays import convert
from probdl.program.bound import Arrays
from probdl.program.density import Density
from probdl.program.model import Model
from probdl.program.positions import locate
from probdl.program.precision import Precision

BLOCK = 512
LARGEST_GAP = 1e-3


def scores_at(
    model: Model, values: Mapping[str, np.ndarray]
) -> tuple[Float[np.ndarray, "chain draw dim"], Float[np.ndarray, "chain draw dim"]]:
    """Return where draws lie in unconstrained space, and the gradients of the log-density there.

    Args:
        model: The model.
        values: Draws (chain, draw, ...) of all latent sites, constrained.

    Returns:
        Positions, and scores in nats, the Jacobian of the bijection included.

    Raises:
        ValueError: If a draw lies outside the support of its site, or a score is not finite.
    """
    sizes = next(iter(values.values())).shape[:2]
    flat = {name: array.reshape(-1, *array.shape[2:]) for name, array in values.items()}
    count = sizes[0] * sizes[1]
    parts = []
    with Precision.DOUBLE.active():
        arrays = model.arrays(Precision.DOUBLE)
        for begin in range(0, count, BLOCK):
            rows = np.minimum(np.arange(begin, begin + BLOCK), count - 1)
            block = {name: convert(array[rows], Precision.DOUBLE, name) for name, array in flat.items()}
            parts.append(jax.tree.map(np.asarray, _located(model.density, arrays, block)))
    positions, gaps, scores = (
        jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *column)
        for column in zip(*parts, strict=True)
    )
    _check_inside(model, values, positions, gaps)
    _check_scores(model, scores, sizes)
    return positions.reshape(*sizes, -1), scores.reshape(*sizes, -1)


@functools.partial(jax.jit, static_argnums=0)
def _located(
    density: Density, arrays: Arrays, values: dict[str, Array]
) -> tuple[Array, dict[str, Array], Array]:
    score = jax.grad(density.target(arrays).log_density)

    def at(draw: dict[str, Array]) -> tuple[Array, dict[str, Array], Array]:
        position, gaps = locate(density, arrays, draw)
        return position, gaps, score(position)

    return jax.vmap(at)(values)


def _check_inside(
    model: Model, values: Mapping[str, np.ndarray], positions: np.ndarray, gaps: Mapping[str, np.ndarray]
) -> None:
    start = 0
    layout = model.density.layout
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        stop = start + math.prod(shape)
        outside = ~np.isfinite(positions[:, start:stop]).all(1) | ~(gaps[name] < LARGEST_GAP)
        if outside.any():
            chain, draw = divmod(int(np.argmax(outside)), values[name].shape[1])
            raise ValueError(
                f"Expected draws inside the support of site '{name}' ({model.sites[name].distribution}); got "
                f"{values[name][chain, draw].tolist()} at chain {chain}, draw {draw}. Pass the values that "
                f"the program gives the site, not transformed ones."
            )
        start = stop


def _check_scores(model: Model, scores: np.ndarray, sizes: tuple[int, ...]) -> None:
    bad = ~np.isfinite(scores)
    if bad.any():
        row, coordinate = (int(i) for i in np.argwhere(bad)[0])
        chain, draw = divmod(row, sizes[1])
        raise ValueError(
            f"Expected a finite gradient of the log-density at every draw; got {scores[row, coordinate]} at "
            f"'{coordinate_names(model)[coordinate]}' for chain {chain}, draw {draw}. Check that draw, and "
            f"the program (a sqrt, log or division inside a `where`, at the edge of its domain?)."
        )


def coordinate_names(model: Model) -> list[str]:
    """Return names of the coordinates of a position: elements, where the site has a coordinate for each.

    Args:
        model: The model.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program():
        ...     numpyro.sample("weight", dist.Dirichlet(np.ones(3)))
        ...     numpyro.sample("x", dist.Normal(0, 1).expand([2]))
        >>> coordinate_names(Model(program))
        ['unconstrained weight[0]', 'unconstrained weight[1]', 'x[0]', 'x[1]']
    """
    layout, names = model.density.layout, []
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        site = model.sites[name]
        if shape != site.shape:
            site = replace(site, name=f"unconstrained {name}", shape=shape, axes=())
        names += [place_at(site, at).name for at in np.ndindex(*shape)]
    return names
