"""What is known of the nodes of a graph: a data frame, arrays of draws, or a posterior."""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped

from probdl.errors import SiteNotFound
from probdl.graphs.elements import Axis, Region, axes_of, element_name, find_region
from probdl.program.datatree import SAMPLE_DIMS, site_variables
from probdl.program.sites import Site

if TYPE_CHECKING:
    import networkx as nx
    import xarray as xr

WHERE = "check_independencies"
PRIOR = ("prior", "prior_predictive")
TAILS = (0.05, 0.95)
MOST_WATCHED = 256

Rows = Float[np.ndarray, "row ..."]


@dataclass(frozen=True)
class Measured:
    """The values of nodes and elements, row by row.

    Attributes:
        count: The number of rows.
        arrays: Values by node; beside the rows, the axes of the site.
        elements: Values by node and indices, where elements are columns of their own.
        axes: For each node, the axis of its array along which each of its plates lies, in the order of an
            element's name.
        observed: Nodes whose values are known, and therefore given.
        notes: What was done to the data, in words.
    """

    count: int
    arrays: Mapping[Hashable, Rows]
    elements: Mapping[tuple[Hashable, tuple[int, ...]], Rows]
    axes: Mapping[Hashable, tuple[int, ...]]
    observed: frozenset[Hashable] = frozenset()
    notes: tuple[str, ...] = ()

    def of(self, region: Region) -> Float[np.ndarray, "row column"] | None:
        """Return the columns of some elements.

        Args:
            region: The elements.

        Returns:
            One column each, more where an element is a vector; None if one is not known.
        """
        indices = [[i for start, stop in runs for i in range(start, stop)] for runs in region.runs]
        if region.node in self.arrays:
            array = self.arrays[region.node]
            for axis, kept in zip(self.axes[region.node], indices, strict=True):
                array = array.take(kept, axis)
            return array.reshape(self.count, -1)
        found = [self.elements.get((region.node, index)) for index in product(*indices)]
        parts = [part.reshape(self.count, -1) for part in found if part is not None]
        return np.concatenate(parts, 1) if parts and len(parts) == len(found) else None


def measure(graph: nx.DiGraph, data: Any) -> Measured:
    """Read the values of the nodes of a graph.

    Args:
        graph: The graph.
        data: A data frame, a mapping of arrays, a Result, or a DataTree of draws.

    Returns:
        The values.

    Raises:
        TypeError: If the data are something else, or hold what is neither a number nor a category.
        SiteNotFound: If a name looks like a misspelt node.
        ValueError: If nothing in the data is a node, or if a shape does not fit.
    """
    import pandas as pd

    tree = data if hasattr(data, "children") else getattr(data, "data", None)
    if isinstance(data, pd.DataFrame):
        values = {name: _numbers(data[name], name) for name in data.columns if _is_known(graph, name)}
        return _arranged(graph, values, _unknown(graph, data.columns))
    if isinstance(data, Mapping) and not hasattr(data, "children"):
        values = {name: np.asarray(value) for name, value in data.items() if _is_known(graph, name)}
        return _arranged(graph, values, _unknown(graph, data))
    if tree is not None and hasattr(tree, "children"):
        return _drawn(graph, tree)
    raise TypeError(
        f"Expected a data frame, a mapping of arrays, a Result or draws of sample() in {WHERE}; got "
        f"{type(data).__name__}. Write for example {{'x': array}}, its rows along the first axis."
    )


def _is_known(graph: nx.DiGraph, name: Hashable) -> bool:
    try:
        find_region(graph, name, WHERE)
    except SiteNotFound:
        return False
    return True


def _unknown(graph: nx.DiGraph, names: Any) -> tuple[str, ...]:
    """Return a note of the names that are no nodes, if any; a slip of the pen is an error."""
    unknown = [str(name) for name in names if not _is_known(graph, name)]
    missing = [str(node) for node in graph if node not in set(names)]
    for name in unknown:
        if difflib.get_close_matches(name.partition("[")[0], missing, n=1, cutoff=0.8):
            raise SiteNotFound(name, missing, f"the data of {WHERE}")
    return (f"No nodes of the graph: {', '.join(unknown[:10])}.",) if unknown else ()


