"""Values of sites as labelled arrays: plates become dimensions, every name survives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.errors import SiteNotFound
from probdl.program.sites import Site, SiteKind

if TYPE_CHECKING:
    import xarray as xr

SAMPLE_DIMS = ("chain", "draw")
LONGEST_NAME = 200
LOG_WEIGHT = "log_weight"
SLASH = "\N{DIVISION SLASH}"


def site_dims(site: Site, names: Iterable[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the dimensions of a site's value and the axes that carry them.

    Scans and plates give their names; other axes are called `site_dim_0` and so on; the axes of length
    one that plates leave beside them are dropped.

    Args:
        site: The site.
        names: All site names: a plate that shares a name with a site is called `plate_dim`.

    Returns:
        Names of the dimensions, and the axes of the value that stay.

    Example:
        >>> from probdl.program.sites import SiteKind
        >>> site = Site("th", SiteKind.LATENT, (3, 1), plates=("S",), axes=(("S", 0),))
        >>> site_dims(site, ["th"])
        (('S',), (0,))
    """
    taken = {*names, *SAMPLE_DIMS}
    labels = {axis: f"{plate}_dim" if plate in taken else plate for plate, axis in site.axes}
    batch = len(site.shape) - site.event_dim
    dims, axes = [], []
    for axis, length in enumerate(site.shape):
        padding = length == 1 and bool(site.plates) and axis < batch
        if axis in labels or not padding:
            others = sum(d not in labels.values() for d in dims)
            dims.append(labels.get(axis, f"{site.name}_dim_{others}"))
            axes.append(axis)
    return tuple(dims), tuple(axes)


def group(
    values: Mapping[str, Any],
    sites: Mapping[str, Site],
    leading: Sequence[str],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Any],
) -> dict[str, xr.Dataset]:
    """Arrange values of sites as the Datasets of one group.

    A slash in a name is a path: `net/w` lies in the subgroup `net` as `w`. Where that clashes with a
    site `net`, the slash is written as a division slash; the attribute `site` always has the true name.

    Args:
        values: Arrays by site, with the leading axes first.
        sites: The sites of the model.
        leading: Names of the leading dimensions, such as chain and draw.
        dims: The user's names for the dimensions of a site; they win.
        coords: The user's coordinates; they win.

    Returns:
        Datasets by path within the group; the group itself is "".

    Raises:
        ValueError: If the user's dimensions do not fit a site.
    """
    import xarray as xr

    tables: dict[str, dict[str, xr.DataArray]] = {"": {}}
    order = {name: i for i, name in enumerate(sites)}
    for name, value in sorted(values.items(), key=lambda item: order.get(item[0], len(order))):
        array = np.asarray(value)
        own, names = _own_dims(name, array.shape[len(leading) :], sites, dims)
        array = array.reshape(array.shape[: len(leading)] + own)
        names = tuple(dim.replace("/", SLASH) for dim in names)
        labels = {d: coords.get(d, np.arange(n)) for d, n in zip(names, own, strict=True)}
        labels |= {d: np.arange(n) for d, n in zip(leading, array.shape, strict=False)}
        path, variable = variable_name(name, values)
        tables.setdefault(path, {})[variable] = xr.DataArray(
            array, dims=(*leading, *names), coords=labels, attrs={"site": name}
        )
    return {path: xr.Dataset(table) for path, table in tables.items()}


def tree(
    groups: Mapping[str, Mapping[str, Any]],
    sites: Mapping[str, Site],
    leading: Sequence[str] = SAMPLE_DIMS,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
) -> xr.DataTree:
    """Arrange values of sites as the groups of a DataTree.

    Args:
        groups: Arrays by site, by group.
        sites: The sites of the model.
        leading: Names of the leading dimensions.
        dims: The user's names for the dimensions of a site.
        coords: The user's coordinates.

    Returns:
        The tree.
    """
    import xarray as xr

    nodes = {
        f"{name}/{path}".rstrip("/"): dataset
        for name, values in groups.items()
        for path, dataset in group(values, sites, leading, dims or {}, coords or {}).items()
    }
    return xr.DataTree.from_dict(nodes)


def check_labels(
    sites: Mapping[str, Site], dims: Mapping[str, Sequence[str]], coords: Mapping[str, Any]
) -> None:
    """Check the user's names of dimensions and coordinates, before there is anything to lose.

    Args:
        sites: The sites of the model.
        dims: Names of the dimensions by site.
        coords: Coordinates by dimension.

    Raises:
        SiteNotFound: If a name in `dims` is no site.
        ValueError: If names or coordinates do not fit.
    """
    lengths: dict[str, tuple[str, int]] = {}
    for name in dims:
        if name not in sites:
            raise SiteNotFound(name, sites, "dims")
    for site in sites.values():
        if site.kind not in (SiteKind.FACTOR, SiteKind.PARAM, SiteKind.INTERVENED):
            own, names = _own_dims(site.name, site.shape, sites, dims)
            for dim, length in zip(names, own, strict=True):
                other, before = lengths.setdefault(dim, (site.name, length))
                if before != length:
                    raise ValueError(
                        f"Expected dimension '{dim}' to have one length; got {before} for site '{other}' and "
                        f"{length} for site '{site.name}'. Name them differently in dims."
                    )
    for dim, labels in coords.items():
        if dim in lengths and len(labels) != lengths[dim][1]:
            raise ValueError(
                f"Expected {lengths[dim][1]} coordinates for dimension '{dim}'; got {len(labels)}. Give one "
                f"a position."
            )


