"""Eight schools by quadrature: theta integrates out, and a grid over (mu, tau) does the rest."""

import numpy as np


def moments(y, sigma):
    """Return means and standard deviations of mu and tau, each as (mean, sd)."""
    mu = np.linspace(-30, 40, 701)[:, None]
    u = (np.arange(4_000) + 0.5) / 4_000  # tau = 5 tan(pi u / 2) has the half-Cauchy prior
    tau = 5 * np.tan(np.pi * u / 2)[None]
    log_density = np.broadcast_to(-0.5 * (mu / 5) ** 2, (len(mu), len(u))).copy()
    for value, scale in zip(y, sigma, strict=True):
        variance = scale**2 + tau**2
        log_density += -0.5 * (value - mu) ** 2 / variance - 0.5 * np.log(variance)
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    found = {}
    for name, values in (("mu", mu), ("tau", tau)):
        mean = (weight * values).sum()
        found[name] = (mean, np.sqrt((weight * (values - mean) ** 2).sum()))
    return found
