r"""A step size for a given error of the energy.

A step of a second-order scheme changes the energy by about $h^3$ in each dimension, whatever the posterior.
So the variance of that error, by dimension, tells how far the draws are from the posterior, and the step size
follows from it by a sixth root.

Source:
    Robnik, De Luca, Silverstein and Seljak (2023), Microcanonical Hamiltonian Monte Carlo; Robnik,
    Cohn-Gordon and Seljak (2024), Controlling the asymptotic bias of the unadjusted (Microcanonical)
    Hamiltonian and Langevin Monte Carlo, arXiv:2412.08876; the mean over chains is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from probdl.inference.langevin.family import FIRST_STEP_SIZE, positive
from probdl.inference.langevin.unadjusted import Unadjusted
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Window

NEXT_STEP_SIZE = 0.3
ORDER = 6.0
MEMORY = 150.0
TRUST = 1.5
LEAST, MOST = 1e-8, 1e6


class EnergySearch(NamedTuple):
    """A weighted mean of what the variance of the energy error would be at unit step size.

    Attributes:
        weight: Sum of the weights.
        mean: Weighted sum of energy variance over target, divided by the sixth power of the step size.
        target: The energy variance that is aimed at, by dimension.
    """

    weight: Float[Array, ""]
    mean: Float[Array, ""]
    target: Float[Array, ""]


class EnergyInfo(NamedTuple):
    """What is recorded of each transition: of all its moves together, where it has several.

    Attributes:
        diverging: Whether a move led to where the density or its gradient is no number, or far off in energy.
        acceptance_rate: Mean of what a test of Metropolis would accept, by the error of the energy.
        energy_variance: Mean of the squared error of the energy, by dimension, in square nats.
        n_steps: Number of gradients.
        step_size: Step size.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    diverging: Bool[Array, ""]
    acceptance_rate: Float[Array, ""]
    energy_variance: Float[Array, ""]
    n_steps: Int[Array, ""]
    step_size: Float[Array, ""]
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class EnergyTuned(Unadjusted):
    """Unadjusted chains whose step size is tuned to an error of the energy.

    Attributes:
        target_energy_variance: The variance of the energy error of a move, by dimension, that is aimed at.
    """

    target_energy_variance: float = 5e-4

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        positive("target_energy_variance", self.target_energy_variance, "target_energy_variance=5e-4")

    def untuned(self, dim: int) -> Tuning:
        """Return the identity as a map, and a small step size."""
        return self._searching(super().untuned(dim), FIRST_STEP_SIZE * self.length(dim))

    def tune(self, tuning: Tuning, infos: Any) -> Tuning:
        """Return what all chains share after a step: the next step size to try."""
        if self.step_size is not None:
            return tuning
        search, h = tuning.own.search, tuning.step_size
        bad = infos.diverging | ~jnp.isfinite(infos.energy_variance)
        ratio = jnp.where(bad, MOST, infos.energy_variance / search.target)
        ratio = jnp.clip(ratio.mean(), LEAST, MOST)
        weight = jnp.exp(-((jnp.log(ratio) / (ORDER * TRUST)) ** 2) / 2)
        keep = (MEMORY - 1) / (MEMORY + 1)
        search = EnergySearch(
            keep * search.weight + weight, keep * search.mean + weight * ratio / h**ORDER, search.target
        )
        return tuning._replace(
            step_size=(search.mean / search.weight) ** (-1 / ORDER), own=tuning.own._replace(search=search)
        )

    def retuned(self, tuning: Tuning, draws: np.ndarray, scores: np.ndarray) -> Tuning:
        """Return the tuning with a new search."""
        del scores
        return self._searching(tuning, NEXT_STEP_SIZE * self.length(draws.shape[-1]))

    def tuned(self, tuning: Tuning, window: Window) -> Tuning:
        """Return the tuning with the step size that was found."""
        return self.with_step_size(super().tuned(tuning, window), float(tuning.step_size))

    @property
    def kernel(self) -> Self:
        """The method without what matters on the host alone."""
        return replace(super().kernel, target_energy_variance=1.0)

    def _searching(self, tuning: Tuning, first: float) -> Tuning:
        zero, target = np.float64(0), np.float64(self.target_energy_variance)
        search = EnergySearch(zero, zero, target)  # pyright: ignore[reportArgumentType]
        return self.with_step_size(tuning._replace(own=tuning.own._replace(search=search)), first)
