"""Primitives that move elements to or from places that are computed: gathers, scatters, dynamic slices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jax import lax

from probdl.graphs.flow import Flow, Rule, Shape, Sources, picked
from probdl.graphs.rearrange import cut
from probdl.graphs.strands import DENSE_LIMIT, Reads, restrict, transform, union


def dynamic_slice(
    params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources
) -> list[Reads]:
    """Cut a part out whose place is computed."""
    operand, starts = ins[0], ins[1:]
    known = [s.value() for s in starts]
    cuts, unknown = [], []
    for axis, (start, size) in enumerate(zip(known, params["slice_sizes"], strict=True)):
        length = operand.shape[axis]
        if size == length:
            cuts.append(slice(0, size))
        elif start is None:
            unknown.append(axis)
            cuts.append(slice(0, 1))
        else:
            first = int(np.clip(start, 0, length - size))
            cuts.append(slice(first, first + size))
    reduced = Flow(
        tuple(1 if a in unknown else n for a, n in enumerate(operand.shape)),
        sources.reduce(operand, tuple(unknown)),
    )
    parts = [cut(reduced, cuts, tuple(c.stop - c.start for c in cuts))]
    parts += [sources.everything(s, len(outs[0])) for s in starts]
    return [union(parts, outs[0])]


def dynamic_update_slice(
    _: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources
) -> list[Reads]:
    """Overwrite a part whose place is computed."""
    operand, update, starts = ins[0], ins[1], ins[2:]
    known = [s.value() for s in starts]
    if any(k is None for k in known) or math.prod(outs[0]) > DENSE_LIMIT:
        changed = tuple(a for a, (m, n) in enumerate(zip(update.shape, outs[0], strict=True)) if m != n)
        parts = [operand.reads, sources.reduce(update, changed)]
        parts += [sources.everything(s, len(outs[0])) for s in starts]
        return [union(parts, outs[0])]
    firsts = [
        int(np.clip(k, 0, n - m)) if k is not None else 0
        for k, n, m in zip(known, outs[0], update.shape, strict=True)
    ]
    position = np.full(outs[0], -1)
    region = tuple(slice(f, f + m) for f, m in zip(firsts, update.shape, strict=True))
    position[region] = np.arange(math.prod(update.shape)).reshape(update.shape)
    return [union([restrict(operand.reads, position < 0, outs[0]), picked(update, position)], outs[0])]


def gather(params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources) -> list[Reads]:
    """Pick elements by an index array: exactly where the indices are known."""
    operand, indices = ins
    numbers, sizes, out = params["dimension_numbers"], params["slice_sizes"], outs[0]
    place = _GatherPlaces(numbers, operand.shape, indices.shape, out)
    value = indices.value()
    if value is not None and math.prod(out) <= DENSE_LIMIT:
        fills = params["mode"] in (lax.GatherScatterMode.FILL_OR_DROP,)
        return [picked(operand, place.positions(value, sizes, drop=fills))]
    searched = tuple(d for d in numbers.start_index_map if sizes[d] != operand.shape[d])
    reduced = sources.reduce(operand, searched)
    shape = tuple(1 if d in searched else n for d, n in enumerate(operand.shape))
    data = transform(reduced, shape, place.operand_axes, place.axis_of.get)
    last = len(indices.shape) - 1
    index = transform(
        sources.reduce(indices, (last,)), (*indices.shape[:-1], 1), place.index_axes, place.index_axis
    )
    return [union([data, index], out)]


class _GatherPlaces:
    """Where the axes of operand and indices go in the result of a gather."""

    def __init__(self, numbers: Any, operand: Shape, indices: Shape, out: Shape) -> None:
        self.numbers, self.operand, self.out = numbers, operand, out
        self.batch = [d for d in range(len(out)) if d not in numbers.offset_dims]
        hidden = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
        window = [d for d in range(len(operand)) if d not in hidden]
        self.offset = dict(zip(window, sorted(numbers.offset_dims), strict=True))
        batching = zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
        self.batching = {d: self.batch[b] for d, b in batching}
        self.axis_of = {
            **{d: o for d, o in self.offset.items() if out[o] == operand[d]},
            **self.batching,
        }

    def _along(self, axis: int) -> np.ndarray:
        n = self.out[axis]
        return np.arange(n).reshape([n if a == axis else 1 for a in range(len(self.out))])

    def positions(self, indices: np.ndarray, sizes: Shape, *, drop: bool) -> np.ndarray:
        """Return the flat position in the operand of each element of the result, -1 where dropped."""
        coordinates, valid = [], np.ones((1,) * len(self.out), bool)
        for d, length in enumerate(self.operand):
            here = np.zeros((1,) * len(self.out), int)
            if d in self.numbers.start_index_map:
                start = self.index_axes(indices[..., [self.numbers.start_index_map.index(d)]])
                start = start.astype(np.int64)
                valid = valid & (start >= 0) & (start <= length - sizes[d])
                here = np.clip(start, 0, length - sizes[d])
            if d in self.batching:
                here = here + self._along(self.batching[d])
            if d in self.offset:
                here = here + self._along(self.offset[d])
            coordinates.append(np.broadcast_to(here, self.out))
        flat = np.zeros(self.out, int)
        if coordinates:
            flat = np.asarray(np.ravel_multi_index(tuple(coordinates), self.operand))
        return np.where(valid, flat, -1) if drop else flat

    def operand_axes(self, array: np.ndarray) -> np.ndarray:
        """Arrange an array over the operand's axes over those of the result."""
        place = {d: o for d, o in self.axis_of.items() if array.shape[d] > 1}
        kept = array[tuple(slice(None) if d in place else 0 for d in range(array.ndim))]
        shape = [1] * len(self.out)
        for d, o in place.items():
            shape[o] = array.shape[d]
        return kept.transpose(np.argsort([place[d] for d in sorted(place)])).reshape(shape)

    def index_axes(self, array: np.ndarray) -> np.ndarray:
        """Arrange an array over the axes of the indices over those of the result."""
        shape = [1] * len(self.out)
        for axis, o in enumerate(self.batch):
            shape[o] = array.shape[axis]
        return array.reshape(shape)

    def index_axis(self, axis: int) -> int | None:
        """Return where an axis of the indices goes."""
        return self.batch[axis] if axis < len(self.batch) else None


