"""Hares and lynxes: the equations of Lotka and Volterra."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from .reference import Case, Draws, read

STEPS_A_YEAR = 10


def program(y_init, y=None, *, num_years=20):
    """Thousands of pelts of both species, year by year."""
    alpha = numpyro.sample("alpha", dist.TruncatedNormal(1, 0.5, low=0))
    beta = numpyro.sample("beta", dist.TruncatedNormal(0.05, 0.05, low=0))
    gamma = numpyro.sample("gamma", dist.TruncatedNormal(1, 0.5, low=0))
    delta = numpyro.sample("delta", dist.TruncatedNormal(0.05, 0.05, low=0))

    def slope(log_z):
        hare, lynx = jnp.exp(log_z)
        return jnp.stack([alpha - beta * lynx, delta * hare - gamma])

    with numpyro.plate("species", 2, dim=-1):
        sigma = numpyro.sample("sigma", dist.LogNormal(-1, 1))
        z_init = numpyro.sample("z_init", dist.LogNormal(jnp.log(10), 1))
        numpyro.sample("y_init", dist.LogNormal(jnp.log(z_init), sigma), obs=y_init)
        with numpyro.plate("year", num_years, dim=-2):
            log_z = solve(slope, jnp.log(z_init), num_years)
            numpyro.sample("y", dist.LogNormal(log_z, sigma), obs=y)


def solve(slope, start, num_years):
    """Return the solution after each year, by Runge and Kutta's rule of order four."""
    h = 1 / STEPS_A_YEAR

    def step(_, z):
        k1 = slope(z)
        k2 = slope(z + h / 2 * k1)
        k3 = slope(z + h / 2 * k2)
        k4 = slope(z + h * k3)
        return z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def year(z, _):
        z = jax.lax.fori_loop(0, STEPS_A_YEAR, step, z)
        return z, z

    return jax.lax.scan(year, start, None, length=num_years)[1]


def rates(draws: Draws) -> Draws:
    """Return the four rates as theta."""
    names = ("alpha", "beta", "gamma", "delta")
    return {**draws, "theta": np.stack([draws[name] for name in names], axis=-1)}


def lotka_volterra() -> Case:
    """Pelts of the Hudson's Bay Company, 1900-1920."""
    data, reference = read("lotka_volterra")
    data["y_init"] = data["y_init"].astype(float)
    return Case(program=program, data=data, reference=reference, parts=rates)
