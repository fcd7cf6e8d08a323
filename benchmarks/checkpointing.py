"""What do a checkpoint and a store cost, beside the same run in memory? One run, ratios.

    uv run python benchmarks/checkpointing.py

NUTS on three programs: one whose gradient is cheap, so that draws come fast, for one second and for ten; one
whose gradient is dear; and one of many latents, of which each draw is large. Each is run in memory, to a
store without a checkpoint, and to a store with one, in turn, several times; the seconds are those of the
wall, of runs that compile nothing, and the ratios are of medians. "MB" is what is written of draws and
statistics. At most 1.05 is the aim of a checkpoint beside the store, and 1.10 of the store beside memory.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ["PROBDL_COMPILATION_CACHE"] = "off"

import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

REPEATS = 5
PLACES = ("memory", "store", "checkpoint")


def schools(sigma: np.ndarray, y: np.ndarray) -> None:
    """Eight schools, not centred: a cheap gradient."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        effect = numpyro.sample("effect", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu + tau * effect, sigma), obs=y)


def logistic(x: np.ndarray, y: np.ndarray) -> None:
    """Logistic regression on many rows: a dear gradient."""
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("row", len(y)):
        numpyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)


def means(y: np.ndarray) -> None:
    """Many latents."""
    with numpyro.plate("place", len(y)):
        mean = numpyro.sample("mean", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mean, 0.5), obs=y)


class Case(NamedTuple):
    """A program with its data, and how many draws of it."""

    model: pdl.Model
    method: pdl.NUTS


def cases() -> dict[str, Case]:
    """Return the programs."""
    rng = np.random.default_rng(0)
    sigma = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    x = rng.normal(size=(20_000, 20))
    y = (rng.uniform(size=len(x)) < 1 / (1 + np.exp(-x @ rng.normal(size=20) / 4))).astype(int)
    few = pdl.Model(schools, sigma, np.array([28.0, 8, -3, 7, -1, 1, 18, 12]))
    return {
        "eight schools, short": Case(few, pdl.NUTS(num_samples=10_000)),
        "eight schools, long": Case(few, pdl.NUTS(num_samples=100_000)),
        "logistic 20,000 x 20": Case(pdl.Model(logistic, x, y), pdl.NUTS(num_samples=1500)),
        "1000 latents": Case(pdl.Model(means, rng.normal(size=1000)), pdl.NUTS(num_samples=2000)),
    }


def run(case: Case, place: str, folder: Path) -> float:
    """Return the seconds of a run to a place."""
    given: dict[str, Callable[[], dict[str, Any]]] = {
        "memory": dict,
        "store": lambda: {"store": folder / "run.zarr", "checkpoint": False, "overwrite": True},
        "checkpoint": lambda: {"store": folder / "run.zarr", "overwrite": True},
    }
    began = time.perf_counter()
    pdl.infer(case.model, case.method, key=0, progress=False, **given[place]())
    return time.perf_counter() - began


def size(folder: Path) -> float:
    """Return the megabytes of all files of a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    """Print a table of ratios."""
    warnings.simplefilter("ignore")
    head = f"{'program':<22}{'memory s':>9}{'store s':>9}{'both s':>8}{'MB':>7}"
    print(head + f"{'store / memory':>16}{'checkpoint / store':>20}{'both / memory':>15}")
    for name, case in cases().items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            for place in PLACES:
                run(case, place, folder)  # compiles
            rounds = [[run(case, place, folder) for place in PLACES] for _ in range(REPEATS)]
            memory, store, both = np.median(rounds, axis=0)
            print(
                f"{name:<22}{memory:9.2f}{store:9.2f}{both:8.2f}{size(folder / 'run.zarr'):7.1f}"
                f"{store / memory:16.3f}{both / store:20.3f}{both / memory:15.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
