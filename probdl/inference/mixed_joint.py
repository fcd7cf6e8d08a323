"""Draws of discrete and continuous elements together, and the informations that they allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import override

import numpy as np
from jaxtyping import Bool, Float

from probdl.distributions.mixed_draws import MixedDraws, information_of_mixed_draws
from probdl.distributions.nearest_neighbours import differential_entropy
from probdl.inference.joints import DiscreteJoint, Joint, SampledJoint

NEIGHBOURS = 3


@dataclass(frozen=True, eq=False)
class MixedJoint(Joint):
    """Draws of elements of which some are discrete and some are continuous.

    Attributes:
        elements: Names of the elements.
        draws: Independent draws.
        is_discrete: Which elements are discrete.

    Raises:
        ValueError: If draws of a continuous element are not finite, or all equal.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> z = rng.integers(0, 2, 5000)
        >>> both = MixedJoint(("z", "x"), np.stack([z, z + rng.random(5000)], 1), np.array([True, False]))
        >>> print(f"{both.mutual_information([0], [1], []):.1f}, {both.entropy([0, 1]):.1f}")  # log 2
        0.7, 0.7
    """

    draws: Float[np.ndarray, "draw element"]
    is_discrete: Bool[np.ndarray, " element"]

    def __post_init__(self) -> None:
        """Check that each continuous element varies."""
        self._sampled(np.flatnonzero(~self.is_discrete))

    def _sampled(self, at: Sequence[int] | np.ndarray) -> SampledJoint:
        return SampledJoint(tuple(self.elements[i] for i in at), self.draws[:, at])

    def _discrete(self, at: Sequence[int]) -> DiscreteJoint:
        values, counts = np.unique(self.draws[:, at].astype(int), axis=0, return_counts=True)
        return DiscreteJoint(tuple(self.elements[i] for i in at), values, counts / counts.sum())

    def _mixed(self, at: Sequence[int]) -> MixedDraws:
        """Return draws with continuous elements in units of their standard deviations."""
        states, points = ([i for i in at if self.is_discrete[i] == flag] for flag in (True, False))
        scale = self.draws[:, points].std(0)
        return MixedDraws(self.draws[:, states].astype(int), self.draws[:, points] / scale)

    @override
    def entropy(self, at: Sequence[int]) -> float:
        """Return H(z) + sum_z p(z) h(x | z) of discrete z and continuous x, in nats; of none, zero.

        A state with one draw says nothing of x: the mean is over the others.
        """
        states, points = ([i for i in at if self.is_discrete[i] == flag] for flag in (True, False))
        if not points:
            return self._discrete(states).entropy(range(len(states))) if states else 0.0
        if not states:
            return self._sampled(points).entropy(range(len(points)))
        mixed, total, number = self._mixed(at), 0.0, 0
        for rows in mixed.alike():
            if len(rows) > 1:
                total += len(rows) * differential_entropy(mixed.points[rows], min(NEIGHBOURS, len(rows) - 1))
                number += len(rows)
        if not number:
            raise ValueError(
                f"Expected several draws of a state of {', '.join(self.elements[i] for i in states)}; got "
                f"{len(self.draws)} draws that all differ. Draw more, or ask about fewer elements."
            )
        scale = float(np.log(self.draws[:, points].std(0)).sum())
        return self._discrete(states).entropy(range(len(states))) + total / number + scale

    @override
    def mutual_information(self, first: Sequence[int], second: Sequence[int], given: Sequence[int]) -> float:
        """Return the mutual information, by one radius for all of its terms, so that their errors cancel."""
        x, y, z = map(self._mixed, (first, second, given))
        return information_of_mixed_draws(x, y, z, NEIGHBOURS)

    @override
    def divergence(self, other: Joint) -> float:
        """Refuse: from few draws of a state nothing is known of a ratio of densities."""
        raise ValueError(
            f"Expected elements that are all discrete or all continuous in a divergence; got "
            f"{', '.join(self.elements)}. Ask about them apart."
        )
