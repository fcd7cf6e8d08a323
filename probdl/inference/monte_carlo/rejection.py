"""Rejection sampling."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from probdl.inference.interruption import interruptible
from probdl.inference.meter import meter
from probdl.inference.method import Options, at_least
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.accepted import Accepted
from probdl.inference.monte_carlo.bounds import SLACK, BoundSearch
from probdl.inference.monte_carlo.guided import check_kind
from probdl.inference.monte_carlo.guides import AnyProposal, Guide, obstacle, proposal
from probdl.inference.monte_carlo.independent import IndependentDraws, block_length, collect
from probdl.inference.monte_carlo.outcome import Run, warn
from probdl.inference.monte_carlo.proposals import Proposed, draws
from probdl.inference.result import Result
from probdl.inference.start import chain_keys
from probdl.program.model import Model
from probdl.program.precision import Precision

BLOCK = 2**14
UNIFORM = 2**32 - 1


class TooFewAccepted(RuntimeError):
    """A run of rejection sampling that accepts so few proposals that it was stopped.

    Attributes:
        result: The draws that were accepted, as one chain; None if none was.
    """

    def __init__(self, message: str, result: Result | None) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True, kw_only=True)
class Rejection(IndependentDraws):
    r"""Propose draws, and accept each with the probability that makes the accepted ones exact.

    A draw of $q$ is accepted with probability $p(x, z) / (M q(z))$, where $\log M$ bounds the log ratio. By
    default $q$ is the prior, and the ratio the likelihood. A ratio above the bound is found out: a bound that
    was given is refused, one that was found is raised, and what was accepted before is judged again by it.

    Args:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn.
        proposal: What to propose from, as the guide of `ImportanceSampling`; None for the prior.
        log_bound: A bound of log p(x, z) - log q(z), in nats; None to look for the largest ratio from many
            starts.
        max_proposals: How many proposals a chain makes at most.

    Raises:
        TypeError: If the proposal or the bound is none.
        ValueError: If a number is out of range.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.inference.infer import infer
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1.0, 1.0))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> result = infer(Model(coin), Rejection(), key=0)
        >>> print(f"{result.data.attrs['acceptance_rate']:.1f}")  # 1 / (11 * Binomial(7 | 10, 0.7)) = 0.34
        0.3

    Source:
        Bishop & Bishop (2023), §14.1.3; von Neumann (1951). A bound that is raised by what is drawn: Caffo,
        Booth & Davis (2002), doi:10.1093/biomet/89.4.745.
    """

    proposal: Guide | None = None
    log_bound: float | None = None
    max_proposals: int = 10_000_000

    def __post_init__(self) -> None:
        """Check the proposal and the numbers."""
        super().__post_init__()
        check_kind("proposal", self.proposal)
        at_least("max_proposals", self.max_proposals, 1)
        if self.log_bound is not None and not np.isfinite(self.log_bound):
            raise ValueError(
                f"Expected log_bound to be a finite number of nats; got {self.log_bound!r}. Leave it out to "
                f"look for it."
            )

    @property
    def instead(self) -> str:
        """What to do with a model that nothing can be proposed for."""
        return "Pass a proposal that draws all latents, or call NUTS() or infer(model, key=0)."

    def applicable(self, model: Model) -> str | None:
        """Return why nothing can be proposed for a model, if so."""
        return obstacle(model, self.proposal)

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the posterior of a model."""
        run = Run(key, self, model, options)
        with Precision.DOUBLE.active():
            static, arrays = proposal(key, model, self.proposal)
            search = BoundSearch(model, static, arrays)
            bound = search.first(key) if self.log_bound is None else float(self.log_bound)
            chains = chain_keys(key, self.num_chains)
            accepted = Accepted(self.num_chains, bound)
            stopped = self._propose(search, chains, accepted, options)
            if accepted.fewest < self.num_samples and not stopped:
                raise self._too_few(run, search, chains, accepted, options)
            count = min(accepted.fewest, self.num_samples)
            if count == 0:
                raise KeyboardInterrupt(f"Stopped after {accepted.proposed} proposals, of which none counts.")
            numbers = accepted.numbers(count)
            found = self._drawn(search, chains, numbers, options)
        return warn(self._result(run, accepted, numbers, found))

    def _propose(self, search: BoundSearch, chains: Array, accepted: Accepted, options: Options) -> bool:
        """Propose until there is enough, or no hope; return whether the user stopped it."""
        length = block_length(search.model, self.num_chains, BLOCK)
        with interruptible() as interruption, meter("proposing", wanted=options.progress) as report:
            while accepted.fewest < self.num_samples and accepted.proposed < self.max_proposals:
                begin = accepted.proposed
                numbers = np.arange(begin, min(begin + length, self.max_proposals))
                padded = np.concatenate([numbers, np.full(length - len(numbers), begin)])
                ratios, uniforms = (
                    np.asarray(x)[:, : len(numbers)]
                    for x in _judged(search.static, search.arrays, chains, padded)
                )
                accepted.add(ratios, uniforms)
                while (above := accepted.above) is not None:
                    self._raise(search, chains, accepted, *above)
                report(accepted.fewest / self.num_samples, f"{accepted.rate:.3g} accepted")
                if accepted.is_hopeless(self.num_samples, self.max_proposals):
                    return False
                if interruption.requested:
                    return True
        return False

    def _raise(
        self, search: BoundSearch, chains: Array, accepted: Accepted, chain: int, number: int, ratio: float
    ) -> None:
        found = draws(search.static, search.arrays, chains[chain][None], np.array([[number]]))
        values = {name: np.asarray(found.values[name][0, 0]) for name in search.model.latents}
        if self.log_bound is not None:
            shown = ", ".join(f"{name} = {np.array2string(x, precision=4)}" for name, x in values.items())
            raise ValueError(
                f"Expected log_bound to bound the log ratio of the posterior to the proposal; got "
                f"{self.log_bound:.6g}, which proposal {number} of chain {chain} exceeds by "
                f"{ratio - self.log_bound:.4g} nats ({shown[:400]}). Pass log_bound={ratio:.6g} or more, or "
                f"leave it out to look for it."
            )
        accepted.judge_by(max(ratio, search.near(values)) + SLACK)

    def _drawn(
        self, search: BoundSearch, chains: Array, numbers: Int[np.ndarray, "chain draw"], options: Options
    ) -> Proposed:
        length = block_length(search.model, len(chains))
        return collect(
            lambda block: draws(search.static, search.arrays, chains, block), numbers, length, options
        )

    def _result(self, run: Run, accepted: Accepted, numbers: np.ndarray, found: Proposed) -> Result:
        waits = np.diff(numbers, prepend=-1, axis=1) if len(numbers) == self.num_chains else None
        values = {name: np.asarray(value) for name, value in found.values.items()}
        stats = {"lp": np.asarray(found.lp)} | ({} if waits is None else {"num_proposals": waits})
        recorded = {"acceptance_rate": accepted.rate, "log_bound": accepted.bound}
        estimate = None if obstacles.improper(run.model) else accepted.evidence
        asked = self.num_samples if waits is not None else None
        return run.result(values, stats, evidence=estimate, asked=asked, attributes=recorded)

    def _too_few(
        self, run: Run, search: BoundSearch, chains: Array, accepted: Accepted, options: Options
    ) -> TooFewAccepted:
        parts = [
            self._drawn(search, chains[c : c + 1], numbers[None], options)
            for c, numbers in enumerate(accepted.all_numbers)
            if len(numbers)
        ]
        result = None
        if parts:
            whole = jax.tree.map(lambda *x: np.concatenate(x, 1), *parts)
            result = self._result(run, accepted, whole.lp[:0], whole)
        kept = "They are in the attribute `result` of this error. " if result is not None else ""
        asked = self.num_samples * self.num_chains
        return TooFewAccepted(
            f"Expected {asked} draws; got {sum(map(len, accepted.all_numbers))} out of "
            f"{accepted.proposed * self.num_chains} proposals, of which {100 * accepted.rate:.3g} per cent "
            f"are accepted. {kept}Take a proposal that is closer to the posterior, SMC() or NUTS().",
            result,
        )


@functools.partial(jax.jit, static_argnums=0)
def _judged(
    static: AnyProposal, arrays: Any, chains: Array, numbers: Int[Array, " draw"]
) -> tuple[Float[Array, "chain draw"], Float[Array, "chain draw"]]:
    """Return log ratios of proposals, and the logarithms of uniform numbers that decide on them."""

    def one(chain: Array, number: Array) -> tuple[Array, Array]:
        key = jax.random.fold_in(chain, number)
        uniform = jax.random.exponential(jax.random.fold_in(key, UNIFORM))
        return static.draw(arrays, key).log_ratio, -uniform

    return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(chains, jnp.asarray(numbers))
