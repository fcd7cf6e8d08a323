"""Gaussian graph: the height of a man, from that of his son and of the mother of his son.

    grandfather ~ Normal(176, 7)                             heights in cm
    father ~ Normal(88 + grandfather / 2, 6)
    mother ~ Normal(163, 6.5)
    son ~ Normal(6.5 + (father + mother) / 2, 5)

A linear-Gaussian network: each node is normal, with a mean that is linear in its parents, so that together
they are one Gaussian. Its mean m and covariance S follow node by node, from weights w, offsets b and
variances v: m_i = b_i + sum_j w_ij m_j and S_ij = sum_k w_jk S_ik + [i = j] v_j.

The son has 190 cm: the father is expected to have 183.09 cm and not 176, give or take 6.00. Then it is learnt
that the mother has 175 cm, which explains the tall son: now the father is expected to have 181.21 cm. The
grandfather follows him, with 179.60 and then 178.64 cm.

Source: Bishop & Bishop (2023), §11.1.4 (linear-Gaussian models). The mean of the son is that of Tanner,
Goldstein & Whitehouse, Standards for children's height at ages 2-9 years allowing for height of parents,
Archives of Disease in Childhood 45 (1970), 755-762; the other numbers and the family are ours.
"""

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(son=None):
    grandfather = numpyro.sample("grandfather", dist.Normal(176, 7))
    father = numpyro.sample("father", dist.Normal(88 + grandfather / 2, 6))
    mother = numpyro.sample("mother", dist.Normal(163, 6.5))
    numpyro.sample("son", dist.Normal(6.5 + (father + mother) / 2, 5), obs=son)


def data() -> dict[str, np.ndarray]:
    """Return the height of the son in cm."""
    return {"son": np.array(190.0)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
