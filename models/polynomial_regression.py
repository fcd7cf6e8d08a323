"""Polynomial regression: ten noisy points of sin(2 pi x), and a curve of order M through them.

    w_m ~ Normal(0, scale),  m = 0..M
    sigma ~ HalfNormal(1)
    y_n ~ Normal(sum_m w_m x_n^m, sigma)

`order` is M, the complexity of the curve; `scale` is how large a coefficient may be, and does what a
regularizer does: its ridge penalty is (sigma / scale)^2.

Source: Bishop & Bishop (2023), §1.2. Data: data/curve_fitting.csv, the ten points of Bishop, Pattern
Recognition and Machine Learning (2006), §1.1: x equally spaced in [0, 1], noise of standard deviation 0.3.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

METHOD = pdl.NUTS()  # powers of x are nearly collinear


def program(x, y=None, *, order=3, scale=10.0):
    with numpyro.plate("power", order + 1):
        w = numpyro.sample("w", dist.Normal(0, scale))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("point", len(x)):
        curve = numpyro.deterministic("curve", x[:, None] ** jnp.arange(order + 1) @ w)
        numpyro.sample("y", dist.Normal(curve, sigma), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return the positions and the heights of the ten points."""
    file = Path(__file__).parent / "data" / "curve_fitting.csv"
    x, y = np.loadtxt(file, delimiter=",", skiprows=1).T
    return {"x": x, "y": y}


def model(order: int = 3, scale: float = 10.0) -> pdl.Model:
    """Return the program with its data.

    Args:
        order: Order M of the polynomial.
        scale: Standard deviation of the prior of each coefficient.
    """
    return pdl.Model(program, **data(), order=order, scale=scale)
