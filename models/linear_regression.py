"""Linear regression: the progression of diabetes from ten measurements a patient.

    alpha ~ Normal(0, 1)
    beta_d ~ Normal(0, 1)
    sigma ~ HalfNormal(1)
    y_n ~ Normal(alpha + x_n . beta, sigma)

Features and target have mean 0 and standard deviation 1, so that a prior of unit width says little, and the
posterior means come close to least squares. A narrower prior on beta is ridge regression (weight decay).

Source: Bishop & Bishop (2023), §4.1. Data: `sklearn.datasets.load_diabetes`, 442 patients; Efron, Hastie,
Johnstone & Tibshirani, Least angle regression, Annals of Statistics 32 (2004), 407-499.
"""

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(x, y=None):
    num_patients, num_features = x.shape
    alpha = numpyro.sample("alpha", dist.Normal(0, 1))
    with numpyro.plate("feature", num_features):
        beta = numpyro.sample("beta", dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("patient", num_patients):
        numpyro.sample("y", dist.Normal(alpha + x @ beta, sigma), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return standardised features (patient, feature) and the standardised progression after a year."""
    from sklearn.datasets import load_diabetes

    x, y = map(np.asarray, load_diabetes(return_X_y=True))
    return {"x": (x - x.mean(0)) / x.std(0), "y": (y - y.mean()) / y.std()}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
