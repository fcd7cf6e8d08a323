"""Linear dynamical system: where hurricane Katrina was, and how fast it moved, from its positions.

    sigma_velocity ~ LogNormal(log 0.05, 0.5)           how much the velocity changes in six hours
    sigma_fix ~ LogNormal(log 0.05, 0.5)                how far a position is off, before it is rounded
    x_0 ~ Normal(0, S),  S = diag(20, 20, 0.5, 0.5)^2
    x_t ~ Normal(F x_{t-1}, sigma_velocity^2 Q)         position and velocity, each east and north
    y_t ~ Normal(H x_t, R),  H = (I, 0)                 the position alone is seen
    R = (sigma_fix^2 + 0.032^2) I

In units of 100 km and hours. The velocity is almost constant, a random walk in continuous time, which Q sums
up over six hours; F adds six hours of velocity to the position. Given both sigmas all states are jointly
Gaussian: `infer` integrates them by a Kalman filter, samples the sigmas alone, and draws the states back by a
smoother. With sigma_velocity = 0.045 and sigma_fix = 0.028, log p(y) = -8.916 nats, and at landfall, the 24th
position, the hurricane went north at 0.274, give or take 0.019, though no velocity was ever seen. Positions
are published in tenths of a degree, and rounding alone puts them off by 3.2 km.

Source: Bishop & Bishop (2023), §16.2.6 (Kalman filters); Bar-Shalom, Li & Kirubarajan, Estimation with
Applications to Tracking and Navigation (2001), §6.2.2, for Q. Data: data/katrina.csv, best track of the
National Hurricane Center, 23-31 August 2005, 31 positions; Knabb, Rhome & Brown, Tropical Cyclone Report:
Hurricane Katrina (2005), table 1.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

import probdl as pdl

HOURS = 6.0
LANDFALL = np.array([29.3, -89.6])  # degrees north and east, 29 August, 11 h UTC
DEGREE = 1.112  # of latitude, in 100 km
F = np.kron([[1, HOURS], [0, 1]], np.eye(2))
Q = np.kron([[HOURS**2 / 3, HOURS / 2], [HOURS / 2, 1]], np.eye(2))
H = np.eye(2, 4)
ROUNDING = 0.1 * DEGREE / 12**0.5
S = np.diag([20, 20, 0.5, 0.5]) ** 2


def program(y=None, *, num_fixes=31):
    sigma_velocity = numpyro.sample("sigma_velocity", dist.LogNormal(jnp.log(0.05), 0.5))
    sigma_fix = numpyro.sample("sigma_fix", dist.LogNormal(jnp.log(0.05), 0.5))
    start = numpyro.sample("x_0", dist.MultivariateNormal(jnp.zeros(4), S))

    def step(previous, fix):
        x = numpyro.sample("x", dist.MultivariateNormal(F @ previous, sigma_velocity**2 * Q))
        numpyro.sample("y", dist.Normal(H @ x, jnp.hypot(sigma_fix, ROUNDING)).to_event(1), obs=fix)
        return x, None

    scan(step, start, y, length=num_fixes)


def data() -> dict[str, np.ndarray]:
    """Return the positions (time, 2) in 100 km east and north of the landfall in Louisiana."""
    file = Path(__file__).parent / "data" / "katrina.csv"
    place = np.loadtxt(file, delimiter=",", skiprows=1)[:, 2:]
    north, east = DEGREE * (place - LANDFALL).T
    return {"y": np.stack([east * np.cos(np.radians(place[:, 0])), north], axis=1)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
