"""From the last step of an elimination back to the first: a state for each variable, chosen or drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from probdl.exact.tables.order import members, size_of
from probdl.exact.tables.sum_product import Tape

MOST_WEIGHTS = 2**22

Choice = Callable[[Float[np.ndarray, "row state"]], Int[np.ndarray, "row"]]


def backtrack(tape: Tape, choose: Choice, rows: int) -> dict[int, Int[np.ndarray, " row"]]:
    """Choose the states of variables in the reverse of the order in which they were summed out.

    Given the states of the variables of the table that a step made, those that it summed out have weights
    which are a row of each of the tables that it took.

    Args:
        tape: What a pass forward left.
        choose: Chooses one of the joint states of some variables in each row, given their weights.
        rows: The number of rows.

    Returns:
        The states of all variables.
    """
    schedule, found = tape.schedule, dict[int, Int[np.ndarray, "row"]]()
    sizes = schedule.plan.sizes
    for step in reversed(schedule.plan.steps):
        if not step.summed:
            continue
        inner = list(members(step.summed))
        shape = [sizes[v] for v in inner]
        codes = np.indices(shape).reshape(len(inner), -1)
        weights = np.ones((rows, codes.shape[1]))
        for table in step.tables:
            start, within, stride = np.zeros(rows, int), np.zeros(codes.shape[1], int), 1
            for v in reversed(schedule.scopes[table]):
                if v in inner:
                    within += stride * codes[inner.index(v)]
                else:
                    start += stride * found[v]
                stride *= sizes[v]
            row = tape.values[table].ravel()[start[:, None] + within]
            weights *= row / row.max(axis=1, keepdims=True)
        chosen = np.unravel_index(choose(weights), shape)
        found.update(zip(inner, chosen, strict=True))
    return found


def most_likely(weights: Float[np.ndarray, "row state"]) -> Int[np.ndarray, " row"]:
    """Choose the state of largest weight, the first if there are several.

    Args:
        weights: The weights.

    Returns:
        A state for each row.

    Example:
        >>> most_likely(np.array([[1.0, 3.0, 3.0]])).tolist()
        [1]
    """
    return weights.argmax(axis=1)


def draw(rng: np.random.Generator, tape: Tape, rows: int) -> dict[int, Int[np.ndarray, " row"]]:
    """Draw states of all variables together, some rows at a time.

    Args:
        rng: The source of randomness.
        tape: What a pass forward left; nothing was kept.
        rows: The number of draws.

    Returns:
        The states of all variables.
    """
    sizes = tape.schedule.plan.sizes
    widest = max((size_of(step.summed, sizes) for step in tape.schedule.plan.steps), default=1)
    most = max(1, MOST_WEIGHTS // widest)
    parts = [backtrack(tape, at_random(rng), min(most, rows - start)) for start in range(0, rows, most)]
    return {v: np.concatenate([part[v] for part in parts]) for v in parts[0]}


def at_random(rng: np.random.Generator) -> Choice:
    """Return a rule that draws a state in proportion to its weight.

    Args:
        rng: The source of randomness.

    Returns:
        The rule.

    Example:
        >>> at_random(np.random.default_rng(0))(np.array([[0.0, 2.0], [1.0, 0.0]])).tolist()
        [1, 0]
    """

    def draw(weights: Float[np.ndarray, "row state"]) -> Int[np.ndarray, " row"]:
        heights = np.cumsum(weights, axis=1)
        # In (0, 1], so that no state of weight zero is drawn, be it the first or the last.
        level = (1 - rng.random((len(weights), 1))) * heights[:, -1:]
        return (heights < level).sum(axis=1)

    return draw