def _numbers(column: Any, name: Hashable) -> Rows:
    """Return a column of a data frame as numbers: categories as their codes."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.where(column.cat.codes < 0, np.nan, column.cat.codes.to_numpy(float))
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise TypeError(
            f"Expected numbers or categories in column '{name}' in {WHERE}; got {column.dtype}. Write "
            f"data['{name}'].astype('category')."
        )
    return column.to_numpy(dtype=float, na_value=np.nan)


def _arranged(
    graph: nx.DiGraph,
    values: Mapping[Hashable, Shaped[np.ndarray, "row ..."]],
    notes: tuple[str, ...] = (),
    observed: frozenset[Hashable] = frozenset(),
) -> Measured:
    if not values:
        raise ValueError(
            f"Expected data with columns named like nodes in {WHERE}; got none. The nodes are "
            f"{', '.join(map(str, list(graph)[:20]))}."
        )
    counts = {name: len(value) if np.ndim(value) else 0 for name, value in values.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise ValueError(
            f"Expected as many rows of each node in {WHERE}; got {listed}. Give each a row a draw."
        )
    arrays, elements, axes = {}, {}, {}
    for name, value in values.items():
        if value.dtype.kind not in "fiub":
            raise TypeError(f"Expected numbers for '{name}' in {WHERE}; got {value.dtype}. Use codes.")
        value = value.astype(float)
        if name in graph:
            arrays[name], axes[name] = _shaped(graph, name, value)
        else:
            region = find_region(graph, name, WHERE)
            index = tuple(runs[0][0] for runs in region.runs)
            if any(stop - start > 1 for runs in region.runs for start, stop in runs):
                raise ValueError(
                    f"Expected one element a column in {WHERE}; got '{name}'. Write a column for each, "
                    f"such as '{element_name(region.node, index)}'."
                )
            elements[region.node, index] = value
    return Measured(next(iter(counts.values())), arrays, elements, axes, observed, notes)


def _shaped(graph: nx.DiGraph, node: Hashable, value: Rows) -> tuple[Rows, tuple[int, ...]]:
    """Return the values of a node with the axes of its site, and where its plates lie among them."""
    axes, site = axes_of(graph, node), graph.nodes[node].get("site")
    if not isinstance(site, Site) or (not site.shape and not axes):
        return value, ()
    shape = site.shape or tuple(axis.size for axis in axes)
    if tuple(n for n in value.shape[1:] if n > 1) != tuple(n for n in shape if n > 1):
        raise ValueError(
            f"Expected values of shape {(len(value), *shape)} for '{node}' in {WHERE}, a row a draw; got "
            f"{value.shape}. {_remedy(node, axes)}"
        )
    where = dict(site.axes) if site.shape else {axis.name: i for i, axis in enumerate(axes)}
    return value.reshape(len(value), *shape), tuple(where[axis.name] + 1 for axis in axes)


def _remedy(node: Hashable, axes: tuple[Axis, ...]) -> str:
    if not axes:
        return "Give its event axes last."
    first, last = ([i] * len(axes) for i in (0, "..."))
    return (
        f"Name elements one by one, '{element_name(node, first)}', or give the axes {element_name('', last)}."
    )


def _drawn(graph: nx.DiGraph, tree: xr.DataTree) -> Measured:
    """Return the draws of a prior, or those of a posterior, thinned until they are independent."""
    groups = ["posterior"] if "posterior" in tree.children else [g for g in PRIOR if g in tree.children]
    if not groups:
        raise ValueError(
            f"Expected draws of a prior or a posterior in {WHERE}; got the groups {list(tree.children)}. "
            f"Pass what sample(key, n) or infer(model, key=0) returned."
        )
    draws = {}
    for name, array in (pair for group in groups for pair in site_variables(tree.children[group])):
        if _is_known(graph, name):
            draws[name] = array.transpose(*SAMPLE_DIMS, ...).to_numpy()
    if groups != ["posterior"] or not draws:
        return _arranged(graph, {name: _in_rows(value) for name, value in draws.items()})
    chains, length = next(iter(draws.values())).shape[:2]
    step = min(-(-chains * length // _effective(draws)), length)
    known = {name for name, site in graph.nodes.data("site") if isinstance(site, Site) and site.is_observed}
    if "observed_data" in tree.children:
        known |= {name for name, _ in site_variables(tree.children["observed_data"]) if name in graph}
    note = (f"Used is 1 draw of {step}: as many as are independent.",) if step > 1 else ()
    values = {name: _in_rows(value[:, ::step]) for name, value in draws.items()}
    return _arranged(graph, values, note, frozenset(known))


def _in_rows(draws: Shaped[np.ndarray, "chain draw ..."]) -> Shaped[np.ndarray, "row ..."]:
    return draws.reshape(math.prod(draws.shape[:2]), *draws.shape[2:])


def _effective(draws: Mapping[str, Shaped[np.ndarray, "chain draw ..."]]) -> int:
    """Return how many independent draws the slowest number is worth, in its bulk and in its tails."""
    from arviz_stats.base.array import array_stats

    least = math.inf
    for value in draws.values():
        flat = value.reshape(*value.shape[:2], -1).astype(float)
        flat = flat[..., np.unique(np.linspace(0, flat.shape[-1] - 1, MOST_WATCHED).astype(int))]
        flat = flat[..., np.isfinite(flat).all((0, 1)) & (np.ptp(flat, axis=(0, 1)) > 0.0)]
        if flat.size:
            bulk = array_stats.ess(flat, chain_axis=0, draw_axis=1, method="bulk")
            tail = array_stats.ess(flat, chain_axis=0, draw_axis=1, method="tail", prob=TAILS)
            least = min(least, np.nanmin([bulk, tail]))
    count = math.prod(next(iter(draws.values())).shape[:2])
    return max(int(min(least, count)), 1)
