"""What rejection sampling accepts, judged again whenever its bound is raised."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from probdl.inference.monte_carlo.weights import Evidence, log_sum_exp

ENOUGH_TO_JUDGE = 100_000


class Accepted:
    """The accepted proposals of all chains.

    Of each, its log ratio and the number that decided on it are kept: so under a higher bound exactly those
    are left that would have been accepted had the bound been known from the start.

    Args:
        num_chains: Number of chains.
        bound: The bound of the log ratio, in nats.
    """

    def __init__(self, num_chains: int, bound: float) -> None:
        self.bound = bound
        self.proposed = 0
        self._rows: list[list[np.ndarray]] = [[] for _ in range(num_chains)]
        self._sums: list[tuple[float, float]] = []

    def add(
        self, log_ratios: Float[np.ndarray, "chain draw"], log_uniforms: Float[np.ndarray, "chain draw"]
    ) -> None:
        """Judge further proposals.

        Args:
            log_ratios: Their log ratios; NaN where there is none.
            log_uniforms: Logarithms of uniform random numbers.
        """
        ratios = np.where(np.isnan(log_ratios), -np.inf, log_ratios)
        for rows, ratio, uniform in zip(self._rows, ratios, log_uniforms, strict=True):
            (at,) = np.nonzero(uniform < ratio - self.bound)
            rows.append(np.stack([at + self.proposed, ratio[at], uniform[at]]))
        self.proposed += ratios.shape[1]
        self._sums.append((float(log_sum_exp(ratios)), float(log_sum_exp(2 * ratios))))

    @property
    def above(self) -> tuple[int, int, float] | None:
        """Chain, number and log ratio of the proposal that exceeds the bound most, if one does."""
        tops = []
        for chain, rows in enumerate(self._rows):
            table = np.concatenate(rows, 1)
            if table.shape[1]:
                at = int(np.argmax(table[1]))
                tops.append((float(table[1, at]), chain, int(table[0, at])))
        ratio, chain, number = max(tops, default=(-np.inf, 0, 0))
        return (chain, number, ratio) if ratio > self.bound else None

    def judge_by(self, bound: float) -> None:
        """Raise the bound, and drop what would not have been accepted by it."""
        self.bound = bound
        for rows in self._rows:
            table = np.concatenate(rows, 1)
            rows[:] = [table[:, table[2] < table[1] - bound]]

    @property
    def all_numbers(self) -> list[Int[np.ndarray, " draw"]]:
        """The numbers of what was accepted, by chain."""
        empty = np.zeros((3, 0))
        return [np.concatenate([empty, *rows], 1)[0].astype(int) for rows in self._rows]

    def numbers(self, count: int) -> Int[np.ndarray, "chain draw"]:
        """Return the numbers of the first that were accepted, of each chain."""
        return np.stack([numbers[:count] for numbers in self.all_numbers])

    @property
    def fewest(self) -> int:
        """How many the chain has that has the fewest."""
        return min(sum(part.shape[1] for part in rows) for rows in self._rows)

    @property
    def rate(self) -> float:
        """Which part of the proposals was accepted."""
        total = self.proposed * len(self._rows)
        return sum(part.shape[1] for rows in self._rows for part in rows) / max(total, 1)

    def is_hopeless(self, wanted: int, most: int) -> bool:
        """Whether it is all but certain that there will not be enough after the most proposals."""
        if self.proposed < ENOUGH_TO_JUDGE:
            return False
        found = self.fewest
        likely = (found + 4 * np.sqrt(found + 1) + 4) / self.proposed
        return likely * most < wanted

    @property
    def evidence(self) -> Evidence:
        """The log evidence by the mean ratio of all proposals."""
        count = self.proposed * len(self._rows)
        first, second = (log_sum_exp(column) - np.log(count) for column in np.array(self._sums).T)
        spread = np.sqrt(max(np.expm1(second - 2 * first), 0) / count)
        return Evidence(float(first), float(spread))
