"""Programs that propose new values of latents, given those that they have now."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro import handlers, validation_enabled
from numpyro.distributions import biject_to

from probdl.errors import SiteNotFound
from probdl.program.bound import Opaque, Plain, hashable
from probdl.program.checks import support_name
from probdl.program.describe import distribution_name, is_abstract, support_of
from probdl.program.handlers import Fix, Message, is_factor
from probdl.program.model import Model
from probdl.program.sites import Site
from probdl.program.states import base, finite_range
from probdl.program.target import log_prob_of

Values = Mapping[str, Array]
POINTS, REACH = 64, 1.5
MANY = 30  # values of a discrete site without a known end that are looked at


class Current(dict):
    """Values by site; a name that is none is named."""

    def __missing__(self, name: str) -> Any:
        """Refuse a name that is no site."""
        raise SiteNotFound(name, list(self), "the proposal", "a site of the model")


@dataclass(frozen=True)
class Proposal:
    """A program of the current values: its sample sites, named like latents, are their new values.

    Attributes:
        program: The callable.
    """

    program: Plain | Opaque

    @classmethod
    def of(cls, program: Callable[[Mapping[str, Any]], Any]) -> Proposal:
        """Wrap a callable."""
        return cls(hashable(program))

    def propose(self, key: Array, current: Values) -> tuple[dict[str, Array], Float[Array, ""]]:
        """Draw new values.

        Args:
            key: A key.
            current: Values of all latent and deterministic sites.

        Returns:
            New values of some latents; log q(new | current), in nats.
        """
        trace = self.trace(current, {}, key)
        return {name: jnp.asarray(msg["value"]) for name, msg in trace.items()}, _total(trace)

    def log_prob(self, new: Values, current: Values) -> Float[Array, ""]:
        """Return log q(new | current), in nats.

        Args:
            new: Values of the latents that are proposed.
            current: Values of all sites.
        """
        return _total(self.trace(current, new))

    def trace(self, current: Values, new: Values, key: Any = 0) -> dict[str, Message]:
        """Run the program, with its sites at given values where there are any.

        Args:
            current: Values of all sites.
            new: Values of its own sites.
            key: Seed or key of what is drawn.

        Returns:
            The messages of its sample sites.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(validation_enabled(False))  # noqa: FBT003
            trace = stack.enter_context(handlers.trace())
            stack.enter_context(handlers.seed(rng_seed=key))
            stack.enter_context(Fix(None, new))
            self.program.value(Current(current))
        return {name: msg for name, msg in trace.items() if msg["type"] == "sample"}


def _total(trace: Mapping[str, Message]) -> Float[Array, ""]:
    return sum((jnp.sum(log_prob_of(msg, trusted=False)) for msg in trace.values()), jnp.zeros(()))


def label_of(program: Callable) -> str:
    """Return a name of a callable that is the same in another process, and another one for other code.

    Args:
        program: The callable.

    Returns:
        Its name, and a few digits of a digest of its code.

    Example:
        >>> label_of(len)
        'len'
    """
    name = getattr(program, "__qualname__", type(program).__qualname__)
    code = getattr(program, "__code__", None)
    if code is None:
        return name
    content = repr([code.co_code, [c for c in code.co_consts if not hasattr(c, "co_code")], code.co_names])
    return f"{name}#{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def check_proposal(proposal: Proposal, model: Model, current: Values, names: tuple[str, ...]) -> None:
    """Check that a proposal gives possible values of latents.

    Args:
        proposal: The proposal.
        model: The model.
        current: Possible values of all sites.
        names: The latents that it may move.

    Raises:
        SiteNotFound: If it samples a site that is none of them.
        ValueError: If it samples nothing, or values of a wrong shape or support; the message names the site.
    """
    trace = proposal.trace(current, {})
    if not trace:
        raise ValueError(
            f"Expected a proposal that samples new values of latent sites; got one without sample sites. "
            f"Write numpyro.sample('{names[0]}', ...) in it."
        )
    local: dict[str, bool] = {}

    def supports(values: Values) -> list[Any]:
        found = proposal.trace(values, {})
        local.update({name: is_abstract(support_of(msg["fn"])) for name, msg in found.items()})
        return []

    jax.eval_shape(supports, dict(current))
    for name, msg in trace.items():
        if is_factor(msg) or msg["is_observed"] or name not in names:
            raise SiteNotFound(name, names, "the proposal", "a latent site of the model")
        _check_site(model.sites[name], msg, local=local[name])


def _check_site(site: Site, msg: Message, *, local: bool) -> None:
    name, shape = site.name, jnp.shape(msg["value"])
    if shape != site.shape:
        raise ValueError(
            f"Expected a proposal of shape {site.shape} for site '{name}'; got shape {shape}. Give its "
            f"distribution the plates, or the .expand(...).to_event(...), of the model."
        )
    support, own = support_of(msg["fn"]), site.support
    if support is None:
        return
    proposed = f"{distribution_name(msg['fn'])}, {support_name(support)}"
    if bool(getattr(support, "is_discrete", False)) != site.is_discrete:
        kind = "discrete" if site.is_discrete else "continuous"
        raise ValueError(
            f"Expected a {kind} proposal for site '{name}' ({site.distribution}); got {proposed}. Propose "
            f"from a distribution on {support_name(own) if own is not None else 'its support'}."
        )
    if own is None:
        return
    values = _points(support, shape, None)
    if not any(bool(np.all(own(value))) for value in values):
        raise ValueError(
            f"Expected a proposal for site '{name}' that is possible, in {support_name(own)}; got "
            f"{proposed}, none of whose values are. Propose from a distribution on the support of the site."
        )
    if not local and not all(bool(np.all(support(value))) for value in _points(own, shape, site)):
        raise ValueError(
            f"Expected a proposal for site '{name}' that reaches all of its support, {support_name(own)}; "
            f"got {proposed}: from what lies outside there is no way back. Propose from a distribution on "
            f"all of it, or on values around the current one."
        )


def _points(support: Any, shape: tuple[int, ...], site: Site | None) -> list[Any]:
    """Return some values of a support."""
    rng = np.random.default_rng(0)
    if getattr(support, "is_discrete", False):
        states = None if site is None else finite_range(site)
        low = getattr(base(support), "lower_bound", 0)
        low, high = np.asarray(low), np.asarray(getattr(base(support), "upper_bound", low + MANY))
        if type(base(support)).__name__.strip("_").lower() == "boolean":
            low, high = np.zeros((), int), np.ones((), int)
        if states is not None:
            low, high = np.asarray(states.start), np.asarray(states.stop - 1)
        return [np.broadcast_to(rng.integers(low, high + 1), shape) for _ in range(POINTS)]
    bijection = biject_to(support)
    inner = bijection.inverse_shape(shape)
    return [bijection(jnp.asarray(REACH * rng.standard_normal(inner))) for _ in range(POINTS)]
