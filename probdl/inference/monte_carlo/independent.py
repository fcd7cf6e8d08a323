"""Methods whose draws do not depend on each other, and the loop that collects them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import jax
import numpy as np

from probdl.inference.interruption import interruptible
from probdl.inference.memory import check_size
from probdl.inference.meter import meter
from probdl.inference.method import Method, Options, at_least
from probdl.program.model import Model

BLOCK = 1024
LARGEST_BYTES = 2**26
COPIES = 2  # of all draws: the blocks, and what they are joined to

Tree = TypeVar("Tree")


@dataclass(frozen=True, kw_only=True)
class IndependentDraws(Method):
    """A method whose draws do not depend on each other.

    Attributes:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn, as other methods have chains; chain c does not depend
            on how many there are.
    """

    num_samples: int = 1000
    num_chains: int = 4

    def __post_init__(self) -> None:
        """Check the numbers."""
        at_least("num_samples", self.num_samples, 1)
        at_least("num_chains", self.num_chains, 1)


def block_length(model: Model, num_chains: int, most: int = BLOCK) -> int:
    """Return how many draws of each chain are computed at once, so that they take little memory."""
    values = sum(math.prod(s.shape) for s in model.sites.values() if not s.is_observed)
    row = 8 * num_chains * max(values, 1)
    return max(1, min(most // num_chains, LARGEST_BYTES // row))


def collect[Tree](
    compute: Callable[[np.ndarray], Tree], numbers: np.ndarray, length: int, options: Options
) -> Tree:
    """Compute draws in blocks of one length, which are compiled once.

    Args:
        compute: From numbers of draws (chain, draw) to a tree of arrays (chain, draw, ...).
        numbers: The numbers of all draws that are wanted.
        length: How many a block has.
        options: Whether progress is shown.

    Returns:
        NumPy arrays (chain, draw, ...); after Ctrl-C those that were done.

    Raises:
        MemoryError: If they do not fit into memory.
    """
    count = numbers.shape[1]
    parts: list[Tree] = []
    with interruptible() as interruption, meter("drawing", wanted=options.progress) as report:
        for begin in range(0, count, length):
            columns = np.minimum(np.arange(begin, begin + length), count - 1)
            block = compute(numbers[:, columns])
            parts.append(jax.tree.map(lambda x, left=count - begin: np.asarray(x)[:, :left], block))
            if begin == 0:
                each = sum(leaf.size for leaf in jax.tree.leaves(parts[0])) / min(length, count)
                check_size(
                    COPIES * each * count,
                    kind="draws",
                    given=f"{len(numbers)} chains of {count}",
                    instead="Pass fewer num_samples or num_chains.",
                )
            done = min(begin + length, count)
            report(done / count, f"{done} of {count} draws of each chain")
            if interruption.requested:
                break
    return jax.tree.map(lambda *blocks: np.concatenate(blocks, 1), *parts)


def numbers_of(num_chains: int, count: int) -> np.ndarray:
    """Return the numbers of the first draws of each chain."""
    return np.broadcast_to(np.arange(count), (num_chains, count))
