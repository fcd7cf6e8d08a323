"""What prevents that latents are drawn from their prior, or moved as unconstrained positions."""

from __future__ import annotations

from collections.abc import Iterable

from probdl.inference.method import NO_LATENT
from probdl.program.model import Model
from probdl.program.subsample import subsamplings

IMPROPER = "ImproperUniform"


def random_density(model: Model) -> str | None:
    """Return which plate is subsampled, if one is: the log-density is then random."""
    for plate in subsamplings(model):
        return f"{plate}, and its log-density is random: drop its subsample_size"
    return None


def improper(model: Model, names: Iterable[str] | None = None) -> str | None:
    """Return which latent has a prior that does not integrate to one, if one has.

    Args:
        model: The model.
        names: The latents to look at; all by default.

    Returns:
        The site and its prior.
    """
    for name in model.latents if names is None else names:
        site = model.sites[name]
        if site.is_latent and site.distribution == IMPROPER:
            return f"site '{name}' has an improper prior ({IMPROPER}), which nothing can be drawn from"
    return None


def no_prior_draws(model: Model) -> str | None:
    """Return why latents cannot be drawn from their prior, if so."""
    if not model.latents:
        return NO_LATENT
    return random_density(model) or improper(model)


def no_positions(model: Model) -> str | None:
    """Return why latents have no density over unconstrained positions, if so."""
    if not model.latents:
        return NO_LATENT
    for name in model.latents:
        site = model.sites[name]
        if site.is_discrete:
            return f"site '{name}' is discrete ({site.distribution}) and not observed"
        if site.distribution == "Delta":
            return f"site '{name}' is a Delta, which has no density: write numpyro.deterministic"
    return random_density(model)
