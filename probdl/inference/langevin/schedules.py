"""How a step size falls while a chain samples."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.inference.langevin.family import positive


@dataclass(frozen=True)
class StepSizes(abc.ABC):
    """Step sizes by the number of moves since sampling began. Before, in the warm-up, the first one holds.

    Attributes:
        initial: The first step size; None: tuned in the warm-up.
    """

    initial: float | None = None

    def __post_init__(self) -> None:
        """Check the step size."""
        if self.initial is not None:
            positive("initial step size", self.initial, "initial=0.1, or leave it out and it is tuned")

    @abc.abstractmethod
    def factor(self, move: Any) -> Float[Array, ""]:
        """Return the step size of a move over the first one.

        Args:
            move: Number of the move, from 0.
        """


@dataclass(frozen=True)
class Constant(StepSizes):
    """A step size that stays.

    Args:
        initial: The step size; None: tuned in the warm-up.

    Raises:
        ValueError: If the step size is not positive.

    Example:
        >>> Constant(0.1)
        Constant(initial=0.1)
    """

    def factor(self, move: Any) -> Float[Array, ""]:
        """Return one."""
        return jnp.ones_like(move, float)


@dataclass(frozen=True)
class PolynomialDecay(StepSizes):
    r"""Step sizes $h_t = h_0 (1 + t / b)^{-a}$: the bias falls to zero, and the chain moves ever less.

    The step size h is the standard deviation of the noise of a step, so that its square falls by twice the
    power: a = 1/6 gives the best rate for means. Late draws are closer to each other: weigh draws by
    the square of their `step_size` in `sample_stats`, or leave them equal.

    Args:
        initial: The first step size; None: tuned in the warm-up.
        power: The power a, in (0, 1/2]: steps that fall faster lead nowhere.
        offset: The number b of moves after which they begin to fall.

    Raises:
        ValueError: If the step size or the offset is not positive, or the power is out of range.

    Example:
        >>> print(f"{PolynomialDecay(0.3, power=0.5, offset=10).factor(30):.2f}")
        0.50

    Source:
        Welling and Teh (2011); Teh, Thiery and Vollmer (2016) for the power.
    """

    power: float = 1 / 6
    offset: float = 1000.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        positive("offset", self.offset, "offset=1000")
        if not 0 < self.power <= 0.5:
            raise ValueError(
                f"Expected a power above 0 and of at most 1/2; got {self.power!r}. Pass for instance "
                f"power=1/6, or Constant() for steps that do not fall."
            )

    def factor(self, move: Any) -> Float[Array, ""]:
        """Return the step size of a move over the first one."""
        return (1 + jnp.asarray(move, float) / self.offset) ** -self.power
