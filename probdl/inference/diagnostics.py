"""What the draws of Markov chains tell of how well they represent the posterior."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from probdl.inference.langevin.bias import BIAS, biased
from probdl.inference.monte_carlo.weights import (
    NUM_WEIGHTED,
    PARETO_K,
    UNDEFINED,
    WEIGHTED_SIZE,
    highest_good_k,
)
from probdl.inference.status import ENDED, Ended, Finding, Status
from probdl.program.datatree import is_weighted, site_variables

if TYPE_CHECKING:
    import xarray as xr

HIGHEST_RHAT = 1.01
LOWEST_ESS_PER_CHAIN = 100
LOWEST_EBFMI = 0.3
LOWEST_WEIGHTED_ESS = 400
ROUNDING = 1e-9  # of a sum of squared weights
FEWEST_DRAWS = 4
LEAST_MOVES, LEAST_GAP = 0.02, 0.25
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
    found = [*_of_run(data), *_of_weights(data)]
    return by_severity(found if is_weighted(data) else [*found, *_of_draws(data)])


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
    on_purpose = data.attrs.get(ENDED) in (Ended.UNTIL.value, Ended.CALLBACK.value)
    if drawn < asked and not on_purpose:
        yield Finding(Status.INTERRUPTED, f"the run was stopped after {drawn} of {asked} draws of each chain")
    yield from improper(json.loads(data.attrs.get(IMPROPER_SITES, "[]")))
    yield from biased(data.attrs.get(BIAS))
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


def _of_weights(data: xr.DataTree) -> Iterator[Finding]:
    """Judge the weights of draws: their own, or those by which they were chosen."""
    undefined, count = data.attrs.get(UNDEFINED, 0), data.attrs.get(NUM_WEIGHTED, 0)
    if undefined:
        yield Finding(Status.UNDEFINED, f"{undefined} of {count} draws have no log-density")
    k, size = data.attrs.get(PARETO_K, np.nan), data.attrs.get(WEIGHTED_SIZE, np.inf)
    if k > highest_good_k(count):
        good = highest_good_k(count)
        yield Finding(Status.HIGH_PARETO_K, f"Pareto k-hat of {count} weights is {k:.2f}, above {good:.2f}")
    if size < LOWEST_WEIGHTED_ESS * (1 - ROUNDING):
        detail = f"{count} weighted draws are worth {size:.0f} of equal weight, below {LOWEST_WEIGHTED_ESS}"
        yield Finding(Status.LOW_ESS, detail)


def _of_draws(data: xr.DataTree) -> Iterator[Finding]:
    chains, draws = (data.children["posterior"].sizes[name] for name in ("chain", "draw"))
    if draws < FEWEST_DRAWS:
        yield Finding(Status.LOW_ESS, f"{draws} draws of each chain are too few to judge")
        return
    stuck = stuck_chains(data)
    if stuck:
        yield Finding(
            Status.STUCK_CHAIN, f"{_chains(stuck)} moved in less than {LEAST_MOVES:.0%} of its draws"
        )
    rhat, bulk, tail = worst(data.children["posterior"])
    least = LOWEST_ESS_PER_CHAIN * chains
    if rhat is not None and rhat[0] > HIGHEST_RHAT:
        apart = "" if stuck else modes(data.children["posterior"])
        if apart:
            yield Finding(Status.SEVERAL_MODES, apart)
        yield Finding(Status.HIGH_RHAT, f"the largest R-hat is {rhat[0]:.4g}, at '{rhat[1]}'")
    for kind, smallest in (("bulk", bulk), ("tail", tail)):
        if smallest is not None and smallest[0] < least:
            yield Finding(
                Status.LOW_ESS,
                f"the smallest {kind} effective sample size is {smallest[0]:.0f}, at '{smallest[1]}', below "
                f"{least}",
            )


def stuck_chains(data: xr.DataTree) -> list[int]:
    """Return the numbers of the chains whose log-density hardly ever changes.

    Args:
        data: The result of a run.

    Returns:
        The numbers; none if log-densities were not recorded.
    """
    if "sample_stats" not in data or "lp" not in data.children["sample_stats"]:
        return []
    lp = data.children["sample_stats"]["lp"].to_numpy()
    return [int(c) for c in np.flatnonzero((np.diff(lp, axis=1) != 0).mean(1) < LEAST_MOVES)]


def modes(posterior: xr.DataTree) -> str:
    """Return where chains are apart: some are always below where the others are.

    Args:
        posterior: The group of draws.

    Returns:
        The groups of chains in words, at the element where they are furthest apart; "" if they overlap.
    """
    found: list[tuple[float, str]] = []
    for name, values, labels in _elements(posterior):
        if len(values) < 2:
            return ""
        order = np.argsort(values.mean(1), axis=0)
        with np.errstate(all="ignore"):  # draws may be infinite
            low, high = np.quantile(values, (0.05, 0.95), axis=1)
            low, high = (np.take_along_axis(ends, order, 0) for ends in (low, high))
            gaps = np.minimum.accumulate(low[::-1], 0)[::-1][1:] - np.maximum.accumulate(high, 0)[:-1]
            relative = np.nan_to_num(gaps / (high - low).mean(0))
        at = np.unravel_index(int(np.argmax(relative)), relative.shape) if relative.size else (0, 0)
        if relative.size and relative[at] > LEAST_GAP:
            below, above = np.split(order[:, at[1]], [at[0] + 1])
            parts = (f"{_chains(part)} around {values[part, :, at[1]].mean():.4g}" for part in (below, above))
            found.append((float(relative[at]), f"{' and '.join(parts)} at '{name}{labels[at[1]]}'"))
    return max(found)[1] if found else ""


def _chains(numbers: Iterable[int]) -> str:
    listed = [str(n) for n in sorted(int(n) for n in numbers)]
    return f"chain{'s' if len(listed) > 1 else ''} {', '.join(listed)}"


Extreme = tuple[float, str]


def worst(posterior: xr.DataTree) -> tuple[Extreme | None, Extreme | None, Extreme | None]:
    """Return the largest R-hat and the smallest bulk and tail effective sample sizes.

    Elements that never change have none.

    Args:
        posterior: The group of draws.

    Returns:
        Each with the element where it is: 'theta[3]'; None where no element changes.
    """
    return worst_of(_elements(posterior))


def worst_of(
    elements: Iterable[tuple[str, np.ndarray, np.ndarray]],
) -> tuple[Extreme | None, Extreme | None, Extreme | None]:
    """Return the largest R-hat and the smallest bulk and tail effective sample sizes of some draws.

    Args:
        elements: Of each site its name, its draws (chain, draw, element), and labels of the elements.

    Returns:
        Each with the element where it is; None where no element changes.
    """
    from arviz_stats.base.array import array_stats

    found: list[list[Extreme]] = [[], [], []]
    for name, values, labels in elements:
        finite = np.isfinite(values).all((0, 1))
        found[0] += [(np.inf, name + label) for label in labels[~finite]]
        moving = finite & (values != values[:1, :1]).any((0, 1))
        columns, where = values[:, :, moving], labels[moving]
        if not len(where):
            continue
        halves = columns.shape[1] // 2  # of a single chain: it has to agree with itself
        chains = columns if len(columns) > 1 else columns[:, : 2 * halves].reshape(2, halves, -1)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            measured = (
                array_stats.rhat(chains, chain_axis=0, draw_axis=1),
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
