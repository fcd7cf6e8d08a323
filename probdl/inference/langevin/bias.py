r"""What the step size of an unadjusted method does to standard deviations, measured while it draws.

Under any density $E[z_i \partial_i \log p] = -1$. A chain that draws from something else has
$E[z_i \partial_i \log p] = -(1 + e_i)$; for a Gaussian $1 + e_i$ is by what factor a variance is too large.
Each method has a number a move whose mean is $e_i$, of small variance: that draws are stationary says
more than the identity alone.

Source:
    Bishop & Bishop (2023), §14.3 on Langevin sampling; Stein (1972); Gorham and Mackey (2015).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from probdl.inference.maps import Map
from probdl.inference.status import Finding, Status
from probdl.program.layout import Layout

BIAS = "bias"
BLOCK = 64
FEWEST_BLOCKS = 8
SURE, SMALLEST = 5.0, 0.001
LIKELY, LARGE = 2.5, 0.05


class Excess(NamedTuple):
    """A sum over moves in blocks, for a mean and its error.

    Attributes:
        block: Sum in the block under way.
        total: Sum of the means of the blocks.
        square: Sum of their squares.
        moves: Number of moves so far.
    """

    block: Float[Array, " dim"]
    total: Float[Array, " dim"]
    square: Float[Array, " dim"]
    moves: Int[Array, ""]

    def added(self, value: Float[Array, " dim"], counts: Bool[Array, ""]) -> Excess:
        """Return the sums with one more move, if it counts."""
        block = self.block + jnp.where(counts, value, 0)
        count = self.moves + counts
        full = counts & (count % BLOCK == 0)
        mean = jnp.where(full, block / BLOCK, 0)
        return Excess(jnp.where(full, 0, block), self.total + mean, self.square + mean**2, count)


def no_excess(like: Float[Array, " dim"]) -> Excess:
    """Return empty sums."""
    nothing = jnp.zeros_like(like)
    return Excess(nothing, nothing, nothing, jnp.zeros((), int))


def measured(excess: Excess, map_: Map, layout: Layout) -> dict[str, Any]:
    """Return the relative error of standard deviations that the step size causes, where it is worst.

    Args:
        excess: The sums of all chains, (chain, dim); on the host.
        map_: The map in whose coordinates they are.
        layout: Where the latents lie in a position.

    Returns:
        Attributes of the result: the error and its standard error, both relative, and the element next to the
        coordinate; nothing if there were too few moves.
    """
    blocks = np.asarray(excess.moves) // BLOCK
    if blocks.sum() < FEWEST_BLOCKS:
        return {}
    mean = np.asarray(excess.total).sum(0) / blocks.sum()
    variance = np.asarray(excess.square).sum(0) / blocks.sum() - mean**2
    of_mean = np.maximum(variance, 0) / (blocks.sum() - 1)
    error = np.sqrt(of_mean * _slowness(np.asarray(excess.total) / blocks[:, None], of_mean))
    inflation = np.sqrt(np.maximum(1 + mean, 0)) - 1
    error = error / (2 * np.maximum(1 + inflation, 0.1))
    sure = np.abs(inflation) >= SURE * error
    worst = int(np.argmax(np.where(sure, np.abs(inflation), 0) if sure.any() else np.abs(inflation)))
    found = {
        "relative_error": float(inflation[worst]),
        "standard_error": float(error[worst]),
        "near": _element(worst, len(mean), map_, layout),
    }
    return {BIAS: json.dumps(found)}


def _slowness(means: Float[np.ndarray, "chain dim"], of_mean: Float[np.ndarray, " dim"]) -> float:
    """Return by how much chains differ more than their blocks suggest: those may be too short."""
    chains = len(means)
    if chains == 1 or not of_mean.mean() > 0:
        return 1.0
    return max(1.0, float((means.var(0, ddof=1) / chains).mean() / of_mean.mean()))


def _element(coordinate: int, dim: int, map_: Map, layout: Layout) -> str:
    """Return the element of a site that has the largest part in a coordinate in which the kernel moves."""
    unit, zero = np.eye(1, dim, coordinate)[0], np.zeros(dim)
    direction = np.asarray(map_.position(unit)) - np.asarray(map_.position(zero))
    place = int(np.argmax(np.abs(direction * np.asarray(map_.score(unit)))))
    for name, values in layout.unravel(np.arange(dim)).items():  # pyright: ignore[reportArgumentType]
        if place in (numbers := np.asarray(values)):
            index = [int(i) for i in np.argwhere(numbers == place)[0]]
            return f"{name}{index}" if index else name
    return str(place)


def biased(recorded: str | None) -> Iterator[Finding]:
    """Yield the finding that a run is biased, if what was measured is sure, or large.

    Args:
        recorded: The attribute of the result.
    """
    if recorded is None:
        return
    found = json.loads(recorded)
    size, error = abs(found["relative_error"]), found["standard_error"]
    if (size >= SURE * error and size >= SMALLEST) or (size >= LIKELY * error and size >= LARGE):
        way = "large" if found["relative_error"] > 0 else "small"
        yield Finding(
            Status.BIASED,
            f"the step size makes standard deviations too {way}, at the worst by {100 * size:.2g} % "
            f"(+- {100 * error:.1g} %), next to '{found['near']}'",
        )
