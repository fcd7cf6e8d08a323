"""Gaussian Bayes: where a ship is, from dead reckoning, then a radio fix, then the depth of the sea.

    position ~ Normal((10, 20), S)                      km east and north, by dead reckoning
    fix ~ Normal(position, R)                           km; its errors are correlated
    depth ~ Normal(20 + (2, -1) . position, 3)          m; the sea bed slopes

Bayes' theorem for linear-Gaussian pairs. Given x ~ Normal(mu, L^-1) and y | x ~ Normal(A x + b, M^-1),

    y ~ Normal(A mu + b, M^-1 + A L^-1 A')
    x | y ~ Normal(C (A' M (y - b) + L mu), C),  C = (L + A' M A)^-1

and the posterior of one measurement is the prior of the next. The radio says (12, 18): the ship is at
(10.94, 19.37), give or take (1.01, 1.45), and is expected to find 22.51 m of water, give or take 4.05. It
finds 28 m, which is one number about two: the position moves to (11.72, 18.45), give or take (0.83, 1.29).
The order does not matter, and log p(y) = -4.582 - 3.237 = -7.819 nats.

Source: Bishop & Bishop (2023), §3.2.6 (Bayes' theorem) and §3.2.8 (sequential estimation). The numbers are
ours.
"""

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

MEAN = np.array([10.0, 20.0])
S = np.array([[4.0, 3.0], [3.0, 9.0]])
R = np.array([[2.0, -1.5], [-1.5, 4.0]])
SLOPE = np.array([2.0, -1.0])


def program(fix=None, depth=None):
    position = numpyro.sample("position", dist.MultivariateNormal(MEAN, S))
    numpyro.sample("fix", dist.MultivariateNormal(position, R), obs=fix)
    numpyro.sample("depth", dist.Normal(20 + SLOPE @ position, 3), obs=depth)


def data() -> dict[str, np.ndarray]:
    """Return the position by radio (2,) in km, and the depth in m."""
    return {"fix": np.array([12.0, 18.0]), "depth": np.array(28.0)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
