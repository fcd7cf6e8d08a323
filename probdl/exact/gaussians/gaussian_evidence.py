"""The integral of a Gaussian chain over its states, and its derivatives."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from probdl.exact.gaussians.gaussian import Canonical, multiply
from probdl.exact.gaussians.gaussian_chain import GaussianChain, total
from probdl.exact.gaussians.gaussian_elimination import ChainMoments, Eliminated, chain_moments, eliminate
from probdl.exact.gaussians.gaussian_integral import Conditional, expected_log


def condition_states(chain: GaussianChain) -> tuple[Canonical, Conditional]:
    """Integrate all states out, and keep the distribution of each given the next one.

    Linear in the length, in time and in memory. The integral is taken about the most probable states where
    the border is zero, so that the squares of states far from zero need not cancel. Its differential is the
    expected one of the log potentials: gradients cost one smoothing, and are 1, the mean and minus half the
    second moments.

    Args:
        chain: The chain.

    Returns:
        The integral as a potential of the border; with no border its `log_scale` is the log integral in nats,
        NaN where it diverges. And the conditionals, as `eliminate`.

    Example:
        >>> zero, step = jnp.zeros(1), jnp.array([[[1.0, -1.0], [-1.0, 1.0]]])
        >>> start = Canonical(jnp.zeros(()), jnp.zeros(1), jnp.eye(1))
        >>> none = Canonical(zero, zero[None], zero[None, None])
        >>> walk = GaussianChain(start, none, Canonical(zero, jnp.zeros((1, 2)), step), length=2)
        >>> integral, steps = condition_states(walk)
        >>> print(f"{integral.log_scale:.4f}, {steps.gain[0, 0, 0]:.3f}")  # log 2 pi
        1.8379, 0.500

    Source:
        Rue & Held (2005), §2.4, for block tridiagonal precisions; Fisher's identity for the gradients.
    """
    return _condition_states(chain)


class _Refined(NamedTuple):
    """A chain eliminated twice: as it is, and as a function of deviations from its most probable states."""

    rough: Eliminated
    fine: Eliminated

    def moments(self) -> ChainMoments:
        """Return the moments of the states given the border."""
        found = chain_moments(self.fine)
        return found._replace(offset=found.offset + self.rough.means[..., 0])


def _refined(chain: GaussianChain) -> _Refined:
    rough = eliminate(chain)
    about = rough.means[..., 0]
    zero = jnp.zeros(chain.border_size, about.dtype)
    return _Refined(rough, eliminate(chain.about(about, zero), rough.factor))


def _expected_change(moved: GaussianChain, found: ChainMoments) -> Canonical:
    return multiply(
        expected_log(moved.first, found.at_first()),
        total(expected_log(moved.unary, found.single())),
        total(expected_log(moved.pair, found.double())),
    )


@jax.custom_jvp
def _condition_states(chain: GaussianChain) -> tuple[Canonical, Conditional]:
    found = _refined(chain)
    return found.fine.border, found.rough.steps


@_condition_states.defjvp
def _(primals: tuple[GaussianChain], tangents: tuple[GaussianChain]):
    found = _refined(*primals)
    moved = jax.jvp(lambda chain: eliminate(chain).steps, primals, tangents)[1]
    return (found.fine.border, found.rough.steps), (_expected_change(*tangents, found.moments()), moved)
