"""Methods that draw from the exact posterior: nothing is approximated, draws are independent."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import jax
import numpy as np
from jaxtyping import Array

from probdl.exact.posteriors.impossible import check_possible
from probdl.exact.programs.expectations import draws, log_evidence_of
from probdl.exact.programs.search import Found, find
from probdl.exact.programs.variables import Kind
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.exact.tables.network import NetworkPosterior, network_posterior
from probdl.inference.assemble import provenance
from probdl.inference.destination import destination
from probdl.inference.diagnostics import diagnose
from probdl.inference.method import NO_LATENT, Method, Options, at_least
from probdl.inference.result import LOG_EVIDENCE, LOG_EVIDENCE_ERROR, Result
from probdl.program.model import Model
from probdl.program.precision import Precision

Drawn = tuple[float, dict[str, np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Exact(Method):
    """Integrate all latents exactly, then draw from their posterior.

    Discrete sites are summed out, Gaussian blocks integrated, conjugate sites recognised; the result has the
    log evidence. The draws are independent. For the numbers without sampling error, see `exact_posterior`.

    Args:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn, as other methods have chains.
        max_table: The most entries of a table, as in `exact_posterior`.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.inference.infer import infer
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1, 1))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> print(f"{infer(Model(coin), Exact(), key=0).log_evidence:.4f}")  # -log 11
        -2.3979

    Source:
        Bishop & Bishop (2023), §3.2 and §11.3.
    """

    num_samples: int = 1000
    num_chains: int = 4
    max_table: int = MOST_ENTRIES
    kinds: ClassVar[frozenset[Kind]] = frozenset(Kind)
    what: ClassVar[str] = "integrated exactly"

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("num_samples", "num_chains", "max_table"):
            at_least(name, getattr(self, name), 1)

    @property
    def instead(self) -> str:
        """What to do with a model that is not exact as a whole."""
        return "Call infer(model, key=0): it integrates what it can and samples the rest."

    def found(self, model: Model) -> Found:
        """Return what can be integrated."""
        return find(model, None, self.kinds, self.max_table)

    def applicable(self, model: Model) -> str | None:
        """Return which latent cannot be integrated, and why, if so."""
        if not model.latents:
            return NO_LATENT
        if network_posterior(model, self.max_table) is not None and Kind.DISCRETE in self.kinds:
            return None
        found = self.found(model)
        for name in model.latents:
            if name not in found.integrated:
                kind = "discrete" if model.sites[name].is_discrete else "continuous"
                why = found.reasons.get(name, f"it is {kind}").removeprefix(f"not {self.what}: ")
                return f"site '{name}' is not {self.what}: {why}"
        return None

    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Draw from the posterior of a model."""
        network = network_posterior(model, self.max_table)
        with Precision.DOUBLE.active():
            if network is not None:
                log_evidence, values, lp = self._of_network(key, network)
            else:
                log_evidence, values, lp = self._of_program(key, model)
            lead = (self.num_chains, self.num_samples)
            attributes = provenance(key, self) | {"num_samples": lead[1]}
            attributes |= {LOG_EVIDENCE: log_evidence, LOG_EVIDENCE_ERROR: 0.0}
            kept = destination(model, options, attributes)
            kept.append(
                {name: value.reshape(*lead, *value.shape[1:]) for name, value in values.items()},
                {"lp": lp.reshape(lead)},
            )
            data = kept.finish()
        return Result(data, diagnose(data), log_evidence=log_evidence, log_evidence_error=0.0, model=model)

    def _of_network(self, key: Array, network: NetworkPosterior) -> Drawn:
        log_evidence = network.log_evidence
        values = network.sample(key, self.num_chains * self.num_samples)
        return log_evidence, values, network.log_joint(values)

    def _of_program(self, key: Array, model: Model) -> Drawn:
        integral = self.found(model).integral
        if integral is None:
            raise ValueError("Expected a model with latent sites; got none. Call model.log_joint({}).")
        arrays = model.arrays(Precision.DOUBLE)
        log_evidence = float(log_evidence_of(integral, arrays))
        check_possible(model, log_evidence)
        chains = jax.vmap(functools.partial(jax.random.fold_in, key))(np.arange(self.num_chains))
        keys = jax.vmap(lambda chain: jax.random.split(chain, self.num_samples))(chains).reshape(-1)
        values, lp = draws(integral, keys, arrays)
        return log_evidence, {name: np.asarray(value) for name, value in values.items()}, np.asarray(lp)


@dataclass(frozen=True, kw_only=True)
class Elimination(Exact):
    """Sum all latents out, which have to be discrete, and draw from their posterior.

    Args:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn.
        max_table: The most entries of a table, as in `exact_posterior`.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> print(Elimination(num_samples=10))
        Elimination(num_samples=10)

    Source:
        Koller & Friedman (2009), §9.3; chains by forward-backward (Rabiner 1989).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.DISCRETE})
    what: ClassVar[str] = "summed out"


@dataclass(frozen=True, kw_only=True)
class Gaussian(Exact):
    """Integrate all latents, which have to be jointly Gaussian given the data, and draw from their posterior.

    Args:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn.
        max_table: The most entries of a table, as in `exact_posterior`.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> print(Gaussian(num_chains=1))
        Gaussian(num_chains=1)

    Source:
        Bishop & Bishop (2023), §3.2; chains by a Kalman smoother (Rauch, Tung & Striebel 1965).
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.GAUSSIAN})
    what: ClassVar[str] = "integrated as a Gaussian"


@dataclass(frozen=True, kw_only=True)
class Conjugate(Exact):
    """Find the posterior of latents that are conjugate each, and draw from it.

    Args:
        num_samples: Draws of each chain.
        num_chains: How many times that many are drawn.
        max_table: The most entries of a table, as in `exact_posterior`.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> print(Conjugate())
        Conjugate()

    Source:
        Bishop & Bishop (2023), §3.4.2.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONJUGATE, Kind.GAUSSIAN})
    what: ClassVar[str] = "conjugate"
