"""Softmax regression: which of three irises, from four lengths.

    b_k ~ Normal(0, 1)
    w_dk ~ Normal(0, 1)
    P(y_n = k) = exp(a_nk) / sum_j exp(a_nj),  a_nk = b_k + sum_d x_nd w_dk

Adding the same vector to the weights of all classes changes no probability: only the prior says where they
are, and only differences between classes mean anything.

Source: Bishop & Bishop (2023), §5.4 (several classes). Data: `sklearn.datasets.load_iris`, 150 flowers;
Fisher, The use of multiple measurements in taxonomic problems, Annals of Eugenics 7 (1936), 179-188.
"""

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(x, y=None, *, num_classes=3):
    num_flowers, num_features = x.shape
    features = numpyro.plate("feature", num_features, dim=-2)
    classes = numpyro.plate("class", num_classes, dim=-1)
    with classes:
        b = numpyro.sample("b", dist.Normal(0, 1))
    with features, classes:
        w = numpyro.sample("w", dist.Normal(0, 1))
    with numpyro.plate("flower", num_flowers):
        numpyro.sample("y", dist.CategoricalLogits(b + x @ w), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return standardised lengths (flower, feature), and the species: 0, 1 or 2."""
    from sklearn.datasets import load_iris

    x, y = map(np.asarray, load_iris(return_X_y=True))
    return {"x": (x - x.mean(0)) / x.std(0), "y": y}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
