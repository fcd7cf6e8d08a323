"""Whether a kernel leaves the posterior as it is: the joint distribution test of Geweke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import override

from jaxtyping import Array

from probdl.errors import NotApplicable
from probdl.exact.programs.marginal_density import MarginalDensity
from probdl.inference import compilation_cache
from probdl.inference.assemble import observations
from probdl.inference.calibration_data import check_generative, check_types, method_for
from probdl.inference.calibration_draws import chains_of
from probdl.inference.calibration_progress import metered
from probdl.inference.calibration_verdict import Verdict, checked_rate
from probdl.inference.geweke_simulators import Simulators, moments
from probdl.inference.method import Method, at_least
from probdl.program.density import Density
from probdl.program.keys import as_key, check_key
from probdl.program.model import Model

FEWEST_CHAINS = 20


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class JointDistributionTest(Verdict):
    """What Geweke's test found of a kernel. It prints itself; it is true if the kernel passes.

    Attributes:
        table: A row for each moment of each quantity: the z-score of the difference between the two
            simulators, its p-value, and that adjusted for the number of rows.
        method: The method.
        false_alarm_rate: The probability, at most, that a right kernel fails: of all moments together.
        notes: What else is worth knowing.
        num_chains: How many chains over latents and data there were.
        num_samples: How many transitions each made.
    """

    num_chains: int
    num_samples: int

    @property
    @override
    def test(self) -> str:
        """Name of the test, and how much was looked at."""
        what = f"{len(self.table)} moments, {self.num_chains} chains of {self.num_samples} transitions"
        return f"Geweke's joint distribution test ({what})"


def geweke(
    model: Model,
    method: Method | None = None,
    *,
    key: int | Array,
    num_chains: int = 200,
    num_samples: int = 100,
    num_steps: int = 1,
    false_alarm_rate: float = 0.01,
    progress: bool | None = None,
) -> JointDistributionTest:
    """Test whether the kernel of a Markov chain leaves the posterior as it is, whatever the data.

    The joint distribution of latents and data is drawn from in two ways. One draws latents from the prior,
    and data given the latents. The other is a chain: data are drawn given the latents, and the kernel moves
    the latents given the data, in turn. If the kernel is right, both have the same moments. Errors add up
    along the chain, so that small ones are found. Whether the method finds its posterior from afar is not
    tested: `calibrate` does that.

    The chains start at draws from the prior and are independent, so that the errors of their means are known
    without an estimate of autocorrelations. Moments are those of the share of the prior below a value: they
    exist however heavy the tails are. Tuning is learnt once, on the model's own data, and frozen.

    Args:
        model: The model, with data. Priors have to be proper; factors cannot be drawn from.
        method: A Markov chain; by default that of `plan(model)`. With num_warmup=0 it is not tuned.
        key: A seed or a JAX key.
        num_chains: How many independent chains over latents and data.
        num_samples: How many times each draws data and moves.
        num_steps: How many steps of the kernel a move has.
        false_alarm_rate: The probability, at most, that a right kernel fails, over all moments together.
        progress: Whether to show a progress bar; by default if stderr is a terminal.

    Returns:
        The verdict, and all z-scores: first and second moments of the latent sites, the data (64 elements of
        larger sites), and the log-likelihood.

    Raises:
        TypeError: If the model, the method or the key is none.
        NotApplicable: If the method is no Markov chain or cannot treat the model, or nothing can be drawn
            from the program: the message names the site.
        ValueError: If a number is out of range, or a draw from the prior is not finite.

    Example:
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from probdl import HMC
        >>> def mean(y):
        ...     mu = numpyro.sample("mu", dist.Normal(0, 1))
        ...     numpyro.sample("y", dist.Normal(mu, 1), obs=y)
        >>> model = Model(mean, np.array(0.5))
        >>> geweke(model, HMC(num_warmup=0, max_num_steps=8), key=0, num_chains=50, num_samples=20).passed
        True

    Source:
        Geweke (2004), doi:10.1198/016214504000001132.
    """
    check_key(key)
    check_types(model, method, "geweke")
    at_least("num_chains", num_chains, FEWEST_CHAINS)
    at_least("num_samples", num_samples, 1)
    at_least("num_steps", num_steps, 1)
    rate = checked_rate(false_alarm_rate)
    check_generative(model, "geweke")
    compilation_cache.enable()
    model = model.condition(**observations(model))
    chosen = method_for(model, method)
    chains = chains_of(chosen, model)
    if chains is None or not isinstance(chains[1], Density | MarginalDensity):
        reason = "it has no kernel that moves the latents alone, given the data"
        raise NotApplicable(type(chosen).__name__, reason, "Call calibrate(model, method, key=0).")
    simulators = Simulators(model, *chains, as_key(key))
    with chains[0].precision.active(), metered(num_samples, "alternating", wanted=progress) as meter:
        draws = simulators.marginal_conditional(num_chains)
        records = simulators.successive_conditional(num_chains, num_samples, num_steps, meter)
    table, left = moments(simulators.names, draws, records), records.shape[1]
    notes = ()
    if left < num_chains:
        notes = (f"{num_chains - left} chains could not start: they are on the border of a support.",)
    return JointDistributionTest(
        table=table,
        method=chosen,
        false_alarm_rate=rate,
        notes=notes,
        num_chains=left,
        num_samples=num_samples,
    )
