"""Regressions with few coefficients, most of them strongly correlated: raw inputs, flat priors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints
from sklearn.datasets import load_breast_cancer

from .reference import Case, read


def flat(x, y=None):
    """Linear regression with flat priors: y ~ Normal(x beta, sigma)."""
    beta = numpyro.sample("beta", dist.ImproperUniform(constraints.real, (), (x.shape[1],)))
    sigma = numpyro.sample("sigma", dist.ImproperUniform(constraints.positive, (), ()))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def flat_line(x, y=None):
    """A line with a flat prior and a half-Cauchy scale of the noise."""
    beta = numpyro.sample("beta", dist.ImproperUniform(constraints.real, (), (x.shape[1],)))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def blr(x, y=None):
    """Bayesian linear regression with wide normal priors."""
    with numpyro.plate("column", x.shape[1]):
        beta = numpyro.sample("beta", dist.Normal(0, 10))
    sigma = numpyro.sample("sigma", dist.HalfNormal(10))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def logistic(x, y=None):
    """Logistic regression of standardised inputs."""
    alpha = numpyro.sample("alpha", dist.Normal(0, 5))
    with numpyro.plate("column", x.shape[1]):
        beta = numpyro.sample("beta", dist.Normal(0, 2))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=alpha + x @ beta), obs=y)


def design(*inputs: np.ndarray) -> np.ndarray:
    """Return inputs as columns beside a column of ones."""
    return np.column_stack([np.ones(len(inputs[0])), *inputs]).astype(float)


def logearn_height() -> Case:
    """The logarithm of earnings and body height."""
    data, reference = read("logearn_height")
    y = np.log(data["earn"])
    return Case(program=flat, data={"x": design(data["height"]), "y": y}, reference=reference)


def kidscore_momiq() -> Case:
    """A test score of children, and the IQ of their mothers."""
    data, reference = read("kidscore_momiq")
    y = data["kid_score"].astype(float)
    return Case(program=flat_line, data={"x": design(data["mom_iq"]), "y": y}, reference=reference)


def kidscore_mom_work() -> Case:
    """A test score of children, and when their mothers worked."""
    data, reference = read("kidscore_mom_work")
    x = design(*(data["mom_work"] == level for level in (2, 3, 4)))
    return Case(program=flat, data={"x": x, "y": data["kid_score"].astype(float)}, reference=reference)


def logmesquite() -> Case:
    """The weight of mesquite bushes and their sizes, all as logarithms."""
    data, reference = read("logmesquite")
    names = ("diam1", "diam2", "canopy_height", "total_height", "density")
    x = design(*(np.log(data[name]) for name in names), data["group"])
    return Case(program=flat, data={"x": x, "y": np.log(data["weight"])}, reference=reference)


def nes1980() -> Case:
    """Which party Americans were near to in 1980."""
    data, reference = read("nes1980")
    ages = (data["age_discrete"] == level for level in (2, 3, 4))
    x = design(data["real_ideo"], data["race_adj"], *ages, data["educ1"], data["gender"], data["income"])
    return Case(program=flat, data={"x": x, "y": data["partyid7"].astype(float)}, reference=reference)


def blr_case() -> Case:
    """Simulated data with inputs of very different sizes."""
    data, reference = read("blr")
    return Case(program=blr, data={"x": data["X"], "y": data["y"]}, reference=reference)


def logistic_regression() -> Case:
    """Malignant tumours, and 30 measurements of their cells: many of them nearly the same."""
    known: Any = load_breast_cancer()
    x = (known.data - known.data.mean(0)) / known.data.std(0)
    _, reference = read("logistic_regression")
    return Case(program=logistic, data={"x": x, "y": 1 - known.target}, reference=reference)
