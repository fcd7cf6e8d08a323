"""What Langevin methods share: one gradient a move, a step size that is tuned or given, and thinning."""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from probdl.inference.mcmc.preconditioned import Preconditioned
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.method import at_least
from probdl.inference.tuning import Tuning
from probdl.program.target import Target

FIRST_STEP_SIZE = 0.1


class MoveInfo(NamedTuple):
    """What is recorded of each transition: of all its moves together, where it has several.

    Attributes:
        diverging: Whether a move led to where the density or its gradient is no number, or far off in energy.
        acceptance_rate: Mean probability of acceptance; of a method that accepts all moves, what a test of
            Metropolis would accept.
        n_steps: Number of gradients.
        step_size: Step size of the last move.
        lp: Log-density of the new position, in nats, Jacobian included.
    """

    diverging: Bool[Array, ""]
    acceptance_rate: Float[Array, ""]
    n_steps: Int[Array, ""]
    step_size: Float[Array, ""]
    lp: Float[Array, ""]


@dataclass(frozen=True, kw_only=True)
class Langevin(Preconditioned):
    """Chains that move by one step of a discretized diffusion.

    Attributes:
        step_size: The step size, in units of the posterior's scale; None: tuned in the warm-up.
        thinning: Every so many moves are a transition; those between are not recorded.
    """

    step_size: float | None = None
    thinning: int = 1

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        self.check_step_size()
        at_least("thinning", self.thinning, 1)

    def check_step_size(self) -> None:
        """Check the step size."""
        if self.step_size is not None:
            positive("step_size", self.step_size, "step_size=0.5, or leave it out and it is tuned")

    @abc.abstractmethod
    def move(self, key: Array, state: Any, target: Target, tuning: Tuning) -> tuple[Any, Any]:
        """Return the state after one move, and what happened.

        Args:
            key: The key of the move.
            state: The state.
            target: The target, over the coordinates in which the kernel moves.
            tuning: What all chains share; its number counts moves.
        """

    def step(self, key: Array, state: Any, target: Target, tuning: Tuning) -> tuple[Any, Any]:
        """Return the state after a transition, and what happened on the way."""

        def move(i: Any, state: Any) -> tuple[Any, Any]:
            numbered = tuning._replace(number=tuning.number * self.thinning + i)
            return self.move(jax.random.fold_in(key, i), state, target, numbered)

        def body(i: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            state, info = carry
            state, new = move(i, state)
            return state, _together(info, new, i)

        if self.thinning == 1:
            return move(0, state)
        shapes = jax.eval_shape(lambda: move(0, state))
        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes[1])
        return jax.lax.fori_loop(0, self.thinning, body, (state, nothing))

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> Any:
        """Return the state of a chain at a position."""
        del key
        return Evaluated(position, *jax.value_and_grad(target.log_density)(position))

    def untuned(self, dim: int) -> Tuning:
        """Return the identity as a map, and the step size that is given, or a small one."""
        return self.with_step_size(super().untuned(dim), FIRST_STEP_SIZE * self.length(dim))

    def length(self, dim: int) -> float:
        """Return how large a step is that crosses a posterior of unit scale."""
        del dim
        return 1.0

    def with_step_size(self, tuning: Tuning, step_size: float) -> Tuning:
        """Return the tuning with a step size, or with the one that is given; on the host."""
        chosen = step_size if self.step_size is None else self.step_size
        return tuning._replace(step_size=self.precision.floating.type(chosen))

    @property
    def kernel(self) -> Self:
        """The method without what matters on the host alone."""
        return replace(super().kernel, step_size=None if self.step_size is None else 1.0)

    @property
    def instead(self) -> str:
        """What to do with a model that the method cannot treat."""
        name = type(self).__name__
        return (
            f"Observe a discrete site, or sum it out with Marginalized({name}()); drop the subsample_size of "
            f"a plate, or use SGLD() or SGHMC()."
        )


def positive(name: str, value: Any, example: str) -> None:
    """Check a positive hyper-parameter.

    Args:
        name: Its name.
        value: Its value.
        example: What to pass instead.

    Raises:
        ValueError: If it is not a positive number.

    Example:
        >>> positive("step_size", 0.3, "step_size=0.5")
    """
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise ValueError(f"Expected a positive {name}; got {value!r}. Pass for instance {example}.")


def normals_and_uniform(key: Array, dim: int, kind: Any) -> tuple[Float[Array, " dim"], Float[Array, ""]]:
    """Return standard normal numbers and one uniform on (0, 1): all the chance of a move in one call.

    Args:
        key: The key.
        dim: How many normal numbers.
        kind: Their type.
    """
    least = jnp.nextafter(jnp.array(-1, kind), jnp.array(0, kind))
    numbers = jax.random.uniform(key, (dim + 1,), kind, minval=least)
    return jnp.sqrt(jnp.array(2, kind)) * jax.lax.erf_inv(numbers[:dim]), (numbers[dim] + 1) / 2


def _together(before: Any, new: Any, count: Any) -> Any:
    """Return what happened in all moves of a transition: the last one, but with sums and means."""
    fields = new._asdict()
    fields["diverging"] = before.diverging | new.diverging
    fields["n_steps"] = before.n_steps + new.n_steps
    for name in ("acceptance_rate", "energy_variance"):
        if name in fields:
            mean, value = getattr(before, name), fields[name]
            fields[name] = mean + (value - mean) / (count + 1)
    return type(new)(**fields)
