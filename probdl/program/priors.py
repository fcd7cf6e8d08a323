"""A model with other priors: the distributions of some of its latent sites are replaced."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpyro.distributions as dist

from probdl.errors import SiteNotFound
from probdl.program.handlers import Everywhere, Message
from probdl.program.model import Model


class Replace(Everywhere):
    """Draw sites from other distributions.

    Args:
        program: The program to run under it.
        priors: Distributions by site; their batch is that of the site, plates included.
    """

    def __init__(self, program: Callable | None, priors: Mapping[str, dist.Distribution]) -> None:
        super().__init__(program)
        self.priors = dict(priors)

    def visit(self, msg: Message) -> None:
        """Replace the distribution of a site that has no value yet, with all that scaled or masked it."""
        if msg["type"] == "sample" and msg["name"] in self.priors and not msg["is_observed"]:
            msg["fn"], msg["scale"] = self.priors[msg["name"]], None


@dataclass(frozen=True)
class WithPriors:
    """A program whose first argument gives the distributions of some sites.

    Attributes:
        program: The program.
    """

    program: Callable

    @property
    def __name__(self) -> str:
        """Name of the program."""
        return getattr(self.program, "__name__", type(self.program).__name__)

    @property
    def __signature__(self) -> inspect.Signature:
        """Its arguments: the priors, then those of the program."""
        own = inspect.signature(self.program)
        priors = inspect.Parameter("priors", inspect.Parameter.POSITIONAL_ONLY)
        return own.replace(parameters=[priors, *own.parameters.values()])

    def __call__(self, priors: Mapping[str, dist.Distribution], /, *args: Any, **kwargs: Any) -> Any:
        """Run the program."""
        with Replace(None, priors):
            return self.program(*args, **kwargs)


def with_priors(model: Model, /, **priors: dist.Distribution) -> Model:
    """Return a model in which latent sites are drawn from other distributions.

    The distributions are inputs: models that differ in their numbers alone share a compilation.

    Args:
        model: The model.
        **priors: Distributions by site: their shape is that of the site, its plates included.

    Returns:
        The model, with its data and interventions.

    Raises:
        SiteNotFound: If a name is that of no latent site.
        ValueError: If a site is in a scan, or if a distribution has another shape.

    Example:
        >>> import numpyro
        >>> def program(y):
        ...     bias = numpyro.sample("bias", dist.Beta(1.0, 1.0))
        ...     numpyro.sample("y", dist.Bernoulli(bias), obs=y)
        >>> model = with_priors(Model(program, 1), bias=dist.Beta(3.0, 1.0))
        >>> print(f"{model.log_joint({'bias': 0.5}):.4f}")  # log (3 / 4) + log (1 / 2)
        -0.9808
    """
    for name, prior in priors.items():
        if name not in model.latents:
            raise SiteNotFound(name, model.latents, "with_priors", "a latent site")
        site = model.sites[name]
        if site.scan is not None:
            raise ValueError(
                f"Expected a site outside scans in with_priors; got '{name}', which '{site.scan}' repeats. "
                f"Replace the sites that its distribution reads."
            )
        if prior.shape() != site.shape:
            raise ValueError(
                f"Expected a distribution of shape {site.shape} for '{name}' in with_priors; got "
                f"{prior.shape()}. Expand it over the plates of the site, or take data of the same plates."
            )
    program, args = WithPriors(model.program), (dict(priors), *model.args)
    if isinstance(model.program, WithPriors):
        program, args = model.program, ({**model.args[0], **priors}, *model.args[1:])
    found = Model(program, *args, **model.kwargs)
    if model.observed:
        found = found.condition(**model.observed)
    return found.do(**model.held) if model.held else found
