"""The expected logarithm of a factorial, by quadrature: what the entropies of counts need."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# The tanh-sinh rule on (0, 1): nodes u, log(1 - u), which 1 - u would round away, and weights / (u (1 - u)).
_T = np.arange(-3.5, 6.5, 0.05)
_NODES = 1 / (1 + np.exp(-np.pi * np.sinh(_T)))
_LOG_REST = -np.logaddexp(0, np.pi * np.sinh(_T))
_WEIGHTS = 0.05 * np.pi * np.cosh(_T)


def expected_log_factorial(
    mean: Float[Array, "*batch"],
    thinned: Callable[[Float[Array, " nodes"]], Float[Array, "*batch nodes"]],
    offset: float = 1.0,
) -> Float[Array, "*batch"]:
    """Return E[log Gamma(X + r) - log Gamma(r)] of a count X; for r = 1 this is E[log X!].

    The integral over u from 0 to 1 of (E[X] - (1 - u)^(r - 1) (1 - E[(1 - u)^X]) / u) / -log(1 - u).

    Args:
        mean: E[X].
        thinned: E[(1 - u)^X] - 1 at the nodes u: the probability generating function, less one,
            without cancellation for small u.
        offset: The number r, positive; below 0.05 the nodes do not reach far enough.

    Returns:
        The expectations, in nats.

    Example:
        >>> always_three = expected_log_factorial(jnp.array(3.0), lambda u: jnp.expm1(3 * jnp.log1p(-u)))
        >>> print(f"{jnp.exp(always_three):.2f}")
        6.00

    Source:
        Malmsten's integral of log Gamma, with u = 1 - exp(-t): DLMF, eq. 5.9.19; Takahasi & Mori (1974) for
        the nodes.
    """
    u, log_rest, weights = (jnp.asarray(part, mean.dtype) for part in (_NODES, _LOG_REST, _WEIGHTS))
    terms = u * jnp.exp(log_rest) * mean[..., None] + jnp.exp(offset * log_rest) * thinned(u)
    return jnp.sum(weights * terms / -log_rest, -1)


def binomial_log_factorial(
    total_count: Float[Array, ""], probability: Float[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Return E[log X!] of binomial counts.

    Args:
        total_count: The number of trials.
        probability: Probabilities of success.

    Returns:
        The expectations, in nats.

    Example:
        >>> print(f"{binomial_log_factorial(jnp.array(2.0), jnp.array(0.5)):.4f}")  # log(2) / 4
        0.1733
    """
    return expected_log_factorial(
        total_count * probability,
        lambda u: jnp.expm1(total_count * jnp.log1p(-probability[..., None] * u)),
    )
