"""Data sets drawn from a model, each with the latents that made it: what a method is calibrated on."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from probdl.errors import NotApplicable
from probdl.inference.method import Method
from probdl.program.arrays import convert
from probdl.program.bound import Arrays
from probdl.program.handlers import Message, Replicate
from probdl.program.known import known
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.runs import replicate
from probdl.program.sites import SiteKind
from probdl.program.subsample import subsamplings

IMPROPER = "ImproperUniform"
INSTEAD = (
    "Data are drawn from the program: give every latent a proper prior and every observation a distribution "
    "that draws, without factors, scales and subsampling."
)


@dataclass(frozen=True, eq=False)
class Simulations:
    """Draws from the prior, and data given each.

    Attributes:
        model: The model that they were drawn from; its own data play no part.
        truth: Values of the latent sites, simulations first.
        data: Values of the observed sites, simulations first.
    """

    model: Model
    truth: Mapping[str, np.ndarray]
    data: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        """Return the number of data sets."""
        return len(next(iter(self.data.values())))

    @functools.cached_property
    def first(self) -> Model:
        """The model given the first data set: what is compiled for it serves all."""
        return self.conditioned(0)

    def conditioned(self, number: int) -> Model:
        """Return the model given one data set.

        Args:
            number: Which, from 0.

        Returns:
            The model, whose compiled code all data sets share.
        """
        return self.model.condition(**{name: values[number] for name, values in self.data.items()})

    def arrays(self, numbers: np.ndarray, precision: Precision) -> Arrays:
        """Return the dynamic halves of the model given some data sets.

        Args:
            numbers: Which.
            precision: The precision of the arrays.

        Returns:
            Arrays whose `observed` have the data sets first; the others are shared.
        """
        shared = self.first.arrays(precision)
        data = {name: convert(values[numbers], precision, name) for name, values in self.data.items()}
        return replace(shared, observed={**shared.observed, **data})


def simulate(key: Array, model: Model, count: int) -> Simulations:
    """Draw latents from the prior, and data given them.

    Args:
        key: A key; draw i is made with fold_in(key, i).
        model: The model, a recipe for its data; its observed sites are drawn anew.
        count: How many data sets.

    Returns:
        The data sets.

    Raises:
        ValueError: If numbers that are drawn are not finite.
    """
    with Precision.DOUBLE.active():
        keys = jax.vmap(functools.partial(jax.random.fold_in, key))(np.arange(count))
        drawn = replicate(model.bound[0], (), model.arrays(Precision.DOUBLE), keys, {})
    latents, data = ({name: np.asarray(value) for name, value in part.items()} for part in drawn)
    truth = {name: latents[name] for name in model.latents}
    for name, values in {**truth, **data}.items():
        _check_finite(name, values)
    return Simulations(model, truth, data)


def check_types(model: Model, method: Method | None, who: str) -> None:
    """Check the types of what is tested.

    Args:
        model: Should be a model.
        method: Should be a method, or None.
        who: What asks, for the message.

    Raises:
        TypeError: If they are not.
    """
    for name, value, kind in (("model", model, Model), ("method", method, Method | None)):
        if not isinstance(value, kind):
            raise TypeError(
                f"Expected {name} to be a {name.capitalize()}; got {value!r}. "
                f"Call {who}(Model(program, ...), NUTS(), key=0)."
            )


def method_for(model: Model, method: Method | None) -> Method:
    """Return the method of a test: what was asked for, or what is planned.

    Args:
        model: The model.
        method: What was asked for, if something was.

    Returns:
        The method.

    Raises:
        NotApplicable: If it cannot treat the model.
    """
    if method is None:
        from probdl.inference.plan import plan  # imports BlackJAX, which not all methods need

        return plan(model).chosen
    if reason := method.applicable(model):
        raise NotApplicable(type(method).__name__, reason, method.instead)
    return method


def _check_finite(name: str, values: np.ndarray) -> None:
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    bad = np.argwhere(~np.isfinite(values))[0]
    place = f" at {[int(i) for i in bad[1:]]}" if len(bad) > 1 else ""
    count = int((~np.isfinite(values).reshape(len(values), -1)).any(1).sum())
    raise ValueError(
        f"Expected finite numbers from the prior; got {values[tuple(bad)]} for site '{name}'{place} in "
        f"{count} of {len(values)} simulations. Give its parents narrower priors, or keep them in range."
    )


def check_generative(model: Model, who: str) -> None:
    """Check that a program is a recipe by which its data can be drawn.

    Args:
        model: The model.
        who: What asks, for the message.

    Raises:
        NotApplicable: If it is none; the message names the site.
    """
    if reason := _obstacle(model):
        raise NotApplicable(who, reason, INSTEAD)


def _obstacle(model: Model) -> str | None:
    """Return the site that keeps a program from being a recipe for its data, and why, if there is one."""
    for plate in subsamplings(model):
        return str(plate)
    for name, declaration in model.declarations.sites.items():
        site = declaration.site
        if site.kind is SiteKind.FACTOR:
            return f"site '{name}' is a factor, from which nothing can be drawn"
        if site.is_random and site.distribution == IMPROPER:
            return f"site '{name}' has an improper prior ({IMPROPER}), from which nothing can be drawn"
        if site.is_latent and _is_masked(declaration.mask):
            return f"latent site '{name}' is masked, so that its prior is not the one it is drawn from"
    if reason := _obstacle_in_a_run(model):
        return reason
    observed = [name for name, site in model.sites.items() if site.is_observed]
    if not observed:
        return "no site is observed: condition the model on data of the right shape, whatever their values"
    if not model.latents:
        return "no site is latent, so that there is nothing to infer"
    for name in observed:
        given = {*model.observed, *known(model).observations}
        if name not in given and model.declarations.sites[name].observation is None:
            return f"what is observed at site '{name}' depends on latent sites"
    return None


def _is_masked(mask: object) -> bool:
    return mask is not None and (isinstance(mask, Tracer) or not np.all(np.asarray(mask)))


def _obstacle_in_a_run(model: Model) -> str | None:
    """Return what a run that draws everything finds; nothing is computed."""
    bound, arrays = model.bound
    found: list[str] = []

    def run(key: Array) -> None:
        trace = bound.trace(arrays, Replicate(None, {}, {}, set()), key)
        found.extend(name for name, msg in trace.items() if _is_scaled(msg))

    try:
        with Precision.DOUBLE.active():
            jax.eval_shape(run, jax.random.key(0))
    except NotImplementedError as error:
        return f"nothing can be drawn from one of its distributions: {error or type(error).__name__}"
    return f"site '{found[0]}' has a scaled log-density, by which nothing is drawn" if found else None


def _is_scaled(msg: Message) -> bool:
    scale = msg.get("scale") if msg["type"] == "sample" else None
    return scale is not None and (isinstance(scale, Tracer) or not np.all(np.asarray(scale) == 1))
