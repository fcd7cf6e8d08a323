"""Metropolis-Hastings with a proposal that the user writes as a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.inference.mcmc.derivative_free import PlainState, accepted
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.program.density import Density
from probdl.program.layout import Layout
from probdl.program.model import Model
from probdl.program.proposals import Proposal, check_proposal, label_of
from probdl.program.target import Sampled, Target


class HastingsInfo(NamedTuple):
    """What is recorded of each draw.

    Attributes:
        acceptance_rate: Mean acceptance probability of its moves.
        n_evaluations: Number of log-densities.
        lp: Log-density of the new values, in nats: of the latents themselves, without a Jacobian.
    """

    acceptance_rate: Float[Array, ""]
    n_evaluations: Array
    lp: Float[Array, ""]


@dataclass(frozen=True, repr=False)
class MetropolisHastings(MarkovChain):
    r"""Moves that a program proposes, of some latents or of all.

    The proposal is a NumPyro program of one argument: a dict of the current values of all latent and
    deterministic sites, constrained as the model has them. It samples sites that are named like latents:
    their new values. They are accepted with probability
    $\min(1, p(x') q(x \mid x') / p(x) q(x' \mid x))$. Values outside the support are never accepted.
    Nothing is tuned.

    Args:
        proposal: The program.
        num_samples: Draws kept of each chain.
        num_warmup: Steps of each chain that are not kept.
        num_chains: Number of chains.
        thinning: Proposals for each draw that is kept.
        precision: Precision of all arithmetic.

    Raises:
        TypeError: If the proposal cannot be called.
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def wider_or_narrower(current):
        ...     numpyro.sample("scale", dist.LogNormal(jnp.log(current["scale"]), 0.3))
        >>> MetropolisHastings(wider_or_narrower, num_samples=500).thinning
        1

    Source:
        Hastings (1970); Bishop & Bishop (2023), §14.2.3.
    """

    has_gradient: ClassVar[bool] = False
    takes_discrete: ClassVar[bool] = True
    own_values: ClassVar[bool] = True

    proposal: Callable[[Mapping[str, Any]], Any]
    _: KW_ONLY
    thinning: int = 1

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("thinning", self.thinning, 1)
        if not callable(self.proposal):
            raise TypeError(
                f"Expected a proposal, a NumPyro program of the current values; got {self.proposal!r}. Write "
                f"a function of a dict that samples new values of latents."
            )

    def __repr__(self) -> str:
        """Return the method with the name of the proposal: the same in each process."""
        own = (f for f in fields(self) if f.name != "proposal")
        rest = "".join(f", {f.name}={getattr(self, f.name)!r}" for f in own)
        return f"{type(self).__name__}(proposal={label_of(self.proposal)}{rest})"

    def __str__(self) -> str:
        """Return the name with that of the proposal."""
        return f"{type(self).__name__}({label_of(self.proposal).partition('#')[0]})"

    @property
    def instead(self) -> str:
        """What to do with a model that it cannot treat."""
        return "Observe the site, or sum it out with Marginalized(); drop the subsample_size of a plate."

    def obstacle(self, model: Model, names: Any) -> str | None:
        """Return the reason why latents have no density; what changes together is up to the proposal."""
        for name in names:
            if not model.sites[name].is_discrete and (why := super().obstacle(model, [name])) is not None:
                return why
        return None

    def prepared(self, model: Model, density: Sampled | None = None) -> tuple[MarkovChain, Sampled]:
        """Return the chains that know where sites lie, after a look at what is proposed.

        Raises:
            SiteNotFound: If the proposal samples a site that is no latent.
            ValueError: If it samples nothing, or values of a wrong shape or support.
        """
        if density is None:
            everything = frozenset(model.latents)
            density = Density(model.bound[0], model.declarations.layout(everything))
        with self.precision.active():
            whole, arrays = model.density, model.arrays(self.precision)
            start = jnp.asarray(whole.points(arrays, jax.random.key(0)[None], 0)[0])
            current = whole.target(arrays).constrain(start)
            check_proposal(Proposal.of(self.proposal), model, current, density.layout.names)
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return PlacedMetropolisHastings(**own, layout=density.layout), density

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> PlainState:
        """Return the state of a chain at a position."""
        del key
        return PlainState(position, target.log_density(position), jnp.zeros_like(position))

    def step(
        self, key: Array, state: PlainState, target: Target, tuning: Tuning
    ) -> tuple[PlainState, HastingsInfo]:
        """Refuse: a proposal has to know where sites lie."""
        raise TypeError(
            "Expected the chains of a model; got MetropolisHastings itself. Call its prepared(model) first."
        )


@dataclass(frozen=True, repr=False)
class PlacedMetropolisHastings(MetropolisHastings):
    """The chains of a model.

    Attributes:
        layout: Where sites lie in a position.
    """

    _: KW_ONLY
    layout: Layout

    def step(
        self, key: Array, state: PlainState, target: Target, tuning: Tuning
    ) -> tuple[PlainState, HastingsInfo]:
        """Return the next state of a chain, and what happened on the way."""
        del tuning
        proposal, kind = Proposal.of(self.proposal), state.position.dtype

        def move(number: Array, carry: tuple[PlainState, Array]) -> tuple[PlainState, Array]:
            state, total = carry
            own = jax.random.fold_in(key, number)
            current = target.constrain(state.position)
            new, forward = proposal.propose(jax.random.fold_in(own, 0), current)
            values = self.layout.typed(self.layout.unravel(state.position))
            position = self.layout.ravel({**values, **new})
            log_density = target.log_density(position)
            back = proposal.log_prob({name: values[name] for name in new}, target.constrain(position))
            gain = log_density - state.log_density + back - forward
            accept, probability = accepted(gain, jax.random.uniform(jax.random.fold_in(own, 1), (), kind))
            moved = PlainState(position, log_density, state.gradient)
            chosen = jax.tree.map(lambda a, b: jnp.where(accept, a, b), moved, state)
            return chosen, total + probability.astype(kind)

        state, total = jax.lax.fori_loop(0, self.thinning, move, (state, jnp.zeros((), kind)))
        return state, HastingsInfo(
            acceptance_rate=total / self.thinning,
            n_evaluations=jnp.asarray(self.thinning),
            lp=state.log_density,
        )
