"""Item response: how easy questions are and how able students, from who got what right.

    easiness_i ~ Normal(0, 3)
    ability_s ~ Normal(0, 1)
    discrimination ~ HalfNormal(2)
    P(y_si = 1) = 1 / (1 + exp(-easiness_i - discrimination ability_s))

The Rasch model: plates of students and of questions cross, and every answer belongs to one of each.

Source: Bishop & Bishop (2023), §5.4 (logistic regression) and §11.1 (plates). Data: data/lsat_section_6.csv,
1000 students and five questions of the Law School Admission Test: how many gave each of the 32 patterns of
answers; Bock & Lieberman, Fitting a response model for n dichotomously scored items, Psychometrika 35 (1970),
179-197.
"""

from pathlib import Path

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(y=None, *, num_students=1000, num_items=5):
    students = numpyro.plate("student", num_students, dim=-2)
    items = numpyro.plate("item", num_items, dim=-1)
    discrimination = numpyro.sample("discrimination", dist.HalfNormal(2))
    with items:
        easiness = numpyro.sample("easiness", dist.Normal(0, 3))
    with students:
        ability = numpyro.sample("ability", dist.Normal(0, 1))
    with students, items:
        numpyro.sample("y", dist.Bernoulli(logits=easiness + discrimination * ability), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return 1 for each right answer, 0 for each wrong one (student, item)."""
    file = Path(__file__).parent / "data" / "lsat_section_6.csv"
    table = np.loadtxt(file, delimiter=",", skiprows=1, dtype=int)
    return {"y": np.repeat(table[:, :-1], table[:, -1], axis=0)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
