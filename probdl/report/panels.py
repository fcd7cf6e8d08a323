"""Which numbers of a result are pictured: scalars first, then some elements of each larger site."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Shaped

from probdl.errors import SiteNotFound
from probdl.program.datatree import site_variables
from probdl.report.figure import mathtext
from probdl.report.labels import typeset

if TYPE_CHECKING:
    import xarray as xr

    from probdl.inference.result import Result
    from probdl.program.model import Model

PRIOR_DRAWS, FEWEST_PRIOR_DRAWS, MOST_PRIOR_NUMBERS = 4000, 50, 50_000_000
PRIOR_KEY = 0
RESAMPLING = 0
COPY = 0.999


@dataclass(frozen=True)
class Panel:
    """One number of a result.

    Attributes:
        name: The site and the element, such as "theta[3]".
        title: The name as matplotlib typesets it.
        draws: Its posterior draws.
        prior: Its prior draws, or None where there are none.
    """

    name: str
    title: str
    draws: Shaped[np.ndarray, "chain draw"]
    prior: Shaped[np.ndarray, " sample"] | None = None

    @property
    def is_discrete(self) -> bool:
        """Whether the draws are whole numbers or truth values."""
        return self.draws.dtype.kind in "iub"


@dataclass(frozen=True)
class Selection:
    """What is pictured of a result, and what is not.

    Attributes:
        panels: The numbers.
        diverging: Which draws end a divergent transition.
        note: What is left out or missing, in words; "" if nothing is.
    """

    panels: tuple[Panel, ...]
    diverging: Float[np.ndarray, "chain draw"]
    note: str


def select(result: Result, sites: Iterable[str] | None, limit: int, *, prior: bool = False) -> Selection:
    """Choose what is pictured of a result.

    Args:
        result: The result; weighted draws are resampled.
        sites: Names of sites, or None for all.
        limit: How many numbers at most.
        prior: Whether prior draws are wanted.

    Returns:
        The selection, in the order of the posterior.

    Raises:
        SiteNotFound: If a name is not in the posterior.
        ValueError: If nothing is left to picture.
    """
    result = result.resample(RESAMPLING) if result.is_weighted else result
    posterior = _ordered(result)
    names = list(posterior) if sites is None else list(dict.fromkeys(sites))
    for name in names:
        if name not in posterior:
            raise SiteNotFound(name, posterior, "sites")
    sizes = {name: math.prod(posterior[name].shape[2:]) for name in names}
    if limit < 1 or not any(sizes.values()):
        raise ValueError(
            f"Expected something to picture; got {len(names)} sites and a limit of {limit}. Name sites "
            f"of the posterior: {', '.join(posterior)}."
        )
    shown = share(sizes, limit)
    before, missing = _prior(result, prior=prior)
    panels = [
        panel
        for name in names
        for panel in _panels(name, posterior[name], spread(sizes[name], shown[name]), before.get(name))
    ]
    titles = Counter(panel.title for panel in panels)
    alike = {
        _site(panel.name)
        for panel in panels
        if titles[panel.title] > 1 or "_{" in mathtext(_site(panel.name))
    }
    panels = [replace(p, title=_bracketed(p.name)) if _site(p.name) in alike else p for p in panels]
    left_out = [(name, sizes[name] - shown[name], sizes[name]) for name in names if shown[name] < sizes[name]]
    return Selection(tuple(panels), _diverging(result, panels[0].draws), _note(left_out, missing))


def most_telling(selection: Selection, count: int) -> Selection:
    """Keep the numbers that say most when they are paired: correlated ones, and where transitions diverge.

    Args:
        selection: What may be shown.
        count: How many to keep.

    Returns:
        The selection with at most that many panels, in their order.
    """
    if len(selection.panels) <= count:
        return selection
    ranks = np.stack([np.argsort(np.argsort(panel.draws, axis=None)) for panel in selection.panels]).astype(
        float
    )
    ranks = ranks / ranks.shape[1] - 0.5
    strength = _dependence(ranks)
    strength[[np.ptp(panel.draws.astype(float)) == 0 for panel in selection.panels]] = 0.0
    if selection.diverging.any():
        shift = np.abs(ranks[:, selection.diverging.ravel()].mean(1))
        strength = strength + 4.0 * np.maximum(shift[:, None], shift) * (strength > 0.0)
    sites = [_site(panel.name) for panel in selection.panels]
    kept = [int(i) for i in np.unravel_index(strength.argmax(), strength.shape)][:count]
    while len(kept) < count:
        seen = {sites[i] for i in kept}
        gain = strength[:, kept].max(1) * [0.25 if site in seen else 1.0 for site in sites]
        gain[kept] = -1.0
        kept.append(int(gain.argmax()))
    return replace(selection, panels=tuple(selection.panels[i] for i in sorted(set(kept))))


def _dependence(ranks: Float[np.ndarray, "panel draw"]) -> Float[np.ndarray, "panel panel"]:
    """Return how strongly the place or spread of one number goes with another; copies count as nothing."""
    count = len(ranks)
    with np.errstate(invalid="ignore", divide="ignore"):
        both = np.abs(np.nan_to_num(np.corrcoef(np.concatenate([ranks, np.abs(ranks)]))))
    place, spread_of = both[:count, :count], np.maximum(both[count:, :count], both[:count, count:])
    strength = np.maximum(place, spread_of)
    strength[(place > COPY) | np.eye(count, dtype=bool)] = 0.0
    return strength


def _ordered(result: Result) -> dict[str, xr.DataArray]:
    """Return the posterior in the order of the program, where that is known."""
    posterior = dict(site_variables(result.data.children["posterior"]))
    known = [] if result.model is None else [name for name in result.model.sites if name in posterior]
    return {name: posterior[name] for name in dict.fromkeys([*known, *posterior])}


def share(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """Share panels among sites: small sites first and whole, the rest evenly.

    Of sites of one size the later comes first: it is nearer to the data.

    Args:
        sizes: Number of elements by site.
        limit: Number of panels.

    Returns:
        Number of panels by site.

    Example:
        >>> share({"mu": 1, "tau": 1, "z": 8, "theta": 8}, 12)
        {'mu': 1, 'tau': 1, 'z': 2, 'theta': 8}
    """
    rank = {name: position for position, name in enumerate(sizes)}
    order = sorted(sizes, key=lambda name: (sizes[name], -rank[name] if sizes[name] > 1 else rank[name]))
    given, left = dict.fromkeys(sizes, 0), limit
    for position, name in enumerate(order):
        others = len(order) - position - 1
        is_whole = sizes[name] + others <= left
        given[name] = sizes[name] if is_whole else min(sizes[name], -(-left // (others + 1)))
        left -= given[name]
    return given


def spread(size: int, count: int) -> list[int]:
    """Return evenly spaced positions, the first and the last among them.

    Args:
        size: Number of elements.
        count: How many are wanted.

    Returns:
        The positions.

    Example:
        >>> spread(100, 4), spread(3, 3)
        ([0, 33, 66, 99], [0, 1, 2])
    """
    return np.unique(np.linspace(0, size - 1, count).round().astype(int)).tolist() if count else []


def _panels(
    name: str, array: xr.DataArray, positions: Sequence[int], prior: np.ndarray | None
) -> list[Panel]:
    shape = array.shape[2:]
    draws = array.to_numpy().reshape(*array.shape[:2], -1)
    if prior is not None and prior.shape[-1] != draws.shape[-1]:
        prior = None
    panels = []
    for position in positions:
        index = np.unravel_index(position, shape)
        labels = [
            str(array[dim].to_numpy()[i]) if dim in array.coords else str(i)
            for dim, i in zip(array.dims[2:], index, strict=True)
        ]
        full = f"{name}[{','.join(labels)}]" if labels else name
        before = None if prior is None else prior[:, position]
        panels.append(Panel(full, mathtext(full), draws[..., position], before))
    return panels


def _site(name: str) -> str:
    return name.rpartition("[")[0] if name.endswith("]") else name


def _bracketed(name: str) -> str:
    """Write x[0] with its bracket, where the subscript would read like the site x_0."""
    site = _site(name)
    return mathtext(site) + name.removeprefix(site)


def _prior(result: Result, *, prior: bool) -> tuple[dict[str, np.ndarray], str]:
    """Return prior draws (sample, element) by site, and why there are none."""
    if not prior:
        return {}, ""
    tree = result.data
    if "prior" not in tree.children:
        if result.model is None:
            return {}, "No prior: a loaded result does not hold its model."
        try:
            tree = result.model.sample(PRIOR_KEY, _prior_draws(result.model))
        except (
            Exception
        ) as error:  # a prior that cannot be drawn, an improper one say, is no reason to show nothing
            return {}, f"No prior: it cannot be drawn ({type(error).__name__})."
    draws = dict(site_variables(tree.children["prior"])) if "prior" in tree.children else {}
    return {name: a.to_numpy().reshape(a.shape[0] * a.shape[1], -1) for name, a in draws.items()}, ""


def _prior_draws(model: Model) -> int:
    """Return of how many draws the prior is drawn: fewer where there are many rows, drawn as well."""
    size = sum(math.prod(site.shape) for site in model.sites.values()) + sum(model.plates.values())
    return int(np.clip(MOST_PRIOR_NUMBERS // max(size, 1), FEWEST_PRIOR_DRAWS, PRIOR_DRAWS))


def _diverging(result: Result, like: np.ndarray) -> np.ndarray:
    stats = result.data.children.get("sample_stats")
    if stats is None or "diverging" not in stats.data_vars:
        return np.zeros(like.shape, bool)
    return stats["diverging"].to_numpy().astype(bool)


def _note(left_out: Sequence[tuple[str, int, int]], missing: str) -> str:
    parts = [f"{typeset(name)} ({count} of {size})".replace("\n", "") for name, count, size in left_out]
    return " ".join(filter(None, [f"Not shown: {', '.join(parts)}." if parts else "", missing]))