def scatter(params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources) -> list[Reads]:
    """Write updates at an index array, over what was there."""
    return _scatter(params, ins, outs, sources, adds=False)


def scatter_add(params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources) -> list[Reads]:
    """Combine updates at an index array with what was there."""
    return _scatter(params, ins, outs, sources, adds=True)


def _scatter(
    params: dict[str, Any], ins: list[Flow], outs: list[Shape], sources: Sources, *, adds: bool
) -> list[Reads]:
    operand, indices, updates = ins
    rank, value = len(outs[0]), indices.value()
    everything = union([operand.reads, sources.everything(updates, rank)], outs[0])
    if value is None or max(math.prod(outs[0]), math.prod(updates.shape)) > DENSE_LIMIT:
        return [union([everything, sources.everything(indices, rank)], outs[0])]
    settings = {"dimension_numbers": params["dimension_numbers"], "mode": params["mode"]}
    ids = np.arange(math.prod(updates.shape), dtype=np.int32).reshape(updates.shape)
    hits = np.asarray(
        lax.scatter_add(np.zeros(outs[0], np.int32), value, np.ones(updates.shape, np.int32), **settings)
    )
    if hits.max(initial=0) > 1 and adds:
        touched = restrict(sources.everything(updates, rank), hits > 0, outs[0])
        return [union([operand.reads, touched], outs[0])]
    position = np.asarray(lax.scatter(np.full(outs[0], -1, np.int32), value, ids, **settings))
    kept = operand.reads if adds else restrict(operand.reads, position < 0, outs[0])
    return [union([kept, picked(updates, position)], outs[0])]


INDEXING: dict[str, Rule] = {
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "gather": gather,
    "scatter": scatter,
    "scatter-add": scatter_add,
    "scatter_add": scatter_add,
    "scatter_mul": scatter_add,
    "scatter_min": scatter_add,
    "scatter_max": scatter_add,
}
