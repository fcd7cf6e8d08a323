r"""From random points to where the mass is: a few quasi-Newton steps, all chains at once, on the host.

A point of a Gaussian in d dimensions is d/2 nats below its mode on average. So a chain climbs until what is
left to gain, $\frac12 g^\top H g$ with the gradient g and the inverse curvature H that it has seen, is no
more than that in a few steps: it does not go on to a mode, where little mass is, and where that of a
hierarchy has no bound.

Source:
    Nocedal and Wright (2006), algorithm 7.4, for the two loops; Zhang et al. (2022), Pathfinder, for the idea
    to warm up along the path of L-BFGS. The place to stop is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

MEMORY = 10
MOST_EVALUATIONS = 250
SUFFICIENT, SHORTER = 1e-4, 0.3
SHORTEST = 1e-10
NEAR = 3

Points = Float[np.ndarray, "chain dim"]
Evaluate = Callable[[Points], tuple[Float[np.ndarray, " chain"], Points]]


class Climbed(NamedTuple):
    """Where chains have come to.

    Attributes:
        positions: Their positions.
        values: Log-densities there, in nats.
        steps: The last steps of all chains, (step, dim), each with unit curvature.
        changes: Changes of the score in these steps.
    """

    positions: Points
    values: Float[np.ndarray, " chain"]
    steps: Float[np.ndarray, "step dim"]
    changes: Float[np.ndarray, "step dim"]


class _Chain:
    """One chain: its point, the steps that it remembers, and the step that it tries."""

    def __init__(self, position: np.ndarray, value: float, score: np.ndarray) -> None:
        self.position, self.value, self.score = position, value, score
        self.steps: list[np.ndarray] = []
        self.changes: list[np.ndarray] = []
        self.near = 0
        self.aim()

    def aim(self) -> None:
        """Choose the direction, and whether it is worth it."""
        self.direction = self._times_inverse_curvature(self.score)
        self.slope = float(self.direction @ self.score)
        self.length = 1.0
        self.near = 0 if self.slope / 2 > len(self.position) / 2 else self.near + 1
        self.done = self.near >= NEAR or not np.isfinite(self.slope)

    def _times_inverse_curvature(self, score: np.ndarray) -> np.ndarray:
        if not self.steps:
            return score / max(1.0, float(np.linalg.norm(score)))
        pairs = list(zip(self.steps, self.changes, strict=True))
        q, weights = score, []
        for step, change in reversed(pairs):  # each pair is scaled to step @ change == -1
            weights.append(step @ q)
            q = q + weights[-1] * change
        step, change = pairs[-1]
        r = q / (change @ change)
        for (step, change), weight in zip(pairs, reversed(weights), strict=True):
            r = r + step * (weight + change @ r)
        return r

    @property
    def trial(self) -> np.ndarray:
        return self.position + self.length * self.direction

    def judge(self, value: float, score: np.ndarray) -> None:
        """Take the step that was tried, or try a shorter one."""
        good = np.isfinite(value) and np.isfinite(score).all()
        if not good or value < self.value + SUFFICIENT * self.length * self.slope:
            self.length *= SHORTER
            self.done = self.length < SHORTEST
            return
        step, change = self.length * self.direction, score - self.score
        curvature = -float(step @ change)
        if curvature > np.finfo(float).eps * float(change @ change):
            self.steps = [*self.steps, step / np.sqrt(curvature)][-MEMORY:]
            self.changes = [*self.changes, change / np.sqrt(curvature)][-MEMORY:]
        self.position, self.value, self.score = self.trial, value, score
        self.aim()


def climb(evaluate: Evaluate, positions: Points, values: np.ndarray, scores: Points) -> Climbed:
    """Move points to where the mass is.

    Args:
        evaluate: Returns log-densities (nats) and scores at one point a chain.
        positions: The points.
        values: Log-densities there.
        scores: Scores there.

    Returns:
        Points that are no worse, and the steps that led there.

    Example:
        >>> scale = np.array([1.0, 30.0])
        >>> density = lambda x: (-((x / scale) ** 2).sum(1) / 2, -x / scale**2)
        >>> start = np.array([[50.0, 40.0], [-20.0, 100.0]])
        >>> found = climb(density, start, *density(start))
        >>> bool((density(found.positions)[0] > -3).all())
        True
    """
    chains = [_Chain(*point) for point in zip(positions, values, scores, strict=True)]
    for _ in range(MOST_EVALUATIONS):
        if all(chain.done for chain in chains):
            break
        trials = np.stack([c.position if c.done else c.trial for c in chains])
        for chain, value, score in zip(chains, *evaluate(trials), strict=True):
            if not chain.done:
                chain.judge(float(value), score)
    nothing = np.zeros((0, positions.shape[1]))
    return Climbed(
        np.stack([chain.position for chain in chains]),
        np.array([chain.value for chain in chains]),
        np.concatenate([nothing, *(c.steps for c in chains if c.steps)]),
        np.concatenate([nothing, *(c.changes for c in chains if c.changes)]),
    )
