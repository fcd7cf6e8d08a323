"""Sampling-importance-resampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array

from probdl.inference.method import Options, at_least
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.guided import Guided
from probdl.inference.monte_carlo.guides import proposal
from probdl.inference.monte_carlo.independent import (
    block_length,
    collect,
    numbers_of,
)
from probdl.inference.monte_carlo.outcome import Run, causes, defined, of_weights, warn
from probdl.inference.monte_carlo.proposals import draws, log_ratios
from probdl.inference.monte_carlo.weights import evidence, log_sum_exp
from probdl.inference.resampled import chosen
from probdl.inference.result import Result
from probdl.inference.start import chain_keys
from probdl.program.model import Model
from probdl.program.precision import Precision


@dataclass(frozen=True, kw_only=True)
class SIR(Guided):
    """Draw candidates from a guide, then choose among them in proportion to their weights.

    The chosen draws have equal weight. They are exact in the limit of many candidates; the findings say
    whether there were enough.

    Args:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn.
        num_candidates: How many candidates a chain chooses from.
        guide: What candidates are drawn from, as in `ImportanceSampling`; None for the prior.

    Raises:
        TypeError: If the guide is none.
        ValueError: If a number is out of range, or there are fewer candidates than draws.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.inference.infer import infer
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1.0, 1.0))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> result = infer(Model(coin), SIR(), key=0)
        >>> round(float(result["bias"].mean()), 1)  # 8 / 12
        0.7

    Source:
        Bishop & Bishop (2023), §14.1.6; Rubin (1988).
    """

    num_candidates: int = 20_000

    def __post_init__(self) -> None:
        """Check the guide and the numbers."""
        super().__post_init__()
        at_least("num_candidates", self.num_candidates, 1)
        if self.num_candidates < self.num_samples:
            raise ValueError(
                f"Expected at least as many candidates as draws; got num_candidates={self.num_candidates} "
                f"and num_samples={self.num_samples}. Take ten times as many candidates, or more."
            )

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the posterior of a model."""
        run = Run(key, self, model, options)
        with Precision.DOUBLE.active():
            static, arrays = proposal(key, model, self.guide)
            chains = chain_keys(key, self.num_chains)
            length = block_length(model, self.num_chains)
            raw = collect(
                lambda numbers: log_ratios(static, arrays, chains, numbers),
                numbers_of(self.num_chains, self.num_candidates),
                length,
                options,
            )
            ratios = defined(raw)
            first = np.zeros((self.num_chains, 1), int)
            _, recorded = of_weights(raw, lambda: causes(model, draws(static, arrays, chains, first).values))
            picked = [
                chosen(chain, row - log_sum_exp(row), self.num_samples)
                for chain, row in zip(chains, ratios, strict=True)
            ]
            found = collect(
                lambda numbers: draws(static, arrays, chains, numbers), np.stack(picked), length, options
            )
        estimate = None if obstacles.improper(model) else evidence(ratios)
        return warn(
            run.result(
                found.values,
                {"lp": found.lp},
                evidence=estimate,
                asked=self.num_samples,
                attributes=recorded,
            )
        )
