"""Primitives that move elements: broadcasts, slices, gathers, scatters, concatenations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from probdl.graphs.flow import Flow, Rule, Shape, Sources, picked
from probdl.graphs.strands import DENSE_LIMIT, Reads, restrict, transform, union


def broadcast_in_dim(params: dict[str, Any], ins: list[Flow], outs: list[Shape], _: Sources) -> list[Reads]:
    """Place the axes among new ones."""
    dims, rank = params["broadcast_dimensions"], len(outs[0])

    def change(array: np.ndarray) -> np.ndarray:
        shape = [1] * rank
        for axis, dim in enumerate(dims):
            shape[dim] = array.shape[axis]
        return array.reshape(shape)

    return [transform(ins[0].reads, ins[0].shape, change, lambda a: dims[a])]


def transpose(params: dict[str, Any], ins: list[Flow], _: list[Shape], __: Sources) -> list[Reads]:
    """Permute the axes."""
    order = params["permutation"]
    return [transform(ins[0].reads, ins[0].shape, lambda a: a.transpose(order), order.index)]


def reshape(_: dict[str, Any], ins: list[Flow], outs: list[Shape], __: Sources) -> list[Reads] | None:
    """Change the shape: axes are kept where only axes of length one come and go."""
    old, new = ins[0].shape, outs[0]
    olds, news = [i for i, n in enumerate(old) if n != 1], [i for i, n in enumerate(new) if n != 1]
    if [old[i] for i in olds] == [new[i] for i in news]:
        place = dict(zip(olds, news, strict=True))

        def rename(array: np.ndarray) -> np.ndarray:
            shape = [1] * len(new)
            for axis, dim in place.items():
                shape[dim] = array.shape[axis]
            return array.reshape(shape)

        return [transform(ins[0].reads, old, rename, place.get)]
    if math.prod(old) > DENSE_LIMIT:
        return None
    return [transform(ins[0].reads, old, lambda a: np.broadcast_to(a, old).reshape(new), lambda _: None)]


def slice_(params: dict[str, Any], ins: list[Flow], outs: list[Shape], _: Sources) -> list[Reads]:
    """Cut a regular part out."""
    strides = params["strides"] or (1,) * len(outs[0])
    cuts = [
        slice(a, b, c)
        for a, b, c in zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    ]
    return [cut(ins[0], cuts, outs[0])]


def cut(flow: Flow, cuts: list[slice], out: Shape) -> Reads:
    """Return what a regular part of an array reads."""

    def change(array: np.ndarray) -> np.ndarray:
        return array[tuple(c if n > 1 else slice(None) for c, n in zip(cuts, array.shape, strict=True))]

    return transform(flow.reads, flow.shape, change, lambda a: a if out[a] == flow.shape[a] else None)


def rev(params: dict[str, Any], ins: list[Flow], _: list[Shape], __: Sources) -> list[Reads]:
    """Reverse some axes."""
    dims = params["dimensions"]
    return [
        transform(ins[0].reads, ins[0].shape, lambda a: np.flip(a, dims), lambda a: None if a in dims else a)
    ]


def concatenate(params: dict[str, Any], ins: list[Flow], outs: list[Shape], _: Sources) -> list[Reads]:
    """Put arrays one after another."""
    dim, start, parts = params["dimension"], 0, []
    for flow in ins:
        parts.append(_placed(flow, outs[0], dim, start))
        start += flow.shape[dim]
    return [union(parts, outs[0])]


def stack(params: dict[str, Any], ins: list[Flow], outs: list[Shape], _: Sources) -> list[Reads]:
    """Put arrays side by side along a new axis."""
    dim = params["axis"]
    parts = []
    for position, flow in enumerate(ins):
        shape = (*flow.shape[:dim], 1, *flow.shape[dim:])
        moved = transform(
            flow.reads, flow.shape, lambda a: np.expand_dims(a, dim), lambda a: a + 1 if a >= dim else a
        )
        parts.append(_placed(Flow(shape, moved), outs[0], dim, position))
    return [union(parts, outs[0])]


def unstack(params: dict[str, Any], ins: list[Flow], outs: list[Shape], _: Sources) -> list[Reads]:
    """Take an array apart along one axis."""
    dim = params["axis"]
    found = []
    for position in range(len(outs)):
        cuts = [slice(None)] * len(ins[0].shape)
        cuts[dim] = slice(position, position + 1)
        shape = (*ins[0].shape[:dim], 1, *ins[0].shape[dim + 1 :])
        row = Flow(shape, cut(ins[0], cuts, shape))
        found += [
            transform(
                row.reads, shape, lambda a: a.squeeze(dim), lambda a: None if a == dim else a - (a > dim)
            )
        ]
    return found


def _placed(flow: Flow, out: Shape, dim: int, start: int) -> Reads:
    """Place an array at an offset of one axis of a longer one; nothing is read elsewhere."""
    length, total = flow.shape[dim], out[dim]
    if length == total:
        return flow.reads

    def change(array: np.ndarray) -> np.ndarray:
        if array.shape[dim] == 1 and length > 1:
            return array
        width = [(0, 0)] * array.ndim
        width[dim] = (start, total - start - length)
        return np.pad(array, width)

    moved = transform(flow.reads, flow.shape, change, lambda a: None if a == dim else a)
    position = np.arange(total).reshape([total if a == dim else 1 for a in range(len(out))])
    return restrict(moved, (position >= start) & (position < start + length), out)


def split(params: dict[str, Any], ins: list[Flow], outs: list[Shape], _: Sources) -> list[Reads]:
    """Cut an array into pieces along one axis."""
    start, found = 0, []
    for out in outs:
        cuts = [slice(None)] * len(out)
        cuts[params["axis"]] = slice(start, start + out[params["axis"]])
        start += out[params["axis"]]
        found.append(cut(ins[0], cuts, out))
    return found


def pad(params: dict[str, Any], ins: list[Flow], outs: list[Shape], _: Sources) -> list[Reads] | None:
    """Surround an array by a value."""
    ids = np.arange(math.prod(ins[0].shape)).reshape(ins[0].shape)
    if max(ids.size, math.prod(outs[0])) > DENSE_LIMIT:
        return None
    position = np.full(outs[0], -1)
    where, region = np.indices(ins[0].shape, sparse=True), []
    for axis, (lo, _, interior) in enumerate(params["padding_config"]):
        region.append(where[axis] * (interior + 1) + lo)
    inside = np.ones(ins[0].shape, bool)
    for axis, place in enumerate(region):
        inside &= (place >= 0) & (place < outs[0][axis])
    places = tuple(np.broadcast_to(p, ins[0].shape)[inside] for p in region)
    position[places] = ids[inside]
    surrounding = transform(ins[1].reads, (), lambda a: a.reshape((1,) * len(outs[0])), lambda _: None)
    return [union([picked(ins[0], position), restrict(surrounding, position < 0, outs[0])], outs[0])]


REARRANGING: dict[str, Rule] = {
    "broadcast_in_dim": broadcast_in_dim,
    "transpose": transpose,
    "reshape": reshape,
    "squeeze": reshape,
    "expand_dims": reshape,
    "slice": slice_,
    "rev": rev,
    "concatenate": concatenate,
    "split": split,
    "stack": stack,
    "unstack": unstack,
    "pad": pad,
}
