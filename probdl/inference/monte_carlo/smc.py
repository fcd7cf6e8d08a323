"""Sequential Monte Carlo: particles from the prior to the posterior."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import jax
import numpy as np
from jaxtyping import Array

from probdl.graphs.read import edges_of
from probdl.inference.interruption import interruptible
from probdl.inference.memory import check_size
from probdl.inference.meter import meter
from probdl.inference.method import Method, Options, at_least
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.completion import completed
from probdl.inference.monte_carlo.outcome import Run, warn
from probdl.inference.monte_carlo.particles import Cloud, Kernel, StageInfo, advance, begin
from probdl.inference.monte_carlo.tempering import Tempering, check_start
from probdl.inference.monte_carlo.weights import pooled
from probdl.inference.result import Result
from probdl.inference.start import chain_keys
from probdl.program.bound import Arrays
from probdl.program.datatree import tree
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.target import Sampled

COPIES = 8  # of all particles: gradients, momenta, proposals, and what is resampled
MOST_STAGES = 1000
GROUP = "tempering"


@dataclass(frozen=True, kw_only=True)
class SMC(Method):
    """Take particles from the prior to the posterior through tempered densities between them.

    From one temperature to the next, weights keep a set part of the particles effective; then the particles
    are resampled and moved by Hamiltonian dynamics, in units of their own covariance, until they have
    forgotten where they were. Particles explore all modes that the prior reaches, and give the evidence.
    Groups of particles are independent: they are the chains of the result, and their spread is the error.

    Args:
        num_particles: Particles of each group: the draws of a chain.
        num_chains: Number of groups; group c does not depend on how many there are.
        target_ess: The part of the particles that stays effective from one temperature to the next, in (0,
        1). target_acceptance: Mean acceptance probability that the step size of the moves aims at, in (0, 1).
        max_correlation: Particles move until no coordinate correlates more than this with where it was.
        max_moves: The most moves at a temperature.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.inference.infer import infer
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1.0, 1.0))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> result = infer(Model(coin), SMC(), key=0)
        >>> print(f"{result.log_evidence:.1f}")  # -log 11 = -2.398
        -2.4

    Source:
        Del Moral, Doucet & Jasra (2006), doi:10.1111/j.1467-9868.2006.00553.x, with the temperatures of Jasra
        et al. (2011) and the moves of Buchholz, Chopin & Jacob (2021), arXiv:1808.07730; the transition is
        that of BlackJAX.
    """

    num_particles: int = 1000
    num_chains: int = 4
    target_ess: float = 0.5
    target_acceptance: float = 0.8
    max_correlation: float = 0.2
    max_moves: int = 30
    precision: ClassVar[Precision] = Precision.DOUBLE

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        at_least("num_particles", self.num_particles, 2)
        at_least("num_chains", self.num_chains, 1)
        at_least("max_moves", self.max_moves, 1)
        for name in ("target_ess", "target_acceptance", "max_correlation"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ValueError(
                    f"Expected {name} between 0 and 1; got {value!r}. Pass for instance {name}=0.5."
                )

    @property
    def instead(self) -> str:
        """What to do with a model whose particles cannot move."""
        return (
            "Sum a discrete site out with Marginalized(SMC()) or Marginalized(NUTS()), observe it, or call "
            "ImportanceSampling(); give every site a proper prior."
        )

    def applicable(self, model: Model) -> str | None:
        """Return why particles cannot be drawn from the prior, or not be moved, if so."""
        return obstacles.no_positions(model) or obstacles.no_prior_draws(model)

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the posterior of a model."""
        return warn(self.run_on(key, model, options, model.density, self))

    def run_on(self, key: Array, model: Model, options: Options, density: Sampled, asked: Method) -> Result:
        """Draw from the posterior of a model by moving some of its latents.

        Args:
            key: A JAX key.
            model: The model.
            options: Where draws go, and how they are labelled.
            density: What is moved: no prior of it may depend on what is not.
            asked: The method that the user asked for.

        Returns:
            The result.
        """
        run = Run(key, asked, model, options)
        with Precision.DOUBLE.active():
            arrays, groups = model.arrays(Precision.DOUBLE), chain_keys(key, self.num_chains)
            tempering = Tempering(model.bound[0], density)
            clouds, stages = self._temper(tempering, arrays, groups, options)
            values = completed(density, arrays, groups, np.asarray(clouds.positions))
        estimate = pooled(np.asarray(clouds.log_evidence), np.sqrt(np.asarray(clouds.variance)))
        stats = {"lp": np.asarray(clouds.log_start + clouds.log_ratio)}
        table = tree({GROUP: _table(stages)}, {}, ("chain",), dict.fromkeys(StageInfo._fields, ["stage"]))
        return run.result(values, stats, evidence=estimate, groups=table)

    @property
    def _kernel(self) -> Kernel:
        return Kernel(self.target_ess, self.target_acceptance, self.max_moves, self.max_correlation)

    def _temper(
        self, tempering: Tempering, arrays: Arrays, groups: Array, options: Options
    ) -> tuple[Cloud, list[StageInfo]]:
        check_size(
            COPIES * self.num_chains * self.num_particles * tempering.density.layout.dim,
            kind="particles",
            given=f"{self.num_chains} groups of {self.num_particles}",
            instead="Pass fewer num_particles or num_chains.",
        )
        clouds = begin(tempering, self.num_particles, arrays, groups)
        check_start(tempering, np.asarray(clouds.positions), np.asarray(clouds.log_ratio))
        stages: list[StageInfo] = []
        with interruptible() as interruption, meter("tempering", wanted=options.progress) as report:
            while (lowest := float(np.min(clouds.temperature))) < 1:
                if interruption.requested:
                    raise KeyboardInterrupt(
                        f"Stopped at temperature {lowest:.3g}: the particles do not represent the "
                        f"posterior yet."
                    )
                if len(stages) == MOST_STAGES:
                    raise ValueError(
                        f"Expected to reach temperature 1; got {lowest:.3g} after {MOST_STAGES} "
                        f"temperatures. The likelihood is too narrow for {self.num_particles} particles: "
                        f"raise num_particles, or call NUTS()."
                    )
                before = np.asarray(clouds.temperature)
                clouds, info = advance(self._kernel, tempering, arrays, groups, clouds)
                over = before >= 1
                stages.append(jax.tree.map(functools.partial(_without, over), info))
                report(lowest, f"temperature {lowest:.3g}")
        return clouds, stages


def _without(over: np.ndarray, values: Array) -> np.ndarray:
    return np.where(over, np.nan, np.asarray(values, float))


def _table(stages: Sequence[StageInfo]) -> dict[str, np.ndarray]:
    """Return what happened at each temperature: (chain, stage), NaN where a group had arrived."""
    return {name: np.stack([getattr(stage, name) for stage in stages], 1) for name in StageInfo._fields}


def unsuited(model: Model, moved: Sequence[str]) -> str | None:
    """Return why particles of some latents cannot go from the prior to the posterior without the others.

    Args:
        model: The model.
        moved: The latents that are moved; the others are integrated.

    Returns:
        The site and what about it prevents it.
    """
    for parent, child in edges_of(model, latent_only=True):
        if child in moved and parent not in moved:
            return f"the prior of site '{child}' depends on '{parent}', which is integrated"
    return obstacles.no_prior_draws(model)
