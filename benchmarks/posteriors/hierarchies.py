"""Eight schools, non-centred."""

from __future__ import annotations

import numpyro
import numpyro.distributions as dist

from .reference import Case, read


def program(sigma, y=None):
    """Effects of coaching in eight schools."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(sigma)):
        theta_trans = numpyro.sample("theta_trans", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * theta_trans)
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def eight_schools() -> Case:
    """The effects that the schools report, and their standard errors."""
    data, reference = read("eight_schools")
    return Case(
        program=program, data={key: array.astype(float) for key, array in data.items()}, reference=reference
    )
