r"""How the map in which a kernel moves is learnt from draws and their scores.

The Fisher divergence of the mapped density from a unit Gaussian, $E|\nabla \log p(z) + z|^2$, is least for
$S S^\top = A \# B^{-1}$: the geometric mean of the covariance A of the draws and the inverse of that, B,
of the scores. For a Gaussian, as many draws as dimensions give it exactly; and each of the two corrects the
noise of the other. All this is small linear algebra and runs on the host, between windows of the warm-up.

Source:
    Seyboldt, Carlson and Carpenter (2026), Preconditioning Hamiltonian Monte Carlo by minimizing Fisher
    divergence, arXiv:2603.18845; the cross-chain pooling and the pseudo-counts are ours.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from probdl.inference.maps import DenseMap, DiagonalMap, LowRankMap, Map, Unmoved, moved_by
from probdl.inference.method import at_least
from probdl.inference.spread import (
    center,
    centred,
    covariance_of,
    geometric_mean,
    largest,
    leading,
    orthonormal,
    power,
    scales,
    thinned,
)

MOST_DENSE = 200

Draws = Float[np.ndarray, "chain draw dim"]


class Learnt(NamedTuple):
    """What a window has taught.

    Attributes:
        map: The map, of NumPy arrays.
        change: By what factor at most it stretches a direction more or less than the map before.
    """

    map: Map
    change: float


@dataclass(frozen=True, kw_only=True)
class Preconditioner(abc.ABC):
    """A family of affine maps."""

    @abc.abstractmethod
    def learn(self, before: Map, draws: Draws, scores: Draws) -> Learnt:
        """Return the map of least Fisher divergence.

        Args:
            before: A map of the family that is known already.
            draws: Positions of the program (chain, draw, dim).
            scores: Gradients of the log-density there.

        Returns:
            The map, and how far it is from the one before.
        """

    @abc.abstractmethod
    def scaled(self, scale: Float[np.ndarray, " dim"]) -> Map:
        """Return the map of the family that scales each coordinate, and nothing else."""


@dataclass(frozen=True, kw_only=True)
class Unpreconditioned(Preconditioner):
    """No map: the kernel moves in the unconstrained coordinates of the program.

    Example:
        >>> Unpreconditioned()
        Unpreconditioned()
    """

    def learn(self, before: Map, draws: Draws, scores: Draws) -> Learnt:
        """Return the identity."""
        del draws, scores
        return Learnt(before, 1.0)

    def scaled(self, scale: Float[np.ndarray, " dim"]) -> Unmoved:
        """Return the identity."""
        del scale
        return Unmoved()


@dataclass(frozen=True, kw_only=True)
class Diagonal(Preconditioner):
    """A scale for each coordinate: the geometric mean of sd(x) and 1 / sd(score).

    Example:
        >>> r = np.random.default_rng(0)
        >>> x = r.normal(size=(2, 50, 3)) * [1.0, 10.0, 100.0]
        >>> unit = Diagonal().scaled(np.ones(3))
        >>> Diagonal().learn(unit, x, -x / np.array([1.0, 100.0, 10000.0])).map.scale.round(6)
        array([  1.,  10., 100.])
    """

    def learn(self, before: Map, draws: Draws, scores: Draws) -> Learnt:
        """Return the map of least Fisher divergence."""
        z, g = (centred(values) for values in moved_by(before, draws, scores))
        scale = scales(centred(draws), centred(scores))
        return Learnt(DiagonalMap(center(draws), scale), largest(scales(z, g)))

    def scaled(self, scale: Float[np.ndarray, " dim"]) -> DiagonalMap:
        """Return the map that scales each coordinate."""
        return DiagonalMap(np.zeros_like(scale), scale)


@dataclass(frozen=True, kw_only=True)
class Dense(Preconditioner):
    """All scales and correlations: as many numbers as the square of the dimension.

    Few draws change little: what is learnt is a correction of the map before.

    Example:
        >>> r = np.random.default_rng(0)
        >>> root = np.array([[2.0, 0.0], [1.9, 0.3]])
        >>> x = r.normal(size=(2, 500, 2)) @ root.T
        >>> found = Dense().scaled(np.ones(2))
        >>> for _ in range(3):
        ...     found = Dense().learn(found, x, -x @ np.linalg.inv(root @ root.T)).map
        >>> bool(np.allclose(found.matrix @ found.matrix.T, root @ root.T, rtol=1e-6))
        True
    """

    def learn(self, before: Map, draws: Draws, scores: Draws) -> Learnt:
        """Return the map of least Fisher divergence."""
        z, g = (centred(values) for values in moved_by(before, draws, scores))
        scale = scales(z, g)
        mean = geometric_mean(covariance_of(z / scale), covariance_of(g * scale))
        correction = scale[:, None] * power(mean, 0.5)
        matrix = np.asarray(before.position(correction.T) - before.position(np.zeros_like(scale))).T
        inverse = np.linalg.inv(matrix)
        change = largest(np.linalg.svd(correction, compute_uv=False))
        return Learnt(DenseMap(center(draws), matrix, inverse), change)

    def scaled(self, scale: Float[np.ndarray, " dim"]) -> DenseMap:
        """Return the map that scales each coordinate."""
        return DenseMap(np.zeros_like(scale), np.diag(scale), np.diag(1 / scale))


@dataclass(frozen=True, kw_only=True)
class LowRank(Preconditioner):
    """A scale for each coordinate, and a stretch of the directions that are still far from unit scale.

    Args:
        rank: The most directions.
        cutoff: A direction is stretched if its variance is more than that, or less than one over that.

    Raises:
        ValueError: If the rank is not positive, or the cutoff is below 1.

    Example:
        >>> LowRank(rank=8)
        LowRank(rank=8, cutoff=2.0)
    """

    rank: int = 32
    cutoff: float = 2.0

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        at_least("rank", self.rank, 1)
        if not self.cutoff >= 1:
            raise ValueError(
                f"Expected a cutoff of at least 1; got {self.cutoff!r}. Pass for instance cutoff=2.0."
            )

    def learn(self, before: Map, draws: Draws, scores: Draws) -> Learnt:
        """Return the map of about least Fisher divergence, in the space that draws and scores span."""
        found = self._fitted(draws, scores)
        correction = self._fitted(*moved_by(before, draws, scores))
        change = max(largest(correction.scale), largest(correction.stretch))
        return Learnt(found, change)

    def scaled(self, scale: Float[np.ndarray, " dim"]) -> LowRankMap:
        """Return the map that scales each coordinate."""
        directions = np.zeros((len(scale), self.rank))
        return LowRankMap(np.zeros_like(scale), scale, directions, np.ones(self.rank))

    def _fitted(self, draws: Draws, scores: Draws) -> LowRankMap:
        dim = draws.shape[-1]
        x, g = (thinned(centred(values)) for values in (draws, scores))
        scale = scales(x, g)
        x, g = x / scale, g * scale
        basis = orthonormal(np.concatenate([leading(x, self.rank), leading(g, self.rank)]))
        values, vectors = np.linalg.eigh(geometric_mean(covariance_of(x @ basis), covariance_of(g @ basis)))
        far = np.abs(np.log(values))
        order = np.argsort(-far)[: self.rank]
        order = order[far[order] > np.log(self.cutoff)]
        directions, stretch = np.zeros((dim, self.rank)), np.ones(self.rank)
        directions[:, : len(order)] = basis @ vectors[:, order]
        stretch[: len(order)] = np.sqrt(values[order])
        return LowRankMap(center(draws), scale, directions, stretch)


def first_scale(
    steps: Float[np.ndarray, "step dim"], changes: Float[np.ndarray, "step dim"]
) -> Float[np.ndarray, " dim"]:
    """Return scales as far as a few steps tell: how much the score changes along them.

    Args:
        steps: Steps in the space of the program.
        changes: Changes of the score in these steps.

    Returns:
        Positive numbers.
    """
    return scales(steps, changes)


def preconditioner_for(dim: int) -> Preconditioner:
    """Return the family that suits a dimension: all correlations up to 200, the strongest above.

    Args:
        dim: Number of unconstrained coordinates.

    Returns:
        The family.

    Example:
        >>> preconditioner_for(3), preconditioner_for(1000)
        (Dense(), LowRank(rank=32, cutoff=2.0))
    """
    return Dense() if dim <= MOST_DENSE else LowRank()
