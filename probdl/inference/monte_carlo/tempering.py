r"""Densities between the prior and the posterior.

At temperature $\lambda$ the log-density of a position is $\log p_0(z) + \lambda \log w(z)$, where $p_0$ is
that from which latents are drawn and $w$ the ratio of the joint density to it: the likelihood, where no mask
or scale applies to a latent.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.inference.monte_carlo.outcome import check_some_possible
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.density import Density
from probdl.program.handlers import LOG_DET, Everywhere, Unconstrain
from probdl.program.target import Sampled, log_probs, total
from probdl.program.weighing import log_prob_of_draw, log_weight, position_of


class Parts(NamedTuple):
    """A log-density of positions in two parts, in nats.

    Attributes:
        log_start: Log-density of positions drawn from the prior, Jacobian included.
        log_ratio: Log joint density minus that.
    """

    log_start: Float[Array, ""]
    log_ratio: Float[Array, ""]


@dataclass(frozen=True)
class Tempering:
    """The static half of the densities between the prior and the posterior.

    Attributes:
        bound: The program.
        density: The density over the latents that are moved: all, or those that an integral leaves.
    """

    bound: BoundProgram
    density: Sampled

    def start(self, arrays: Arrays, key: Array) -> Float[Array, " dim"]:
        """Return a position drawn from the prior."""
        return position_of(self.bound.trace(arrays, Everywhere(), key), self.density.layout)

    def parts(self, arrays: Arrays, position: Float[Array, " dim"]) -> Parts:
        """Return both parts of the log-density of a position."""
        return _parts(self, arrays, position)


@functools.partial(jax.jit, static_argnums=0)
def _parts(tempering: Tempering, arrays: Arrays, position: Float[Array, " dim"]) -> Parts:
    """Return both parts: a function of its own, so that it is traced once."""
    layout = tempering.density.layout
    handler = Unconstrain(None, layout.unravel(position), dict(layout.scan_of))
    trace = tempering.bound.trace(arrays, handler)  # what is integrated is drawn, and is not read
    jacobians = {name: msg for name, msg in trace.items() if LOG_DET in name}
    others = {name: msg for name, msg in trace.items() if name not in jacobians}
    start = total(log_probs(jacobians), position.dtype)
    start = start + sum((log_prob_of_draw(others[name]) for name in layout.names), jnp.zeros(()))
    if isinstance(tempering.density, Density):
        return Parts(start, log_weight(others))
    return Parts(start, tempering.density.log_density(arrays, position) - start)


def check_start(
    tempering: Tempering, positions: Float[np.ndarray, "*draw dim"], log_ratios: Float[np.ndarray, "*draw"]
) -> None:
    """Check that draws from the prior have positions, and that the data are possible at some of them.

    Args:
        tempering: The densities.
        positions: Positions drawn from the prior.
        log_ratios: Their log ratios.

    Raises:
        ValueError: If not; the message names the site.
    """
    finite = np.isfinite(positions).reshape(-1, positions.shape[-1]).all(0)
    if not finite.all():
        by_site = tempering.density.layout.unravel(~finite)  # pyright: ignore[reportArgumentType]
        name = next(name for name, part in by_site.items() if np.any(part))
        raise ValueError(
            f"Expected draws from the prior inside the support of site '{name}'; got some on its border, to "
            f"the digits of a number. Take a prior with less mass there, or call ImportanceSampling()."
        )
    check_some_possible(log_ratios)
