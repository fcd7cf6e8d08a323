"""Exact answers about finite variables from tables, by elimination that is planned from their shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from probdl.exact.tables.answers import (
    MostProbable,
    Posterior,
    joint,
    log_evidence,
    most_probable,
    posterior,
    samples,
)
from probdl.exact.tables.contraction import Values
from probdl.exact.tables.contradiction import why_impossible
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.exact.tables.log_normalizer import log_normalizer_of_runs
from probdl.exact.tables.plan import Cost
from probdl.exact.tables.plans import Plans
from probdl.exact.tables.problem import Problem, make_problem
from probdl.program.describe import is_abstract
from probdl.program.precision import Precision, concrete


@dataclass(frozen=True, eq=False)
class TableElimination:
    """Exact inference on a product of tables over finite variables.

    p(x) is proportional to prod_a f_a(x_a). Plans depend on the shapes alone and on which variables are
    observed; those that were used last are kept. Observing other variables takes no new plan where the one
    for no observation is cheap.

    Args:
        sizes: The number of states by variable.
        scopes: The variables of each table, in the order of its axes.
        conditionals: For each table, the variable over which it sums to one for all states of the others, or
            None. Where they are known, what does not matter to a question is left out.
        max_table: The most entries that a table may have. Where one would be larger, some variables are held
            at each of their states in turn.

    Raises:
        ValueError: If sizes, scopes and conditionals do not fit together.

    Example:
        >>> engine = TableElimination({"rain": 2, "wet": 2}, [("rain",), ("rain", "wet")])
        >>> tables = [[0.2, 0.8], [[0.9, 0.1], [0.3, 0.7]]]
        >>> posterior = engine.infer(tables, {"wet": 0})
        >>> posterior.marginals["rain"].round(6).tolist(), round(math.exp(posterior.log_evidence), 6)
        ([0.428571, 0.571429], 0.42)

    Source:
        Zhang & Poole (1996); Darwiche (2003), doi:10.1145/765568.765570; Koller & Friedman (2009), §9, §13.
    """

    sizes: Mapping[Any, int]
    scopes: Sequence[Sequence[Any]]
    conditionals: Sequence[Any] | None = None
    _: KW_ONLY
    max_table: int = MOST_ENTRIES
    _problem: Problem = field(init=False, repr=False)
    _plans: Plans = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Number the variables."""
        problem = make_problem(self.sizes, self.scopes, self.conditionals)
        object.__setattr__(self, "_problem", problem)
        object.__setattr__(self, "_plans", Plans(problem, self.max_table))

    def cost(self, observed: Iterable[Any] = ()) -> Cost:
        """Return what `infer` takes, without running it.

        Args:
            observed: The variables that are observed.

        Returns:
            The cost.

        Raises:
            ValueError: If a table is too large.
        """
        return self._plans.of(frozenset(self._problem.numbers(observed))).conditioned.cost

    def infer(self, tables: Sequence[Any], evidence: Mapping[Any, int] | None = None) -> Posterior:
        """Return the log evidence and all posterior marginals.

        Args:
            tables: Weights that are not negative, in the order of the scopes.
            evidence: The states of observed variables.

        Returns:
            The posterior.

        Raises:
            ValueError: If tables or evidence do not fit, or if a table is too large.
            ImpossibleEvidence: If the observations have probability zero; they are named.
        """
        arrays, states = self._given(tables, evidence)
        found = posterior(self._problem, *self._plans.answering(arrays, states))
        if found is None:
            raise self._why_impossible(arrays, states)
        return found

    def log_evidence(self, tables: Sequence[Any], evidence: Mapping[Any, int] | None = None) -> float:
        """Return the log evidence alone.

        Args:
            tables: Weights that are not negative, in the order of the scopes.
            evidence: The states of observed variables.

        Returns:
            Log of the sum over all other variables, in nats; minus infinity if that is impossible.

        Raises:
            ValueError: If tables or evidence do not fit, or if a table is too large.
        """
        arrays, states = self._given(tables, evidence)
        return log_evidence(self._plans.of(frozenset(states), prune=True), arrays, states)

    def marginal(
        self, tables: Sequence[Any], variables: Sequence[Any], evidence: Mapping[Any, int] | None = None
    ) -> Float[np.ndarray, ...]:
        """Return the posterior of several variables together.

        Args:
            tables: Weights that are not negative, in the order of the scopes.
            variables: The variables, one axis each.
            evidence: The states of observed variables.

        Returns:
            Joint probabilities, with one axis for each variable.

        Raises:
            ValueError: If tables, variables or evidence do not fit, or if a table is too large.
            ImpossibleEvidence: If the observations have probability zero; they are named.
        """
        arrays, states = self._given(tables, evidence)
        wanted = self._wanted(variables)
        entries = math.prod(self._problem.sizes[v] for v in wanted)
        if entries > self.max_table:
            raise ValueError(
                f"Expected a joint table of at most {self.max_table:,} entries; got {entries:,}. Ask for "
                f"fewer variables, or draw samples."
            )
        prepared = self._plans.of(frozenset(states), frozenset(wanted) - set(states), prune=True)
        found = joint(self._problem, prepared, arrays, states, wanted)
        if found is None:
            raise self._why_impossible(arrays, states)
        return found

    def most_probable(
        self,
        tables: Sequence[Any],
        evidence: Mapping[Any, int] | None = None,
        variables: Sequence[Any] | None = None,
    ) -> MostProbable:
        """Return the states that are most probable together, given the observations.

        argmax_m sum_s prod_a f_a(m, s, e), where s are the variables neither asked for nor observed.

        Args:
            tables: Weights that are not negative, in the order of the scopes.
            evidence: The states of observed variables.
            variables: The variables; None for all that are not observed, so that nothing is summed out.

        Returns:
            One such assignment, and its weight.

        Raises:
            ValueError: If tables, variables or evidence do not fit, or if a table is too large.
            ImpossibleEvidence: If the observations have probability zero; they are named.
        """
        arrays, states = self._given(tables, evidence)
        free = [v for v in range(len(self._problem.sizes)) if v not in states]
        wanted = free if variables is None else self._wanted(variables)
        prepared = self._plans.of(
            frozenset(states), frozenset(wanted) - set(states), prune=True, maximised=True
        )
        found, log_weight = most_probable(prepared, arrays, states, wanted)
        if log_weight == -math.inf:
            raise self._why_impossible(arrays, states)
        return MostProbable({self._problem.names[v]: found[v] for v in wanted}, log_weight)

    def sample(
        self,
        rng: np.random.Generator,
        tables: Sequence[Any],
        evidence: Mapping[Any, int] | None = None,
        num_samples: int = 1,
    ) -> dict[Any, Int[np.ndarray, " draw"]]:
        """Draw from the posterior of all variables.

        Args:
            rng: The source of randomness.
            tables: Weights that are not negative, in the order of the scopes.
            evidence: The states of observed variables.
            num_samples: The number of independent draws.

        Returns:
            The states of each variable in all draws.

        Raises:
            ValueError: If tables or evidence do not fit, or if a table is too large.
            ImpossibleEvidence: If the observations have probability zero; they are named.
        """
        arrays, states = self._given(tables, evidence)
        found = samples(rng, *self._plans.answering(arrays, states), num_samples)
        if found is None:
            raise self._why_impossible(arrays, states)
        return {name: found[v] for v, name in enumerate(self._problem.names)}

    def log_normalizer(
        self, log_tables: Sequence[Float[Array, ...]], evidence: Mapping[Any, Any] | None = None
    ) -> Float[Array, ""]:
        """Return the log evidence as a JAX function of the logs of the tables.

        Its derivatives are the posterior marginals of the tables: zero where the observations are impossible.

        Args:
            log_tables: Logs of the tables, in nats, in the order of the scopes.
            evidence: The states of observed variables; they may be traced.

        Returns:
            The log evidence, in nats; inside a trace in the precision of the tables, outside in double.

        Raises:
            ValueError: If tables or evidence do not fit, or if a table is too large.
        """
        known = evidence or {}
        if is_abstract((list(log_tables), list(known.values()))):
            return self._log_normalizer(list(map(jnp.asarray, log_tables)), known)
        with Precision.DOUBLE.active():
            found = self._log_normalizer([jnp.asarray(table, float) for table in log_tables], known)
            return concrete(found)

    def _log_normalizer(self, arrays: list[Array], known: Mapping[Any, Any]) -> Float[Array, ""]:
        self._problem.check(arrays)
        states = dict(zip(self._problem.numbers(known), known.values(), strict=True))
        return log_normalizer_of_runs(self._plans.of(frozenset(states)), arrays, states)

    def _given(
        self, tables: Sequence[Any], evidence: Mapping[Any, int] | None
    ) -> tuple[list[Values], dict[int, int]]:
        return self._problem.arrays(tables), self._problem.states(evidence or {})

    def _wanted(self, variables: Sequence[Any]) -> list[int]:
        found = self._problem.numbers(variables)
        if len(set(found)) < len(found):
            raise ValueError(f"Expected different variables; got {list(variables)}. Ask for each once.")
        return found

    def _why_impossible(self, arrays: Sequence[Values], states: Mapping[int, int]) -> ValueError:
        return why_impossible(self._problem, arrays, states, self.max_table)
