"""Chains of a method on a density: their start, the windows of their warm-up, sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array

from probdl.inference.chunks import Moving, Record, by_chain, complete, longest, run_chunk, unborn
from probdl.inference.descent import Climbed, climb
from probdl.inference.devices import Devices
from probdl.inference.feed import Feed
from probdl.inference.lost import lost_chains, replaced
from probdl.inference.start import chain_keys, no_gradient, no_start, started
from probdl.inference.steps import by_steps
from probdl.inference.underway import Chunk, Underway, nothing_seen
from probdl.inference.warmup import Clock, Schedule
from probdl.program.bound import Arrays
from probdl.program.model import Model
from probdl.program.target import Sampled

if TYPE_CHECKING:
    from probdl.inference.mcmc.markov_chain import MarkovChain


@dataclass(frozen=True, eq=False)
class Chains:
    """Chains of a method on a density.

    Attributes:
        method: The method.
        model: The model.
        density: What is sampled of it.
        arrays: Its arrays, on the devices.
        keys: Keys of the chains, on the devices.
        devices: Where they lie.
        feed: What gives the chains their data.
        here: The arrays and the keys, all of them in this process.
    """

    method: MarkovChain
    model: Model
    density: Sampled
    arrays: Arrays
    keys: Array
    devices: Devices
    feed: Feed
    here: tuple[Arrays, Array]

    @classmethod
    def of(cls, key: Array, method: MarkovChain, model: Model, density: Sampled, devices: Devices) -> Chains:
        """Return the chains of a run.

        Args:
            key: The key of the run.
            method: The method.
            model: The model.
            density: What is sampled of it.
            devices: Where they shall lie.
        """
        devices.check(method.num_chains)
        arrays = method.in_coordinates(key, model, density, model.arrays(method.precision))
        keys = chain_keys(key, method.num_chains)
        feed = method.feed(key, density, arrays, model)
        arrays, here = devices.data(feed.arrays), (feed.arrays, keys)
        return cls(method, model, density, arrays, devices.chains(keys), devices, feed, here)

    @property
    def schedule(self) -> Schedule:
        """The windows of the warm-up."""
        return self.method.schedule()

    @property
    def length(self) -> int:
        """The most steps of a chunk."""
        return min(longest(self.model, self.density, self.method), self.feed.most_steps)

    def begun(self) -> Underway:
        """Return the chains at their starting points.

        Raises:
            NotApplicable: If the log-density has no gradient, or one that says nothing of a latent.
            ValueError: If it is finite nowhere.
        """
        dim = self.density.layout.dim
        tuning = self._typed(self.method.untuned(dim))

        def draw(attempt: int) -> np.ndarray:
            drawn = np.asarray(self.density.points(*self.here, attempt), self.method.precision.floating)
            return self.devices.processes.shared(drawn)

        def begin(positions: np.ndarray) -> Moving:
            return self._born(self._unborn(tuning, positions))

        try:
            moving, good = started(begin, draw)
        except (TypeError, ValueError) as error:
            raise no_gradient(self.method, self.density, self.here[0]) or error from None
        positions = np.asarray(moving.positions)
        if not good.all():
            raise no_start(self.model, self.density, self.here[0], positions[int(np.argmin(good))])
        if self.method.has_gradient:
            reason = by_steps(self.method, self.model, self._smooth, self.here[0])
            if reason is not None:
                raise reason
        if self.method.climbs:
            climbed = self._climbed(tuning, positions, moving)
            positions = climbed.positions
            tuning = self._typed(self.method.started(tuning, climbed.steps, climbed.changes))
        positions, tuning = self.devices.processes.shared((positions, tuning))
        return self._in_window(Underway(self._unborn(tuning, positions), np.True_, Clock(), *self._nothing()))

    @property
    def _smooth(self) -> frozenset[str]:
        """The latents whose gradient is followed."""
        return frozenset(self.density.layout.names) - frozenset(self.density.layout.discrete)

    def _born(self, moving: Moving) -> Moving:
        """Return chains with the states that they start with, on the host."""
        return self.devices.fetch(self._run(moving, 0, 0, warming_up=True, restart=True)[0])

    def _climbed(self, tuning: Any, positions: np.ndarray, moving: Moving) -> Climbed:
        def measured(moving: Moving) -> tuple[np.ndarray, np.ndarray]:
            return moving.states.log_density, np.asarray(tuning.map.score(moving.states.gradient))

        def evaluate(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            points = np.asarray(positions, self.method.precision.floating)
            return measured(self._born(self._unborn(tuning, points)))

        climbed = climb(evaluate, positions, *measured(moving))
        return climbed._replace(positions=climbed.positions.astype(positions.dtype))

    def _nothing(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        return nothing_seen(self.method.num_chains, self.density.layout.dim)

    def _in_window(self, underway: Underway) -> Underway:
        """Go on to the first window that has steps."""
        clock, lengths = underway.clock, self.schedule.lengths
        while clock.warming_up(self.schedule) and not lengths[clock.window]:
            clock = clock.next_window(self.schedule, settled=True, num_warmup=0)
        return underway._replace(clock=clock)

    def advance(self, underway: Underway, count: int) -> tuple[Underway, Chunk]:
        """Do some steps; what a window has taught is learnt at its end.

        Args:
            underway: The chains.
            count: How many steps to do, at most: no more than are left in the window.

        Returns:
            The chains after it, and what was seen.
        """
        clock = underway.clock
        warming_up = clock.warming_up(self.schedule)
        count = min(count, clock.left(self.schedule)) if warming_up else count
        moving, record = self._run(
            underway.moving, clock.steps, count, warming_up=warming_up, restart=bool(underway.restart)
        )
        stats = by_chain(self.devices.fetch(record.infos)._asdict(), 0, count)
        self.method.check(stats, self.density.layout)
        chunk = Chunk(record.positions, clock.steps, count, warming_up, stats)
        gradients = int(stats["n_steps"].sum()) if "n_steps" in stats else 0
        clock = clock.after(count, gradients, self.schedule)
        after = underway._replace(moving=moving, restart=np.False_, clock=clock)
        if warming_up:
            after = self._seen(after, record, stats, count)
            if not after.clock.left(self.schedule):
                after = self._learnt(after)
        return after, chunk

    def _seen(self, underway: Underway, record: Record, stats: dict, count: int) -> Underway:
        if not self.method.learns:
            return underway
        draws, scores = (np.swapaxes(part[:count], 0, 1) for part in self.devices.fetch(record[:2]))
        return underway.seen(draws, scores, stats)

    def _learnt(self, underway: Underway) -> Underway:
        clock, devices = underway.clock, self.devices
        window = underway.window(is_last=clock.window == len(self.schedule.lengths) - 1)
        tuning, settled = self.method.learn(devices.fetch(underway.moving.tuning), window)
        positions = devices.fetch(underway.moving.positions)
        if (
            self.method.climbs
            and clock.window
            and (lost := lost_chains(window.draws, window.stats["lp"])).any()
        ):
            positions, settled = replaced(positions, lost, window.draws), False
            clock = clock._replace(relocated=clock.relocated + int(lost.sum()))
        learnt = (self._typed(tuning), positions, np.array(settled), np.array(clock.relocated))
        tuning, positions, settled, relocated = devices.processes.shared(learnt)
        moving = Moving(underway.moving.states, devices.everywhere(tuning), devices.chains(positions))
        moved = int(relocated) > underway.clock.relocated
        clock = clock._replace(relocated=int(relocated))
        clock = clock.next_window(self.schedule, settled=bool(settled), num_warmup=self.method.num_warmup)
        restart = np.bool_(moved or clock.warming_up(self.schedule))
        return self._in_window(Underway(moving, restart, clock, *self._nothing()))

    def values(self, chunk: Chunk) -> dict[str, np.ndarray]:
        """Return the values of all latent and deterministic sites in a chunk, (chain, draw, ...)."""
        values = complete(
            self.density, self.arrays, self.keys, chunk.begin, chunk.positions, self.devices.mesh
        )
        return by_chain(self.devices.fetch(values), 0, chunk.steps)

    def ending(self, underway: Underway) -> dict[str, Any]:
        """Return what the method knows of the run, as attributes of the result."""
        states, tuning = (self.devices.fetch(part) for part in underway.moving[:2])
        return self.method.ending(states, tuning, self.density.layout)

    def template(self) -> Underway:
        """Return chains of the right structure, to restore a checkpoint into."""
        dim = self.density.layout.dim
        nowhere = np.zeros((self.method.num_chains, dim), self.method.precision.floating)
        moving = self._unborn(self._typed(self.method.untuned(dim)), nowhere)
        return Underway(moving, np.zeros((), bool), Clock(), *self._nothing())

    def placed(self, underway: Underway) -> Underway:
        """Return chains that were read from disk, on their devices."""
        states, tuning, positions = underway.moving
        chains, everywhere = self.devices.chains, self.devices.everywhere
        moving = Moving(chains(states), everywhere(tuning), chains(positions))
        return underway._replace(
            moving=moving, clock=Clock(*(np.asarray(part).item() for part in underway.clock))
        )

    def _unborn(self, tuning: Any, positions: np.ndarray) -> Moving:
        moving = unborn(self.method.kernel, self.density, self.arrays, self.keys, tuning, positions)
        chains = self.devices.chains
        return Moving(chains(moving.states), self.devices.everywhere(tuning), chains(positions))

    def _typed(self, tuning: Any) -> Any:
        floating = self.method.precision.floating

        def typed(leaf: Any) -> np.ndarray:
            array = np.asarray(leaf)
            return array.astype(floating) if array.dtype.kind == "f" else array

        return jax.tree.map(typed, tuning)

    def _run(
        self, moving: Moving, begin: int, count: int, *, warming_up: bool, restart: bool
    ) -> tuple[Moving, Record]:
        arrays = self.feed.chunk(begin, count)
        return run_chunk(
            self.method.kernel,
            self.density,
            self.length,
            self.arrays if arrays is self.here[0] else self.devices.data(arrays),
            self.keys,
            moving,
            begin,
            count,
            warming_up,
            restart,
            self.devices.mesh,
        )
