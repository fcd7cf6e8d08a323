"""A suspicion that a posterior does not integrate to one."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from probdl.program.bound import Arrays
from probdl.program.target import Sampled

FAR = 1000.0
RUNAWAY = 1e10
MOST_DRAWS = 256
MOST_CURVATURES = 200
STEP = 1e-4


def improper_sites(
    density: Sampled, arrays: Arrays, positions: Float[Array, "draw chain dim"], *, curved: bool = True
) -> tuple[str, ...]:
    r"""Return the sites along which the posterior does not fall off, as far as can be seen.

    A density that integrates to one falls faster than $1/|t|$ along a line. So the log-density is compared,
    between the draws and 1000 times their spread away, along the direction in which they spread most and,
    with few latents, along that of the least curvature: a fall of less than $\log 1000$ on one side is
    suspicious.

    Args:
        density: The static half of the target.
        arrays: The dynamic half.
        positions: Unconstrained draws of chains that disagree.
        curved: Whether the log-density has a gradient.

    Returns:
        Names of the latent sites that have a part in that direction.
    """
    draws = np.asarray(positions).reshape(-1, density.layout.dim)
    runaway = ~np.isfinite(draws).all(0) | (np.abs(draws) > RUNAWAY).any(0)
    if runaway.any():
        return _sites(density, runaway)
    draws = draws[np.linspace(0, len(draws) - 1, MOST_DRAWS).astype(int)]
    middle = draws.mean(0)
    near = np.max(_log_densities(density, arrays, draws))
    directions = [np.linalg.svd(draws - middle, full_matrices=False)[2][0]]
    if curved and density.layout.dim <= MOST_CURVATURES:
        directions.append(np.linalg.eigh(_curvature(density, arrays, draws[-1]))[1][:, 0])
    for direction in directions:
        spread = max(float(np.std((draws - middle) @ direction)), 1.0)
        ends = middle + FAR * spread * np.stack([direction, -direction])
        falls = near - np.asarray(_log_densities(density, arrays, ends))
        if (falls < np.log(FAR)).any():
            return _sites(density, np.abs(direction) > 0.1 * np.abs(direction).max())
    return ()


@functools.partial(jax.jit, static_argnums=0)
def _log_densities(density: Sampled, arrays: Arrays, positions: Array) -> Array:
    return jax.vmap(density.target(arrays).log_density)(positions)


@functools.partial(jax.jit, static_argnums=0)
def _curvature(density: Sampled, arrays: Arrays, position: Array) -> Array:
    """Return the square of the Hessian: its first eigenvector is the direction of least curvature.

    By differences of gradients: some solvers inside programs have no second derivatives.
    """
    gradient = jax.grad(density.target(arrays).log_density)
    steps = STEP * jnp.eye(position.shape[0], dtype=position.dtype)
    hessian = jax.vmap(lambda step: (gradient(position + step) - gradient(position - step)) / (2 * STEP))(
        steps
    )
    return hessian @ hessian.T


def _sites(density: Sampled, coordinates: np.ndarray) -> tuple[str, ...]:
    by_site = density.layout.unravel(coordinates)  # pyright: ignore[reportArgumentType]
    return tuple(name for name, part in by_site.items() if np.any(part))
