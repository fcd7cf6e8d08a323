"""A sweep: all blocks of latents in turn, each given all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.errors import NotApplicable
from probdl.inference.gibbs.blocks import ExactBlock, without
from probdl.inference.maps import through
from probdl.inference.mcmc.derivative_free import HIGHEST_RHAT, PlainState
from probdl.inference.mcmc.gaussianity import split_rhat
from probdl.inference.mcmc.infos import Infos, labelled, part, together
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Schedule, Window, windows
from probdl.program.bound import Arrays
from probdl.program.density import NOTHING, Density, Values
from probdl.program.layout import Layout
from probdl.program.target import Target

MOST_FAILURES = 0.01  # of the draws of a chunk


class SweepTarget(NamedTuple):
    """A target, and the data that it is made of.

    Attributes:
        log_density: As in `Target`.
        init: As in `Target`.
        constrain: As in `Target`.
        arrays: The data.
    """

    log_density: Any
    init: Any
    constrain: Any
    arrays: Arrays


@dataclass(frozen=True)
class SweepDensity(Density):
    """The density of all latents, whose target gives the data away: blocks look at them on their own."""

    def target(self, arrays: Arrays, held: Values = NOTHING) -> Target:
        """Return the target for some data."""
        return SweepTarget(*super().target(arrays, held)[:3], arrays)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class InnerBlock:
    """Latents that a chain moves.

    Attributes:
        chain: The chain.
        density: Their density given all others.
        has_moving_support: Whether what their values can be depends on other latents.
    """

    chain: MarkovChain
    density: Density
    has_moving_support: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The latents."""
        return self.density.layout.names

    @property
    def label(self) -> str:
        """What its statistics are of."""
        return ", ".join(self.names)


Block = ExactBlock | InnerBlock


