"""Newton's method where maximum likelihood has no closed form."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import digamma, i0e, i1e, polygamma
from jaxtyping import Array, Float

STEPS = 15
SAFE_STEPS = 20
VECTOR_STEPS = 30


def positive_root(
    function: Callable[[Float[Array, "*batch"]], Float[Array, "*batch"]],
    target: Float[Array, "*batch"],
    start: Float[Array, "*batch"],
) -> Float[Array, "*batch"]:
    """Solve function(x) = target for x > 0, where the function rises from 0 and is nearly a straight line.

    A fixed number of steps: the result can be differentiated in `target`.

    Args:
        function: An elementwise function.
        target: Its values.
        start: Where to begin.

    Returns:
        The roots.

    Example:
        >>> print(f"{positive_root(lambda x: x + x / (1 + x), jnp.array(1.5), jnp.array(0.5)):.3f}")
        1.000
    """

    def step(_: int, x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        value, slope = jax.jvp(function, (x,), (jnp.ones_like(x),))
        moved = x - (value - target) / slope
        return jnp.where(moved > 0, moved, x / 10)

    return lax.fori_loop(0, STEPS, step, start)


def gamma_shape(gap: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Solve log a - digamma(a) = gap: the shape of a gamma distribution, given log E[x] - E[log x].

    Args:
        gap: The difference, positive.

    Returns:
        The shapes.

    Example:
        >>> shape = jnp.array(2.5)
        >>> print(f"{gamma_shape(jnp.log(shape) - digamma(shape)):.3f}")
        2.500

    Source:
        Minka (2002), "Estimating a Gamma distribution": the start; the steps are Newton's on 1 / gap.
    """
    start = (3 - gap + jnp.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
    return positive_root(lambda a: 1 / (jnp.log(a) - digamma(a)), 1 / gap, start)


def von_mises_concentration(resultant: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Solve A(k) = I1(k) / I0(k) = resultant: the concentration of a von Mises distribution.

    Newton's steps are on A / (1 - A^2), which is nearly k / 2 for small and k for large k.

    Args:
        resultant: Mean resultant lengths, from 0 to 1.

    Returns:
        The concentrations.

    Example:
        >>> print(f"{von_mises_concentration(jnp.array(0.6978)):.3f}")
        2.000

    Source:
        Bishop & Bishop (2023), eq. 3.134; Sra (2012), doi:10.1007/s00180-011-0232-x, for the start.
    """

    def ratio(length: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        return length / (1 - length**2)

    start = resultant * (2 - resultant**2) / (1 - resultant**2)
    return positive_root(lambda k: ratio(i1e(k) / i0e(k)), ratio(resultant), start)


def inverse_digamma(value: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Solve digamma(x) = value for x > 0.

    Args:
        value: Values of the digamma function.

    Returns:
        Their arguments.

    Example:
        >>> print(f"{inverse_digamma(digamma(jnp.array(0.25))):.3f}")
        0.250

    Source:
        Minka (2000), "Estimating a Dirichlet distribution", appendix C.
    """
    start = jnp.where(value >= -2.22, jnp.exp(value) + 0.5, -1 / (value + jnp.euler_gamma))
    return lax.fori_loop(0, 5, lambda _, x: x - (digamma(x) - value) / polygamma(1, x), start)


def dirichlet_concentration(mean_log: Float[Array, "*batch parts"]) -> Float[Array, "*batch parts"]:
    """Solve digamma(a_k) - digamma(sum a) = E[log x_k].

    A few steps of the fixed point a_k = digamma^-1(E[log x_k] + digamma(sum a)), which is safe from anywhere,
    then Newton's; the Hessian is a diagonal and a constant, so each takes linear time.

    Args:
        mean_log: Expected logarithms of the parts; the sum of their exponentials is below one.

    Returns:
        The concentrations.

    Example:
        >>> a = jnp.array([0.5, 2.0, 4.0])
        >>> dirichlet_concentration(digamma(a) - digamma(a.sum())).round(3).tolist()
        [0.5, 2.0, 4.0]

    Source:
        Minka (2000), "Estimating a Dirichlet distribution", §1.
    """
    parts = mean_log.shape[-1]
    missing = -jnp.expm1(jax.nn.logsumexp(mean_log, -1, keepdims=True))
    total = (parts - 1) / (2 * missing)

    def fixed_point(_: int, a: Float[Array, "*batch parts"]) -> Float[Array, "*batch parts"]:
        return inverse_digamma(mean_log + digamma(a.sum(-1, keepdims=True)))

    def newton(_: int, a: Float[Array, "*batch parts"]) -> Float[Array, "*batch parts"]:
        total = a.sum(-1, keepdims=True)
        gradient = mean_log - digamma(a) + digamma(total)
        curvature = polygamma(1, a)
        shared = jnp.sum(gradient / curvature, -1, keepdims=True) / (
            1 / polygamma(1, total) - jnp.sum(1 / curvature, -1, keepdims=True)
        )
        moved = a + (gradient + shared) / curvature
        return jnp.where(moved > 0, moved, a / 10)

    start = inverse_digamma(mean_log + digamma(total))
    return lax.fori_loop(0, VECTOR_STEPS, newton, lax.fori_loop(0, SAFE_STEPS, fixed_point, start))
