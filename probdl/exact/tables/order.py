"""The order in which variables are summed out of a product of tables: greedy, with restarts."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice

Score = Callable[[Sequence[int], Sequence[int], int], tuple[int, int]]

WORTH = 1000  # multiplications that must be at stake for each score that is evaluated to save them
MOST_RUNS, MOST_SCORES = 20, 30_000


def neighbours(scopes: Sequence[Sequence[int]], count: int) -> list[int]:
    """Return the neighbours of each variable: those that it shares a table with.

    Args:
        scopes: The variables of each table, numbered from 0.
        count: The number of variables.

    Returns:
        A bit set for each variable.

    Example:
        >>> neighbours([(0, 1), (1, 2)], 3)
        [2, 5, 2]
    """
    around = [0] * count
    for scope in scopes:
        together = bit_set(scope)
        for variable in scope:
            around[variable] |= together
    return [own & ~(1 << variable) for variable, own in enumerate(around)]


def summation_order(scopes: Sequence[Sequence[int]], sizes: Sequence[int], last: int = 0) -> tuple[int, ...]:
    """Return a cheap order in which to sum out all variables.

    The cost of an order is the sum of the sizes of its cliques. Three rules choose the next variable: fewest
    fill-in edges, smallest clique, fewest fill-in edges weighted by the sizes of their ends. They are tried
    in turn, with ties broken at random (the seed is fixed), while what they can save is worth their time.

    Args:
        scopes: The variables of each table, numbered from 0.
        sizes: The number of states of each variable.
        last: A bit set of variables that come after all others.

    Returns:
        The variables, first to be summed out first.

    Example:
        >>> summation_order([(0, 1), (1, 2), (1, 3)], [2, 9, 2, 2], last=0b10)[-1]
        1

    Source:
        Koller & Friedman (2009), §9.4.3.2; Kjaerulff (1990) for the weights.
    """
    around = neighbours(scopes, len(sizes))
    ties = random.Random(0)
    best: tuple[int, ...] = ()
    lowest, spent = math.inf, 0
    for rule in islice(cycle((fill_in, clique_size, weighted_fill_in)), MOST_RUNS):
        order, cost, scored = greedy(around, sizes, rule, ties, last, lowest)
        spent += scored
        if cost < lowest:
            best, lowest = order, cost
        if spent * WORTH > lowest or spent > MOST_SCORES:
            break
    return best


def greedy(
    around: Sequence[int], sizes: Sequence[int], score: Score, ties: random.Random, last: int, bound: float
) -> tuple[tuple[int, ...], float, int]:
    """Sum out the variable of lowest score again and again.

    Args:
        around: The neighbours of each variable, bit sets.
        sizes: The number of states of each variable.
        score: What to keep low.
        ties: Breaks ties.
        last: A bit set of variables that come after all others.
        bound: Give up at this cost.

    Returns:
        The order, its cost, and the number of scores evaluated; an infinite cost where it gave up.
    """
    around = list(around)
    scores = [(last >> v & 1, *score(around, sizes, v)) for v in range(len(sizes))]
    waiting = [(value, ties.random(), v) for v, value in enumerate(scores)]
    heapq.heapify(waiting)
    order: list[int] = []
    gone, cost, scored = 0, 0, len(scores)
    while waiting:
        value, _, v = heapq.heappop(waiting)
        if gone >> v & 1 or scores[v] != value:
            continue
        gone |= 1 << v
        order.append(v)
        own = changed = around[v]
        cost += size_of(own, sizes) * sizes[v]
        if cost >= bound:
            return (), math.inf, scored
        for u in members(own):
            for w in members((own & ~around[u]) >> u + 1):
                changed |= around[u] & around[u + 1 + w]
        for u in members(own):
            around[u] = (around[u] | own) & ~(1 << u | 1 << v)
        for u in members(changed & ~gone):
            new = (last >> u & 1, *score(around, sizes, u))
            scored += 1
            if new != scores[u]:
                scores[u] = new
                heapq.heappush(waiting, (new, ties.random(), u))
    return tuple(order), cost, scored


def fill_in(around: Sequence[int], sizes: Sequence[int], v: int) -> tuple[int, int]:
    """Return how many edges summing out a variable adds, and the size of its clique.

    Args:
        around: The neighbours of each variable, bit sets.
        sizes: The number of states of each variable.
        v: The variable.

    Returns:
        Both numbers.
    """
    own = around[v]
    missing = sum((own & ~around[u]).bit_count() - 1 for u in members(own))
    return missing, size_of(own, sizes) * sizes[v]


def weighted_fill_in(around: Sequence[int], sizes: Sequence[int], v: int) -> tuple[int, int]:
    """Return the edges that summing out a variable adds, each as the product of the sizes of its ends.

    Args:
        around: The neighbours of each variable, bit sets.
        sizes: The number of states of each variable.
        v: The variable.

    Returns:
        Twice their sum, and the size of the clique.
    """
    own = around[v]
    missing = 0
    for u in members(own):
        apart = own & ~around[u] & ~(1 << u)
        missing += sizes[u] * sum(sizes[w] for w in members(apart))
    return missing, size_of(own, sizes) * sizes[v]


def clique_size(around: Sequence[int], sizes: Sequence[int], v: int) -> tuple[int, int]:
    """Return the number of entries of the table that a variable is summed out of.

    Args:
        around: The neighbours of each variable, bit sets.
        sizes: The number of states of each variable.
        v: The variable.

    Returns:
        That number, and 0.
    """
    return size_of(around[v], sizes) * sizes[v], 0


def bit_set(variables: Iterable[int]) -> int:
    """Return a set of small integers as the bits of one.

    Args:
        variables: The integers.

    Returns:
        The bit set.

    Example:
        >>> bin(bit_set([0, 3]))
        '0b1001'
    """
    found = 0
    for variable in variables:
        found |= 1 << variable
    return found


def members(bits: int) -> Iterator[int]:
    """Yield the members of a bit set, lowest first.

    Args:
        bits: The bit set.

    Yields:
        Its members.

    Example:
        >>> list(members(0b1001))
        [0, 3]
    """
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def size_of(bits: int, sizes: Sequence[int]) -> int:
    """Return the number of entries of a table.

    Args:
        bits: Its variables, a bit set.
        sizes: The number of states of each variable.

    Returns:
        The product of their sizes.

    Example:
        >>> size_of(0b101, [2, 3, 4])
        8
    """
    return math.prod(sizes[v] for v in members(bits))
