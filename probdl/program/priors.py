"""A model with other priors: some of its sites are drawn before the program, from other distributions."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpyro
import numpyro.distributions as dist
from jaxtyping import Array

from probdl.errors import SiteNotFound
from probdl.program.handlers import Everywhere, Message
from probdl.program.model import Model
from probdl.program.sites import Site
from probdl.program.wrapped import Wrapped


class ConditionalPrior(Protocol):
    """The distribution of a site given sites that are drawn before it: a tree of arrays."""

    def shape(self) -> tuple[int, ...]:
        """Return the shape of the site, its plates included."""
        ...

    def given(self, values: Mapping[str, Array]) -> dist.Distribution:
        """Return the distribution.

        Args:
            values: Values of the sites drawn before it.

        Returns:
            A distribution of that shape.
        """
        ...


Prior = dist.Distribution | ConditionalPrior


class Drawn(Everywhere):
    """Give sites the values that were drawn before the program; nothing outside sees them again.

    Args:
        program: The program to run under it.
        values: Values by site.
    """

    def visit(self, msg: Message) -> None:
        """Give a site its value, and hide it."""
        if msg["type"] == "sample" and msg["name"] in self.values and not msg["is_observed"]:
            msg["value"], msg["stop"] = self.values[msg["name"]], True


@dataclass(frozen=True)
class Place:
    """Where a site is drawn.

    Attributes:
        name: The site.
        plates: Its plates, the outermost first, with the axis of its value that each has.
    """

    name: str
    plates: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, site: Site) -> Place:
        """Return the place of a site."""
        axes = dict(site.axes)
        return cls(site.name, tuple((plate, axes[plate]) for plate in site.plates if plate in axes))

    def draw(self, fn: dist.Distribution) -> Array:
        """Draw the site; a plate whose elements the distribution draws together is none any more."""
        batch = fn.batch_shape
        with contextlib.ExitStack() as plates:
            for plate, axis in self.plates:
                if axis < len(batch):
                    plates.enter_context(numpyro.plate(plate, batch[axis], dim=axis - len(batch)))
            return numpyro.sample(self.name, fn)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class WithPriors(Wrapped):
    """A program whose first argument gives the distributions of some sites, which are drawn first.

    Attributes:
        program: The program.
        places: The sites, in the order in which they are drawn.
    """

    places: tuple[Place, ...]
    argument: ClassVar[str] = "priors"

    def __call__(self, first: Mapping[str, Prior], /, *args: Any, **kwargs: Any) -> Any:
        """Draw the sites, then run the program with their values."""
        values: dict[str, Array] = {}
        for place in self.places:
            prior = first[place.name]
            fn = prior if isinstance(prior, dist.Distribution) else prior.given(values)
            values[place.name] = place.draw(fn)
        with Drawn(None, values):
            return self.program(*args, **kwargs)


def with_priors(model: Model, /, **priors: Prior) -> Model:
    """Return a model in which latent sites are drawn from other distributions, before all others.

    The distributions are inputs: models that differ in their numbers alone share a compilation.

    Args:
        model: The model.
        **priors: Distributions by site: their shape is that of the site, its plates included. One may depend
            on sites that come before it.

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
    places = tuple(Place.of(model.sites[name]) for name in priors)
    program, before, args = model.program, {}, model.args
    if isinstance(program, WithPriors):
        places += tuple(place for place in program.places if place.name not in priors)
        program, before, args = program.program, args[0], args[1:]
    return WithPriors(program, places).model({**before, **priors}, args, model)
