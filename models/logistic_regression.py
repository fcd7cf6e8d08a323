"""Logistic regression: is a tumour benign, from thirty measurements of the nuclei of its cells.

    alpha ~ Normal(0, 5)
    beta_d ~ Normal(0, 1)
    P(y_n = 1) = 1 / (1 + exp(-alpha - x_n . beta))

The classes are almost separable, so that maximum likelihood sends the weights to infinity. The prior of unit
width keeps them finite: its mode is the ridge-penalized fit of scikit-learn with C = 1.

Source: Bishop & Bishop (2023), §5.4. Data: `sklearn.datasets.load_breast_cancer`, 569 tumours, 357 benign;
Street, Wolberg & Mangasarian, Nuclear feature extraction for breast tumor diagnosis (1993).
"""

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(x, y=None):
    num_tumours, num_features = x.shape
    alpha = numpyro.sample("alpha", dist.Normal(0, 5))
    with numpyro.plate("feature", num_features):
        beta = numpyro.sample("beta", dist.Normal(0, 1))
    with numpyro.plate("tumour", num_tumours):
        numpyro.sample("y", dist.Bernoulli(logits=alpha + x @ beta), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return standardised features (tumour, feature), and 1 for benign, 0 for malignant."""
    from sklearn.datasets import load_breast_cancer

    x, y = map(np.asarray, load_breast_cancer(return_X_y=True))
    return {"x": (x - x.mean(0)) / x.std(0), "y": y}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
