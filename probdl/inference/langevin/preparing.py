"""What is found out from the data before chains that see minibatches start."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.inference.langevin.control import (
    FLAT,
    STARTS,
    ControlVariate,
    Objective,
    maximum,
    mean_of_batches,
    objective_of,
    rough_mode,
    scores,
    seen_through,
    shape,
)
from probdl.inference.langevin.minibatches import Batch, Prepared, Standardized
from probdl.inference.langevin.streams import Reader
from probdl.inference.maps import Map, Unmoved
from probdl.inference.preconditioning import Preconditioner
from probdl.program.bound import Arrays
from probdl.program.layout import uniform_points
from probdl.program.subsample import Subsampled
from probdl.program.target import Sampled


def prepare(
    key: Array,
    density: Standardized,
    arrays: Arrays,
    how: ControlVariate,
    family: Preconditioner,
    reader: Reader | None,
) -> Prepared:
    """Return the data with the mode, the shape around it, and the gradient there.

    Args:
        key: The key of the run.
        density: The static half of the target.
        arrays: The data, on their device.
        how: How the mode is looked for.
        family: The family of maps.
        reader: What reads the stream, if there is one.
    """
    inner, dim = density.inner, density.layout.dim
    kind = jnp.result_type(float)
    some = _some(inner, key, how.num_rows, reader)
    seed = [int(word) for word in np.asarray(jax.random.key_data(key)).ravel()]
    starts = uniform_points(dim, jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(STARTS)), 0)
    center = rough_mode(objective_of(inner, arrays, some, kind), starts)
    if center is None:  # the start of the chains finds out why, and says so
        return _prepared(
            arrays, family.scaled(np.ones(dim)), starts[0], 0.0, np.zeros(dim), Batch({}, {}), kind
        )
    map_ = shape(
        lambda points: np.asarray(scores(inner, arrays, some, jnp.asarray(points, kind)), float),
        center,
        family,
        seed,
    )
    value, slope = 0.0, np.zeros(dim)
    if reader is None or density.control:
        whole = (
            objective_of(inner, arrays, _all(inner), kind)
            if reader is None
            else _epoch(inner, arrays, reader)
        )
        begin = np.asarray(map_.moved(center))
        center = np.asarray(
            map_.position(maximum(seen_through(whole, map_), begin, how.max_iterations, FLAT))
        )
        value, slope = whole(center)
    batches = Batch({}, {}) if reader is None else jax.tree.map(lambda leaf: leaf[:1, None], some)
    return _prepared(arrays, map_, center, value, slope, batches, kind)


def _prepared(
    arrays: Arrays, map_: Map, center: np.ndarray, value: float, slope: np.ndarray, batches: Batch, kind: Any
) -> Prepared:
    centred: Any = map_ if isinstance(map_, Unmoved) else map_._replace(center=center)  # pyright: ignore
    typed = jax.tree.map(lambda leaf: jnp.asarray(leaf, kind), (centred, center, value, slope))
    data = (arrays.leaves, arrays.observed, arrays.held, arrays.centring)
    seen, center, value, slope = typed
    return Prepared(*data, map=seen, center=center, log_density=value, gradient=slope, batches=batches)


def _some(inner: Sampled, key: Array, num_rows: int, reader: Reader | None) -> Batch:
    """Return about so many rows as batches along the first axis."""
    if not isinstance(inner, Subsampled):
        return Batch({}, {})
    count = max(-(-num_rows // max(plate.seen for plate in inner.plates)), 1)
    if reader is not None:
        taken = list(itertools.islice(reader.once(), count))
        return jax.tree.map(lambda *parts: np.stack(parts), *taken)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, STARTS + jnp.arange(count))
    return Batch(_random_rows(inner, keys), {})


@functools.partial(jax.jit, static_argnums=0)
def _random_rows(inner: Subsampled, keys: Array) -> dict[str, Array]:
    return jax.vmap(inner.rows)(keys)


def _all(inner: Sampled) -> Batch:
    """Return all rows as one batch."""
    if not isinstance(inner, Subsampled):
        return Batch({}, {})
    return Batch({name: rows[None] for name, rows in inner.all_rows().items()}, {})


def _epoch(inner: Sampled, arrays: Arrays, reader: Reader) -> Objective:
    """Return log-density and gradient as means over all batches of a stream, which have each row once."""
    seen = np.zeros(reader.plate.size, np.int32)
    for batch in reader.once():
        np.add.at(seen, batch.rows[reader.plate.name], 1)
        if seen.max() > 1:
            break
    if not (seen == 1).all():
        raise ValueError(
            f"Expected a stream that has each of the {reader.plate.size} rows of plate "
            f"'{reader.plate.name}' once before it ends, for control variates; got {int((seen > 0).sum())} "
            f"of them. Shuffle the rows and cut them into batches, or pass control_variate=False."
        )

    def objective(position: np.ndarray) -> tuple[float, np.ndarray]:
        total, slopes, count = 0.0, np.zeros(len(position)), 0
        for batch in reader.once():
            one = jax.tree.map(lambda leaf: leaf[None], batch)
            value, slope = mean_of_batches(inner, arrays, one, jnp.asarray(position, jnp.result_type(float)))
            total, slopes, count = total + float(value), slopes + np.asarray(slope, float), count + 1
        return total / count, slopes / count

    return objective
