"""Elliptical slice sampling: latents with a Gaussian prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from blackjax.mcmc import elliptical_slice as ellipses
from jaxtyping import Array, Float

from probdl.errors import NotApplicable
from probdl.inference.mcmc.gaussian_prior import not_gaussian
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.program.density import Density
from probdl.program.model import Model
from probdl.program.target import Prior, Sampled, Target


class EllipseState(NamedTuple):
    """Where a chain is.

    Attributes:
        position: The position.
        log_density: Log-density there, in nats.
        gradient: Zeros.
        log_likelihood: All but the prior, in nats.
    """

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]
    log_likelihood: Float[Array, ""]


class EllipseInfo(NamedTuple):
    """What is recorded of each draw.

    Attributes:
        n_evaluations: Number of log-likelihoods.
        lp: Log-density of the new position, in nats.
    """

    n_evaluations: Array
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class EllipticalSlice(MarkovChain):
    """Draw on an ellipse through the present point and a draw from a Gaussian prior.

    For latents whose prior is Gaussian, all of them jointly, and whose likelihood is anything: the function
    values of a Gaussian process with counts or classes, above all. Nothing is tuned, and no gradient is
    needed. Where the prior has parameters of its own, `Gibbs(inner=EllipticalSlice())` moves them in turn.

    Args:
        num_samples: Draws kept of each chain.
        num_warmup: Steps of each chain that are not kept.
        num_chains: Number of chains.
        thinning: Ellipses for each draw that is kept.
        precision: Precision of all arithmetic.

    Raises:
        ValueError: If a hyper-parameter is out of range.

    Example:
        >>> EllipticalSlice(num_samples=500).thinning
        1

    Source:
        Murray, Adams and MacKay (2010), figure 2; the kernel is that of BlackJAX.
    """

    has_gradient: ClassVar[bool] = False

    thinning: int = 1

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        at_least("thinning", self.thinning, 1)

    @property
    def instead(self) -> str:
        """What to do with a model that it cannot treat."""
        return (
            "Use Gibbs(inner=EllipticalSlice()), which moves by it the latents that have a Gaussian prior "
            "given the others, or NUTS()."
        )

    def obstacle(self, model: Model, names: Sequence[str]) -> str | None:
        """Return the reason why some latents have no Gaussian prior given all others, if so."""
        return super().obstacle(model, names) or not_gaussian(model, names)

    def prepared(self, model: Model, density: Sampled | None = None) -> tuple[MarkovChain, Sampled]:
        """Return the method, and what it samples.

        Raises:
            NotApplicable: If latents have been integrated out: no prior is apart from a likelihood then.
        """
        if density is not None and not isinstance(density, Density):
            reason = "other latents have been integrated out, and the prior with them"
            raise NotApplicable("EllipticalSlice", reason, self.instead)
        return super().prepared(model, density)

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> EllipseState:
        """Return the state of a chain at a position."""
        del key
        prior = _prior_of(target)
        log_likelihood = prior.log_likelihood(position)
        log_density = prior.log_density(position) + log_likelihood
        return EllipseState(position, log_density, jnp.zeros_like(position), log_likelihood)

    def step(
        self, key: Array, state: EllipseState, target: Target, tuning: Tuning
    ) -> tuple[EllipseState, EllipseInfo]:
        """Return the next state of a chain, and what happened on the way."""
        del tuning
        prior = _prior_of(target)

        def log_likelihood(position: Array) -> Array:
            found = prior.log_likelihood(position)
            return jnp.where(jnp.isnan(found), -jnp.inf, found)

        propose = ellipses.elliptical_proposal(log_likelihood, lambda key, _: prior.draw(key), prior.mean())

        def move(number: Array, carry: tuple[Any, Array]) -> tuple[Any, Array]:
            at, count = carry
            at, info = propose(jax.random.fold_in(key, number), at)
            return at, count + info.subiter

        begun = ellipses.EllipSliceState(state.position, state.log_likelihood)  # pyright: ignore[reportArgumentType]
        end, count = jax.lax.fori_loop(0, self.thinning, move, (begun, jnp.zeros((), int)))
        log_density = prior.log_density(end.position) + end.logdensity
        moved = EllipseState(end.position, log_density, state.gradient, end.logdensity)
        return moved, EllipseInfo(n_evaluations=count, lp=log_density)


def _prior_of(target: Target) -> Prior:
    if target.prior is None:
        raise TypeError(
            "Expected a target with a prior of its own; got one without. Sample the model itself."
        )
    return target.prior
