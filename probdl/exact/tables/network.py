"""The exact posterior of a Bayesian network: nothing is compiled, and evidence may change."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from probdl.errors import SiteNotFound, some
from probdl.exact.tables.answers import Posterior
from probdl.exact.tables.elimination import TableElimination
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.exact.tables.plan import Cost
from probdl.program.bayesian_network import BayesianNetwork
from probdl.program.keys import as_key
from probdl.program.model import Model


@dataclass(frozen=True, eq=False)
class NetworkPosterior:
    """The posterior of the variables of a Bayesian network given some of them.

    Attributes:
        network: The network.
        evidence: Codes of the observed variables.
        max_table: The most entries that a table may have; variables are held in turn where needed.

    Example:
        >>> network = BayesianNetwork(
        ...     {"rain": ("yes", "no"), "wet": ("yes", "no")},
        ...     {"rain": (), "wet": ("rain",)},
        ...     {"rain": np.array([0.2, 0.8]), "wet": np.array([[0.9, 0.1], [0.3, 0.7]])},
        ... )
        >>> posterior = NetworkPosterior(network, {"wet": 0})
        >>> posterior.probabilities("rain").round(3).tolist()
        [0.429, 0.571]

    Source:
        Koller & Friedman (2009), chapters 9 and 13.
    """

    network: BayesianNetwork
    evidence: Mapping[str, int]
    max_table: int = MOST_ENTRIES

    def __repr__(self) -> str:
        """Return the size of the network and what is observed, in a line."""
        states = self.network.states
        given = some(f"{name}={states[name][code]}" for name, code in self.evidence.items())
        left = len(states) - len(self.evidence)
        size = f"{left} variable{'s' if left != 1 else ''}"
        return f"NetworkPosterior({size} summed out; given {given or 'nothing'})"

    @functools.cached_property
    def _engine(self) -> TableElimination:
        return engine_of(shape_of(self.network), self.max_table)

    @property
    def _tables(self) -> list[np.ndarray]:
        return [self.network.tables[name] for name in self.network.variables]

    @functools.cached_property
    def _answer(self) -> Posterior:
        return self._engine.infer(self._tables, self.evidence)

    @property
    def cost(self) -> Cost:
        """How many multiplications and entries an elimination takes, known before it runs."""
        return self._engine.cost(self.evidence)

    @property
    def log_evidence(self) -> float:
        """Log of the probability of the evidence, in nats."""
        return float(self._answer.log_evidence)

    def given(self, /, **codes: int) -> NetworkPosterior:
        """Return the posterior given other evidence; what was planned is used again.

        Args:
            **codes: Codes of all observed variables.

        Returns:
            A new posterior.

        Raises:
            SiteNotFound: If a name is no variable.
        """
        for name in codes:
            self._check(name)
        return replace(self, evidence=dict(codes))

    def probabilities(self, name: str) -> Float[np.ndarray, " state"]:
        """Return the posterior probabilities of the states of a variable.

        Args:
            name: The variable.

        Returns:
            One number a state.

        Raises:
            SiteNotFound: If it is no variable.
            ImpossibleEvidence: If the evidence has probability zero; it is named.
        """
        self._check(name)
        return np.asarray(self._answer.marginals[name])

    def joint(self, *names: str) -> Float[np.ndarray, ...]:
        """Return the joint posterior of some variables.

        Args:
            *names: The variables.

        Returns:
            One axis a variable.

        Raises:
            SiteNotFound: If one is no variable.
            ValueError: If the table would be too large.
        """
        for name in names:
            self._check(name)
        return self._engine.marginal(self._tables, names, self.evidence)

    def covariance(self, *names: str) -> Float[np.ndarray, "variable variable"]:
        """Return the posterior covariance matrix of the codes of some variables.

        Args:
            *names: The variables, rows and columns in this order.

        Returns:
            The matrix; zero where a variable was observed.

        Raises:
            SiteNotFound: If one is no variable.
            ValueError: If none is named, or one twice.
        """
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"Expected different variables in covariance, one or more; got {list(names)}. Name each once."
            )
        means = np.array([self._mean(self.probabilities(name)) for name in names])
        found = np.zeros((len(names), len(names)))
        for row, name in enumerate(names):
            for code, probability in enumerate(self.probabilities(name)):
                if probability > 0 and name not in self.evidence:
                    given = self._engine.infer(self._tables, {**self.evidence, name: code}).marginals
                    away = [self._mean(given[other]) for other in names] - means
                    found[row] += probability * (code - means[row]) * away
        return (found + found.T) / 2

    def distribution(self, name: str) -> dist.Distribution:
        """Return the posterior of a variable as a NumPyro distribution, in JAX's precision.

        Args:
            name: The variable.

        Returns:
            A categorical distribution of its codes.

        Raises:
            SiteNotFound: If it is no variable.
        """
        return dist.CategoricalProbs(jnp.asarray(self.probabilities(name)))

    def expected_statistics(self, name: str) -> Float[np.ndarray, " state"]:
        """Return the posterior expectation of the sufficient statistics of a variable: its probabilities.

        Args:
            name: The variable.

        Returns:
            One number a state.

        Raises:
            SiteNotFound: If it is no variable.
        """
        return self.probabilities(name)

    def most_probable(self, names: Sequence[str] | None = None) -> dict[str, int]:
        """Return the most probable states.

        Args:
            names: The variables that are wanted, the others summed out; None for all together.

        Returns:
            Codes by variable.

        Raises:
            SiteNotFound: If one is no variable.
        """
        for name in names or ():
            self._check(name)
        return self._engine.most_probable(self._tables, self.evidence, names).states

    def sample(self, key: int | Array, num_samples: int = 1000) -> dict[str, np.ndarray]:
        """Draw independently from the joint posterior.

        Args:
            key: A seed or a JAX key.
            num_samples: Number of draws.

        Returns:
            Codes by variable that is not observed, one a draw.
        """
        seed = np.asarray(jax.random.key_data(as_key(key))).ravel().tolist()
        drawn = self._engine.sample(np.random.default_rng(seed), self._tables, self.evidence, num_samples)
        return {name: drawn[name] for name in self.network.variables if name not in self.evidence}

    def log_joint(self, codes: Mapping[str, np.ndarray]) -> Float[np.ndarray, " draw"]:
        """Return the log joint probability of all variables at draws of those that are not observed."""
        whole = {**codes, **{name: np.asarray(code) for name, code in self.evidence.items()}}
        found = np.zeros(())
        with np.errstate(divide="ignore"):
            for name, parents in self.network.parents.items():
                index = tuple(whole[axis] for axis in (*parents, name))
                found = found + np.log(self.network.tables[name][index])
        return found

    @staticmethod
    def _mean(probabilities: np.ndarray) -> float:
        return float(np.arange(len(probabilities)) @ probabilities)

    def _check(self, name: str) -> None:
        if name not in self.network.parents:
            raise SiteNotFound(name, self.network.variables, "the posterior", "a variable")


Shape = tuple[tuple[str, int, tuple[str, ...]], ...]


def shape_of(network: BayesianNetwork) -> Shape:
    """Return what a plan depends on: variables, numbers of states, parents."""
    return tuple((name, len(network.states[name]), parents) for name, parents in network.parents.items())


@functools.lru_cache(maxsize=8)
def engine_of(shape: Shape, max_table: int) -> TableElimination:
    """Return the engine of all networks of a shape: it keeps its plans."""
    sizes = {name: size for name, size, _ in shape}
    scopes = [(*parents, name) for name, _, parents in shape]
    return TableElimination(sizes, scopes, list(sizes), max_table=max_table)


def network_posterior(model: Model, max_table: int = MOST_ENTRIES) -> NetworkPosterior | None:
    """Return the posterior of a model whose program is a Bayesian network, or None.

    Args:
        model: The model.
        max_table: The most entries that a table may have.

    Returns:
        The posterior.
    """
    if not isinstance(model.program, BayesianNetwork) or model.held:
        return None
    network = model.program.with_tables(*model.args, **model.kwargs)
    codes = {name: int(np.asarray(code)) for name, code in model.observed.items()}
    return NetworkPosterior(network, codes, max_table)
