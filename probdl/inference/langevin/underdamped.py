"""Underdamped Langevin dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.inference.langevin.bias import Excess, no_excess
from probdl.inference.langevin.energy_error import EnergyInfo, EnergyTuned
from probdl.inference.langevin.family import positive
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import DIVERGENCE, choose
from probdl.inference.tuning import Tuning
from probdl.program.target import Target


class Drifting(NamedTuple):
    """Where a chain is.

    Attributes:
        position: The position, in the coordinates in which the kernel moves.
        log_density: Log-density there, in nats.
        gradient: Its gradient.
        momentum: Its velocity: the mass is one.
        excess: What was seen of the bias.
    """

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    momentum: Float[Array, " dim"]
    excess: Excess


@dataclass(frozen=True, kw_only=True)
class UnderdampedLangevin(EnergyTuned):
    r"""Underdamped Langevin dynamics by the BAOAB scheme: a particle with friction and noise.

    One gradient a step. The draws of a Gaussian have the right variance at any stable step size; those of
    other posteriors are biased, and the result says how much, as `Status.BIASED`. A step is a kick by half a
    step (B), half a drift (A), friction and noise (O), half a drift, and half a kick, in coordinates that all
    chains share and learn, in which the posterior has unit scale.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        step_size: The step size h, a time; None: tuned to `target_energy_variance`.
        target_energy_variance: The variance of the energy error of a step, by dimension, that is aimed at.
        friction: The rate at which momentum is lost; 1 serves means and spreads alike.
        thinning: Every so many moves are one step, of warm-up and sampling: others are not recorded.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> UnderdampedLangevin(friction=2.0).target_energy_variance
        0.0005

    Source:
        Leimkuhler and Matthews (2013), Rational construction of stochastic numerical methods for molecular
        sampling; Bishop & Bishop (2023), §14.3, for the overdamped limit.
    """

    friction: float = 1.0

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        positive("friction", self.friction, "friction=1.0")

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> Drifting:
        """Return the state of a chain at a position, with a momentum of unit temperature."""
        momentum = jax.random.normal(key, position.shape, position.dtype)
        there = jax.value_and_grad(target.log_density)(position)
        return Drifting(position, *there, momentum, no_excess(position))

    def move(
        self, key: Array, state: Drifting, target: Target, tuning: Tuning
    ) -> tuple[Drifting, EnergyInfo]:
        """Return the state after one move, and what happened."""
        h = tuning.step_size
        noise = jax.random.normal(key, state.position.shape, state.position.dtype)
        kicked = kicked_half(state.momentum, state.gradient, h)
        refreshed = refreshed_half(kicked, noise, self.friction * h)
        position = state.position + h / 2 * (kicked + refreshed)
        end = Evaluated(position, *jax.value_and_grad(target.log_density)(position))
        momentum = kicked_half(refreshed, end.gradient, h)
        gained = sum(
            sign * (p @ p) / 2
            for sign, p in ((1, kicked), (-1, state.momentum), (1, momentum), (-1, refreshed))
        )
        error = gained - (end.log_density - state.log_density)
        bad = ~end.is_finite | ~(jnp.abs(error) < DIVERGENCE)
        stay = Evaluated(*state[:3])
        chosen = choose(end.is_finite, end, stay)
        momentum = choose(end.is_finite, momentum, noise)
        excess = temperature_excess(kicked, self.friction * h)
        counts = tuning.number >= tuning.own.since
        return Drifting(*chosen, momentum, state.excess.added(excess, counts)), EnergyInfo(
            diverging=bad,
            acceptance_rate=jnp.where(bad, 0, jnp.exp(jnp.minimum(-error, 0))),
            energy_variance=error**2 / position.shape[0],
            n_steps=jnp.ones((), int),
            step_size=h,
            lp=chosen.log_density,
        )


def kicked_half(momentum: Array, gradient: Array, step_size: Array) -> Array:
    """Return the momentum after half a step of a force (B)."""
    return momentum + step_size / 2 * gradient


def refreshed_half(momentum: Array, noise: Array, lost: Array) -> Array:
    """Return the momentum after friction and noise (O), which leave a standard normal one as it is."""
    keep = jnp.exp(-lost)
    return keep * momentum + jnp.sqrt(1 - keep**2) * noise


def temperature_excess(kicked: Float[Array, " dim"], lost: Array) -> Float[Array, " dim"]:
    r"""Return numbers whose mean is the bias of a step of BAOAB, as `bias` defines it.

    That position and momentum are stationary says that $-E[z_i \partial_i \log p] - 1$ is
    $\frac{(1 + c)^2}{4} (E[q_i^2] - 1)$, where q is the momentum after the first half kick and c what
    friction leaves of it: any density, any step size, and with gradients that are noisy.

    Args:
        kicked: The momentum q.
        lost: Friction times step size.
    """
    return (1 + jnp.exp(-lost)) ** 2 / 4 * (kicked**2 - 1)