@dataclass(frozen=True, kw_only=True)
class Sweep(MarkovChain):
    """Chains that draw block after block.

    Attributes:
        blocks: The blocks.
        density: The density of all latents; its positions hold the values of the latents that are drawn
            exactly, and what the chains of the inner blocks move in of the others.
    """

    has_gradient: ClassVar[bool] = False
    takes_discrete: ClassVar[bool] = True

    blocks: tuple[Block, ...]
    density: SweepDensity

    @property
    def inner(self) -> Iterator[tuple[int, InnerBlock, np.ndarray]]:
        """The blocks that a chain moves: their number among these, and the places of their coordinates."""
        blocks = (block for block in self.blocks if isinstance(block, InnerBlock))
        for number, block in enumerate(blocks):
            yield number, block, self.density.layout.places(block.names)

    @property
    def kernel(self) -> Self:
        """The method without the lengths of the run, its own and those of its chains."""
        blocks = tuple(
            replace(block, chain=block.chain.kernel) if isinstance(block, InnerBlock) else block
            for block in self.blocks
        )
        return replace(super().kernel, blocks=blocks)

    def init(self, key: Array, position: Float[Array, " dim"], target: SweepTarget) -> PlainState:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the state of a chain at a position."""
        values = self.density.values(target.arrays, position)
        gradient = jnp.zeros_like(position)
        for number, block, places in self.inner:
            given = block.density.target(target.arrays, without(values, block.names))
            state = block.chain.init(jax.random.fold_in(key, number), position[places], given)
            gradient = gradient.at[places].set(state.gradient)
        return PlainState(position, target.log_density(position), gradient)

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: Array, state: PlainState, target: SweepTarget, tuning: Tuning
    ) -> tuple[PlainState, Infos]:
        """Return the next state of a chain, and what happened on the way."""
        layout, arrays = self.density.layout, target.arrays
        values = self.density.values(arrays, state.position)
        position, gradient = state.position, jnp.zeros_like(state.position)
        failed, infos, stats = jnp.asarray(-1), [], {}
        inner = {block.names: (number, places) for number, block, places in self.inner}
        for turn, block in enumerate(self.blocks):
            own = jax.random.fold_in(key, turn)
            if not isinstance(block, InnerBlock):
                new = block.draw(own, arrays, values)
                good = jnp.stack([jnp.isfinite(new[name]).all() for name in block.names]).all()
                values |= {name: jnp.where(good, new[name], values[name]) for name in block.names}
                failed = jnp.where(good, failed, turn)
                continue
            number, places = inner[block.names]
            given = block.density.target(arrays, without(values, block.names))
            map_ = tuning.own[number].map
            at = self._start(block, arrays, values, position[places])
            seen = through(given, map_)
            begun = block.chain.init(jax.random.fold_in(own, 0), map_.moved(at), seen)
            moved, info = block.chain.step(jax.random.fold_in(own, 1), begun, seen, tuning.own[number])
            new = map_.position(moved.position)
            position = position.at[places].set(new)
            gradient = gradient.at[places].set(map_.score(moved.gradient))
            values |= block.density.values(arrays, new, without(values, block.names))
            infos.append(info)
            stats |= labelled(info, block.label)
        moving = {name for block in self.blocks if isinstance(block, InnerBlock) for name in block.names}
        whole = {**values, **{n: z for n, z in layout.unravel(position).items() if n in moving}}
        position = layout.ravel(whole)
        log_density = target.log_density(position)
        stats |= together(infos) | {"failed_block": failed, "lp": log_density}
        return PlainState(position, log_density, gradient), Infos(stats)

    def _start(self, block: InnerBlock, arrays: Arrays, values: Values, position: Array) -> Array:
        """Return the position of an inner block; what has been drawn may have moved its support."""
        if not block.has_moving_support:
            return position
        return block.density.position(arrays, values, without(values, block.names))

    def tune(self, tuning: Tuning, infos: Infos) -> Tuning:
        """Return what all chains share after a step."""
        own = list(tuning.own)
        for number, block, _ in self.inner:
            own[number] = block.chain.tune(own[number], Infos(part(infos._asdict(), block.label)))
        return tuning._replace(own=tuple(own))

    def schedule(self) -> Schedule:
        """Return the windows of the warm-up; all inner chains have the same."""
        return windows(self.num_warmup)

    def untuned(self, dim: int) -> Tuning:
        """Return what all chains share before anything has been learnt: of each inner chain its own."""
        own = tuple(block.chain.untuned(block.density.layout.dim) for _, block, _ in self.inner)
        return super().untuned(dim)._replace(own=own)

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return what the inner chains have learnt, each from its own coordinates.

        It has settled when each of them has, and when the log-density is the same in all chains.
        """
        own = list(tuning.own)
        settled = split_rhat(np.ascontiguousarray(window.stats["lp"])[..., None]) < HIGHEST_RHAT
        for number, block, places in self.inner:
            stats = {**part(window.stats, block.label), "lp": window.stats["lp"]}
            seen = window._replace(
                draws=window.draws[..., places], scores=window.scores[..., places], stats=stats
            )
            own[number], done = block.chain.learn(own[number], seen)
            settled &= done
        return tuning._replace(own=tuple(own)), settled

    def check(self, stats: Mapping[str, np.ndarray], layout: Layout) -> None:
        """Look for blocks that could not be drawn, and let the inner chains look at theirs."""
        failed = stats["failed_block"]
        for turn, block in enumerate(self.blocks):
            share = float((failed == turn).mean()) if failed.size else 0.0
            if share > MOST_FAILURES:
                names = ", ".join(f"'{name}'" for name in block.names)
                raise NotApplicable(
                    "Gibbs",
                    f"the distribution of {names} given all others, which looked exact, is improper or "
                    f"another one at {share:.0%} of the values that were met",
                    f"Pass by_inner=({', '.join(map(repr, block.names))},): the inner method moves them.",
                )
        for _, block, _ in self.inner:
            block.chain.check(part(stats, block.label), block.density.layout)
