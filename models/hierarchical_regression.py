"""Hierarchical regression: what firms invest, with an intercept and slopes of their own.

Firm j in year n has the inputs x_n = (1, log market value, log capital), centred, and invests

    mu_k ~ Normal(0, 2),  tau_k ~ HalfNormal(1),  sigma ~ HalfNormal(1)
    beta_jk = mu_k + tau_k z_jk,  z_jk ~ Normal(0, 1)
    y_n ~ Normal(sum_k x_nk beta_firm(n),k, sigma)

Every coefficient has a value in every firm. Each firm's line is drawn towards that of a typical
firm, the more so the less its own twenty years say. The plan integrates all coefficients and their means,
which leaves four scales to sample: where tau is near zero the joint posterior narrows, theirs does not.

Source: Bishop & Bishop (2023), §4.1 (linear regression) and §11.1 (plates). Data:
`statsmodels.datasets.grunfeld`, eleven firms of the United States, 1935-1954; Grunfeld, The determinants of
corporate investment (1958).
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(x, firm, y=None, *, num_firms=11):
    num_records, num_coefficients = x.shape
    coefficients = numpyro.plate("coefficient", num_coefficients, dim=-1)
    firms = numpyro.plate("firm", num_firms, dim=-2)
    with coefficients:
        mu = numpyro.sample("mu", dist.Normal(0, 2))
        tau = numpyro.sample("tau", dist.HalfNormal(1))
    with firms, coefficients:
        z = numpyro.sample("z", dist.Normal(0, 1))
        beta = numpyro.deterministic("beta", mu + tau * z)
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("record", num_records):
        numpyro.sample("y", dist.Normal(jnp.vecdot(x, jnp.take(beta, firm, axis=0)), sigma), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return inputs (record, coefficient), the number of each record's firm, and log investments."""
    from statsmodels.datasets import grunfeld

    table = grunfeld.load_pandas()
    value, capital, name, _ = np.asarray(table.exog).T
    logs = np.log(np.stack([value, capital], axis=-1).astype(float))
    return {
        "x": np.column_stack([np.ones(len(logs)), logs - logs.mean(0)]),
        "firm": np.unique(name.astype(str), return_inverse=True)[1],
        "y": np.log(np.asarray(table.endog)),
    }


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
