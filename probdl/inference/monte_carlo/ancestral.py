"""Draws from the joint distribution in the order of the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array

from probdl.errors import NotApplicable
from probdl.graphs.read import edges_of
from probdl.inference.method import Options
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.independent import (
    IndependentDraws,
    block_length,
    collect,
    numbers_of,
)
from probdl.inference.monte_carlo.outcome import Run, warn
from probdl.inference.monte_carlo.proposals import FromPrior, draws
from probdl.inference.monte_carlo.weights import Evidence
from probdl.inference.result import Result
from probdl.inference.start import chain_keys
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.sites import SiteKind

SAME = 1e-6


@dataclass(frozen=True, kw_only=True)
class AncestralSampling(IndependentDraws):
    """Draw each site after its parents: exact where nothing is observed that depends on a latent.

    Observed sites of which no latent is an ancestor take their values.

    Args:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.inference.infer import infer
        >>> def program():
        ...     a = numpyro.sample("a", dist.Normal(2.0, 1.0))
        ...     numpyro.sample("b", dist.Normal(3 * a, 1.0))
        >>> result = infer(Model(program), AncestralSampling(), key=0)
        >>> round(float(result["b"].mean()))
        6

    Source:
        Bishop & Bishop (2023), §14.1.2 and §11.1.
    """

    @property
    def instead(self) -> str:
        """What to do with a model of which descendants of latents are observed."""
        return "Call ImportanceSampling(), SMC() or NUTS(), or infer(model, key=0) without a method."

    def applicable(self, model: Model) -> str | None:
        """Return which observed site depends on which latent, if one does."""
        if reason := obstacles.no_prior_draws(model):
            return reason
        for parent, child in edges_of(model, latent_only=True):
            site = model.sites[child]
            if site.is_observed or site.kind is SiteKind.FACTOR:
                kind = "is observed" if site.is_observed else "is a factor"
                return f"site '{child}' {kind} and depends on '{parent}', which is not observed"
        return None

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the joint distribution of a model."""
        run = Run(key, self, model, options)
        with Precision.DOUBLE.active():
            prior = FromPrior(model.bound[0], model.declarations.scan_of(model.latents))
            arrays, chains = model.arrays(Precision.DOUBLE), chain_keys(key, self.num_chains)
            found = collect(
                lambda numbers: draws(prior, arrays, chains, numbers),
                numbers_of(self.num_chains, self.num_samples),
                block_length(model, self.num_chains),
                options,
            )
        spread = np.ptp(found.log_ratio)
        if not spread < SAME:
            reason = "a mask or a scale of a latent site makes its density another one than that of its draws"
            raise NotApplicable(type(self).__name__, reason, self.instead)
        evidence = Evidence(float(found.log_ratio[0, 0]), 0.0)
        stats = {"lp": found.lp}
        return warn(run.result(found.values, stats, evidence=evidence, asked=self.num_samples))
