"""Markov chains: what a method gives, and what follows from it."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from probdl.inference.driver import drive
from probdl.inference.feed import Feed, Unchanging
from probdl.inference.maps import Unmoved
from probdl.inference.method import NO_LATENT, Method, Options, at_least
from probdl.inference.result import Result
from probdl.inference.tuning import StepSizeSearch, Tuning
from probdl.inference.warmup import Schedule, Window
from probdl.program.bound import Arrays
from probdl.program.layout import Layout
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.states import base
from probdl.program.subsample import subsamplings
from probdl.program.target import Sampled, Target


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
    """Chains that draw from the posterior.

    A method gives `init` and `step`, and if it learns while it warms up, `tune` and `learn`.

    Attributes:
        num_samples: Draws kept of each chain.
        num_warmup: The most steps of each chain that adapt and are not kept.
        num_chains: Number of chains.
        precision: Precision of all arithmetic.
    """

    has_gradient: ClassVar[bool] = True
    takes_discrete: ClassVar[bool] = False
    own_values: ClassVar[bool] = False  # whether positions hold the values of sites, not unconstrained ones
    sees_minibatches: ClassVar[bool] = False
    goes_on: ClassVar[bool] = True
    apart: ClassVar[bool] = True  # whether a step of a chain needs nothing of the others, not even its number

    num_samples: int = 1000
    num_warmup: int = 1000
    num_chains: int = 4
    precision: Precision = Precision.DOUBLE

    def __post_init__(self) -> None:
        """Check the lengths of the run."""
        for name, least in (("num_samples", 1), ("num_warmup", 0), ("num_chains", 1)):
            at_least(name, getattr(self, name), least)

    @abc.abstractmethod
    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> Any:
        """Return the state of a chain at a position.

        Args:
            key: A key, for what a state has beyond its position.
            position: The position, in the coordinates of the target.
            target: The target.
        """

    @abc.abstractmethod
    def step(self, key: Array, state: Any, target: Target, tuning: Tuning) -> tuple[Any, Any]:
        """Return the next state of a chain, and what happened on the way.

        Args:
            key: The key of the step.
            state: The state.
            target: The target, over the coordinates in which the kernel moves.
            tuning: What all chains share.
        """

    def steps(self, keys: Array, states: Any, target: Target, tuning: Tuning) -> tuple[Any, Any]:
        """Return the next states of all chains, and what happened: `step`, unless a method has a faster way.

        Args:
            keys: Keys of the step, one a chain.
            states: The states, chains first.
            target: The target.
            tuning: What all chains share.
        """
        return jax.vmap(lambda key, state: self.step(key, state, target, tuning))(keys, states)

    def tune(self, tuning: Tuning, infos: Any) -> Tuning:
        """Return what all chains share after a step of the warm-up; part of the compiled step.

        Args:
            tuning: What it was before.
            infos: What happened in the step, chains first.
        """
        del infos
        return tuning

    def schedule(self) -> Schedule:
        """Return the windows of the warm-up: by default one that learns nothing."""
        return Schedule((self.num_warmup,) if self.num_warmup else ())

    def untuned(self, dim: int) -> Tuning:
        """Return what all chains share before anything has been learnt.

        Args:
            dim: Number of coordinates.
        """
        del dim
        kind = self.precision.floating.type
        search = StepSizeSearch(kind(0), kind(0), kind(0), kind(0))
        return Tuning(Unmoved(), kind(1), kind(0.5), search)

    def in_coordinates(self, key: Array, model: Model, density: Sampled, arrays: Arrays) -> Arrays:
        """Return the arrays with the coordinates that the method chooses: those of the program, by default.

        Args:
            key: The key of the run.
            model: The model.
            density: What is sampled of it.
            arrays: Its arrays.
        """
        del key, model, density
        return arrays

    @property
    def only_alone(self) -> str | None:
        """Why no other method can move some latents, or a replica, by this one; None if any can."""
        return None

    @property
    def climbs(self) -> bool:
        """Whether chains first climb from their random starting points to where the mass is."""
        return False

    def started(self, tuning: Tuning, steps: np.ndarray, changes: np.ndarray) -> Tuning:
        """Return what all chains share when they have climbed; on the host.

        Args:
            tuning: What it was before.
            steps: Their last steps, (step, dim), each with unit curvature; there may be none.
            changes: Changes of the score in these steps.
        """
        del steps, changes
        return tuning

    def learn(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return what all chains share after a window, and whether it has settled; on the host.

        Args:
            tuning: What it was.
            window: The window.
        """
        del window
        return tuning, False

    def feed(self, key: Array, density: Sampled, arrays: Arrays, model: Model) -> Feed:
        """Return what gives the chains their data: by default all of them, always.

        Args:
            key: The key of the run.
            density: What is sampled.
            arrays: Its data.
            model: The model.
        """
        del key, density, model
        return Unchanging(arrays)

    def ending(self, states: Any, tuning: Tuning, layout: Layout) -> dict[str, Any]:
        """Return what a method knows of a run at its end, as attributes of the result; on the host.

        Args:
            states: The last states, chains first.
            tuning: What all chains share.
            layout: Where the latents lie in a position.
        """
        del states, tuning, layout
        return {}

    @property
    def learns(self) -> bool:
        """Whether the method learns from what was seen in a window."""
        return type(self).learn is not MarkovChain.learn

    @property
    def kernel(self) -> Self:
        """The method without the lengths of the run: what a step is compiled for."""
        return replace(self, num_samples=1, num_warmup=0, num_chains=1)

    @property
    def unlimited(self) -> Self:
        """The method, however many draws are asked for."""
        return replace(self, num_samples=1)

    @property
    def instead(self) -> str:
        """What to do with a model that chains over continuous positions cannot treat."""
        return (
            "Observe a discrete site, sum it out with Marginalized(NUTS()), or draw it with Gibbs() or "
            "Metropolis(); drop the subsample_size of a plate."
        )

    def applicable(self, model: Model) -> str | None:
        """Return the reason why a model has no log-density that the chains can move on, if so."""
        for plate in () if self.sees_minibatches else subsamplings(model):
            return f"{plate}, and its log-density is random"
        return self.obstacle(model, model.latents) if model.latents else NO_LATENT

    def obstacle(self, model: Model, names: Sequence[str]) -> str | None:
        """Return which of some latents cannot be moved given all others, and why; None if all can.

        Args:
            model: The model.
            names: The latents.
        """
        for name in names:
            site = model.sites[name]
            if site.distribution == "Delta":
                return f"site '{name}' is a Delta, which has no density: write numpyro.deterministic"
            if site.is_discrete and not self.takes_discrete:
                return f"site '{name}' is discrete ({site.distribution}) and not observed"
            if site.is_discrete and getattr(base(site.support), "event_dim", 0):
                return f"the entries of site '{name}' ({site.distribution}) cannot change one without another"
        return None

    def prepared(self, model: Model, density: Sampled | None = None) -> tuple[MarkovChain, Sampled]:
        """Return the chains that run on a model, and what they sample: the method itself, on all latents.

        A method that has to know more of the model than a position tells returns chains that know it.

        Args:
            model: The model.
            density: What is sampled of it; None: what the method asks for.
        """
        return self, model.density if density is None else density

    def check(self, stats: Mapping[str, np.ndarray], layout: Layout) -> None:
        """Look at what happened in some steps; on the host, after each chunk of them.

        Args:
            stats: Statistics of the steps, (chain, step).
            layout: Where the latents lie in a position.

        Raises:
            NotApplicable: If the method turns out to be wrong for the model.
        """
        del stats, layout

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the posterior of a model."""
        with self.precision.active():
            chains, density = self.prepared(model)
            return drive(key, chains, model, options, density, asked=self)
