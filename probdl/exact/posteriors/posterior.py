"""The exact posterior of a model whose latents can all be integrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import override

import jax
import numpy as np
from jaxtyping import Array, Float

from probdl.errors import NotApplicable, some
from probdl.exact.posteriors.impossible import check_possible
from probdl.exact.posteriors.queries import Queries
from probdl.exact.programs.expectations import draws, most_probable
from probdl.exact.programs.search import find
from probdl.exact.programs.variables import Kind, Variable
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.exact.tables.network import NetworkPosterior, network_posterior
from probdl.program.keys import as_key
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.sites import Site
from probdl.program.states import finite_range

INSTEAD = "Call infer(model, key=0): it integrates what it can and samples the rest."


@dataclass(frozen=True, eq=False)
class ExactPosterior(Queries):
    """The posterior of all latents of a model, without sampling error.

    Attributes:
        model: The model.
        found: How its latents are integrated.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program():
        ...     z = numpyro.sample("z", dist.Bernoulli(0.2))
        ...     numpyro.sample("y", dist.Normal(2.0 * z, 1.0), obs=2.0)
        >>> posterior = exact_posterior(Model(program))
        >>> posterior.probabilities("z").round(3).tolist()
        [0.351, 0.649]
    """

    @override
    def __repr__(self) -> str:
        """Return the sites and how each is integrated, in a line."""
        kinds = self.found.integrated
        parts = [
            f"{some(name for name in kinds if kinds[name] is kind)} {kind.value}"
            for kind in Kind
            if kind in kinds.values()
        ]
        given = some(name for name, site in self.model.sites.items() if site.is_observed)
        return f"ExactPosterior({'; '.join(parts)}; given {given or 'nothing'})"

    @property
    def log_evidence(self) -> float:
        """Log of the probability of the observations, in nats."""
        return float(self.expectations.log_evidence)

    @override
    def probabilities(self, name: str) -> Float[np.ndarray, "*site state"]:
        """Return the posterior probabilities of the values of a discrete site.

        Args:
            name: The site.

        Returns:
            The shape of the site, then its values in increasing order.

        Raises:
            SiteNotFound: If it is no latent site.
            ValueError: If it is not discrete, or its probabilities are not known in closed form.
        """
        variable = self.variable(name, Kind.DISCRETE)
        whole = np.asarray((self.moments if self.has_points else self.expectations).log[name])
        self._check_known(name, whole)
        return entry_probabilities(variable, whole)

    def mean(self, name: str) -> Float[np.ndarray, "*site"]:
        """Return the posterior mean of a continuous site.

        Args:
            name: The site.

        Returns:
            The shape of the site.

        Raises:
            SiteNotFound: If it is no latent site.
            ValueError: If it is discrete.
        """
        return self._moment(name, "mean")

    def variance(self, name: str) -> Float[np.ndarray, "*site"]:
        """Return the posterior variance of each entry of a continuous site.

        Args:
            name: The site.

        Returns:
            The shape of the site.

        Raises:
            SiteNotFound: If it is no latent site.
            ValueError: If it is discrete.
        """
        return self._moment(name, "variance")

    def _moment(self, name: str, what: str) -> np.ndarray:
        variable = self.variable(name, Kind.GAUSSIAN, Kind.CONJUGATE)
        known = self.expectations
        if name in known.natural:
            with Precision.DOUBLE.active():
                moments = variable.known_family.moments(known.natural[name])
                return variable.unpacked(np.asarray(moments[0 if what == "mean" else 1]))
        if not self.has_points:
            mean = np.asarray(known.linear[name])
            second = -2 * np.diagonal(np.asarray(known.precision[name]), axis1=-2, axis2=-1)
        else:
            mean, second = np.asarray(self.moments.mean[name]), np.asarray(self.moments.square[name])
            self._check_known(name, mean if what == "mean" else second)
        if what == "variance":
            return variable.unpacked(second - np.where(np.isinf(second), 0, mean) ** 2)
        return variable.unpacked(mean + np.array(variable.centre) if variable.centre else mean)

    @staticmethod
    def _check_known(name: str, expectation: np.ndarray) -> None:
        if np.isnan(expectation).any():
            raise ValueError(
                f"Expected a site whose moments have a closed form; got '{name}', a mixture over what is "
                f"conjugate. Draw from it with `sample`."
            )

    def most_probable(self, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Return the most probable values of all latents together, or of some with the others summed out.

        Where discrete and Gaussian latents are together, their joint density is highest there.

        Args:
            names: Discrete sites, elements or slices, as in `joint`; None for all latents.

        Returns:
            Values by name.

        Raises:
            TypeError: If `names` is a string.
            SiteNotFound: If a name is that of no latent site.
            ValueError: If nothing is named and a latent is conjugate, whose mode no elimination finds; if
                what is named is not discrete, or a table would be too large.
        """
        if isinstance(names, str):
            raise TypeError(f"Expected names; got {names!r}. Write most_probable([{names!r}]).")
        if names is not None:
            return self._most_probable_of(names)
        conjugate = next((v.name for v in self.integral.variables if v.kind is Kind.CONJUGATE), None)
        if conjugate is not None:
            raise ValueError(
                f"Expected latents that are discrete or Gaussian; got '{conjugate}', which is conjugate. "
                f"Name discrete ones, ask for `probabilities` and `mean`, or maximise model.target by hand."
            )
        with Precision.DOUBLE.active():
            found = most_probable(self.integral, self.arrays)
        return {name: np.asarray(value) for name, value in found.items()}

    def sample(self, key: int | Array, num_samples: int = 1000) -> dict[str, np.ndarray]:
        """Draw independently from the joint posterior.

        Args:
            key: A seed or a JAX key.
            num_samples: Number of draws.

        Returns:
            Values by site, the draws first.

        Raises:
            ValueError: If the number of draws is not positive.
        """
        if num_samples < 1:
            raise ValueError(
                f"Expected at least one draw; got num_samples={num_samples}. Leave it out for 1000."
            )
        with Precision.DOUBLE.active():
            keys = jax.random.split(as_key(key), num_samples)
            found, _ = draws(self.integral, keys, self.arrays)
        return {name: np.asarray(found[name]) for name in self.model.latents}


