"""Draws from the posteriors of many data sets, whose chains move together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from probdl.inference.calibration_data import Simulations
from probdl.inference.calibration_lanes import Lane, Meeting, Request
from probdl.inference.calibration_steps import Stacked, complete, run_fleet
from probdl.inference.chunks import Moving, Record, unborn
from probdl.inference.devices import Devices
from probdl.inference.feed import Unchanging
from probdl.inference.start import chain_keys
from probdl.program.bound import Arrays
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain

LONGEST = 64
LARGEST_BYTES = 2**26
KEPT = 1024  # draws of a data set, however many there are


class Kept(NamedTuple):
    """Draws of one data set, evenly thinned.

    Attributes:
        positions: Positions.
        lp: Log-densities there; none if the method does not record them.
        divergences: Transitions among all draws that diverged.
    """

    positions: Float[np.ndarray, "chain draw dim"]
    lp: Float[np.ndarray, "chain draw"] | None
    divergences: int


@dataclass(frozen=True, eq=False)
class Fleet:
    """Chains of a method on several data sets.

    Attributes:
        method: The method, prepared for the model.
        density: What is sampled of the model.
        simulations: The data sets.
        numbers: Which of them.
        size: For how many data sets the steps are compiled: at least as many.
        key: The run on data set i has fold_in(key, i).
        advanced: What is told of steps as they are done, added up over data sets.
    """

    method: MarkovChain
    density: Sampled
    simulations: Simulations
    numbers: Int[np.ndarray, " set"]
    size: int
    key: Array
    advanced: Callable[[int], None]

    @functools.cached_property
    def keys(self) -> list[Array]:
        """The keys of the runs."""
        folded = jax.vmap(functools.partial(jax.random.fold_in, self.key))(self._rows)
        return [folded[i] for i in range(self.size)]

    @functools.cached_property
    def chain_keys(self) -> Array:
        """The keys of all chains, (set, chain)."""
        return jnp.stack([chain_keys(key, self.method.num_chains) for key in self.keys])

    @functools.cached_property
    def arrays(self) -> list[Arrays]:
        """The data of each lane, in the coordinates that its method chooses."""
        model, precision = self.simulations.first, self.method.precision
        together = self.simulations.arrays(self._rows, precision)
        found = []
        for i, key in enumerate(self.keys[: len(self.numbers)]):
            data = {name: together.observed[name][i] for name in self.simulations.data}
            own = replace(together, observed={**together.observed, **data})
            found.append(self.method.in_coordinates(key, model, self.density, own))
        return found + [found[0]] * (self.size - len(found))

    @functools.cached_property
    def stacked(self) -> Stacked:
        """The same for compiled code: what is shared comes once."""
        return Stacked.of(self.arrays)

    @property
    def _rows(self) -> np.ndarray:
        """The data set of each row of compiled arrays: the first one fills what is left."""
        return np.concatenate([self.numbers, np.full(self.size - len(self.numbers), self.numbers[0])])

    def run(self) -> list[Kept]:
        """Warm up, and draw.

        Returns:
            The draws of each data set.

        Raises:
            NotApplicable: If the log-density has no gradient.
            ValueError: If it is finite nowhere, for one of the data sets.
        """
        row = 8 * self.size * self.method.num_chains * (2 * self.density.layout.dim + 10)
        meeting = Meeting(int(np.clip(LARGEST_BYTES // row, 1, LONGEST)))
        keys, floating = self.chain_keys, self.method.precision.floating
        at = np.zeros((self.method.num_chains, self.density.layout.dim), floating)
        tuning = self.method.untuned(self.density.layout.dim)
        nowhere = unborn(self.method.kernel, self.density, self.arrays[0], keys[0], tuning, at).states
        lanes = [
            Lane(
                method=self.method,
                model=self.simulations.conditioned(int(number)),
                density=self.density,
                arrays=self.arrays[i],
                keys=keys[i],
                devices=Devices(),
                feed=Unchanging(self.arrays[i]),
                here=(self.arrays[i], keys[i]),
                meeting=meeting,
                row=i,
                nowhere=nowhere,
            )
            for i, number in enumerate(self.numbers)
        ]
        steps = _Together(self, meeting.length)
        return meeting.run([functools.partial(self._drawn, lane) for lane in lanes], steps)

    def _drawn(self, lane: Lane) -> Kept:
        """Do what the driver would do with one data set."""
        try:
            with self.method.precision.active():
                return _drawn(lane)
        except Exception as error:
            error.add_note(f"This was the data set of simulation {self.numbers[lane.row]}.")
            raise

    def complete(self, positions: Float[np.ndarray, "set draw dim"]) -> dict[str, np.ndarray]:
        """Return the values of the latent and deterministic sites at positions.

        Args:
            positions: Positions of each data set.

        Returns:
            Arrays (set, draw, ...) by site.
        """
        filled = np.concatenate([positions, np.repeat(positions[:1], self.size - len(positions), axis=0)])
        which, leaves = self.stacked.which, self.stacked.leaves
        values = complete(self.density, which, leaves, self.chain_keys[:, 0], filled)
        return {name: np.asarray(value)[: len(positions)] for name, value in values.items()}


def _drawn(lane: Lane) -> Kept:
    """Warm up, and draw."""
    method, underway = lane.method, lane.begun()
    every = -(-method.num_samples // max(1, KEPT // method.num_chains))
    while underway.clock.warming_up(lane.schedule):
        underway, _ = lane.advance(underway, lane.length)
    parts, heights, divergences = [], [], 0
    while underway.clock.drawn < method.num_samples:
        drawn = underway.clock.drawn
        underway, chunk = lane.advance(underway, min(lane.length, method.num_samples - drawn))
        rows = np.arange((-drawn - 1) % every, chunk.steps, every)
        parts.append(np.swapaxes(np.asarray(chunk.positions)[rows], 0, 1))
        if "lp" in chunk.stats:
            heights.append(chunk.stats["lp"][:, rows])
        if "diverging" in chunk.stats:
            divergences += int(chunk.stats["diverging"].sum())
    lp = np.concatenate(heights, axis=1) if heights else None
    return Kept(np.concatenate(parts, axis=1), lp, divergences)


class _Together:
    """Steps of all lanes in one call.

    Args:
        fleet: The fleet.
        length: The most steps of a call.
    """

    def __init__(self, fleet: Fleet, length: int) -> None:
        self._fleet, self._length = fleet, length
        self._last: dict[int, Moving] = {}

    def __call__(self, waiting: Mapping[int, Request], count: int) -> None:
        """Do some steps of all that wait, and update their requests."""
        fleet = self._fleet
        self._last |= {row: request.moving for row, request in waiting.items()}
        filler = next(iter(self._last.values()))
        idle = Request(filler, 0, 0, warming_up=False, restart=False)
        requests = [waiting.get(row, idle) for row in range(fleet.size)]
        moving = [self._last.get(row, filler) for row in range(fleet.size)]
        moved, record = run_fleet(
            fleet.method.kernel,
            fleet.density,
            self._length,
            fleet.stacked.which,
            fleet.stacked.leaves,
            fleet.chain_keys,
            jax.tree.map(lambda *leaves: np.stack(leaves), *moving),
            np.array([request.begin for request in requests]),
            count,
            np.array([request.warming_up for request in requests]),
            np.array([request.restart for request in requests]),
        )
        moved = jax.tree.map(np.asarray, moved)
        seen: Record = jax.tree.map(lambda leaf: np.asarray(leaf)[:, :count], record)
        for row, request in waiting.items():
            request.moving = self._last[row] = jax.tree.map(lambda leaf, row=row: leaf[row], moved)
            request.records.append(jax.tree.map(lambda leaf, row=row: leaf[row], seen))
            request.begin += count
            request.count -= count
            request.restart = False
        fleet.advanced(count * len(waiting))
