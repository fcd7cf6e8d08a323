"""Answers from the passes of an elimination, together over all states of the variables that are held."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from probdl.exact.backtracking import backtrack, draw, most_likely
from probdl.exact.contraction import Values
from probdl.exact.marginals import factor_marginals, spread
from probdl.exact.prepared import Prepared
from probdl.exact.problem import Problem
from probdl.exact.sum_product import Tape


@dataclass(frozen=True, eq=False)
class Posterior:
    """Posterior marginals of all variables.

    Attributes:
        log_evidence: Log of the sum over all variables that are not observed, in nats.
        marginals: Probabilities of the states by variable; where one was observed, one and zeros.

    Example:
        >>> from probdl.exact.elimination import TableElimination
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


def log_totals(
    prepared: Prepared, tables: Sequence[Values], states: Mapping[int, int]
) -> Float[np.ndarray, " run"]:
    """Return the log of the sum of each run.

    Args:
        prepared: What is ready to run.
        tables: All tables.
        states: The observed states.

    Returns:
        The logs, in nats; minus infinity for what is impossible.
    """
    return np.array([prepared.forward(tables, run)[1] for run in prepared.runs(states)])


def log_sum(logs: Float[np.ndarray, " run"]) -> float:
    """Return the log of the sum of exponentials.

    Args:
        logs: The logs.

    Returns:
        The log of their sum; minus infinity if all are.

    Example:
        >>> log_sum(np.array([-np.inf, -2.0]))
        -2.0
    """
    return float(np.logaddexp.reduce(logs))


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
    runs = prepared.runs(states)
    if len(runs) == 1:
        return _of_run(problem, prepared, tables, runs[0])
    total, marginals, joints = -math.inf, dict[Any, Values](), list[Values]()
    for run in runs:
        part = _of_run(problem, prepared, tables, run)
        if part is None:
            continue
        before, total = total, log_sum(np.array([total, part.log_evidence]))
        old, new = math.exp(before - total), math.exp(part.log_evidence - total)
        if not marginals:
            marginals, joints = part.marginals, part.factor_marginals
        marginals = {name: old * table + new * part.marginals[name] for name, table in marginals.items()}
        joints = [old * table + new * own for table, own in zip(joints, part.factor_marginals, strict=True)]
    return Posterior(total, marginals, lambda: joints) if marginals else None


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
    total, logs = np.zeros([problem.sizes[v] for v in wanted]), log_totals(prepared, tables, states)
    if log_sum(logs) == -math.inf:
        return None
    for log_total, run in zip(logs, prepared.runs(states), strict=True):
        if log_total == -math.inf:
            continue
        tape = prepared.forward(tables, run)[0]
        free = [v for v in wanted if v not in run]
        table = np.ones([problem.sizes[v] for v in free])
        for scope, part in zip(tape.schedule.plan.left_scopes, tape.left(), strict=True):
            missing = [i for i, v in enumerate(free) if v not in scope]
            turned = part.transpose([scope.index(v) for v in free if v in scope])
            table *= np.expand_dims(turned, tuple(missing))
        index = tuple(run.get(v, slice(None)) for v in wanted)
        total[index] += math.exp(log_total - logs.max()) * table
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
    runs = prepared.runs(states)
    logs = [prepared.maximum(tables, run)[1] for run in runs]
    highest = max(logs)
    if highest == -math.inf:
        return {}, highest
    best = runs[logs.index(highest)]
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

    Args:
        rng: The source of randomness.
        prepared: What is ready to run.
        tables: All tables.
        states: The observed states.
        number: The number of draws.

    Returns:
        The states of each variable, or None if the observations are impossible.
    """
    logs = log_totals(prepared, tables, states)
    if log_sum(logs) == -math.inf:
        return None
    weights = np.exp(logs - log_sum(logs))
    counts = rng.multinomial(number, weights / weights.sum())
    parts = []
    for count, run in zip(counts.tolist(), prepared.runs(states), strict=True):
        if count:
            held = {v: np.full(count, state) for v, state in run.items()}
            parts.append(held | draw(rng, prepared.forward(tables, run)[0], count))
    if not parts:
        return {v: np.zeros(0, int) for v in range(len(prepared.schedules[0].plan.sizes))}
    shuffled = rng.permutation(number) if len(parts) > 1 else slice(None)
    return {v: np.concatenate([part[v] for part in parts])[shuffled] for v in parts[0]}


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
