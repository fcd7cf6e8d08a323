"""What NUTS and HMC share: the state of a chain, its start, and its warm-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
from blackjax.mcmc.hmc import HMCState
from jaxtyping import Array, Float

from probdl.inference.mcmc import adaptation
from probdl.inference.mcmc.adaptation import Adaptation
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.program.target import Target


class HamiltonianState(NamedTuple):
    """Where a Hamiltonian chain is, and what it has learnt.

    Attributes:
        position: The unconstrained position.
        log_density: Log-density there, in nats.
        gradient: Its gradient.
        step_size: Step size of the integrator.
        adaptation: What the warm-up has learnt.
    """

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    step_size: Float[Array, ""]
    adaptation: Adaptation

    @property
    def phase_point(self) -> HMCState:
        """The part that a transition moves."""
        return HMCState(self.position, self.log_density, self.gradient)  # pyright: ignore[reportArgumentType]

    def moved_to(self, point: HMCState) -> HamiltonianState:
        """Return the state with the part that a transition moves replaced."""
        position, log_density, gradient = point
        return self._replace(position=position, log_density=log_density, gradient=gradient)


@dataclass(frozen=True, kw_only=True)
class Hamiltonian(MarkovChain):
    """Chains that follow the gradient, warmed up by Stan's windows.

    Attributes:
        target_acceptance: Mean acceptance probability that the warm-up aims at, in (0, 1).
        dense_mass: Whether a full mass matrix is learnt, not only its diagonal.
    """

    target_acceptance: float = 0.8
    dense_mass: bool = False

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        if not 0 < self.target_acceptance < 1:
            raise ValueError(
                f"Expected target_acceptance between 0 and 1; got {self.target_acceptance!r}. "
                f"Pass for instance target_acceptance=0.9."
            )

    def init(self, key: Array, target: Target) -> HamiltonianState:
        """Return a state at a random starting position."""
        position = target.init(key)
        log_density, gradient = jax.value_and_grad(target.log_density)(position)
        learnt = adaptation.start(position.shape[0], dense=self.dense_mass, dtype=position.dtype)
        return HamiltonianState(position, log_density, gradient, position.dtype.type(1), learnt)

    def adapt(self, state: HamiltonianState, info: Any, step: Array, num_warmup: Array) -> HamiltonianState:
        """Return the state with step size and mass matrix updated."""
        learnt, step_size = adaptation.learn(
            state.adaptation,
            state.position,
            info.acceptance_rate,
            step,
            num_warmup,
            target_acceptance=self.target_acceptance,
        )
        return state._replace(step_size=step_size, adaptation=learnt)
