"""How does the cost of NUTS grow with the dimension, and with the number of chains?

Gaussians whose variances are spread evenly, on a logarithmic scale, over four decades (condition number 1e4),
turned by three reflections, so that all coordinates depend on each other and a gradient costs O(d). Two
tables, NUTS by its defaults (1000 draws a chain), NumPyro's NUTS by its own (diagonal; 1000 steps of
warm-up):

- 4 chains, d from 10 to 10,000: gradients of a draw, of the warm-up of a chain, the smallest bulk ESS of 50
  directions (the extreme ones, and others between them) per 1000 gradients of the draws, and "bias", the
  largest distance of the variance of a direction from the truth, in Monte Carlo standard errors;
- d = 50, 1 to 1024 chains: the same, and how many draws of all chains a process second gives.

"bound" is the ESS per 1000 gradients on a standard normal of the same dimension: what a map that knew the
covariance would give the same sampler. Seconds are process seconds of a whole run, compilation included.

    uv run python benchmarks/gaussians.py
    uv run python benchmarks/gaussians.py --dims 10 100 --chains 1 4
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from dataclasses import dataclass
from typing import Any

os.environ["PROBDL_COMPILATION_CACHE"] = "off"

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from arviz_stats.base.array import array_stats
from numpyro.infer import MCMC
from numpyro.infer import NUTS as NumPyroNUTS

import probdl as pdl

CONDITION, REFLECTIONS, LOOKED_AT = 1e4, 3, 50
DIMS, CHAINS = (10, 100, 1000, 10_000), (1, 4, 16, 64, 256, 1024)
MOST_OF_PEER = 1000  # dimensions beyond which NumPyro's trajectories take minutes a run


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian with mean zero.

    Attributes:
        sds: Standard deviations of its principal axes.
        mirrors: Unit vectors (reflection, dim) that turn the axes.
    """

    sds: np.ndarray
    mirrors: np.ndarray

    @classmethod
    def of(cls, dim: int, condition: float) -> Gaussian:
        """Return the Gaussian of a dimension and a condition number."""
        mirrors = np.random.default_rng(dim).normal(size=(REFLECTIONS, dim))
        norms = np.linalg.norm(mirrors, axis=1, keepdims=True)
        return cls(np.logspace(-np.log10(condition) / 2, 0, dim), mirrors / norms)

    def along(self, x: Any) -> Any:
        """Return coordinates (..., dim) along the axes, in standard deviations."""
        for mirror in self.mirrors:
            x = x - 2 * (x @ mirror)[..., None] * mirror
        return x / self.sds

    def program(self) -> None:
        """Sample from it, as a program of NumPyro."""
        dim = len(self.sds)
        x = numpyro.sample("x", dist.ImproperUniform(dist.constraints.real_vector, (), (dim,)))
        numpyro.factor("log_density", -jnp.sum(self.along(x) ** 2) / 2)


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        draws: Draws (chain, draw, direction), in standard deviations.
        gradients: Gradients of all draws.
        warmup: Gradients of the warm-up of a chain; not a number if it is not known.
        seconds: Process seconds.
    """

    draws: np.ndarray
    gradients: float
    warmup: float
    seconds: float

    def cells(self) -> str:
        """Return the cells of a table."""
        chains, length, _ = self.draws.shape
        ess = np.min(array_stats.ess(self.draws, chain_axis=0, draw_axis=1, method="bulk"))  # pyright: ignore[reportArgumentType]
        squares = self.draws**2
        error = array_stats.mcse(squares, chain_axis=0, draw_axis=1, method="mean")
        bias = (np.abs(squares.mean((0, 1)) - 1) / error).max()
        draws = chains * length
        return (
            f"{self.gradients / draws:9.1f}{self.warmup:9.0f}{1000 * ess / self.gradients:10.1f}{bias:7.1f}"
            f"{self.seconds:9.1f}{draws / self.seconds:10.0f}"
        )


def ours(gaussian: Gaussian, chains: int) -> Run:
    """Run our NUTS."""
    jax.clear_caches()
    began = time.process_time()
    result = pdl.infer(pdl.Model(gaussian.program), pdl.NUTS(num_chains=chains), key=0, progress=False)
    seconds = time.process_time() - began
    steps = float(result.data["sample_stats"]["n_steps"].to_numpy().sum())
    warmup = result.data.attrs["warmup_gradients"] / chains
    return Run(looked_at(gaussian, result["x"].to_numpy()), steps, warmup, seconds)


def numpyros(gaussian: Gaussian, chains: int) -> Run:
    """Run NumPyro's NUTS."""
    jax.clear_caches()
    began = time.process_time()
    with pdl.Precision.DOUBLE.active():
        sampler = MCMC(
            NumPyroNUTS(gaussian.program),
            num_warmup=1000,
            num_samples=1000,
            num_chains=chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        sampler.run(jax.random.key(0), extra_fields=("num_steps",))
        draws = np.asarray(sampler.get_samples(group_by_chain=True)["x"])
        steps = float(np.asarray(sampler.get_extra_fields()["num_steps"]).sum())
    return Run(looked_at(gaussian, draws), steps, np.nan, time.process_time() - began)


def looked_at(gaussian: Gaussian, x: np.ndarray) -> np.ndarray:
    """Return draws along some of the axes, the first and the last among them."""
    places = np.unique(np.linspace(0, x.shape[-1] - 1, LOOKED_AT).astype(int))
    return np.stack([gaussian.along(chain)[:, places] for chain in x])


HEAD = f"{'grad/draw':>9}{'warm-up':>9}{'ESS/1000':>10}{'bias':>7}{'seconds':>9}{'draws/s':>10}"


def main() -> None:
    """Print both tables."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dims", type=int, nargs="*", default=DIMS)
    parser.add_argument("--chains", type=int, nargs="*", default=CHAINS)
    asked = parser.parse_args()
    print(f"{'dim':>6} {'sampler':<8}{HEAD}")
    for dim in asked.dims:
        gaussian = Gaussian.of(dim, CONDITION)
        print(f"{dim:6} {'probdl':<8}{ours(gaussian, 4).cells()}", flush=True)
        print(f"{dim:6} {'bound':<8}{ours(Gaussian.of(dim, 1.0), 4).cells()}", flush=True)
        if dim <= MOST_OF_PEER:
            print(f"{dim:6} {'NumPyro':<8}{numpyros(gaussian, 4).cells()}", flush=True)
    print(f"\n{'chains':>6} {'sampler':<8}{HEAD}")
    for chains in asked.chains:
        gaussian = Gaussian.of(50, CONDITION)
        print(f"{chains:6} {'probdl':<8}{ours(gaussian, chains).cells()}", flush=True)


if __name__ == "__main__":
    main()
