"""Slice sampling, coordinate by coordinate or along random directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from blackjax.mcmc import slice as slices
from jaxtyping import Array, Float

from probdl.inference.mcmc.derivative_free import DerivativeFree, PlainState
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Window
from probdl.program.target import Target

FIRST_WIDTH = 2.5
EXPANSIONS = 0.5  # the share of all steps of the brackets that widen them


class SliceInfo(NamedTuple):
    """What is recorded of each draw.

    Attributes:
        acceptance_rate: The share of updates that found a new point: one, unless a slice is very narrow.
        expansion_rate: The share of the steps of brackets that widened them.
        n_evaluations: Number of log-densities.
        width: First width of the brackets.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    acceptance_rate: Float[Array, ""]
    expansion_rate: Float[Array, ""]
    n_evaluations: Array
    width: Float[Array, ""]
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class Slice(DerivativeFree):
    """Draw along a line, uniformly from where the density is higher than a random fraction of that here.

    A bracket around the point is widened in steps until both ends are outside, then shrunk to each point that
    is drawn outside. No gradient, no rejections, and nothing to tune by hand: the width of the brackets
    follows how often they are widened, and the lines lie in coordinates that are learnt in the warm-up. For
    each draw, every coordinate is updated once; or as many random directions.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        random_directions: Whether lines have random directions, not those of the coordinates.
        width: First width of a bracket, in units of the posterior's scale; None: tuned.
        max_expansions: A bracket is widened at most that many times.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> Slice(num_samples=500).max_expansions
        32

    Source:
        Neal (2003), figures 3 and 5; the kernel is that of BlackJAX; the width is tuned as by Karamanis and
        Beutler (2021).
    """

    random_directions: bool = False
    width: float | None = None
    max_expansions: int = 32

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("max_expansions", self.max_expansions, 1)
        if self.width is not None and not 0 < self.width < float("inf"):
            raise ValueError(
                f"Expected a positive width; got {self.width!r}. Pass for instance width=2.0, or leave it "
                f"out: it is tuned."
            )

    def step(
        self, key: Array, state: PlainState, target: Target, tuning: Tuning
    ) -> tuple[PlainState, SliceInfo]:
        """Return the next state of a chain, and what happened on the way."""
        dim = state.position.shape[0]
        begun = slices.SliceState(state.position, state.log_density)  # pyright: ignore[reportArgumentType]
        update = self._directions if self.random_directions else self._coordinates
        end, infos = update(key, begun, target, tuning.step_size)
        narrowed = jnp.sum(infos.num_shrink) - dim
        widened = jnp.sum(infos.num_expansions)
        kind = state.position.dtype
        return PlainState(end.position, end.logdensity, state.gradient), SliceInfo(
            acceptance_rate=jnp.mean(infos.is_accepted.astype(kind)),
            expansion_rate=(widened / jnp.maximum(widened + narrowed, 1)).astype(kind),
            n_evaluations=2 * dim + widened + narrowed + dim,
            width=tuning.step_size,
            lp=end.logdensity,
        )

    def _coordinates(self, key: Array, state: Any, target: Target, width: Array) -> tuple[Any, Any]:
        kernel = slices.build_coordinate_kernel(
            interval=slices.stepping_out, initial_widths=width, max_expansions=self.max_expansions
        )
        return kernel(key, state, target.log_density)

    def _directions(self, key: Array, state: Any, target: Target, width: Array) -> tuple[Any, Any]:
        kernel = slices.build_kernel(slices.stepping_out, self.max_expansions)

        def update(state: Any, key: Array) -> tuple[Any, Any]:
            return kernel(key, state, target.log_density, slices.direction_proposal(), width)  # pyright: ignore[reportArgumentType]

        return jax.lax.scan(update, state, jax.random.split(key, state.position.shape[0]))

    def tune(self, tuning: Tuning, infos: Any) -> Tuning:
        """Return what all chains share after a step: the next width to try."""
        return tuning if self.width is not None else tuning.searched(infos.expansion_rate)

    def untuned(self, dim: int) -> Tuning:
        """Return the map that changes nothing, and a width that suits a unit Gaussian."""
        return super().untuned(dim).searching(self.width or FIRST_WIDTH, EXPANSIONS)

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return the map of unit covariance, and whether there is nothing left to learn."""
        if window.is_last:
            return tuning._replace(step_size=self.precision.floating.type(self.width or tuning.found)), True
        tuning, settled = self.mapped(tuning, window)
        return tuning.searching(self.width or FIRST_WIDTH, EXPANSIONS), settled
