"""Importance sampling."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Array

from probdl.inference.method import Options
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.guided import Guided
from probdl.inference.monte_carlo.guides import proposal
from probdl.inference.monte_carlo.independent import (
    block_length,
    collect,
    numbers_of,
)
from probdl.inference.monte_carlo.outcome import Run, causes, defined, of_weights, warn
from probdl.inference.monte_carlo.proposals import draws
from probdl.inference.monte_carlo.weights import evidence
from probdl.inference.resampled import LOG_RATIO
from probdl.inference.result import Result
from probdl.inference.start import chain_keys
from probdl.program.datatree import LOG_WEIGHT
from probdl.program.model import Model
from probdl.program.precision import Precision


@dataclass(frozen=True, kw_only=True)
class ImportanceSampling(Guided):
    r"""Draw from a guide, and weigh each draw by how much more probable it is under the model.

    $w_i = p(x, z_i) / q(z_i)$; the mean weight estimates the evidence without bias. The largest weights are
    smoothed (PSIS), and the shape k of their tail says whether they can be trusted. `sample_stats` has
    `log_weight`, normalised over all draws, and `log_ratio`, the raw logarithm of the weight, in nats.

    Args:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn.
        guide: What to draw from: a NumPyro program with the same latent sites, which takes the arguments of
            the model or none; a `Model` of one; `LaplaceGuide()`; None for the prior.

    Raises:
        TypeError: If the guide is none of these.
        ValueError: If a number is out of range.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.inference.infer import infer
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1.0, 1.0))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> def guide():
        ...     numpyro.sample("bias", dist.Beta(6.0, 3.0))
        >>> result = infer(Model(coin), ImportanceSampling(guide=guide), key=0)
        >>> print(f"{result.log_evidence:.1f}")  # -log 11 = -2.398
        -2.4
        >>> result.resample(key=1, num_samples=500)["bias"].sizes["draw"]
        500

    Source:
        Bishop & Bishop (2023), §14.1.5; Vehtari et al. (2024), arXiv:1507.02646.
    """

    num_samples: int = 2500

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Return weighted draws from the posterior of a model."""
        run = Run(key, self, model, options)
        with Precision.DOUBLE.active():
            static, arrays = proposal(key, model, self.guide)
            chains = chain_keys(key, self.num_chains)
            found = collect(
                lambda numbers: draws(static, arrays, chains, numbers),
                numbers_of(self.num_chains, self.num_samples),
                block_length(model, self.num_chains),
                options,
            )
        log_weights, recorded = of_weights(found.log_ratio, lambda: causes(model, found.values))
        stats = {"lp": found.lp, LOG_WEIGHT: log_weights, LOG_RATIO: defined(found.log_ratio)}
        estimate = None if obstacles.improper(model) else evidence(stats[LOG_RATIO])
        return warn(
            run.result(found.values, stats, evidence=estimate, asked=self.num_samples, attributes=recorded)
        )
