"""Small runs that are stopped and gone on with, and what their results must share."""

import shutil

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl
from tests.inference.programs import HEIGHTS

KEY = 7
TIMES = {"created_at", "wall_time_seconds"}


def spread(y):
    """Two latents, correlated by the data."""
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1.0))
    numpyro.deterministic("double", 2 * mu)
    with numpyro.plate("N", len(y)):
        numpyro.sample("y", dist.Normal(mu, sigma), obs=y)


def with_errors(y):
    mu = numpyro.sample("mu", dist.Normal(1.0, 2.0))
    with numpyro.plate("N", len(y)):
        error = numpyro.sample("error", dist.Normal(0.0, 0.6))
        numpyro.sample("y", dist.Normal(mu + error, 0.8), obs=y)


SPREAD = pdl.Model(spread, HEIGHTS)
RUNS = {
    "NUTS": (SPREAD, pdl.NUTS(num_samples=60, num_warmup=120)),
    "HMC": (SPREAD, pdl.HMC(num_samples=60, num_warmup=120)),
    "Marginalized": (
        pdl.Model(with_errors, HEIGHTS),
        pdl.Marginalized(pdl.NUTS(num_samples=40, num_warmup=60), sites=("error",)),
    ),
}


def same(one, other):
    """Check that two results are equal bit for bit, but for the times."""
    for group in ("posterior", "sample_stats"):
        left, right = (result.data[group].to_dataset() for result in (one, other))
        assert set(left.data_vars) == set(right.data_vars)
        for name in left.data_vars:
            np.testing.assert_array_equal(left[name], right[name], err_msg=name)
            assert left[name].dtype == right[name].dtype
    left, right = ({k: v for k, v in r.data.attrs.items() if k not in TIMES} for r in (one, other))
    assert left == right
    assert one.findings == other.findings


def folder_of(store):
    return store.with_name(f"{store.name}.checkpoint")


def copied(store, to):
    """Copy a store and its checkpoint as they are on disk: what a kill at this moment would leave."""
    for source, target in ((store, to), (folder_of(store), folder_of(to))):
        if source.exists():
            shutil.copytree(source, target)
    return to
