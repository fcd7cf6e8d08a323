r"""Hierarchical sites in coordinates between centred and not.

A site x with location m and scale s has the coordinate $u = \lambda m + s^{\lambda - 1} (x - m)$: x itself
for $\lambda = 1$, (x - m) / s for $\lambda = 0$. Given the parents it is a bijection like any other of
`Unconstrain`, so that positions, densities and results know nothing of it.

Source:
    Gorinova, Moore and Hoffman (2020), Automatic reparameterisation of probabilistic programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

CENTRING = "centring of "
FAMILIES = ("Normal", "StudentT", "Cauchy", "Laplace", "Logistic", "Gumbel")


def has_location_and_scale(name: str) -> bool:
    """Return whether a family of distributions, by its name, has a location and a scale on the real line.

    Example:
        >>> has_location_and_scale("Normal"), has_location_and_scale("Gamma")
        (True, False)
    """
    return name in FAMILIES


def of_centring(scan_of: Mapping[str, str], degrees: Mapping[str, Any]) -> dict[str, str]:
    """Return the scan that each degree of centring is in: that of its site.

    Args:
        scan_of: The scan of each scanned site.
        degrees: Degrees, under `CENTRING` and the name of the site.

    Returns:
        Scans by the same names.

    Example:
        >>> of_centring({"x": "time"}, {"centring of x": 0.5, "centring of y": 0.5})
        {'centring of x': 'time'}
    """
    sites = {name: name.removeprefix(CENTRING) for name in degrees}
    return {name: scan_of[site] for name, site in sites.items() if site in scan_of}


def centred_value(
    fn: Any, coordinate: Float[Array, "*shape"], degree: Float[Array, "*shape"]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Return the value of a site at its coordinate, and the logarithm of the derivative.

    Args:
        fn: Its distribution, whose parameters are functions of its parents.
        coordinate: The coordinate u.
        degree: The degree of centring of each element: 1 for x itself, 0 for the standardised x.

    Returns:
        The value, and the log Jacobian of each element.

    Example:
        >>> import numpyro.distributions as dist
        >>> value, log_det = centred_value(dist.Normal(3.0, 2.0), jnp.array([0.5]), jnp.array([0.0]))
        >>> float(value[0]), float(jnp.exp(log_det[0]))
        (4.0, 2.0)
    """
    while not hasattr(fn, "loc"):
        fn = fn.base_dist
    shape = jnp.shape(coordinate)
    loc, scale = jnp.broadcast_to(fn.loc, shape), jnp.broadcast_to(fn.scale, shape)
    stretch = scale ** (1 - degree)
    return loc + stretch * (coordinate - degree * loc), (1 - degree) * jnp.log(scale)
