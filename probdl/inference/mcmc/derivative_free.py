"""What methods without gradients share: coordinates that are learnt from draws alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.leading_map import LeadingMap, unit
from probdl.inference.maps import DenseMap, DiagonalMap
from probdl.inference.mcmc.gaussianity import split_rhat
from probdl.inference.mcmc.markov_chain import MarkovChain
from probdl.inference.preconditioning import MOST_DENSE
from probdl.inference.spread import LEAST, MOST, PSEUDO_COUNTS
from probdl.inference.tuning import Tuning
from probdl.inference.warmup import Schedule, Window, windows
from probdl.program.target import Target

MOST_STRETCH, HIGHEST_RHAT = 1.5, 1.1


class PlainState(NamedTuple):
    """Where a chain is.

    Attributes:
        position: The position, in the coordinates in which the kernel moves.
        log_density: Log-density there, in nats.
        gradient: Zeros.
    """

    position: Float[Array, " dim"]
    log_density: Float[Array, ""]
    gradient: Float[Array, " dim"]


@dataclass(frozen=True, kw_only=True)
class DerivativeFree(MarkovChain):
    """Chains that look at the log-density alone, in coordinates that are learnt from draws.

    Attributes:
        num_integers: How many coordinates, the last ones, are integers. No map reaches them.
    """

    has_gradient: ClassVar[bool] = False
    num_integers: ClassVar[int] = 0

    def init(self, key: Array, position: Float[Array, " dim"], target: Target) -> PlainState:
        """Return the state of a chain at a position."""
        del key
        return PlainState(position, target.log_density(position), jnp.zeros_like(position))

    def schedule(self) -> Schedule:
        """Return the windows of the warm-up."""
        return windows(self.num_warmup)

    def untuned(self, dim: int) -> Tuning:
        """Return the map that changes nothing."""
        count = dim - self.num_integers
        return super().untuned(dim)._replace(map=unit(dim, self.num_integers, dense=count <= MOST_DENSE))

    def mapped(self, tuning: Tuning, window: Window) -> tuple[Tuning, bool]:
        """Return the tuning with the map of unit covariance, and whether it has settled; on the host.

        Args:
            tuning: What it was.
            window: The window.
        """
        begin = window.draws.shape[1] // 3 if window.number == 0 else 0
        draws = np.ascontiguousarray(window.draws[:, begin:])  # sums depend on how they lie in memory
        count = draws.shape[-1] - self.num_integers
        first = tuning.map.first if isinstance(tuning.map, LeadingMap) else tuning.map
        moved = np.asarray(first.moved(draws[..., :count]))  # pyright: ignore[reportArgumentType]
        found, correction = of_unit_covariance(draws[..., :count]), of_unit_covariance(moved)
        far = np.abs(np.log(_stretches(correction))).max(initial=0.0)
        agree = split_rhat(np.dstack([moved, window.stats["lp"][:, begin:]])) < HIGHEST_RHAT
        map_ = LeadingMap(found) if self.num_integers else found
        return tuning._replace(map=map_), bool(far < np.log(MOST_STRETCH) and agree)


def of_unit_covariance(draws: Float[np.ndarray, "chain draw dim"]) -> DiagonalMap | DenseMap:
    """Return the map that gives draws unit scales, and up to 200 dimensions no correlations; on the host.

    Args:
        draws: Positions of the program. Each chain counts from its own mean: chains that have not met yet do
            not make the spread look larger.

    Returns:
        The map.

    Example:
        >>> r = np.random.default_rng(0)
        >>> found = of_unit_covariance(r.normal(size=(4, 1000, 2)) @ np.array([[2.0, 1.9], [0.0, 0.3]]))
        >>> (found.matrix @ found.matrix.T).round(1)
        array([[4.1, 3.8],
               [3.8, 3.7]])
    """
    dim = draws.shape[-1]
    center = draws.mean((0, 1))
    x = np.concatenate(list(draws - draws.mean(1, keepdims=True)))
    scale = np.sqrt((x**2).mean(0))
    scale = np.clip(np.where(scale > 0, scale, 1.0), LEAST, MOST)
    if dim > MOST_DENSE:
        return DiagonalMap(center, scale)
    x = x / scale
    covariance = (x.T @ x + PSEUDO_COUNTS * np.eye(dim)) / (len(x) + PSEUDO_COUNTS)
    values, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, LEAST))
    matrix, inverse = (vectors * root) @ vectors.T, (vectors / root) @ vectors.T
    return DenseMap(center, scale[:, None] * matrix, inverse / scale)


def _stretches(map_: DiagonalMap | DenseMap) -> np.ndarray:
    return map_.scale if isinstance(map_, DiagonalMap) else np.linalg.svd(map_.matrix, compute_uv=False)


def accepted(gain: Float[Array, ""], uniform: Float[Array, ""]) -> tuple[Array, Array]:
    """Return whether a proposal is accepted, and with what probability.

    Args:
        gain: Logarithm of the ratio of Metropolis and Hastings; no number where the proposal has no density.
        uniform: Uniform on [0, 1).

    Returns:
        A truth value, and min(1, exp(gain)).

    Example:
        >>> [float(x) for x in accepted(jnp.log(0.5), 0.4)], bool(accepted(jnp.nan, 0.0)[0])
        ([1.0, 0.5], False)
    """
    probability = jnp.exp(jnp.minimum(jnp.where(jnp.isnan(gain), -jnp.inf, gain), 0.0))
    return uniform < probability, probability
