"""Eight schools, centred: the same posterior as `eight_schools` in the shape that is hard to sample.

    mu ~ Normal(0, 5)
    tau ~ HalfCauchy(5)
    theta_j ~ Normal(mu, tau)
    y_j ~ Normal(theta_j, sigma_j)

As tau shrinks the effects are squeezed together: the posterior narrows to a funnel whose neck a sampler with
one step size cannot enter. NUTS reports divergences, and misses the smallest values of tau: METHOD is here
to show that. `infer(model(), key=0)`, without a method, integrates theta and mu, samples tau alone, and draws
both back: no funnel is left.

Source: Bishop & Bishop (2023), §2.6 and §11.1. Data: Rubin (1981), see `eight_schools`.
"""

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

METHOD = pdl.NUTS()  # fails on purpose


def program(sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(sigma)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
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
