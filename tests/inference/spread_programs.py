"""A regression whose rows can be spread over devices."""

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

_rng = np.random.default_rng(0)
_x = _rng.normal(size=(16, 2))
ROWS = (_x, _x @ np.array([1.0, -0.5]) + 0.3 * _rng.normal(size=16))
METHOD = pdl.NUTS(num_samples=6, num_warmup=20)


def regression(x, y):
    weights = numpyro.sample("weights", dist.Normal(0, 1).expand([2]).to_event(1))
    scale = numpyro.sample("scale", dist.HalfNormal(1))
    with numpyro.plate("N", len(y)):
        numpyro.sample("y", dist.Normal(x @ weights, scale), obs=y)
