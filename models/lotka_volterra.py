"""Lotka-Volterra: hares and lynxes, a differential equation inside a program.

    dh/dt = (alpha - beta l) h,    dl/dt = (delta h - gamma) l
    alpha, gamma ~ Normal(1, 0.5),  beta, delta ~ Normal(0.05, 0.05), all above 0
    z_0k ~ LogNormal(log 10, 1),  sigma_k ~ LogNormal(-1, 1)
    y_tk ~ LogNormal(log z_tk, sigma_k)

z_t = (h, l) is solved by diffrax, through which gradients flow; species k is the hare or the lynx.

Source: Bishop & Bishop (2023), §18.3 (neural differential equations: here the equation is known). Data:
data/hare_lynx.csv, thousands of pelts of the Hudson's Bay Company, 1900-1920; Howard, Modeling basics: the
Lotka-Volterra model (2009); model and priors: Carpenter, Predator-prey population dynamics (2018).
"""

from pathlib import Path

import diffrax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(year, y=None):
    alpha = numpyro.sample("alpha", dist.TruncatedNormal(1, 0.5, low=0))
    beta = numpyro.sample("beta", dist.TruncatedNormal(0.05, 0.05, low=0))
    gamma = numpyro.sample("gamma", dist.TruncatedNormal(1, 0.5, low=0))
    delta = numpyro.sample("delta", dist.TruncatedNormal(0.05, 0.05, low=0))
    years = numpyro.plate("year", len(year), dim=-2)
    species = numpyro.plate("species", 2, dim=-1)
    with species:
        start = numpyro.sample("z_0", dist.LogNormal(jnp.log(10), 1))
        sigma = numpyro.sample("sigma", dist.LogNormal(-1, 1))

    def slope(time, z, args):
        hare, lynx = z
        return jnp.stack([(alpha - beta * lynx) * hare, (delta * hare - gamma) * lynx])

    with years, species:
        z = numpyro.deterministic("z", solve(slope, start, year))
        numpyro.sample("y", dist.LogNormal(jnp.log(z), sigma), obs=y)


def solve(slope, start, times):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Tsit5(),
        t0=times[0],
        t1=times[-1],
        dt0=0.1,
        y0=start,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-6),
        max_steps=1000,
        throw=False,
    )
    return jnp.asarray(solution.ys)


def data() -> dict[str, np.ndarray]:
    """Return years since 1900, and thousands of pelts (year, species): hares, lynxes."""
    file = Path(__file__).parent / "data" / "hare_lynx.csv"
    table = np.loadtxt(file, delimiter=",", skiprows=1)
    return {"year": table[:, 0] - 1900, "y": table[:, 1:]}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
