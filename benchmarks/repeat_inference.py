"""How long does the second run of the same model take, beside NumPyro? One run, ratios.

    uv run python benchmarks/repeat_inference.py

Eight schools, non-centred and centred; 4 vectorized chains of 1000 warm-up steps and 1000 draws, float64,
both without a progress bar and without a compilation cache on disk. The second run has other data of
the same shape and another key. Ours includes the diagnostics and the labelled data, NumPyro's the draws.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable

os.environ["PROBDL_COMPILATION_CACHE"] = "off"

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC
from numpyro.infer import NUTS as PeerNUTS

import probdl as pdl

SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])


def noncentred(sigma: np.ndarray, y: np.ndarray) -> None:
    """Eight schools with theta = mu + tau * standard normal."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        effect = numpyro.sample("effect", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * effect)
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def centred(sigma: np.ndarray, y: np.ndarray) -> None:
    """Eight schools with theta drawn around mu."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ours(program: Callable) -> list[float]:
    """Time two runs of ours."""
    return [
        seconds(lambda k=k: pdl.infer(pdl.Model(program, SIGMA, Y + k), key=k, progress=False))
        for k in range(2)
    ]


def peer(program: Callable) -> list[float]:
    """Time two runs of NumPyro, each of its own MCMC: a second run of a vectorized one fails in 0.22."""

    def run(k: int) -> None:
        mcmc = MCMC(
            PeerNUTS(program),
            num_warmup=1000,
            num_samples=1000,
            num_chains=4,
            chain_method="vectorized",
            progress_bar=False,
        )
        mcmc.run(jax.random.key(k), SIGMA, Y + k)
        jax.block_until_ready(mcmc.get_samples())

    with pdl.Precision.DOUBLE.active():
        return [seconds(lambda k=k: run(k)) for k in range(2)]


def main() -> None:
    """Print a table of ratios."""
    warnings.simplefilter("ignore")
    print("model       first s  second s  NumPyro first s  second s  second/first  second/NumPyro's")
    for program in (noncentred, centred):
        first, second = ours(program)
        peer_first, peer_second = peer(program)
        print(
            f"{program.__name__:<11}{first:8.2f}{second:10.3f}{peer_first:17.2f}{peer_second:10.2f}"
            f"{second / first:14.3f}{second / peer_second:18.3f}"
        )


if __name__ == "__main__":
    main()
