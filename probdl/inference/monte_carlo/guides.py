"""Programs to propose from, checked against the model whose latents they draw."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from probdl.errors import NotApplicable, some
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.laplace import LaplaceGuide
from probdl.inference.monte_carlo.proposals import FromGuide, FromPrior, FromStudent
from probdl.program.checks import support_name
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.sites import Site, SiteKind
from probdl.program.states import base

Guide = Callable[..., Any] | Model | LaplaceGuide
AnyProposal = FromPrior | FromGuide | FromStudent
FIT = 2**32 - 1  # the number of a chain that no run has


def obstacle(model: Model, guide: Guide | None) -> str | None:
    """Return why draws cannot be proposed for a model, if so.

    Args:
        model: The model.
        guide: What to propose from; None for the prior.

    Returns:
        The site and what about it prevents it.
    """
    if guide is None:
        return obstacles.no_prior_draws(model)
    if isinstance(guide, LaplaceGuide):
        return obstacles.no_positions(model)
    return obstacles.NO_LATENT if not model.latents else obstacles.random_density(model)


def proposal(key: Array, model: Model, guide: Guide | None) -> tuple[AnyProposal, Any]:
    """Return what draws are proposed from.

    Args:
        key: The key of the run.
        model: The model.
        guide: A program with the same latents, a model of one, an approximation, or None for the prior.

    Returns:
        The static half of the proposal, and the dynamic one.

    Raises:
        ValueError: If a program does not fit the model; the message names the site.
    """
    arrays = model.arrays(Precision.DOUBLE)
    scan_of = model.declarations.scan_of(model.latents)
    if guide is None:
        return FromPrior(model.bound[0], scan_of), arrays
    if isinstance(guide, LaplaceGuide):
        student = guide.fitted(jax.random.fold_in(key, FIT), model.density, arrays)
        return FromStudent(model.density), (arrays, student)
    other = guide_model(model, guide)
    check_guide(model, other)
    guide_scans = other.declarations.scan_of(other.latents)
    static = FromGuide(model.bound[0], other.bound[0], scan_of, guide_scans)
    return static, (arrays, other.arrays(Precision.DOUBLE))


def guide_model(model: Model, guide: Callable[..., Any] | Model) -> Model:
    """Return a guide bound to its inputs: those of the model, unless it takes none or has its own.

    Args:
        model: The model.
        guide: A program, or a model of one.

    Returns:
        The guide.

    Raises:
        TypeError: If it takes other arguments.
    """
    if isinstance(guide, Model):
        return guide
    if not inspect.signature(guide).parameters:
        return Model(guide)
    try:
        return Model(guide, *model.args, **model.kwargs)
    except TypeError as error:
        raise TypeError(
            f"Expected a guide that takes the arguments of the model, or none; got "
            f"{getattr(guide, '__name__', guide)}: {error} Pass a Model of it that has its own arguments."
        ) from error


def check_guide(model: Model, guide: Model) -> None:
    """Check that a guide draws the latents of a model: all of them, no others, over the same values.

    Args:
        model: The model.
        guide: The guide.

    Raises:
        ValueError: If not; the message names the site.
        NotApplicable: If nothing can be drawn from the guide.
    """
    for name, site in guide.sites.items():
        if site.is_observed or site.kind is SiteKind.FACTOR:
            kind = "an observed site" if site.is_observed else "a factor"
            raise ValueError(
                f"Expected a guide that only draws; got {kind} '{name}'. Leave it out of the guide, since "
                f"draws from it would not have its density."
            )
    missing = [name for name in model.latents if name not in guide.latents]
    extra = [name for name in guide.latents if name not in model.latents]
    if missing or extra:
        parts = [f"without {some(map(repr, missing))}"] if missing else []
        parts += [f"with {some(map(repr, extra))}, which the model does not draw"] if extra else []
        raise ValueError(
            f"Expected a guide that draws {some(map(repr, model.latents))}; got one {' and '.join(parts)}. "
            f"Give both the same latent sites."
        )
    for reason in (obstacles.random_density(guide), obstacles.improper(guide)):
        if reason is not None:
            raise NotApplicable("The guide", reason, "Give the guide proper distributions.")
    for name in model.latents:
        _check_site(model.sites[name], guide.sites[name])


def _check_site(site: Site, other: Site) -> None:
    if site.shape != other.shape:
        raise ValueError(
            f"Expected a guide that draws '{site.name}' with shape {site.shape}; got {other.shape}. Expand "
            f"its distribution, or put it in the plates of the model."
        )
    if site.is_discrete != other.is_discrete or _differ(site, other):
        raise ValueError(
            f"Expected a guide that draws '{site.name}' over the same values as its prior "
            f"({_support(site)}); got {_support(other)}. Choose a distribution with this support."
        )


def _support(site: Site) -> str:
    kind = "" if site.support is None else f": {support_name(site.support)}"
    return f"{site.distribution}{kind}"


def _differ(site: Site, other: Site) -> bool:
    """Whether supports are known not to be the same; those that depend on other sites are not known."""
    if site.support is None or other.support is None:
        return False
    first, second = _bounds(site), _bounds(other)
    if first is None or second is None:
        names = [type(base(s.support)).__name__ for s in (site, other)]
        return (first is None) != (second is None) or names[0] != names[1]
    try:
        return not all(np.allclose(a, b) for a, b in zip(first, second, strict=True))
    except ValueError:
        return True


def _bounds(site: Site) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the lowest and the highest value of each entry, or None for supports of another kind."""
    support = base(site.support)
    name = type(support).__name__.strip("_").lower()
    if name == "boolean":
        return np.zeros(()), np.ones(())
    if name == "real":
        return np.full((), -np.inf), np.full((), np.inf)
    low, high = (getattr(support, bound, None) for bound in ("lower_bound", "upper_bound"))
    if low is None and high is None:
        return None
    return (
        np.asarray(-np.inf if low is None else low, float),
        np.asarray(np.inf if high is None else high, float),
    )
