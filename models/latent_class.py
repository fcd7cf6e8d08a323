"""Latent classes: two kinds of students, from right and wrong answers to five questions.

    z_n ~ Categorical(weight)
    y_in ~ Bernoulli(right[i, z_n])                     answer of student n to question i

Answers of a student are independent given the class. Two thirds are of a class that gives right answers with
probabilities 0.964, 0.806, 0.687, 0.845 and 0.921, the others with 0.847, 0.519, 0.293, 0.603 and 0.771; log
p(y) = -2467.406 nats, with one class -2493.437. Who has none right is of the better class with probability
0.011, who has all right with 0.931.

Source: Bishop & Bishop (2023), §15.3.3 (mixtures of Bernoulli distributions); Lazarsfeld & Henry, Latent
Structure Analysis (1968). Data: data/lsat_section_6.csv, section 6 of the law school admission test: Bock &
Lieberman, Psychometrika 35 (1970), 179-197, table 1.
"""

from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

import probdl as pdl

METHOD = pdl.EM(start=pdl.KMeansStart(), num_restarts=5, max_steps=5000, accelerate=pdl.SQUAREM())


def program(y=None, *, num_questions=5, num_students=1000, num_classes=2):
    weight = numpyro.param("weight", jnp.ones(num_classes) / num_classes, constraint=constraints.simplex)
    start = jnp.full((num_questions, num_classes), 0.5)
    right = cast(jax.Array, numpyro.param("right", start, constraint=constraints.unit_interval))
    question = numpyro.plate("question", num_questions, dim=-2)
    with numpyro.plate("student", num_students, dim=-1):
        z = cast(jax.Array, numpyro.sample("z", dist.CategoricalProbs(weight)))
        with question:
            numpyro.sample("y", dist.BernoulliProbs(jnp.take(right, z, axis=1)), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return the answers, 1 for a right one: (question, student)."""
    file = Path(__file__).parent / "data" / "lsat_section_6.csv"
    rows = np.loadtxt(file, delimiter=",", skiprows=1, dtype=int)
    return {"y": np.repeat(rows[:, :5], rows[:, 5], axis=0).T}


def model(num_classes: int = 2) -> pdl.Model:
    """Return the program with its data.

    Args:
        num_classes: Number of classes.
    """
    return pdl.Model(program, **data(), num_classes=num_classes)
