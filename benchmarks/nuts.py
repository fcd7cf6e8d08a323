"""How many effective draws does NUTS give a gradient and a second, beside NumPyro, BlackJAX and nutpie?

Sixteen posteriors, as programs that all samplers are given: ours by `infer(model, NUTS(), key=...)`, NumPyro
with its default, diagonal mass matrix and a dense one, BlackJAX with window adaptation (diagonal, and low
rank), nutpie (diagonal, and low rank) on the jitted value and gradient of `model.target.log_density`. All by
their defaults: 4 chains of 1000 draws, their own warm-up (1000; nutpie 400, low rank 800), float64, no
compilation cache on disk; JAX forgets what it has compiled before each first run.

Each row is of two runs with two seeds, a first one, compilation included, and a second one. "ESS" is the
smallest bulk ESS of all elements of the latent and deterministic sites, of the 8 chains of both, halved;
"/1000" is per 1000 gradients of the draws, and "all" of the draws and the warm-up. Seconds are process
seconds. "mean" and "sd" are the largest distances of means and standard deviations from the reference, in
Monte Carlo standard errors of both. A run is marked * if its R-hat is above 1.02, and ! if a distance is
above 5: it enters no ratio.

    uv run --group benchmarks python benchmarks/nuts.py               # nutpie is asked if it is installed
    uv run --group benchmarks python benchmarks/nuts.py garch arK --only probdl --only nutpie
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from dataclasses import dataclass

os.environ["PROBDL_COMPILATION_CACHE"] = "off"

import jax
import numpy as np
from arviz_stats.base.array import array_stats
from posteriors import CASES, Bias, Case, Draws
from posteriors.samplers import Run, Sampler, samplers

HIGHEST_RHAT, HIGHEST_BIAS = 1.02, 5
MEASURES = ("ESS/1000", "ESS/1000 all", "ESS/s first", "ESS/s second")
HEAD = (
    f"{'posterior':<20}{'sampler':<18}{'gradients':>10}{'all':>9}{'ESS':>7}{'/1000':>8}{'all':>7}"
    f"{'s 1st':>8}{'2nd':>7}{'ESS/s':>8}{'2nd':>8}{'mean':>6}{'sd':>6}{'R-hat':>7}{'div':>5}"
)


@dataclass(frozen=True)
class Row:
    """What two runs of a sampler gave.

    Attributes:
        gradients: Gradients of the draws of a run.
        warmup: Gradients of its warm-up.
        ess: Smallest bulk ESS of a run.
        seconds: Process seconds of the first and the second run.
        bias: Distances from the reference.
        rhat: Largest R-hat.
        divergences: Transitions that diverged, in both runs.
    """

    gradients: float
    warmup: float
    ess: float
    seconds: tuple[float, float]
    bias: Bias
    rhat: float
    divergences: int

    @property
    def measures(self) -> tuple[float, ...]:
        """Effective draws per 1000 gradients and per second, in the order of MEASURES."""
        per = (self.gradients / 1000, (self.gradients + self.warmup) / 1000, *self.seconds)
        return tuple(self.ess / cost for cost in per)

    @property
    def marks(self) -> str:
        """What is wrong with the run."""
        biased = max(self.bias.mean, self.bias.sd) > HIGHEST_BIAS
        return ("" if self.rhat <= HIGHEST_RHAT else "*") + ("!" if biased else "")

    def __str__(self) -> str:
        """Return the row of the table."""
        per, per_all, first, second = self.measures
        return (
            f"{self.gradients:10.0f}{self.gradients + self.warmup:9.0f}"
            f"{self.ess:7.0f}{per:8.1f}{per_all:7.1f}"
            f"{self.seconds[0]:8.2f}{self.seconds[1]:7.2f}{first:8.0f}{second:8.0f}"
            f"{self.bias.mean:6.1f}{self.bias.sd:6.1f}{self.rhat:7.3f}{self.divergences:5d} {self.marks}"
        )


def measured(case: Case, sampler: Sampler, samples: int) -> Row:
    """Run a sampler twice.

    Args:
        case: The posterior.
        sampler: The sampler.
        samples: Draws of each chain.
    """
    jax.clear_caches()
    began = time.process_time()
    draw = sampler(case, samples)
    first = draw(0)
    between = time.process_time()
    second = draw(1)
    seconds = (between - began, time.process_time() - between)
    return row(case, (first, second), seconds)


def row(case: Case, runs: tuple[Run, Run], seconds: tuple[float, float]) -> Row:
    """Return what two runs gave, their chains taken together."""
    draws = {name: np.concatenate([run.draws[name] for run in runs]) for name in runs[0].draws}
    ess, rhat = worst(draws)
    return Row(
        gradients=sum(run.gradients for run in runs) / 2,
        warmup=runs[0].warmup(),
        ess=ess / 2,
        seconds=seconds,
        bias=case.bias(draws),
        rhat=rhat,
        divergences=sum(run.divergences for run in runs),
    )


def worst(draws: Draws) -> tuple[float, float]:
    """Return the smallest bulk ESS and the largest R-hat of all elements of all sites that change."""
    ess, rhat = [], []
    for array in draws.values():
        flat = np.asarray(array, float).reshape(*array.shape[:2], -1)
        moving = flat[..., np.ptp(flat, axis=(0, 1)) > 0]
        if moving.shape[2]:
            ess.append(np.min(array_stats.ess(moving, chain_axis=0, draw_axis=1, method="bulk")))
            rhat.append(np.max(array_stats.rhat(moving, chain_axis=0, draw_axis=1)))
    return float(min(ess)), float(max(rhat))


def ratios(rows: dict[str, Row]) -> dict[str, np.ndarray]:
    """Return ours to NumPyro's default, and to the best of all others in each measure."""
    ours = rows.get("probdl")
    peers = {name: r for name, r in rows.items() if name != "probdl" and not r.marks}
    if ours is None or ours.marks or not peers:
        return {}
    best = np.max([r.measures for r in peers.values()], axis=0)
    found = {"best": np.array(ours.measures) / best}
    if "numpyro" in peers:
        found["numpyro"] = np.array(ours.measures) / peers["numpyro"].measures
    return found


