"""Ranks of true values among posterior draws: uniform if the draws are from the posterior."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from probdl.inference.calibration_data import Simulations
from probdl.inference.calibration_draws import Fitted
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.handlers import Fix
from probdl.program.precision import Precision
from probdl.program.runs import Scans
from probdl.program.target import log_probs

STATS = {"counts": "num_draws", "ess": "ess", "divergences": "divergences"}


class Ranks(NamedTuple):
    """Where true values lie among draws.

    Attributes:
        ranks: (simulation, ...): how many draws are below; of those that are equal, a random number counts.
        uniforms: The same in [0, 1), with a random part below one rank: uniform for any number of draws.
    """

    ranks: np.ndarray
    uniforms: np.ndarray


def ranked(
    truth: np.ndarray,
    draws: np.ndarray,
    counts: Int[np.ndarray, " simulation"],
    rng: np.random.Generator,
) -> Ranks:
    """Rank true values among draws.

    Args:
        truth: The true values, (simulation, ...).
        draws: Draws of each simulation, (simulation, draw, ...).
        counts: How many draws of each simulation count: the first ones.
        rng: Where the numbers come from by which ties are broken.

    Returns:
        Ranks from 0 to the number of draws.

    Example:
        >>> draws = np.arange(4.0)[None]
        >>> ranked(np.array([2.5]), draws, np.array([4]), np.random.default_rng(0)).ranks
        array([3])

    Source:
        Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788, algorithm 1.
    """
    shape = (-1,) + (1,) * (draws.ndim - 1)
    counted = (np.arange(draws.shape[1])[None] < counts[:, None]).reshape(*draws.shape[:2], *shape[2:])
    below = ((draws < truth[:, None]) & counted).sum(1)
    equal = ((draws == truth[:, None]) & counted).sum(1)
    ranks = below + rng.integers(0, equal, endpoint=True)
    places = counts.reshape(shape[: truth.ndim]) + 1
    return Ranks(ranks, (ranks + rng.random(ranks.shape)) / places)


class Ranking:
    """The ranks of all simulations, as they come.

    Args:
        simulations: The data sets, with the true values.
        rng: Where the numbers come from by which ties are broken.
    """

    def __init__(self, simulations: Simulations, rng: np.random.Generator) -> None:
        self._simulations, self._rng = simulations, rng
        self._parts: list[dict[str, Ranks]] = []
        self._stats: list[Fitted] = []

    @property
    def extra(self) -> str:
        """The name of the log-likelihood among the sites."""
        name = "log_likelihood"
        while name in self._simulations.model.sites:
            name += "_"
        return name

    def add(self, fitted: Fitted) -> None:
        """Rank the true values of the next simulations."""
        numbers = fitted.numbers
        truth = {name: values[numbers] for name, values in self._simulations.truth.items()}
        draws = fitted.values
        with Precision.DOUBLE.active():
            model = self._simulations.first
            found = log_likelihoods(
                model.bound[0],
                model.declarations.scan_of(truth),
                tuple(self._simulations.data),
                self._simulations.arrays(numbers, Precision.DOUBLE),
                truth,
                {name: _wide(values) for name, values in draws.items()},
            )
            of_truth, of_draws = map(np.asarray, found)
        truth, draws = {**truth, self.extra: of_truth}, {**draws, self.extra: of_draws}
        self._parts.append({n: ranked(truth[n], draws[n], fitted.counts, self._rng) for n in truth})
        self._stats.append(fitted._replace(values={}))

    def ranks(self) -> dict[str, Ranks]:
        """Return the ranks of each site, and of the log-likelihood."""
        return {name: _joined([part[name] for part in self._parts]) for name in self._parts[0]}

    def stats(self) -> dict[str, np.ndarray]:
        """Return of each run how many draws were taken, its effective sample size and divergences."""
        whole = {name: np.concatenate([getattr(s, name) for s in self._stats]) for name in STATS}
        return {STATS[name]: values for name, values in whole.items()}


def _joined(parts: Sequence[Ranks]) -> Ranks:
    ranks, uniforms = zip(*parts, strict=True)
    return Ranks(np.concatenate(ranks), np.concatenate(uniforms))


def _wide(values: np.ndarray) -> np.ndarray:
    return values.astype(float) if values.dtype.kind == "f" else values


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def log_likelihoods(
    bound: BoundProgram,
    scan_of: Scans,
    observed: tuple[str, ...],
    arrays: Arrays,
    truth: Mapping[str, Array],
    draws: Mapping[str, Array],
) -> tuple[Float[Array, " simulation"], Float[Array, "simulation draw"]]:
    """Return the log-likelihoods of true values and of draws, each given its own data.

    Args:
        bound: The program.
        scan_of: The scan of each latent that is in one.
        observed: Names of the observed sites.
        arrays: Its data; `observed` has the simulations first.
        truth: Values of the latents, (simulation, ...).
        draws: Draws of the latents, (simulation, draw, ...).

    Returns:
        Both, in nats.
    """

    def at(arrays: Arrays, values: Mapping[str, Array]) -> Array:
        return log_likelihood(bound, scan_of, observed, arrays, values)

    def one(item: tuple[Mapping[str, Array], ...]) -> tuple[Array, Array]:
        data, true, drawn = item
        own = Arrays(arrays.leaves, data, arrays.held)
        return at(own, true), jax.vmap(functools.partial(at, own))(drawn)

    return jax.lax.map(one, (arrays.observed, truth, draws))


def log_likelihood(
    bound: BoundProgram,
    scan_of: Scans,
    observed: tuple[str, ...],
    arrays: Arrays,
    values: Mapping[str, Array],
) -> Float[Array, ""]:
    """Return the log-density of the observed sites given the latents, in nats."""
    terms = log_probs(bound.trace(arrays, Fix(None, values, dict(scan_of))))
    return sum((terms[name].sum() for name in observed), jax.numpy.zeros(()))
