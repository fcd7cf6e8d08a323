"""The exact posterior of a model whose latents can all be integrated."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.errors import NotApplicable, SiteNotFound
from probdl.exact.expectations import Expectations, draws, expectations, moments, most_probable
from probdl.exact.integral import Integral
from probdl.exact.network import NetworkPosterior, network_posterior
from probdl.exact.search import Found, find
from probdl.exact.variables import Kind, Variable
from probdl.program.keys import as_key
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.states import finite_range

INSTEAD = "Call infer(model, key=0): it integrates what it can and samples the rest."


@dataclass(frozen=True, eq=False)
class ExactPosterior:
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

    model: Model
    found: Found

    @property
    def _integral(self) -> Integral:
        if self.found.integral is None:
            raise ValueError("Expected a model with latent sites; got none. Call model.log_joint({}).")
        return self.found.integral

    @functools.cached_property
    def _expectations(self) -> Expectations:
        with Precision.DOUBLE.active():
            return expectations(self._integral, self.model.arrays(Precision.DOUBLE), {})

    @property
    def log_evidence(self) -> float:
        """Log of the probability of the observations, in nats."""
        return float(self._expectations.log_evidence)

    def _variable(self, name: str, *kinds: Kind) -> Variable:
        variables = {v.name: v for v in self._integral.variables}
        if name not in variables:
            raise SiteNotFound(name, variables, "the posterior", "a latent site")
        if variables[name].kind not in kinds:
            raise ValueError(
                f"Expected a {'discrete' if Kind.DISCRETE in kinds else 'continuous'} site; got '{name}'. "
                f"Ask for `probabilities` of discrete sites, for `mean` and `variance` of the others."
            )
        return variables[name]

    def probabilities(self, name: str) -> Float[np.ndarray, "*site state"]:
        """Return the posterior probabilities of the values of a discrete site.

        Args:
            name: The site.

        Returns:
            The shape of the site, then its values in increasing order.

        Raises:
            SiteNotFound: If it is no latent site.
            ValueError: If it is not discrete.
        """
        variable = self._variable(name, Kind.DISCRETE)
        values = np.array(finite_range(variable.site))
        states = variable.states()
        hit = (states[..., None] == values).astype(float)
        whole = np.asarray(self._expectations.log[name])
        per_entry = np.tensordot(whole, hit, axes=(-1, 0))
        found = [self._unpacked(variable, per_entry[..., i]) for i in range(len(values))]
        return np.stack(found, axis=-1)

    @staticmethod
    def _unpacked(variable: Variable, elements: Any) -> np.ndarray:
        with Precision.DOUBLE.active():
            return np.asarray(variable.unpacked(jnp.asarray(elements)))

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

    @functools.cached_property
    def _moments(self) -> tuple[dict[str, Array], dict[str, Array]]:
        with Precision.DOUBLE.active():
            return moments(self._integral, self.model.arrays(Precision.DOUBLE))

    def _moment(self, name: str, what: str) -> np.ndarray:
        variable = self._variable(name, Kind.GAUSSIAN, Kind.CONJUGATE)
        known = self._expectations
        if name in known.natural:
            with Precision.DOUBLE.active():
                distribution = variable.known_family.distribution(known.natural[name])
                return self._unpacked(variable, getattr(distribution, what))
        if all(v.kind is not Kind.CONJUGATE for v in self._integral.variables):
            mean = np.asarray(known.linear[name])
            second = -2 * np.diagonal(np.asarray(known.precision[name]), axis1=-2, axis2=-1)
        else:
            mean, second = (np.asarray(found[name]) for found in self._moments)
            if np.isinf(mean).any() and variable.kind is Kind.GAUSSIAN:
                mean = np.asarray(known.linear[name])
            if np.isnan(mean if what == "mean" else second).any():
                raise ValueError(
                    f"Expected a site whose moments have a closed form; got '{name}', a mixture over what is "
                    f"conjugate. Draw from it with `sample`."
                )
        return self._unpacked(variable, mean if what == "mean" else second - mean**2)

    def most_probable(self) -> dict[str, np.ndarray]:
        """Return the most probable values of all latents together.

        Returns:
            Values by site.

        Raises:
            ValueError: If discrete and continuous latents are mixed: no such point is found by elimination.
        """
        kinds = {v.kind for v in self._integral.variables}
        if kinds not in ({Kind.DISCRETE}, {Kind.GAUSSIAN}):
            raise ValueError(
                "Expected latents that are all discrete, or all Gaussian; got both, or conjugate ones. Ask "
                "for `probabilities` and `mean`, or maximise model.target by hand."
            )
        with Precision.DOUBLE.active():
            found = most_probable(self._integral, self.model.arrays(Precision.DOUBLE))
        return {name: np.asarray(value) for name, value in found.items()}

    def sample(self, key: int | Array, num_samples: int = 1000) -> dict[str, np.ndarray]:
        """Draw independently from the joint posterior.

        Args:
            key: A seed or a JAX key.
            num_samples: Number of draws.

        Returns:
            Values by site, the draws first.
        """
        with Precision.DOUBLE.active():
            keys = jax.random.split(as_key(key), num_samples)
            found, _ = draws(self._integral, keys, self.model.arrays(Precision.DOUBLE))
        return {name: np.asarray(found[name]) for name in self.model.latents}


def exact_posterior(model: Model) -> ExactPosterior | NetworkPosterior:
    """Return the exact posterior of a model.

    Discrete sites are summed out, Gaussian blocks integrated, conjugate sites certified and integrated.
    Plates lie side by side and scans are chains, so that the cost is linear in both.

    Args:
        model: The model, conditioned on its data.

    Returns:
        The posterior; of a Bayesian network of tables one that answers for any evidence.

    Raises:
        NotApplicable: If a latent cannot be integrated; the message says what prevents it.
        ValueError: If the observations are impossible.

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
    model.check()
    network = network_posterior(model)
    if network is not None:
        return network
    found = find(model)
    if found.reasons or found.rest:
        name, why = next(iter(found.reasons.items()), (next(iter(found.rest), ""), "it stays"))
        raise NotApplicable("exact_posterior", f"'{name}' cannot be integrated: {why}", INSTEAD)
    posterior = ExactPosterior(model, found)
    check_possible(model, posterior.log_evidence)
    return posterior


def check_possible(model: Model, log_evidence: float) -> None:
    """Check that the observations have a density that is a positive number.

    Raises:
        ValueError: If not; the message names the observed sites.
    """
    if np.isfinite(log_evidence):
        return
    observed = ", ".join(f"'{name}'" for name, site in model.sites.items() if site.is_observed)
    if log_evidence == -np.inf:
        raise ValueError(
            f"Expected observations that are possible; got a log evidence of -inf: no values of the latents "
            f"give {observed} together. Check the supports of these sites, or drop some observations."
        )
    raise ValueError(
        f"Expected a log evidence that is a number; got {log_evidence}: a covariance is singular, or a "
        f"distribution given {observed} is improper. Check scales and missing values."
    )
