"""Compare long runs of NumPyro's NUTS, with a dense mass matrix, with the references.

    uv run python -m benchmarks.posteriors                  # all: means and sds in standard errors of both
    uv run python -m benchmarks.posteriors garch arK
    uv run python -m benchmarks.posteriors garch --write    # make the run the reference

A reference that is not from posteriordb is such a run; another seed is used to write than to compare.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import jax
import numpy as np
from arviz_stats.base.array import array_stats
from numpyro.infer import MCMC, NUTS

from .cases import CASES
from .reference import FOLDER, Case, Draws

CHAINS = 4
TARGET = 0.95
SEEDS = (1, 2)


def long_run(case: Case, samples: int, target: float, seed: int) -> Draws:
    """Return draws (chain, draw, ...) by site."""
    kernel = NUTS(case.program, dense_mass=True, target_accept_prob=target)
    mcmc = MCMC(
        kernel,
        num_warmup=2000,
        num_samples=samples,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(jax.random.key(seed), **case.data, extra_fields=("diverging",))
    print(f"divergences: {int(mcmc.get_extra_fields()['diverging'].sum())}", end="  ")
    return {name: np.asarray(array) for name, array in mcmc.get_samples(group_by_chain=True).items()}


def effective(values: np.ndarray) -> float:
    """Return how many independent draws the mean and the sd are worth, whichever are fewer."""
    found: list[Any] = [
        array_stats.ess(values, chain_axis=0, draw_axis=1, method=kind) for kind in ("mean", "sd")
    ]
    return float(min(*found, values.size))


def write(name: str, case: Case, draws: Draws) -> None:
    """Make draws the reference of a posterior.

    Args:
        name: Name of the posterior.
        case: The posterior.
        draws: Arrays (chain, draw, ...) by site.
    """
    path = FOLDER / f"{name}.json"
    head = path.read_text(encoding="utf-8").partition(' "draws":')[0]
    rows, worth = [], []
    for key, values in case.quantities(draws).items():
        worth.append(effective(values))
        numbers = {"mean": float(f"{values.mean():.9g}"), "sd": float(f"{values.std(ddof=1):.9g}")}
        rows.append(f"  {json.dumps(key)}: {json.dumps(numbers)}")
    body = ",\n".join(rows)
    path.write_text(
        f'{head} "draws": {int(min(worth))},\n "reference": {{\n{body}\n }}\n}}\n', encoding="utf-8"
    )


def main() -> None:
    """Print a line a posterior."""
    jax.config.update("jax_enable_x64", True)  # noqa: FBT003
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="posteriors; all if none is named")
    parser.add_argument("--samples", type=int, default=10_000, help="draws of each of four chains")
    parser.add_argument("--target", type=float, default=TARGET, help="mean acceptance probability")
    parser.add_argument("--write", action="store_true", help="make the run the reference")
    asked = parser.parse_args()
    for name in asked.names or CASES:
        case = CASES[name]
        print(f"{name:<22}", end="", flush=True)
        draws = long_run(case, asked.samples, asked.target, SEEDS[asked.write])
        if asked.write:
            write(name, case, draws)
            print("written")
            continue
        bias = case.bias(draws)
        print(f"mean {bias.mean:4.1f} at {bias.mean_at:<12} sd {bias.sd:4.1f} at {bias.sd_at}", flush=True)


if __name__ == "__main__":
    main()