def printed(name: str, against: str, numbers: np.ndarray, more: str = "") -> None:
    """Print a line of ratios."""
    cells = "".join(f"{label:>16}{number:9.2f}" for label, number in zip(MEASURES, numbers, strict=True))
    print(f"{name:<20}{'ours / ' + against:<18}{cells}{more}", flush=True)


def arguments() -> argparse.Namespace:
    """Return what the user asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="posteriors; all if none is named")
    parser.add_argument("--only", action="append", default=[], help="a sampler; all that begin so")
    parser.add_argument("--samples", type=int, default=1000, help="draws of each chain")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(CASES):
        parser.error(f"Expected posteriors among {', '.join(CASES)}; got {', '.join(sorted(unknown))}.")
    return asked


def main() -> None:
    """Print the table, the ratios of each posterior, and their geometric means."""
    warnings.simplefilter("ignore")
    jax.config.update("jax_enable_x64", True)  # noqa: FBT003  # nutpie asks from threads of its own
    asked = arguments()
    wanted = {
        name: sampler
        for name, sampler in samplers().items()
        if not asked.only or any(name.startswith(word) for word in asked.only)
    }
    print(HEAD)
    logarithms: dict[str, list[np.ndarray]] = {"numpyro": [], "best": []}
    for name in asked.names or CASES:
        rows = {}
        for label, sampler in wanted.items():
            rows[label] = measured(CASES[name], sampler, asked.samples)
            print(f"{name:<20}{label:<18}{rows[label]}", flush=True)
        for against, numbers in ratios(rows).items():
            printed(name, against, numbers)
            logarithms[against].append(np.log(numbers))
    for against, found in logarithms.items():
        if found:
            means, least = np.exp(np.mean(found, axis=0)), np.exp(np.min(found, axis=0))
            printed("geometric mean", against, means, f"   of {len(found)} posteriors")
            printed("least", against, least)


if __name__ == "__main__":
    main()
