"""The integral of a Gaussian chain over its states, and its derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.gaussian import Canonical, multiply
from probdl.exact.gaussian_chain import GaussianChain, total
from probdl.exact.gaussian_elimination import Eliminated, chain_moments, eliminate
from probdl.exact.gaussian_integral import expected_log
from probdl.exact.gaussian_smoothing import conditional_mean


def integrate_states(chain: GaussianChain) -> Canonical:
    """Integrate all states out.

    Linear in the length, in time and in memory. The integral is taken about the most probable states where
    the border is zero, so that the squares of states far from zero need not cancel. The differential is the
    expected one of the log potentials: gradients cost one smoothing, and are 1, the mean and minus half the
    second moments.

    Args:
        chain: The chain.

    Returns:
        The integral as a potential of the border; with no border its `log_scale` is the log integral in nats.
        NaN where the integral diverges.

    Example:
        >>> zero, step = jnp.zeros(1), jnp.array([[[1.0, -1.0], [-1.0, 1.0]]])
        >>> start = Canonical(jnp.zeros(()), jnp.zeros(1), jnp.eye(1))
        >>> none = Canonical(zero, zero[None], zero[None, None])
        >>> walk = GaussianChain(start, none, Canonical(zero, jnp.zeros((1, 2)), step), length=2)
        >>> print(f"{integrate_states(walk).log_scale:.4f}")  # log 2 pi
        1.8379

    Source:
        Rue & Held (2005), §2.4, for block tridiagonal precisions; Fisher's identity for the gradients.
    """
    return _integrate_states(chain)


def _refined(chain: GaussianChain) -> tuple[Array, Eliminated]:
    """Return the most probable states where the border is zero, and the chain of deviations, eliminated."""
    zero = jnp.zeros(chain.border_size, chain.first.linear.dtype)
    rough = eliminate(chain)
    about = conditional_mean(rough.steps, zero)
    return about, eliminate(chain.about(about, zero), rough.steps.cholesky)


@jax.custom_jvp
def _integrate_states(chain: GaussianChain) -> Canonical:
    return _refined(chain)[1].border


@_integrate_states.defjvp
def _(primals: tuple[GaussianChain], tangents: tuple[GaussianChain]) -> tuple[Canonical, Canonical]:
    (moved,) = tangents
    about, (steps, border) = _refined(*primals)
    found = chain_moments(steps)
    found = found._replace(offset=found.offset + about)
    parts = (
        expected_log(moved.first, found.at_first()),
        total(expected_log(moved.unary, found.single())),
        total(expected_log(moved.pair, found.double())),
    )
    return border, multiply(*parts)
