"""How much more probable values are under a program than where they were drawn: logarithms of weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import biject_to

from probdl.program.describe import masks_of
from probdl.program.handlers import Message, is_factor
from probdl.program.layout import Layout
from probdl.program.target import log_prob_of


def log_weight_of(msg: Message) -> Float[Array, ""]:
    """Return what one site adds to the logarithm of the weight of values drawn from the program itself.

    An observed site and a factor add their log-probability. A latent adds nothing, unless a mask or a scale
    makes its density another one than that of its draws.

    Args:
        msg: A message of NumPyro, with its value.

    Returns:
        Nats.
    """
    if msg["is_observed"] or is_factor(msg):
        return jnp.sum(log_prob_of(msg, trusted=False))
    if msg["scale"] is None and not masks_of(msg["fn"]):
        return jnp.zeros(())
    return jnp.sum(log_prob_of(msg, trusted=True)) - log_prob_of_draw(msg)


def log_prob_of_draw(msg: Message) -> Float[Array, ""]:
    """Return the log-density of what a latent is drawn from: no mask and no scale applies to a draw.

    Args:
        msg: A message of NumPyro, with its value.

    Returns:
        Nats.
    """
    return jnp.sum(log_prob_of({**msg, "fn": unmasked(msg["fn"]), "scale": None}, trusted=True))


def unmasked(fn: Any) -> Any:
    """Return a distribution without its masks, of the same shape."""
    match type(fn).__name__:
        case "MaskedDistribution":
            return unmasked(fn.base_dist)
        case "Independent":
            return unmasked(fn.base_dist).to_event(fn.reinterpreted_batch_ndims)
        case "ExpandedDistribution":
            return unmasked(fn.base_dist).expand(fn.batch_shape)
        case _:
            return fn


def log_weight(trace: Mapping[str, Message]) -> Float[Array, ""]:
    """Return the logarithm of the weight of a run whose latents were drawn from the program itself.

    Args:
        trace: A trace of NumPyro.

    Returns:
        Log joint density minus the log-density of the draws, in nats.
    """
    terms = (log_weight_of(msg) for msg in trace.values() if msg["type"] == "sample")
    return sum(terms, jnp.zeros(()))


def log_density_of_draws(trace: Mapping[str, Message]) -> Float[Array, ""]:
    """Return the log-density from which the latents of a run were drawn.

    Args:
        trace: A trace of NumPyro.

    Returns:
        Nats.
    """
    drawn = (msg for msg in trace.values() if is_latent(msg))
    return sum((log_prob_of_draw(msg) for msg in drawn), jnp.zeros(()))


def is_latent(msg: Message) -> bool:
    """Whether a message is that of a latent site."""
    return msg["type"] == "sample" and not msg["is_observed"] and not is_factor(msg)


def position_of(trace: Mapping[str, Message], layout: Layout) -> Float[Array, " dim"]:
    """Return the unconstrained position of the values of a run.

    Args:
        trace: A trace of NumPyro.
        layout: The sites of the position.

    Returns:
        Not finite where a value lies on the border of its support.
    """
    parts = []
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        value = jnp.asarray(trace[name]["value"])
        parts.append(jnp.reshape(biject_to(trace[name]["fn"].support).inv(value), shape).ravel())
    return jnp.concatenate([*parts, jnp.zeros(0)])
