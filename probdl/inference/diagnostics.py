"""What the draws of Markov chains tell of how well they represent the posterior."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from probdl.inference.status import Finding, Status
from probdl.program.datatree import site_variables

if TYPE_CHECKING:
    import xarray as xr

HIGHEST_RHAT = 1.01
LOWEST_ESS_PER_CHAIN = 100
LOWEST_EBFMI = 0.3
FEWEST_DRAWS = 4
IMPROPER_SITES = "improper_sites"
MOST_ELEMENTS = 256


def diagnose(data: xr.DataTree) -> tuple[Finding, ...]:
    """Look for everything that is known to go wrong.

    Of a site with more than 256 elements, 256 are looked at, evenly spaced.

    Args:
        data: The result of a run, with a posterior and, where there are, sample_stats.

    Returns:
        What was found, the most severe first.
    """
    return by_severity([*_of_run(data), *_of_draws(data)])


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with the most severe first."""
    order = list(Status)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.status)))


def improper(sites: Iterable[str]) -> tuple[Finding, ...]:
    """Return the finding that the posterior may be improper along some sites; none without a site."""
    names = ", ".join(f"'{name}'" for name in sites)
    detail = f"the log-density does not fall off far out in {names}"
    return (Finding(Status.IMPROPER, detail),) if names else ()


def _of_run(data: xr.DataTree) -> Iterator[Finding]:
    drawn, asked = data.children["posterior"].sizes["draw"], data.attrs.get("num_samples", 0)
    if drawn < asked:
        yield Finding(Status.INTERRUPTED, f"the run was stopped after {drawn} of {asked} draws of each chain")
    yield from improper(json.loads(data.attrs.get(IMPROPER_SITES, "[]")))
    if "sample_stats" not in data:
        return
    stats = data.children["sample_stats"].to_dataset()
    for name, status, what in (
        ("diverging", Status.DIVERGENCES, "transitions diverged"),
        ("reached_max_tree_depth", Status.MAX_TREE_DEPTH, "trajectories reached the largest tree depth"),
    ):
        if name in stats and (count := int(stats[name].sum())):
            yield Finding(status, f"{count} of {stats[name].size} {what}")
    if "energy" in stats and drawn >= FEWEST_DRAWS:
        lowest = float(ebfmi(stats["energy"].to_numpy()).min())
        if lowest < LOWEST_EBFMI:
            yield Finding(Status.LOW_EBFMI, f"the smallest E-BFMI of a chain is {lowest:.2f}")


def _of_draws(data: xr.DataTree) -> Iterator[Finding]:
    chains, draws = (data.children["posterior"].sizes[name] for name in ("chain", "draw"))
    if draws < FEWEST_DRAWS:
        yield Finding(Status.LOW_ESS, f"{draws} draws of each chain are too few to judge")
        return
    rhat, bulk, tail = worst(data.children["posterior"])
    least = LOWEST_ESS_PER_CHAIN * chains
    if rhat is not None and rhat[0] > HIGHEST_RHAT:
        yield Finding(Status.HIGH_RHAT, f"the largest R-hat is {rhat[0]:.4g}, at '{rhat[1]}'")
    for kind, smallest in (("bulk", bulk), ("tail", tail)):
        if smallest is not None and smallest[0] < least:
            yield Finding(
                Status.LOW_ESS,
                f"the smallest {kind} effective sample size is {smallest[0]:.0f}, at '{smallest[1]}', below "
                f"{least}",
            )


Extreme = tuple[float, str]


def worst(posterior: xr.DataTree) -> tuple[Extreme | None, Extreme | None, Extreme | None]:
    """Return the largest R-hat and the smallest bulk and tail effective sample sizes.

    Elements that never change have none.

    Args:
        posterior: The group of draws.

    Returns:
        Each with the element where it is: 'theta[3]'; None where no element changes.
    """
    from arviz_stats.base.array import array_stats

    found: list[list[Extreme]] = [[], [], []]
    for name, values, labels in _elements(posterior):
        finite = np.isfinite(values).all((0, 1))
        found[0] += [(np.inf, name + label) for label in labels[~finite]]
        moving = finite & (values != values[:1, :1]).any((0, 1))
        columns, where = values[:, :, moving], labels[moving]
        if not len(where):
            continue
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            measured = (
                array_stats.rhat(columns, chain_axis=0, draw_axis=1),
                array_stats.ess(columns, chain_axis=0, draw_axis=1, method="bulk"),
                array_stats.ess(columns, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95)),
            )
        for kind, (sign, numbers) in enumerate(zip((1, -1, -1), measured, strict=True)):
            known = np.where(np.isnan(numbers), np.inf * sign, numbers)
            at = int(np.argmax(sign * known))
            found[kind].append((float(known[at]), name + where[at]))
    rhat, bulk, tail = found
    return max(rhat, default=None), min(bulk, default=None), min(tail, default=None)


def _elements(posterior: xr.DataTree) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield for each site its draws (chain, draw, element), and labels such as '[3]' of the elements."""
    for name, array in site_variables(posterior):
        shape = array.shape[2:]
        size = int(np.prod(shape))
        if array.dtype.kind not in "fiub" or size == 0:
            continue
        picked = np.unique(np.linspace(0, size - 1, min(size, MOST_ELEMENTS)).astype(int))
        values = array.to_numpy().reshape(*array.shape[:2], size)[:, :, picked].astype(float)
        labels = [str([int(i) for i in np.unravel_index(k, shape)]) if shape else "" for k in picked]
        yield name, values, np.array(labels)


def ebfmi(energy: np.ndarray) -> np.ndarray:
    r"""Return the energy Bayesian fraction of missing information of each chain.

    $\sum_t (E_t - E_{t-1})^2 / \sum_t (E_t - \bar E)^2$

    Args:
        energy: Shape (chain, draw), in nats.

    Returns:
        Shape (chain,).

    Source:
        Betancourt (2016), arXiv:1604.00695.
    """
    spread = np.square(energy - energy.mean(1, keepdims=True)).sum(1)
    jumps = np.square(np.diff(energy, axis=1)).sum(1)
    return np.divide(jumps, spread, out=np.ones_like(jumps), where=spread > 0)
