"""The two simulators of Geweke's test, and how their moments are compared."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import t as student

from probdl.graphs.places import place_at
from probdl.inference.calibration_data import simulate
from probdl.inference.calibration_progress import Meter
from probdl.inference.calibration_verdict import family_wise
from probdl.inference.chains import Chains
from probdl.inference.devices import Devices
from probdl.inference.feed import Unchanging
from probdl.inference.geweke_chain import Joint, Pair, alternate, quantities, recorded
from probdl.inference.start import chain_keys
from probdl.program.model import Model
from probdl.program.target import Sampled
from probdl.program.unconstrained import positions_of

if TYPE_CHECKING:
    import pandas as pd

    from probdl.inference.mcmc.markov_chain import MarkovChain

MOST_ELEMENTS = 64
MOST_DRAWS, LARGEST_BYTES = 10_000, 2**27
BLOCK, CHUNK = 256, 10


@dataclass(frozen=True, eq=False)
class Simulators:
    """Two ways to draw from the joint distribution of latents and data.

    Attributes:
        model: The model, conditioned on data that are replaced.
        kernel: The Markov chain.
        density: What it samples of the model.
        key: The key of all draws.
    """

    model: Model
    kernel: MarkovChain
    density: Sampled
    key: Array

    @functools.cached_property
    def joint(self) -> Joint:
        """The joint distribution of latents and data."""
        sites = self.model.sites
        observed = tuple(name for name, site in sites.items() if site.is_observed)
        latents = self.model.latents
        shapes = {name: sites[name].shape for name in (*latents, *observed)}
        scan_of = self.model.declarations.scan_of(latents)
        return Joint(self.model.bound[0], scan_of, latents, observed, quantities(shapes, MOST_ELEMENTS))

    @property
    def names(self) -> list[str]:
        """Names of what is recorded."""
        sites = self.model.sites
        found = [
            place_at(sites[name], tuple(map(int, np.unravel_index(i, sites[name].shape)))).name
            if sites[name].shape
            else name
            for name, elements in self.joint.quantities
            for i in elements
        ]
        return [*found, "log_likelihood"]

    def _part(self, number: int) -> Array:
        return jax.random.fold_in(self.key, number)

    def marginal_conditional(self, fewest: int) -> Float[np.ndarray, "draw quantity"]:
        """Draw latents from the prior, and data given them, independently.

        Args:
            fewest: The least number of draws: 10,000 as far as memory goes.

        Returns:
            The quantities of each.
        """
        row = sum(int(np.prod(site.shape)) for site in self.model.sites.values())
        count = int(np.clip(LARGEST_BYTES // (8 * row), fewest, MOST_DRAWS))
        drawn = simulate(self._part(0), self.model, count)
        arrays, parts = self.model.arrays(self.kernel.precision), []
        for begin in range(0, count, BLOCK):
            rows = np.minimum(np.arange(begin, begin + BLOCK), count - 1)
            truth, data = ({n: v[rows] for n, v in part.items()} for part in (drawn.truth, drawn.data))
            block = recorded(self.joint, arrays, truth, data)
            parts.append(np.asarray(block)[: count - begin])
        return np.concatenate(parts)

    def successive_conditional(
        self, num_chains: int, num_samples: int, num_steps: int, meter: Meter
    ) -> Float[np.ndarray, "transition chain quantity"]:
        """Draw data given latents and move the latents given the data, in turn.

        Args:
            num_chains: How many chains; those that start on the border of a support are left out.
            num_samples: How many times.
            num_steps: How many steps of the kernel each time.
            meter: What is told of the progress.

        Returns:
            The quantities after each move.

        Raises:
            ValueError: If fewer than two chains can start.
        """
        joint, arrays = self.joint, self.model.arrays(self.kernel.precision)
        tuning = self._tuning()
        truth = simulate(self._part(1), self.model, num_chains).truth
        positions = np.asarray(positions_of(joint.bound, self.density.layout, joint.scan_of, arrays, truth))
        inside = np.isfinite(positions).all(1)
        if inside.sum() < 2:
            raise ValueError(
                f"Expected draws from the prior inside the support of their sites; got {int(inside.sum())} "
                f"of {len(inside)}. Give the latents priors that do not gather on the border."
            )
        started: Any = {name: values[inside] for name, values in truth.items()}
        pair = Pair(jax.numpy.asarray(positions[inside]), started)
        keys = jax.vmap(lambda i: jax.random.fold_in(self._part(2), i))(np.flatnonzero(inside))
        parts = []
        for begin in range(0, num_samples, CHUNK):
            pair, part = alternate(
                self.kernel.kernel,
                self.density,
                joint,
                CHUNK,
                arrays,
                keys,
                tuning,
                pair,
                begin,
                num_steps,
            )
            parts.append(np.asarray(part)[: num_samples - begin])
            meter.reach(min(begin + CHUNK, num_samples))
        return np.concatenate(parts)

    def _tuning(self) -> Any:
        """Return what the kernel has learnt from the model's own data."""
        arrays = self.model.arrays(self.kernel.precision)
        keys = chain_keys(self._part(3), self.kernel.num_chains)
        chains = Chains(
            method=self.kernel,
            model=self.model,
            density=self.density,
            arrays=arrays,
            keys=keys,
            devices=Devices(),
            feed=Unchanging(arrays),
            here=(arrays, keys),
        )
        if not self.kernel.num_warmup:
            return chains.template().moving.tuning
        self.model.check()
        underway = chains.begun()
        while underway.clock.warming_up(chains.schedule):
            underway, _ = chains.advance(underway, chains.length)
        return underway.moving.tuning


def moments(names: Sequence[str], draws: np.ndarray, records: np.ndarray) -> pd.DataFrame:
    """Compare first and second moments.

    Args:
        names: Names of the quantities.
        draws: Independent draws, (draw, quantity).
        records: Draws of independent chains, (transition, chain, quantity).

    Returns:
        A row for each moment: quantity, moment, z, p_value, adjusted.
    """
    import pandas as pd

    rows = []
    for name, marginal, successive in zip(names, draws.T, np.moveaxis(records, -1, 0), strict=True):
        if np.ptp(marginal) == 0 and np.ptp(successive) == 0:
            continue  # the corner of a Cholesky factor, say
        ordered = np.sort(marginal)
        shares, along = _shares(ordered, marginal) - 0.5, _shares(ordered, successive) - 0.5
        for moment, power in (("first", 1), ("second", 2)):
            z = _z_score(shares**power, (along**power).mean(0))
            rows.append((name, moment, z, 2 * student.sf(abs(z), records.shape[1] - 1)))
    table = pd.DataFrame(rows, columns=["quantity", "moment", "z", "p_value"])
    return table.assign(adjusted=family_wise(table["p_value"].to_numpy()))


def _z_score(first: np.ndarray, second: np.ndarray) -> float:
    """Return the z-score of the difference of the means of two samples."""
    difference = second.mean() - first.mean()
    error = np.hypot(*(sample.std(ddof=1) / np.sqrt(len(sample)) for sample in (first, second)))
    if error == 0:
        return 0.0 if difference == 0 else float(np.copysign(np.inf, difference))
    return float(difference / error)


def _shares(ordered: Float[np.ndarray, " draw"], values: np.ndarray) -> np.ndarray:
    """Return which share of the draws is below each value; of those that are equal, half."""
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (below + up_to) / (2 * len(ordered))
