"""What methods share whose gradients come from minibatches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.inference.driver import drive
from probdl.inference.feed import Feed, Unchanging
from probdl.inference.langevin import preparing
from probdl.inference.langevin.control import ControlVariate
from probdl.inference.langevin.family import positive
from probdl.inference.langevin.minibatches import Standardized, Turn, of_a_batch
from probdl.inference.langevin.schedules import Constant, StepSizes
from probdl.inference.langevin.streams import Reader, Stream, Streamed
from probdl.inference.langevin.unadjusted import Unadjusted
from probdl.inference.maps import moved_by
from probdl.inference.method import Options
from probdl.inference.preconditioning import Preconditioner, Unpreconditioned
from probdl.inference.result import Result
from probdl.inference.start import no_gradient
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Window
from probdl.program.bound import Arrays
from probdl.program.model import Model
from probdl.program.subsample import Subsampled, subsamplings, whole
from probdl.program.target import Sampled, Target


@dataclass(frozen=True, kw_only=True)
class StochasticGradient(Unadjusted):
    """Chains whose gradients are estimated from minibatches.

    Attributes:
        step_size: The step size, or how it falls; None: set for `target_bias`.
        target_bias: The relative error of the standard deviations that is aimed at, to leading order.
        control_variate: Whether, and how, gradients are corrected by those at the mode.
        stream: Where minibatches come from; None: from the arguments of the program.
    """

    sees_minibatches: ClassVar[bool] = True
    apart: ClassVar[bool] = False

    step_size: float | StepSizes | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    target_bias: float = 0.02
    control_variate: bool | ControlVariate = True
    stream: Stream | None = None

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        positive("target_bias", self.target_bias, "target_bias=0.02")
        if not isinstance(self.control_variate, bool | ControlVariate):
            raise TypeError(
                f"Expected control_variate to be True, False or a ControlVariate; got "
                f"{self.control_variate!r}. Pass for instance ControlVariate(max_iterations=50)."
            )
        if not isinstance(self.stream, Stream | None):
            raise TypeError(
                f"Expected stream to be a Stream; got {self.stream!r}. Pass Stream(plate, batches)."
            )

    def check_step_size(self) -> None:
        """Check the step size; a schedule has checked its own."""
        if not isinstance(self.step_size, StepSizes):
            super().check_step_size()

    @property
    def schedule_of_steps(self) -> StepSizes:
        """How the step size goes on."""
        given = self.step_size
        return given if isinstance(given, StepSizes) else Constant(given)

    def step_size_of(self, tuning: Tuning) -> Float[Array, ""]:
        """Return the step size of a move."""
        moves = jnp.maximum(tuning.number - tuning.own.since, 0)
        return tuning.step_size * self.schedule_of_steps.factor(moves)

    def with_step_size(self, tuning: Tuning, step_size: float) -> Tuning:
        """Return the tuning with a step size, or with the one that is given; on the host."""
        given = self.schedule_of_steps.initial
        return tuning._replace(step_size=self.precision.floating.type(step_size if given is None else given))

    def evaluated(self, turn: Turn, position: Float[Array, " dim"], target: Target) -> tuple[Array, Array]:
        """Return estimates of the log-density and its gradient at a position."""
        if target.minibatch is None:
            return jax.value_and_grad(target.log_density)(position)
        return target.minibatch(turn)(position)

    def turn(self, key: Array, tuning: Tuning) -> Turn:
        """Return what chooses the minibatch of a move."""
        return Turn(jax.random.fold_in(key, 1), tuning.number, tuning.own.chain)

    def steps(self, keys: Array, states: Any, target: Target, tuning: Tuning) -> tuple[Any, Any]:
        """Return the next states of all chains: each knows its number, for a stream."""

        def one(key: Array, state: Any, chain: Array) -> tuple[Any, Any]:
            return self.step(key, state, target, tuning._replace(own=tuning.own._replace(chain=chain)))

        return jax.vmap(one)(keys, states, jnp.arange(len(keys)))

    @property
    def climbs(self) -> bool:
        """Whether chains first climb: they start around the mode, which has been found on all rows."""
        return False

    def tuned(self, tuning: Tuning, window: Window) -> Tuning:
        """Return the tuning with the step size whose bias is as aimed at."""
        moved = moved_by(tuning.map, window.draws, window.scores)
        return self.retuned(super().tuned(tuning, window), *moved)

    def applicable(self, model: Model) -> str | None:
        """Return the reason why minibatches do not give a gradient of the model, if so."""
        for plate in subsamplings(model):
            for name in model.latents:
                if plate.name in model.sites[name].plates:
                    return (
                        f"site '{name}' is in plate '{plate.name}', which is subsampled: each row has a "
                        f"latent of its own, and a minibatch says nothing of the others"
                    )
        return super().applicable(model)

    @property
    def instead(self) -> str:
        """What to do with a model that the method cannot treat."""
        return (
            f"Observe a discrete site, or sum it out with Marginalized({type(self).__name__}()); integrate a "
            f"latent of each row in the program, or drop the subsample_size of its plate."
        )

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the posterior of a model."""
        with self.precision.active():
            if self.stream is not None:
                reader = Reader.of(self.stream, model, self.precision)
                inner = Subsampled.of(model, model)
                streamed = tuple(reader.examples)
                return drive(
                    key, self, model, options, Standardized(inner, bool(self.control_variate), streamed)
                )
            complete = whole(model)
            complete.check()
            partly = bool(subsamplings(model))
            inner = Subsampled.of(model, complete) if partly else model.density
            density = Standardized(inner, partly and bool(self.control_variate))
            return drive(key, self, complete, options, density)

    def feed(self, key: Array, density: Sampled, arrays: Arrays, model: Model) -> Feed:
        """Return what gives the chains their data, with the mode and the shape around it."""
        if not isinstance(density, Standardized):
            return super().feed(key, density, arrays, model)
        arrays = jax.device_put(arrays)
        reader = None if self.stream is None else Reader.of(self.stream, model, self.precision)
        how = self.control_variate if isinstance(self.control_variate, ControlVariate) else ControlVariate()
        try:
            found = preparing.prepare(key, density, arrays, how, self._shapes(density.layout.dim), reader)
        except (TypeError, ValueError) as error:
            seen = density.inner if reader is None else of_a_batch(density.inner)
            raise no_gradient(self, seen, arrays) or error from None
        return (
            Unchanging(found) if reader is None else Streamed(reader, found, self.num_chains, self.thinning)
        )

    @property
    def kernel(self) -> Self:
        """The method without what matters on the host alone."""
        steps = self.schedule_of_steps
        return replace(
            super().kernel,
            step_size=replace(steps, initial=None),
            target_bias=1.0,
            control_variate=bool(self.control_variate),
            stream=None,
        )

    def _shapes(self, dim: int) -> Preconditioner:
        return super()._family(dim)

    def _family(self, dim: int) -> Preconditioner:
        """Return the family of maps that windows learn: none, if the gradients are too noisy."""
        return self._shapes(dim) if self.control_variate else Unpreconditioned()
