"""Stochastic gradient Hamiltonian Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.langevin.bias import no_excess
from probdl.inference.langevin.family import MoveInfo, positive
from probdl.inference.langevin.minibatches import Turn
from probdl.inference.langevin.stochastic import StochasticGradient
from probdl.inference.langevin.underdamped import Drifting, kicked_half, refreshed_half, temperature_excess
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import choose
from probdl.inference.tuning import Tuning
from probdl.program.target import Target

MOST_STEP_SIZE = 0.4


@dataclass(frozen=True, kw_only=True)
class SGHMC(StochasticGradient):
    r"""Stochastic gradient Hamiltonian Monte Carlo: steps of `UnderdampedLangevin` with minibatches.

    Friction takes up the noise of the gradients: its part in the variance of the draws falls with
    $h / \gamma$, where a step of `SGLD` of the same length has more. Minibatches, the mode that is found
    first, control variates and the result are as in `SGLD`.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        step_size: The step size h, a time; `Constant` or `PolynomialDecay`; None: set for `target_bias`.
        target_bias: The relative error of the standard deviations that is aimed at, to leading order.
        friction: The rate at which momentum is lost.
        control_variate: Whether, and how, gradients are corrected by those at the mode (`ControlVariate`).
        stream: Where minibatches come from, if not from the arguments of the program (`Stream`).
        thinning: Every so many moves are one step, of warm-up and sampling: others are not recorded.
        preconditioner: The family of maps; None: `Dense` up to 200 dimensions, `LowRank` above.
        precision: Precision of all arithmetic.

    Raises:
        TypeError: If `control_variate` or `stream` is something else.
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> SGHMC(friction=2.0).target_bias
        0.02

    Source:
        Chen, Fox and Guestrin (2014), with the scheme of Leimkuhler and Matthews (2013) in place of Euler's.
    """

    friction: float = 1.0

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        positive("friction", self.friction, "friction=1.0")

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> Drifting:
        """Return the state of a chain at a position, with a momentum of unit temperature."""
        momentum = jax.random.normal(jax.random.fold_in(key, 1), position.shape, position.dtype)
        return Drifting(position, *self.evaluated(Turn(key), position, target), momentum, no_excess(position))

    def move(self, key: Array, state: Drifting, target: Target, tuning: Tuning) -> tuple[Drifting, MoveInfo]:
        """Return the state after one move, and what happened."""
        h = self.step_size_of(tuning)
        noise = jax.random.normal(key, state.position.shape, state.position.dtype)
        kicked = kicked_half(state.momentum, state.gradient, h)
        refreshed = refreshed_half(kicked, noise, self.friction * h)
        position = state.position + h / 2 * (kicked + refreshed)
        end = Evaluated(position, *self.evaluated(self.turn(key, tuning), position, target))
        chosen = choose(end.is_finite, end, Evaluated(*state[:3]))
        momentum = choose(end.is_finite, kicked_half(refreshed, end.gradient, h), noise)
        counts = tuning.number >= tuning.own.since
        excess = state.excess.added(temperature_excess(kicked, self.friction * h), counts)
        return Drifting(*chosen, momentum, excess), MoveInfo(
            diverging=~end.is_finite,
            acceptance_rate=jnp.where(end.is_finite, 1.0, 0.0).astype(h.dtype),
            n_steps=jnp.ones((), int),
            step_size=h,
            lp=chosen.log_density,
        )

    def retuned(self, tuning: Tuning, draws: np.ndarray, scores: np.ndarray) -> Tuning:
        """Return the tuning with the step size whose bias is as aimed at."""
        return self.with_step_size(
            tuning, cool_step_size(self.target_bias, self.friction, noise_of(draws, scores))
        )


def noise_of(
    draws: Float[np.ndarray, "chain draw dim"], scores: Float[np.ndarray, "chain draw dim"]
) -> float:
    r"""Return the mean variance of the noise of gradients, where the density is about normal.

    The gradient itself has $E[g^2] = -E[z g]$ there; noise adds to the left alone.

    Args:
        draws: Positions.
        scores: Noisy gradients there.

    Example:
        >>> r = np.random.default_rng(0)
        >>> z, noise = r.normal(size=(2, 4, 1000, 3))
        >>> round(noise_of(z, -z + 2 * noise))
        4
    """
    dim = draws.shape[-1]
    z, g = (values.reshape(-1, dim) for values in (draws, scores))
    found = float(np.mean(g**2) + np.mean((z - z.mean(0)) * g) * len(z) / max(len(z) - 1, 1))
    return max(found, 0.0) if np.isfinite(found) else np.inf


def cool_step_size(bias: float, friction: float, noise: float) -> float:
    r"""Return the step size at which noise of the gradients raises standard deviations by a fraction.

    A kick adds $h^2 V$ to the variance of the momentum, of which friction takes $1 - e^{-2 \gamma h}$.

    Args:
        bias: The fraction.
        friction: The rate at which momentum is lost.
        noise: Variance V of the noise.

    Example:
        >>> print(f"{cool_step_size(0.02, 1.0, 100.0):.5f}")
        0.00080
    """
    low, high = 0.0, MOST_STEP_SIZE
    for _ in range(60):
        h = (low + high) / 2
        hot = not h**2 * noise <= 2 * bias * -np.expm1(-2 * friction * h)
        low, high = (low, h) if hot else (h, high)
    return max(low, 1e-8)
