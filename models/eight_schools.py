"""Eight schools: how much coaching raises a test score, partially pooled across schools.

Each school j reports an estimate y_j of its effect and the standard error sigma_j of that estimate:

    mu ~ Normal(0, 5)                 the effect of a typical school
    tau ~ HalfCauchy(5)               how much schools differ
    theta_j = mu + tau z_j,           z_j ~ Normal(0, 1)
    y_j ~ Normal(theta_j, sigma_j)

The program is non-centred: it draws z, and theta follows. With few data that is the shape in which samplers
move freely; `eight_schools_centred` is the other one, and shows what goes wrong.

Source: Bishop & Bishop (2023), §2.6 and §11.1 (priors on parameters, hierarchies as graphs). Data: Rubin,
Estimation in parallel randomized experiments, Journal of Educational Statistics 6 (1981), 377-401.
"""

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(sigma)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * z)
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return the effects in points of the test and their standard errors, schools A to H."""
    return {
        "sigma": np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
        "y": np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
    }


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
