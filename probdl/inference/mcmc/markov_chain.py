"""Markov chains: what a method gives, and what follows from it."""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

from jaxtyping import Array, Bool, Float

from probdl.inference.driver import drive
from probdl.inference.method import NO_LATENT, Method, Options
from probdl.inference.result import Result
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.target import Target


class State(Protocol):
    """Where a chain is: a NamedTuple of arrays with at least a position."""

    @property
    def position(self) -> Float[Array, " dim"]:
        """The unconstrained position."""
        ...


class Info(NamedTuple):
    """What is recorded of each transition, under these names in `sample_stats`. A method may record more.

    Attributes:
        diverging: Whether the trajectory diverged.
        energy: Energy of the new state, in nats.
        acceptance_rate: Mean acceptance probability.
        n_steps: Number of gradients.
        step_size: Step size of the integrator.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    diverging: Bool[Array, ""]
    energy: Float[Array, ""]
    acceptance_rate: Float[Array, ""]
    n_steps: Array
    step_size: Float[Array, ""]
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class MarkovChain(Method):
    """Chains that draw from the posterior of continuous latents.

    A method gives `init` and `step`, and `adapt` if it learns while it warms up.

    Attributes:
        num_samples: Draws kept of each chain.
        num_warmup: Steps of each chain that adapt and are not kept.
        num_chains: Number of chains; chain c does not depend on how many there are.
        precision: Precision of all arithmetic.
    """

    num_samples: int = 1000
    num_warmup: int = 1000
    num_chains: int = 4
    precision: Precision = Precision.DOUBLE

    def __post_init__(self) -> None:
        """Check the lengths of the run."""
        for name, least in (("num_samples", 1), ("num_warmup", 0), ("num_chains", 1)):
            at_least(name, getattr(self, name), least)

    @abc.abstractmethod
    def init(self, key: Array, target: Target) -> State:
        """Return a state at a random starting position."""

    @abc.abstractmethod
    def step(self, key: Array, state: Any, target: Target) -> tuple[State, Any]:
        """Return the next state of a chain, and what happened on the way."""

    def adapt(self, state: Any, info: Any, step: Array, num_warmup: Array) -> Any:
        """Return the state with what the step taught; called after each step of the warm-up.

        Args:
            state: The state after the step.
            info: What happened in it.
            step: Number of the step, from 0.
            num_warmup: Number of steps of the warm-up.
        """
        del info, step, num_warmup
        return state

    @property
    def kernel(self) -> Self:
        """The method without the lengths of the run: what a step is compiled for."""
        return replace(self, num_samples=1, num_warmup=0, num_chains=1)

    @property
    def instead(self) -> str:
        """What to do with a model that chains over continuous positions cannot treat."""
        return (
            "Observe a discrete site, or sum it out with Marginalized(NUTS()); drop the subsample_size of a "
            "plate."
        )

    def applicable(self, model: Model) -> str | None:
        """Return the reason why a model has no log-density over continuous positions, if so."""
        for name, plate in model.declarations.plates.items():
            if plate.seen < plate.size:
                return (
                    f"plate '{name}' is subsampled ({plate.seen} of {plate.size} elements), and its "
                    f"log-density is random"
                )
        for name in model.latents:
            site = model.sites[name]
            if site.is_discrete:
                return f"site '{name}' is discrete ({site.distribution}) and not observed"
            if site.distribution == "Delta":
                return f"site '{name}' is a Delta, which has no density: write numpyro.deterministic"
        if not model.latents:
            return NO_LATENT
        return None

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the posterior of a model."""
        with self.precision.active():
            return drive(key, self, model, options)


def at_least(name: str, value: Any, least: int) -> None:
    """Check an integer hyper-parameter.

    Args:
        name: Its name, for the message.
        value: Its value.
        least: The least value that makes sense.

    Raises:
        ValueError: If it is no integer, or less.

    Example:
        >>> at_least("num_samples", 100, 1)
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"Expected {name} to be an integer of at least {least}; got {value!r}. "
            f"Pass for instance {name}={max(least, 1000 if name != 'num_chains' else 4)}."
        )
