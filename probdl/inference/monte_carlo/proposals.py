"""What draws are proposed from: the prior, another program, or a distribution of unconstrained positions."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from probdl.inference.monte_carlo.student import Student
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.density import Density
from probdl.program.handlers import LOG_DET, Everywhere, Fix, Unconstrain
from probdl.program.target import latent_values, log_probs, total
from probdl.program.weighing import is_latent, log_density_of_draws, log_weight

Scans = tuple[tuple[str, str], ...]


class Proposed(NamedTuple):
    """A draw of a proposal.

    Attributes:
        log_ratio: Log joint density minus the log-density of the proposal: the logarithm of the weight.
        lp: Log joint density, in nats.
        values: Values of the latent and deterministic sites.
    """

    log_ratio: Float[Array, ""]
    lp: Float[Array, ""]
    values: dict[str, Array]


class Proposal(Protocol):
    """The static half of a proposal: what its draws are compiled for."""

    def draw(self, arrays: Any, key: Array) -> Proposed:
        """Return a draw.

        Args:
            arrays: The dynamic half.
            key: The key.
        """
        ...


class Ratio(Protocol):
    """A proposal whose ratio to the joint density is known everywhere."""

    def log_ratio(
        self, density: Density, arrays: Any, position: Float[Array, " dim"], given: dict[str, Array]
    ) -> Float[Array, ""]:
        """Return the logarithm of the ratio of the joint density and that of the proposal.

        Args:
            density: The joint density over unconstrained positions.
            arrays: The dynamic half.
            position: Where.
            given: Values of the discrete latents.
        """
        ...


@dataclass(frozen=True)
class FromPrior:
    """Draws from the program itself, in the order of its graph, whatever is observed.

    Attributes:
        bound: The program.
        scan_of: The scan of each latent that is in one.
    """

    bound: BoundProgram
    scan_of: Scans

    def draw(self, arrays: Arrays, key: Array) -> Proposed:
        """Return a draw; its weight is the likelihood."""
        trace = self.bound.trace(arrays, Everywhere(), key)
        lp = total(log_probs(trace, trusted=True), jnp.result_type(float))
        return Proposed(log_weight(trace), lp, latent_values(trace))

    def log_ratio(
        self, density: Density, arrays: Arrays, position: Float[Array, " dim"], given: dict[str, Array]
    ) -> Float[Array, ""]:
        """Return the logarithm of the likelihood."""
        return log_weight(_without_jacobians(_at(density, self.scan_of, arrays, position, given)))


@dataclass(frozen=True)
class FromGuide:
    """Draws from another program that has the same latents.

    Attributes:
        bound: The program.
        guide: The other one.
        scan_of: The scan of each latent of the program that is in one.
        guide_scan_of: The scan of each latent of the other one that is in one.
    """

    bound: BoundProgram
    guide: BoundProgram
    scan_of: Scans
    guide_scan_of: Scans

    def draw(self, arrays: tuple[Arrays, Arrays], key: Array) -> Proposed:
        """Return a draw."""
        guided = self.guide.trace(arrays[1], Everywhere(), key)
        held = {name: msg["value"] for name, msg in guided.items() if is_latent(msg)}
        trace = self.bound.trace(arrays[0], Fix(None, held, dict(self.scan_of)))
        lp = total(log_probs(trace), jnp.result_type(float))
        return Proposed(lp - log_density_of_draws(guided), lp, latent_values(trace))

    def log_ratio(
        self,
        density: Density,
        arrays: tuple[Arrays, Arrays],
        position: Float[Array, " dim"],
        given: dict[str, Array],
    ) -> Float[Array, ""]:
        """Return the logarithm of the ratio of both densities."""
        trace = _without_jacobians(_at(density, self.scan_of, arrays[0], position, given))
        held = {name: msg["value"] for name, msg in trace.items() if is_latent(msg)}
        guided = self.guide.trace(arrays[1], Fix(None, held, dict(self.guide_scan_of)))
        return total(log_probs(trace, trusted=True), position.dtype) - log_density_of_draws(guided)


@dataclass(frozen=True)
class FromStudent:
    """Draws of unconstrained positions from a multivariate Student or normal distribution."""

    density: Density

    def draw(self, arrays: tuple[Arrays, Student], key: Array) -> Proposed:
        """Return a draw."""
        data, student = arrays
        position = student.draw(key)
        trace = _at(self.density, self.density.layout.scan_of, data, position, {})
        terms = log_probs(trace, trusted=True)
        lp = total({name: term for name, term in terms.items() if LOG_DET not in name}, position.dtype)
        ratio = total(terms, position.dtype) - student.log_density(position)
        return Proposed(ratio, lp, latent_values(trace))

    def log_ratio(
        self,
        density: Density,
        arrays: tuple[Arrays, Student],
        position: Float[Array, " dim"],
        given: dict[str, Array],
    ) -> Float[Array, ""]:
        """Return the logarithm of the ratio of both densities of positions."""
        del given
        return density.log_density(arrays[0], position) - arrays[1].log_density(position)


def _at(
    density: Density,
    scan_of: Scans,
    arrays: Arrays,
    position: Float[Array, " dim"],
    given: dict[str, Array],
) -> dict[str, Any]:
    held = {**density.layout.unravel(position), **given}
    handler = Unconstrain(None, held, dict(scan_of), frozenset(given))
    return density.bound.trace(arrays, handler)


def _without_jacobians(trace: dict[str, Any]) -> dict[str, Any]:
    return {name: msg for name, msg in trace.items() if LOG_DET not in name}


@functools.partial(jax.jit, static_argnames="proposal")
def draws(proposal: Proposal, arrays: Any, chains: Array, numbers: Int[Array, "chain draw"]) -> Proposed:
    """Return draws: that of number i of a chain has the key fold_in(key of the chain, i).

    Args:
        proposal: The static half of a proposal.
        arrays: Its dynamic half.
        chains: Keys of the chains.
        numbers: Numbers of the draws of each.

    Returns:
        Arrays (chain, draw, ...).
    """
    return _all(proposal, arrays, chains, numbers)


@functools.partial(jax.jit, static_argnames="proposal")
def log_ratios(
    proposal: Proposal, arrays: Any, chains: Array, numbers: Int[Array, "chain draw"]
) -> Float[Array, "chain draw"]:
    """Return only the logarithms of the weights of draws: their values take no memory.

    Args:
        proposal: The static half of a proposal.
        arrays: Its dynamic half.
        chains: Keys of the chains.
        numbers: Numbers of the draws of each.

    Returns:
        Nats.
    """
    return _all(proposal, arrays, chains, numbers).log_ratio


def _all(proposal: Proposal, arrays: Any, chains: Array, numbers: Array) -> Proposed:
    def one(chain: Array, number: Array) -> Proposed:
        return proposal.draw(arrays, jax.random.fold_in(chain, number))

    return jax.vmap(jax.vmap(one, (None, 0)))(chains, numbers)
