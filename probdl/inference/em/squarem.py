"""Acceleration of EM: steps that are extrapolated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class SQUAREM:
    """Extrapolate two steps of EM along the parabola through three points; refuse what lowers the objective.

    Each iteration takes three steps of EM, and often saves dozens.

    Args:
        longest: The longest extrapolation, in units of a step.

    Example:
        >>> SQUAREM(longest=8.0)
        SQUAREM(longest=8.0)

    Source:
        Varadhan & Roland (2008), scheme S3.
    """

    longest: float = 256.0

    def __post_init__(self) -> None:
        """Check the length."""
        if not self.longest >= 1:
            raise ValueError(f"Expected longest of at least 1; got {self.longest!r}. Pass 256, say.")

    def extrapolated(
        self,
        first: Float[np.ndarray, " dim"],
        second: Float[np.ndarray, " dim"],
        third: Float[np.ndarray, " dim"],
    ) -> Float[np.ndarray, " dim"]:
        """Return where two steps of EM lead to.

        Args:
            first: A position.
            second: The position one step on.
            third: The position two steps on.

        Returns:
            A position; the third where the steps do not change.

        Example:
            >>> x = np.array([1.0])  # steps that halve the distance to zero
            >>> SQUAREM().extrapolated(x, x / 2, x / 4).tolist()
            [0.0]
        """
        step, bend = second - first, third - 2 * second + first
        size = np.linalg.norm(bend)
        if not size > 0:
            return third
        length = np.clip(np.linalg.norm(step) / size, 1.0, self.longest)
        return first + 2 * length * step + length**2 * bend
