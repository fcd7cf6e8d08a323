"""Two-level hierarchy: the strength of a paste, which varies between batches, casks and assays.

Ten batches, three casks of each, two assays of each cask:

    mu ~ Normal(60, 10),  sigma_batch, sigma_cask, sigma_assay ~ HalfNormal(5)
    strength_b = mu + sigma_batch z_b,  z_b ~ Normal(0, 1)              of a batch
    content_bc ~ Normal(strength_b, sigma_cask)                         of a cask
    y_bca ~ Normal(content_bc, sigma_assay)                             what an assay finds

Plates lie within plates, and each level has a spread of its own. The assays are precise, 0.8, and casks of
one batch differ much, by 2.9; whether batches differ beyond that, by 1.3, ten of them can hardly say. Casks
are well known and drawn as they are; batches are not, and drawn as steps z from mu. The plan integrates both
levels, and samples the three spreads alone.

Source: Bishop & Bishop (2023), §11.1 (plates, priors on parameters). Data: data/pastes.csv, strength in
percent; Davies & Goldsmith, Statistical Methods in Research and Production (1972), table 6.5. The three
spreads are those of a classical analysis of variance: 0.823, 2.904 and 1.287, around a mean of 60.05.
"""

from pathlib import Path

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl


def program(y=None, *, num_batches=10, num_casks=3, num_assays=2):
    mu = numpyro.sample("mu", dist.Normal(60, 10))
    sigma_batch = numpyro.sample("sigma_batch", dist.HalfNormal(5))
    sigma_cask = numpyro.sample("sigma_cask", dist.HalfNormal(5))
    sigma_assay = numpyro.sample("sigma_assay", dist.HalfNormal(5))
    with numpyro.plate("batch", num_batches, dim=-3):
        z = numpyro.sample("z", dist.Normal(0, 1))
        strength = numpyro.deterministic("strength", mu + sigma_batch * z)
        with numpyro.plate("cask", num_casks, dim=-2):
            content = numpyro.sample("content", dist.Normal(strength, sigma_cask))
            with numpyro.plate("assay", num_assays, dim=-1):
                numpyro.sample("y", dist.Normal(content, sigma_assay), obs=y)


def data() -> dict[str, np.ndarray]:
    """Return the strength that each assay found (batch, cask, assay)."""
    file = Path(__file__).parent / "data" / "pastes.csv"
    return {"y": np.loadtxt(file, delimiter=",", skiprows=1)[:, -1].reshape(10, 3, 2)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
