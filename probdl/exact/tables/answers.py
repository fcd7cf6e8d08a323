"""Answers from the passes of an elimination, together over all states of the variables that are held."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from probdl.exact.tables.backtracking import backtrack, draw, most_likely
from probdl.exact.tables.contraction import Values
from probdl.exact.tables.marginals import factor_marginals, spread
from probdl.exact.tables.prepared import Prepared
from probdl.exact.tables.problem import Problem
from probdl.exact.tables.sum_product import Tape


@dataclass(frozen=True, eq=False)
class Posterior:
    """Posterior marginals of all variables.

    Attributes:
        log_evidence: Log of the sum over all variables that are not observed, in nats.
        marginals: Probabilities of the states by variable; where one was observed, one and zeros.

    Example:
        >>> from probdl.exact.tables.elimination import TableElimination
        >>> posterior = TableElimination({"x": 2}, [("x",)]).infer([[1.0, 3.0]])
        >>> posterior.marginals["x"].tolist(), posterior.factor_marginals[0].tolist()
        ([0.25, 0.75], [0.25, 0.75])
    """

    log_evidence: float
    marginals: dict[Any, Float[np.ndarray, " state"]]
    _joints: Callable[[], list[Values]] = field(repr=False)

    @cached_property
    def factor_marginals(self) -> list[Values]:
        """Posterior of the variables of each table, with its axes: expected sufficient statistics."""
        return self._joints()


class MostProbable(NamedTuple):
    """A most probable assignment.

    Attributes:
        states: The state of each variable that was asked for.
        log_weight: Log of the sum over all other variables given these states, in nats.
    """

    states: dict[Any, int]
    log_weight: float


def log_evidence(prepared: Prepared, tables: Sequence[Values], states: Mapping[int, int]) -> float:
    """Return the log of the sum over all variables that are not observed.

    Args:
        prepared: What is ready to run.
        tables: All tables.
        states: The observed states.

    Returns:
        The log, in nats; minus infinity if the observations are impossible.
    """
    total = -math.inf
    for run in prepared.runs(states):
        total = log_add(total, prepared.forward(tables, run)[1])
    return total


def log_add(a: float, b: float) -> float:
    """Return log(exp(a) + exp(b)).

    Args:
        a: A logarithm.
        b: Another.

    Returns:
        The logarithm of the sum; minus infinity if both are.

    Example:
        >>> log_add(-math.inf, -2.0)
        -2.0
    """
    return float(np.logaddexp(a, b))


def posterior(
    problem: Problem, prepared: Prepared, tables: Sequence[Values], states: Mapping[int, int]
) -> Posterior | None:
    """Return all posterior marginals.

    Args:
        problem: The shapes of the tables.
        prepared: What is ready to run.
        tables: All tables.
        states: The observed states.

    Returns:
        The posterior, or None if the observations are impossible.
    """
    if prepared.conditioned.cost.runs == 1:
        run = next(prepared.runs(states))
        return _of_run(problem, prepared, tables, run)
    total, marginals = -math.inf, dict[Any, Values]()
    for run in prepared.runs(states):
        part = _of_run(problem, prepared, tables, run)
        if part is None:
            continue
        before, total = total, log_add(total, part.log_evidence)
        old, new = math.exp(before - total), math.exp(part.log_evidence - total)
        if not marginals:
            marginals = part.marginals
        marginals = {name: old * table + new * part.marginals[name] for name, table in marginals.items()}

    def joints() -> list[Values]:
        found = [np.zeros(shape) for shape in problem.shapes]
        for run in prepared.runs(states):
            part = _of_run(problem, prepared, tables, run)
            if part is not None:
                weight = math.exp(part.log_evidence - total)
                for table, own in zip(found, part.factor_marginals, strict=True):
                    table += weight * own
        return found

    return Posterior(total, marginals, joints) if marginals else None


def joint(
    problem: Problem,
    prepared: Prepared,
    tables: Sequence[Values],
    states: Mapping[int, int],
    wanted: Sequence[int],
) -> Values | None:
    """Return the posterior of several variables together.

    Args:
        problem: The shapes of the tables.
        prepared: What is ready to run; the variables were kept.
        tables: All tables.
        states: The observed states.
        wanted: The variables.

    Returns:
        A table with one axis for each variable, or None if the observations are impossible.
    """
    total, highest = np.zeros([problem.sizes[v] for v in wanted]), -math.inf
    for run in prepared.runs(states):
        tape, log_total = prepared.forward(tables, run)
        if log_total == -math.inf:
            continue
        if log_total > highest:
            total *= math.exp(highest - log_total)
            highest = log_total
        free = [v for v in wanted if v not in run]
        table = np.ones([problem.sizes[v] for v in free])
        for scope, part in zip(tape.schedule.plan.left_scopes, tape.left(), strict=True):
            missing = [i for i, v in enumerate(free) if v not in scope]
            turned = part.transpose([scope.index(v) for v in free if v in scope])
            table *= np.expand_dims(turned, tuple(missing))
        index = tuple(run.get(v, slice(None)) for v in wanted)
        total[index] += math.exp(log_total - highest) * table
    return total / total.sum() if total.any() else None


def most_probable(
    prepared: Prepared, tables: Sequence[Values], states: Mapping[int, int], wanted: Sequence[int]
) -> tuple[dict[int, int], float]:
    """Return the states of some variables that are most probable together.

    Args:
        prepared: What is ready to run; the variables were kept, to be maximised out.
        tables: All tables.
        states: The observed states.
        wanted: The variables.

    Returns:
        Their states, and the log of the sum over all other variables given these; minus infinity if the
        observations are impossible.
    """
    best, highest = {}, -math.inf
    for run in prepared.runs(states):
        log_maximum = prepared.maximum(tables, run)[1]
        if log_maximum > highest:
            best, highest = run, log_maximum
    if highest == -math.inf:
        return {}, highest
    found = backtrack(prepared.maximum(tables, best)[0], most_likely, 1)
    return {v: best[v] if v in best else int(found[v][0]) for v in wanted}, highest


def samples(
    rng: np.random.Generator,
    prepared: Prepared,
    tables: Sequence[Values],
    states: Mapping[int, int],
    number: int,
) -> dict[int, Int[np.ndarray, " draw"]] | None:
    """Draw from the posterior of all variables.

    Each draw is drawn anew in a run with the share that this run has of all runs so far. So the runs need not
    be gone through twice, and no draw tells from which of them another one is.

    Args:
        rng: The source of randomness.
        prepared: What is ready to run.
        tables: All tables.
        states: The observed states.
        number: The number of draws.

    Returns:
        The states of each variable, or None if the observations are impossible.

    Source:
        Chao (1982), doi:10.1093/biomet/69.3.653, for a sample of one, many times.
    """
    found = {v: np.zeros(number, int) for v in range(len(prepared.schedules[0].plan.sizes))}
    total = -math.inf
    for run in prepared.runs(states):
        tape, log_total = prepared.forward(tables, run)
        if log_total == -math.inf:
            continue
        total = log_add(total, log_total)
        count = rng.binomial(number, min(1.0, math.exp(log_total - total)))
        if not count:
            continue
        places = np.arange(number) if count == number else rng.choice(number, count, replace=False)
        for v, drawn in draw(rng, tape, count).items():
            found[v][places] = drawn
        for v, state in run.items():
            found[v][places] = state
    return None if total == -math.inf else found


def _of_run(
    problem: Problem, prepared: Prepared, tables: Sequence[Values], states: Mapping[int, int]
) -> Posterior | None:
    tape, log_total = prepared.forward(tables, states)
    if log_total == -math.inf:
        return None
    readout, names = prepared.readout, problem.names
    found: dict[int, Values] = dict(zip(readout.variables, readout.marginals(tape), strict=True))
    for v, state in states.items():
        found[v] = np.zeros(problem.sizes[v])
        found[v][state] = 1.0
    marginals = {name: found[v] for v, name in enumerate(names)}
    return Posterior(log_total, marginals, lambda: _joints(problem, prepared, tape, states))


def _joints(problem: Problem, prepared: Prepared, tape: Tape, states: Mapping[int, int]) -> list[Values]:
    restriction = prepared.restriction
    return [
        spread(table, shape, restriction.index(scope, states)) if scope != free else table
        for table, shape, scope, free in zip(
            factor_marginals(tape), problem.shapes, restriction.whole, restriction.scopes, strict=True
        )
    ]
