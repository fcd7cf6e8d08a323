"""Sequential learning: yesterday's posterior is today's prior."""

from __future__ import annotations

from collections.abc import Sequence

from probdl.errors import NotApplicable
from probdl.exact.posteriors.conditional_priors import INSTEAD, no_chain
from probdl.exact.posteriors.marginal_distribution import mixed_over
from probdl.exact.posteriors.posterior import ExactPosterior
from probdl.exact.posteriors.posterior_chain import chain_of
from probdl.exact.posteriors.updating_networks import updated_network
from probdl.exact.programs.variables import Kind, Variable
from probdl.exact.tables.network import NetworkPosterior
from probdl.program.model import Model
from probdl.program.priors import with_priors


def updated(model: Model, posterior: ExactPosterior | NetworkPosterior, *names: str) -> Model:
    r"""Return a model of new data whose priors are a posterior given other data.

    $p(\theta \mid y_1, y_2) \propto p(y_2 \mid \theta)\, p(\theta \mid y_1)$, and the log evidences of all
    batches add up. Batches may be of any size; those of equal size share a compilation.

    The sites are drawn before all others, each given those drawn before it: $p(\tau)\, p(\mu \mid \tau)$.
    That is the graph of the model, which `do` follows. A site whose elements depend on each other along a
    plate is drawn as one vector, in no plate. Of a Bayesian network of tables the model is a network again:
    variables that are not named keep their tables.

    Args:
        model: The program with the new data.
        posterior: The exact posterior given the old data.
        *names: The sites that both have in common; none for all latents of the posterior, or all variables
            above the evidence of a network. Other latents of plates and scans, such as the class of each
            datum, are drawn anew.

    Returns:
        The model, in which these sites are drawn from their posterior.

    Raises:
        TypeError: If the posterior is not exact.
        SiteNotFound: If a name is no latent site of both.
        NotApplicable: If a site is a mixture over others, or in a scan, so that its posterior is no
            distribution that a prior can be; or if a site that all data share is not among the names.
        ValueError: If a site has another shape in the model, or is in a scan there.

    Example:
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> from probdl.exact.posteriors.posterior import exact_posterior
        >>> def program(y):
        ...     tau = numpyro.sample("tau", dist.Gamma(1.0, 1.0))
        ...     mu = numpyro.sample("mu", dist.Normal(0.0, 1 / tau**0.5))
        ...     with numpyro.plate("n", len(y)):
        ...         numpyro.sample("y", dist.Normal(mu, 1 / tau**0.5), obs=y)
        >>> monday = exact_posterior(Model(program, np.array([1.0, 0.0, 2.0])))
        >>> tuesday = exact_posterior(updated(Model(program, np.array([4.0, 1.0])), monday))
        >>> print(f"{tuesday.mean('mu'):.6f}")  # 8 / (1 + 5)
        1.333333

    Source:
        Bishop & Bishop (2023), §3.1.2, §3.2.7 and §3.2.8.
    """
    if isinstance(posterior, NetworkPosterior):
        return updated_network(model, posterior, names)
    if not isinstance(posterior, ExactPosterior):
        raise TypeError(
            f"Expected an exact posterior; got a {type(posterior).__name__}. Call exact_posterior(model)."
        )
    chosen = names or posterior.model.latents
    for name in chosen:
        _check_alone(posterior, posterior.variable(name, *Kind), chosen)
    _check_shared(posterior, chosen)
    return with_priors(model, **chain_of(posterior, chosen))


def _check_alone(posterior: ExactPosterior, variable: Variable, names: Sequence[str]) -> None:
    """Check that a site is in no scan, and no mixture over sites that are drawn anew."""
    if variable.site.scan is not None:
        raise no_chain(f"the steps of '{variable.name}' in '{variable.site.scan}' depend on each other")
    if variable.kind is not Kind.DISCRETE:
        others = [repr(name) for name in mixed_over(posterior, variable.name) if name not in names]
        if others:
            raise no_chain(f"'{variable.name}' is a mixture over {', '.join(others)}")


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