def _own_dims(
    name: str, shape: tuple[int, ...], sites: Mapping[str, Site], dims: Mapping[str, Sequence[str]]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    site = sites.get(name)
    if site is not None and site.shape == shape:
        names, axes = site_dims(site, sites)
        kept = tuple(shape[axis] for axis in axes)
    else:
        names, kept = tuple(f"{name}_dim_{i}" for i in range(len(shape))), shape
    given = dims.get(name)
    if given is None:
        return kept, names
    for candidate in (kept, shape):
        if len(given) == len(candidate):
            return candidate, tuple(given)
    raise ValueError(
        f"Expected {len(kept)} dimension names for site '{name}' of shape {kept}; got {list(given)}. "
        f"Give one name for each axis in dims['{name}']."
    )


def variable_name(name: str, names: Iterable[str]) -> tuple[str, str]:
    """Return the path of the subgroup and the variable under which a site is stored."""
    taken = {*names, *SAMPLE_DIMS}
    *path, last = name.split("/")
    parents = ["/".join(path[:i]) for i in range(1, len(path) + 1)]
    parts = (*path, last)
    is_path = not {"", ".", ".."}.intersection(parts) and max(map(_size, parts)) <= LONGEST_NAME
    if is_path and not taken.intersection(parents) and name not in SAMPLE_DIMS:
        return "/".join(path), last
    safe = name.replace("/", SLASH)
    if safe in (".", ".."):
        safe += SLASH
    if _size(safe) > LONGEST_NAME:
        safe = f"{safe[: LONGEST_NAME // 4]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return "", f"{safe}_" if safe in SAMPLE_DIMS else safe


def _size(name: str) -> int:
    return len(name.encode())


def site_variables(tree: xr.DataTree) -> Iterator[tuple[str, xr.DataArray]]:
    """Yield the arrays of a group, subgroups included, with their true names.

    Args:
        tree: A group such as `result.data["posterior"]`.

    Yields:
        Name of the site, and its array.
    """
    for node in tree.subtree:
        path = node.path.removeprefix(tree.path).strip("/")
        for variable, array in node.to_dataset(inherit=True).data_vars.items():
            plain = f"{path}/{variable}" if path else str(variable)
            yield array.attrs.get("site", plain), array


def is_weighted(data: xr.DataTree) -> bool:
    """Whether the draws of a result have weights, in `sample_stats`."""
    return "sample_stats" in data.children and LOG_WEIGHT in data.children["sample_stats"].data_vars


def check_equally_weighted(data: xr.DataTree, where: str) -> None:
    """Check that the draws of a result have equal weights.

    Args:
        data: The tree.
        where: The call that needs it, for the message.

    Raises:
        ValueError: If they have weights.
    """
    if is_weighted(data):
        raise ValueError(
            f"Expected draws of equal weight in {where}; got weighted ones. Pass result.resample(key=0)."
        )


def posterior_draws(
    data: xr.DataTree, sites: Mapping[str, Site], count: int | None
) -> tuple[dict[str, np.ndarray], tuple[int, int]]:
    """Return posterior draws of the latent sites, and values of params, chains one after another.

    Args:
        data: A tree with the group `posterior`.
        sites: The sites of the model.
        count: How many draws, evenly spaced; None for all.

    Returns:
        Arrays with the draws along the first axis, and how many chains of how many draws they are.

    Raises:
        SiteNotFound: If the posterior has a site that the model has not.
        ValueError: If a latent has another shape in the posterior.
    """
    sizes = data.children["posterior"].sizes
    chains, draws = sizes["chain"], sizes["draw"]
    picked = np.arange(chains * draws)
    if count is not None:
        chains, picked = 1, np.unique(np.linspace(0, len(picked) - 1, count).astype(int))
    held = {}
    for name, array in site_variables(data.children["posterior"]):
        if name not in sites:
            raise SiteNotFound(name, sites, "given")
        site = sites[name]
        if site.is_latent or site.kind is SiteKind.PARAM:
            dims, axes = site_dims(site, sites)
            own = tuple(site.shape[axis] for axis in axes)
            if array.shape[2:] not in (own, site.shape):
                raise ValueError(
                    f"Expected draws of shape {own} {dims} for site '{name}' in given; got {array.shape[2:]} "
                    f"{array.dims[2:]}. Use a model whose latents have the same plates."
                )
            flat = array.to_numpy().reshape(array.sizes["chain"] * array.sizes["draw"], *site.shape)
            held[name] = flat[picked]
    return held, (chains, len(picked) // chains)
