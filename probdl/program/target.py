"""A model as an iterative method sees it: a log-density over unconstrained positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro import validation_enabled
from numpyro.distributions import constraints

from probdl.program.bound import Arrays
from probdl.program.handlers import bare, is_factor, is_log_det
from probdl.program.layout import Integers, Layout
from probdl.program.states import base


class Prior(NamedTuple):
    """What the program says of the latents before there are data, and what the data say of them.

    Attributes:
        log_density: Position (dim,) -> log-density of the prior in nats, Jacobian included.
        log_likelihood: Position (dim,) -> all other terms of the log joint density, in nats.
        draw: Key -> a position drawn from the prior.
        mean: The position of the means, each given those before it: the mean of a prior that is Gaussian.
    """

    log_density: Callable[[Float[Array, " dim"]], Float[Array, ""]]
    log_likelihood: Callable[[Float[Array, " dim"]], Float[Array, ""]]
    draw: Callable[[Array], Float[Array, " dim"]]
    mean: Callable[[], Float[Array, " dim"]]


class Target(NamedTuple):
    """All that an iterative method ever sees of a model.

    Attributes:
        log_density: Position (dim,) -> unnormalised log-density in nats, Jacobian included.
        init: Key -> a starting position (dim,), uniform on (-2, 2) in each continuous coordinate.
        constrain: Position (dim,) -> values of the latent and deterministic sites.
        integers: Which coordinates are integers; None: none.
        prior: Prior and likelihood apart, where they can be told apart.
        minibatch: What chooses a minibatch, such as a key -> (position -> unbiased estimates of the
            log-density and its gradient); None where all data are seen.
    """

    log_density: Callable[[Float[Array, " dim"]], Float[Array, ""]]
    init: Callable[[Array], Float[Array, " dim"]]
    constrain: Callable[[Float[Array, " dim"]], dict[str, Array]]
    integers: Integers | None = None
    prior: Prior | None = None
    minibatch: Callable[[Any], Callable[[Float[Array, " dim"]], tuple[Array, Array]]] | None = None


class Sampled(Protocol):
    """What a sampler compiles for: the static half of a target, over all latents or over some of them."""

    @property
    def layout(self) -> Layout:
        """Where the latents that are sampled lie in a position."""
        ...

    def target(self, arrays: Arrays) -> Target:
        """Return the target for some data."""
        ...

    def points(self, arrays: Arrays, keys: Array, attempt: int) -> Float[np.ndarray, "chain dim"]:
        """Return a random starting point for each key of a chain; another one at each attempt."""
        ...

    def log_density(self, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-density of a position, Jacobian included."""
        ...

    def site_log_probs(self, arrays: Arrays, position: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the log-probability of each site at a position."""
        ...

    def complete(self, arrays: Arrays, keys: Array, positions: Float[Array, "*draw dim"]) -> dict[str, Array]:
        """Return the values of all latent and deterministic sites at positions."""
        ...


def log_probs(trace: Mapping[str, Any], *, trusted: bool = False) -> dict[str, Array]:
    """Return the scaled log-probability of each sample site of a trace, in nats.

    It is minus infinity outside the support, whether or not the user has NumPyro's validation enabled:
    without it, NumPyro gives some distributions a density everywhere. A Jacobian is a change of variables:
    no mask or scale of the program applies to it.

    Args:
        trace: A trace of NumPyro.
        trusted: Whether the values of continuous latents lie in their supports, as a bijection's values do.

    Returns:
        Arrays of the shapes of the batches.
    """
    found = {}
    for name, msg in trace.items():
        if msg["type"] != "sample":
            continue
        if is_log_det(name) and is_factor(msg):
            found[name] = bare(msg["fn"]).log_factor
            continue
        found[name] = log_prob_of(msg, trusted=trusted)
    return found


def log_prob_of(msg: dict[str, Any], *, trusted: bool) -> Array:
    """Return the scaled log-probability of one sample site at its value, in nats.

    Args:
        msg: A message of NumPyro.
        trusted: Whether the value of a continuous latent lies in its support.

    Returns:
        An array of the shape of the batch.
    """
    support = msg["fn"].support
    unbounded = base(support) is base(constraints.real)  # all numbers: missing ones are found beforehand
    checked = (msg["is_observed"] and not unbounded) or not trusted or getattr(support, "is_discrete", False)
    with validation_enabled(is_validate=checked and not is_factor(msg)):
        log_prob = msg["fn"].log_prob(jnp.asarray(msg["value"]))
    return log_prob if msg["scale"] is None else msg["scale"] * log_prob


def total(by_site: Mapping[str, Array], dtype: Any) -> Float[Array, ""]:
    """Add up log-probabilities."""
    return sum((jnp.sum(term) for term in by_site.values()), jnp.zeros((), dtype))


def latent_values(trace: Mapping[str, Any]) -> dict[str, Array]:
    """Return the values of the latent and deterministic sites of a trace."""
    return {
        name: jnp.asarray(msg["value"])
        for name, msg in trace.items()
        if (msg["type"] == "sample" and not msg["is_observed"] and not is_factor(msg))
        or (msg["type"] == "deterministic" and not msg.get("intervened", False))
    }