def entry_probabilities(
    variable: Variable, probabilities: Float[np.ndarray, "*elements state"]
) -> Float[np.ndarray, "*site state"]:
    """Return the probabilities of the values of each entry of a discrete site.

    Args:
        variable: The site.
        probabilities: Those of the joint states of its elements.

    Returns:
        The shape of the site, then its values in increasing order.
    """
    values, states = np.array(finite_range(variable.site)), variable.states()
    one_entry = states.shape == values.shape and bool((states == values).all())
    hit = (states[..., None] == values).astype(float)
    per_entry = probabilities if one_entry else np.tensordot(probabilities, hit, axes=(-1, 0))
    return np.stack([variable.unpacked(per_entry[..., i]) for i in range(len(values))], axis=-1)


def exact_posterior(model: Model, *, max_table: int = MOST_ENTRIES) -> ExactPosterior | NetworkPosterior:
    """Return the exact posterior of a model.

    Discrete sites are summed out, Gaussian blocks integrated, conjugate sites certified and integrated.
    Plates lie side by side and scans are chains, so that the cost is linear in both.

    Args:
        model: The model, conditioned on its data.
        max_table: The most entries of a table, 8 bytes each; some four of the largest are held at once. In a
            Bayesian network variables are held at each of their states in turn where a table would have more.

    Returns:
        The posterior; of a Bayesian network of tables one that answers for any evidence.

    Raises:
        TypeError: If it is no model.
        NotApplicable: If a latent cannot be integrated; the message says what prevents it.
        ValueError: If the observations are impossible, or `max_table` is not positive.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program(counts):
        ...     rate = numpyro.sample("rate", dist.Gamma(1.0, 1.0))
        ...     with numpyro.plate("n", 3):
        ...         numpyro.sample("y", dist.Poisson(rate), obs=counts)
        >>> posterior = exact_posterior(Model(program, np.array([1, 0, 2])))
        >>> print(posterior.mean("rate").round(6))  # (1 + 3) / (1 + 3)
        1.0

    Source:
        Bishop & Bishop (2023), §11.3 and §3.2; Obermeyer et al. (2019), arXiv:1902.03210, for plates.
    """
    if not isinstance(model, Model):
        raise TypeError(
            f"Expected model to be a Model; got {model!r}. Call exact_posterior(Model(program, ...))."
        )
    if max_table < 1:
        raise ValueError(
            f"Expected max_table to be positive; got {max_table}. Leave it out for {MOST_ENTRIES}."
        )
    model.check()
    network = network_posterior(model, max_table)
    if network is not None:
        return network
    found = find(model, max_table=max_table)
    if found.reasons or found.rest:
        name, why = next(iter(found.reasons.items()), (next(iter(found.rest), ""), "it stays"))
        site = model.sites.get(name)
        instead = instead_of_summing(site) if site is not None and site.is_discrete else INSTEAD
        raise NotApplicable("exact_posterior", f"'{name}' cannot be integrated: {why}", instead)
    posterior = ExactPosterior(model, found)
    check_possible(model, posterior.log_evidence)
    return posterior


def instead_of_summing(site: Site) -> str:
    """Return what to do about a discrete site that cannot be summed out."""
    if finite_range(site) is None:
        return "Observe it, or bound its support."
    return "Observe it, or make its plate smaller." if site.plates else "Observe it."
