"""Microcanonical Langevin Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc import mclmc
from blackjax.mcmc.integrators import IntegratorState
from jaxtyping import Array, Float

from probdl.inference.langevin.bias import Excess, no_excess
from probdl.inference.langevin.energy_error import EnergyInfo, EnergyTuned
from probdl.inference.langevin.family import positive
from probdl.inference.mcmc.trajectory import DIVERGENCE, LogDensity, choose
from probdl.inference.tuning import Tuning
from probdl.program.target import Target

GRADIENTS = 2


class Isokinetic(NamedTuple):
    """Where a chain is.

    Attributes:
        position: The position, in the coordinates in which the kernel moves.
        log_density: Log-density there, in nats.
        gradient: Its gradient.
        momentum: Direction of the motion, of unit length.
        beside: A standard normal coordinate more, where there is but one: a direction needs two. Else empty.
        excess: What was seen of the bias.
    """

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    momentum: Float[Array, " all"]
    beside: Float[Array, " more"]
    excess: Excess


_state: Any = IntegratorState  # BlackJAX types arrays as trees
_kernel: Any = mclmc.build_kernel()


@dataclass(frozen=True, kw_only=True)
class MCLMC(EnergyTuned):
    r"""Microcanonical Langevin Monte Carlo: motion at constant speed, which the gradient turns, and noise.

    Two gradients a step, and no test of Metropolis: the step size biases the draws, and the result says how
    much, as `Status.BIASED`. `AdjustedMCLMC` has no bias. In coordinates that all chains share and learn the
    posterior has unit scale, so that a typical point is $\sqrt{d}$ from the middle.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        step_size: The step size, a length of path; None: tuned to `target_energy_variance`.
        target_energy_variance: The variance of the energy error of a step, by dimension, that is aimed at.
        decoherence_length: The path after which the direction is forgotten; None: the square root of the
            number of coordinates.
        thinning: Every so many moves are one step, of warm-up and sampling: others are not recorded.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> MCLMC(thinning=4).target_energy_variance
        0.0005

    Source:
        Robnik, De Luca, Silverstein and Seljak (2023), Microcanonical Hamiltonian Monte Carlo; Robnik and
        Seljak (2023), Fluctuation without dissipation. The step is BlackJAX's, of McLachlan's scheme.
    """

    decoherence_length: float | None = None

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        if self.decoherence_length is not None:
            positive("decoherence_length", self.decoherence_length, "decoherence_length=3.0")

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> Isokinetic:
        """Return the state of a chain at a position, with a random direction."""
        return Isokinetic(
            position,
            *jax.value_and_grad(target.log_density)(position),
            direction(key, position),
            jax.random.normal(jax.random.fold_in(key, 1), (missing(position),), position.dtype),
            no_excess(position),
        )

    def move(
        self, key: Array, state: Isokinetic, target: Target, tuning: Tuning
    ) -> tuple[Isokinetic, EnergyInfo]:
        """Return the state after one move, and what happened."""
        dim = state.position.shape[0]
        length = radius(dim) if self.decoherence_length is None else self.decoherence_length
        density = beside_normal(target.log_density, dim)
        start: Any = _state(
            jnp.concatenate([state.position, state.beside]),
            state.momentum,
            state.log_density - state.beside @ state.beside / 2,
            jnp.concatenate([state.gradient, -state.beside]),
        )
        end, info = _kernel(key, start, density, 1.0, length, tuning.step_size)
        steep = jnp.isfinite(end.logdensity_grad).all()
        end = choose(steep, end, start._replace(momentum=-start.momentum))
        position, beside = end.position[:dim], end.position[dim:]
        log_density = end.logdensity + beside @ beside / 2
        gradient = end.logdensity_grad[:dim]
        bad = ~info.nonans | ~(jnp.abs(info.energy_change) < DIVERGENCE) | ~steep
        counts = (tuning.number >= tuning.own.since) & ~bad
        excess = state.excess.added(-position * gradient - 1, counts)
        return Isokinetic(position, log_density, gradient, end.momentum, beside, excess), EnergyInfo(
            diverging=bad,
            acceptance_rate=jnp.where(bad, 0, jnp.exp(jnp.minimum(-info.energy_change, 0))),
            energy_variance=info.energy_change**2 / end.position.shape[0],
            n_steps=jnp.full((), GRADIENTS),
            step_size=tuning.step_size,
            lp=log_density,
        )

    def length(self, dim: int) -> float:
        """Return how large a step is that crosses the posterior: the radius at which its mass lies."""
        return radius(dim)


def radius(dim: int) -> float:
    """Return the radius at which the mass of a standard normal lies, of two dimensions or more."""
    return float(np.sqrt(max(dim, 2)))


def missing(position: Array) -> int:
    """Return how many coordinates are missing for a direction to be able to turn."""
    return max(0, 2 - position.shape[0])


def direction(key: Array, position: Float[Array, " dim"]) -> Float[Array, " all"]:
    """Return a random direction among all coordinates."""
    drawn = jax.random.normal(key, (position.shape[0] + missing(position),), position.dtype)
    return drawn / jnp.linalg.norm(drawn)


def beside_normal(log_density: LogDensity, dim: int) -> LogDensity:
    """Return a log-density of more coordinates, which are independent and standard normal.

    Args:
        log_density: The log-density of the first ones.
        dim: How many these are.
    """

    def all_together(position: Any) -> Float[Array, ""]:
        beside = position[dim:]
        return log_density(position[:dim]) - beside @ beside / 2

    return all_together
