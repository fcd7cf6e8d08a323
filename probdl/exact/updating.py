"""Sequential learning: yesterday's posterior is today's prior."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import numpy as np

from probdl.errors import NotApplicable
from probdl.exact.covariances import covariance
from probdl.exact.marginal_distribution import marginal_distribution, mixed_over
from probdl.exact.posterior import ExactPosterior
from probdl.exact.variables import Kind
from probdl.program.model import Model
from probdl.program.priors import with_priors

INDEPENDENT = 1e-10  # a correlation that is rounding
INSTEAD = "Put all data into one model, or name other sites."


def updated(model: Model, posterior: ExactPosterior, *names: str) -> Model:
    r"""Return a model of new data whose priors are a posterior given other data.

    $p(\theta \mid y_1, y_2) \propto p(y_2 \mid \theta)\, p(\theta \mid y_1)$, and the log evidences of all
    batches add up. Batches may be of any size; those of equal size share a compilation.

    Args:
        model: The program with the new data.
        posterior: The exact posterior given the old data.
        *names: The sites that both have in common; none for all latents of the posterior. Other latents of
            plates and scans, such as the class of each datum, are drawn anew.

    Returns:
        The model, in which these sites are drawn from their posterior.

    Raises:
        SiteNotFound: If a name is no latent site of both.
        NotApplicable: If the posterior of these sites is no product of distributions, one an element, or if a
            site that all data share is not among them.
        ValueError: If a site has another shape in the model, or is in a scan.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl.exact.posterior import exact_posterior
        >>> def program(y):
        ...     rate = numpyro.sample("rate", dist.Gamma(1.0, 1.0))
        ...     with numpyro.plate("n", len(y)):
        ...         numpyro.sample("y", dist.Poisson(rate), obs=y)
        >>> monday = exact_posterior(Model(program, np.array([1, 0, 2])))
        >>> tuesday = exact_posterior(updated(Model(program, np.array([4, 1])), monday))
        >>> print(f"{tuesday.mean('rate'):.6f}")  # (1 + 8) / (1 + 5)
        1.500000

    Source:
        Bishop & Bishop (2023), §3.1.2 and §3.2.7.
    """
    chosen = names or posterior.model.latents
    for name in chosen:
        posterior.variable(name, *Kind)
    _check_shared(posterior, chosen)
    _check_factorises(posterior, chosen)
    found = {name: marginal_distribution(posterior, name, posterior.probabilities) for name in chosen}
    return with_priors(model, **jax.tree.map(np.asarray, found))


def _check_shared(posterior: ExactPosterior, names: Sequence[str]) -> None:
    observed = [site for site in posterior.model.sites.values() if site.is_observed]
    of_data = {axis for site in observed for axis in (*site.plates, site.scan)} - {None}
    for variable in posterior.integral.variables:
        if variable.name not in names and of_data.isdisjoint((*variable.site.plates, variable.site.scan)):
            raise NotApplicable(
                "updated",
                f"'{variable.name}' is in no plate or scan of the data, so that all data share it, and it is "
                f"not among {', '.join(map(repr, names))}",
                INSTEAD,
            )


def _check_factorises(posterior: ExactPosterior, names: Sequence[str]) -> None:
    """Check that what is named is independent: what is removed without reading others is."""
    variables = posterior.integral.space.variables
    step_of = {own: step for step in posterior.found.steps for own in step.names}
    discrete = [variables[name] for name in names if variables[name].kind is Kind.DISCRETE]
    alone = sum(math.prod(v.site.shape) for v in discrete) == 1
    for v in discrete:
        if not alone and (step_of[v.name].given or math.prod(v.local_shape) > 1):
            raise _dependent(f"the elements of '{v.name}' depend on each other or on other sites")
    for name in names:
        others = mixed_over(posterior, name) if variables[name].kind is not Kind.DISCRETE else ()
        if others:
            raise _dependent(f"'{name}' depends on {', '.join(map(repr, others))}")
    gaussian = [name for name in names if variables[name].kind is Kind.GAUSSIAN]
    if sum(math.prod(variables[name].lengths) for name in gaussian) < 2:
        return
    found, matrix = covariance(posterior, gaussian)
    scale = np.sqrt(np.diag(matrix))
    related = np.abs(matrix) > INDEPENDENT * np.outer(scale, scale)
    for i, j in np.argwhere(np.triu(related, 1)):
        a, b = found[i], found[j]
        if (a.variable, a.element) != (b.variable, b.element):
            correlation = matrix[i, j] / (scale[i] * scale[j])
            raise _dependent(f"'{a.name}' and '{b.name}' have a correlation of {correlation:.3g}")


def _dependent(reason: str) -> NotApplicable:
    return NotApplicable("updated", f"the posterior is no product of distributions: {reason}", INSTEAD)
