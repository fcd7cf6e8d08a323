"""Draws from the posterior of each simulated data set, by whatever method, thinned to independent ones."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from probdl.exact.programs.marginal_density import MarginalDensity
from probdl.inference.calibration_data import Simulations
from probdl.inference.calibration_fleet import KEPT, Fleet
from probdl.inference.calibration_progress import Meter
from probdl.inference.calibration_thinning import (
    bulk_ess,
    by_weight,
    evenly,
    num_independent,
    some_elements,
)
from probdl.inference.marginalized import Marginalized
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.method import Method, Options
from probdl.inference.result import Result
from probdl.inference.status import InferenceWarning
from probdl.program.datatree import LOG_WEIGHT, posterior_draws
from probdl.program.model import Model
from probdl.program.sites import Site
from probdl.program.target import Sampled

LARGEST_BYTES = 2**28
LONGEST_WINDOW = 512
MOST_LANES = 256


class Fitted(NamedTuple):
    """Draws of some data sets.

    Attributes:
        numbers: Which simulations.
        values: Draws of the latent sites, (simulation, draw, ...).
        counts: How many draws of each simulation count: the first ones.
        ess: The smallest effective sample size of each run; NaN where nothing changes.
        divergences: Transitions of each run that diverged.
    """

    numbers: Int[np.ndarray, " simulation"]
    values: dict[str, np.ndarray]
    counts: Int[np.ndarray, " simulation"]
    ess: Float[np.ndarray, " simulation"]
    divergences: Int[np.ndarray, " simulation"]


def chains_of(method: Method, model: Model) -> tuple[MarkovChain, Sampled] | None:
    """Return the Markov chains that a method runs by the driver, and what they sample of a model.

    Args:
        method: The method.
        model: The model.

    Returns:
        Both, or None if the method does something else.
    """
    if isinstance(method, Marginalized) and isinstance(method.inner, MarkovChain):
        found = method.found(model)
        if found.integral is None:
            raise ValueError("Expected a latent that can be integrated; got none. Check `applicable` first.")
        with method.inner.precision.active():
            return method.inner.prepared(model, MarginalDensity(found.integral, found.layout))
    if isinstance(method, MarkovChain) and type(method).run is MarkovChain.run:
        with method.precision.active():
            return method.prepared(model)
    return None


def fits(
    key: Array, method: Method, simulations: Simulations, num_draws: int, meter: Meter
) -> Iterator[Fitted]:
    """Draw from the posterior of each data set.

    Args:
        key: A key; the run on data set i has fold_in(key, i), as `infer` would be given it.
        method: The method.
        simulations: The data sets.
        num_draws: How many draws of each are taken at most.
        meter: What is told of simulations that are done.

    Yields:
        Draws of some data sets; all of them have been, in order, at the end.
    """
    first = simulations.first
    chains = chains_of(method, first)
    if chains is None:
        yield from _one_by_one(key, method, simulations, num_draws, meter)
        return
    kernel, density = chains
    size = -(-len(simulations) // -(-len(simulations) // _most_at_once(kernel, density, first)))
    steps = kernel.num_warmup + kernel.num_samples
    for begin in range(0, len(simulations), size):
        numbers = np.arange(begin, min(begin + size, len(simulations)))
        with kernel.precision.active():
            fleet = Fleet(
                kernel, density, simulations, numbers, size, key, lambda count: meter.add(count / steps)
            )
            fitted = _of_fleet(fleet, first, num_draws)
        meter.reach(begin + len(numbers))
        yield fitted


def _most_at_once(kernel: MarkovChain, density: Sampled, model: Model) -> int:
    """Return how many data sets are treated at once, so that they stay small in memory."""
    numbers = sum(math.prod(site.shape) for site in model.sites.values()) + density.layout.dim
    kept = max(KEPT, kernel.num_chains) * density.layout.dim
    under_way = kernel.num_chains * (4 * numbers + 2 * LONGEST_WINDOW * density.layout.dim)
    return int(np.clip(LARGEST_BYTES // (8 * (kept + under_way)), 1, MOST_LANES))


def _of_fleet(fleet: Fleet, model: Model, num_draws: int) -> Fitted:
    kept = fleet.run()
    sets, (chains, draws, dim) = len(kept), kept[0].positions.shape
    positions = np.stack([own.positions for own in kept])
    total = chains * draws
    layout = fleet.density.layout
    known = np.flatnonzero(np.isin(np.arange(dim), layout.places(model.latents)))  # replicas have others
    elements = known[some_elements(len(known))]
    smooth = ~np.isin(elements, layout.places([n for n in model.latents if model.sites[n].is_discrete]))
    ess = bulk_ess(np.moveaxis(positions[..., elements], -1, 1))
    ess = np.where(np.isnan(ess) & smooth, 1.0, ess)
    if lp := [own.lp for own in kept if own.lp is not None]:
        ess = np.concatenate([ess, bulk_ess(np.stack(lp))[:, None]], axis=1)
    smallest = np.fmin.reduce(ess, axis=1)
    counts = np.array([num_independent(one, total, num_draws) for one in smallest])
    flat = positions.reshape(sets, total, dim)
    picked = np.stack([flat[i, evenly(counts[i], total, num_draws)] for i in range(sets)])
    values = fleet.complete(picked)
    return Fitted(
        fleet.numbers,
        {name: values[name] for name in model.latents},
        counts,
        smallest,
        np.array([own.divergences for own in kept]),
    )


def _one_by_one(
    key: Array, method: Method, simulations: Simulations, num_draws: int, meter: Meter
) -> Iterator[Fitted]:
    for number in range(len(simulations)):
        model = simulations.conditioned(number)
        own = jax.random.fold_in(key, number)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InferenceWarning)
                result = method.run(own, model, Options(progress=False))
        except Exception as error:
            error.add_note(f"This was the data set of simulation {number}.")
            raise
        yield _of_result(own, result, model, simulations.truth, number, num_draws)
        meter.reach(number + 1)


def _of_result(
    key: Array, result: Result, model: Model, truth: Mapping[str, np.ndarray], number: int, num_draws: int
) -> Fitted:
    draws, (chains, length) = posterior_draws(result.data, model.sites, None)
    total = chains * length
    stats = result.data.children["sample_stats"].to_dataset() if "sample_stats" in result.data else {}
    if LOG_WEIGHT in stats:
        log_weights = stats[LOG_WEIGHT].transpose("chain", "draw").to_numpy().ravel()
        weights = np.exp(log_weights - log_weights.max())
        ess = float(weights.sum() ** 2 / (weights**2).sum())
        count = num_independent(ess, total, num_draws)
        words = np.asarray(jax.random.key_data(key)).ravel().tolist()
        rows = by_weight(count, log_weights, num_draws, np.random.default_rng(words))
    else:
        free = {name: np.ptp(truth[name], axis=0).ravel() > 0 for name in model.latents}
        sizes = [_smallest_ess(draws[n], chains, free[n], model.sites[n]) for n in model.latents]
        ess = float(np.fmin.reduce(sizes))
        count = num_independent(ess, total, num_draws)
        rows = evenly(count, total, num_draws)
    diverging = int(stats["diverging"].sum()) if "diverging" in stats else 0
    values = {name: draws[name][rows][None] for name in model.latents}
    return Fitted(np.array([number]), values, np.array([count]), np.array([ess]), np.array([diverging]))


def _smallest_ess(draws: np.ndarray, chains: int, free: np.ndarray, site: Site) -> float:
    """Return the smallest effective sample size of the elements of a site that the prior leaves free."""
    flat = draws.reshape(chains, len(draws) // chains, -1)[:, :, free].astype(float)
    if not flat.size:
        return np.nan
    ess = bulk_ess(np.moveaxis(flat[..., some_elements(flat.shape[-1])], -1, 0))
    return float(np.fmin.reduce(ess if site.is_discrete else np.where(np.isnan(ess), 1.0, ess)))
