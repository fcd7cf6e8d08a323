"""How many effective draws does each Langevin method give a gradient, and how far off is it, beside NUTS?

Posteriors of `posteriors`, as programs. Each method runs by its defaults, but for draws that are thinned so
that all methods take about as many gradients: 4 chains, two runs with two seeds, whose chains are taken
together. "ESS" is the smallest bulk ESS of all elements of the latent and deterministic sites, of a run;
"/1000" is per 1000 gradients of the draws, "NUTS" its ratio to NUTS in the same run. "mean" and "sd" are the
largest distances of means and standard deviations from the reference, in posterior standard deviations, with
the part that an unbiased method has by chance in brackets: its expected size is that of the largest of so
many errors. "stated" is what an unadjusted method says of its own error of the standard deviations, in per
cent, and "*" that it warns of it. A run whose R-hat is above 1.02 is marked with ?: its numbers mean little.

    uv run python benchmarks/langevin.py                       # eight posteriors
    uv run python benchmarks/langevin.py garch arK --only MALA
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from arviz_stats.base.array import array_stats
from nuts import HIGHEST_RHAT, worst
from posteriors import CASES, Case, Draws

import probdl as pdl

POSTERIORS = (
    "eight_schools",
    "arK",
    "kidscore_momiq",
    "nes1980",
    "garch",
    "gaussian_mixture",
    "logistic_regression",
    "gp_pois_regr",
)
METHODS: dict[str, Any] = {
    "NUTS": pdl.NUTS(),
    "MALA": pdl.MALA(thinning=6),
    "Barker": pdl.Barker(thinning=6),
    "AdjustedMCLMC": pdl.AdjustedMCLMC(),
    "MCLMC": pdl.MCLMC(thinning=3),
    "UnderdampedLangevin": pdl.UnderdampedLangevin(thinning=6),
    "ULA": pdl.ULA(thinning=6),
    "SGLD": pdl.SGLD(thinning=6),
    "SGHMC": pdl.SGHMC(thinning=6),
}
HEAD = (
    f"{'posterior':<20}{'method':<20}{'gradients':>10}{'ESS':>7}{'/1000':>8}{'NUTS':>7}"
    f"{'mean':>8}{'(chance)':>9}{'sd':>8}{'(chance)':>9}{'stated':>9}{'R-hat':>7}"
)


def distances(case: Case, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Return distances of means, and relative ones of sds, from the reference: each (size, by chance)."""
    found = []
    for name, values in case.quantities(draws).items():
        known = case.reference[name]
        errors: list[Any] = [
            array_stats.mcse(values, chain_axis=0, draw_axis=1, method=kind) for kind in ("mean", "sd")
        ]
        chances = (np.hypot(errors[0] / known.sd, known.draws**-0.5), errors[1] / known.sd)
        found.append([abs(values.mean() - known.mean) / known.sd, chances[0]])
        found.append(
            [abs(values.std(ddof=1) / known.sd - 1), np.hypot(chances[1], (2 * known.draws) ** -0.5)]
        )
    sizes, largest = np.array(found), np.sqrt(2 * np.log(max(len(found) / 2, 2)))
    means, sds = sizes[0::2], sizes[1::2]
    return means.max(0) * [1, largest], sds.max(0) * [1, largest]


def measured(case: Case, method: Any) -> tuple[float, float, str]:
    """Return the smallest ESS of a run, its gradients, and what there is to say of its bias."""
    model, runs, stated, warned = case.model(), [], None, False
    wanted = [s.name for s in model.sites.values() if s.is_latent or s.kind is pdl.SiteKind.DETERMINISTIC]
    for seed in range(2):
        result = pdl.infer(model, method, key=seed, progress=False)
        draws = {name: result[name].to_numpy() for name in wanted}
        stated = result.data.attrs.get("bias")
        warned = pdl.Status.BIASED in {finding.status for finding in result.findings}
        runs.append((draws, int(result.data["sample_stats"]["n_steps"].to_numpy().sum())))
    draws = {name: np.concatenate([run[0][name] for run in runs]) for name in wanted}
    ess, rhat = worst(draws)
    (mean, by_chance), (sd, sd_by_chance) = distances(case, draws)
    percent = f"{100 * json.loads(stated)['relative_error']:+.1f} %{'*' if warned else ' '}" if stated else ""
    cells = f"{mean:8.3f}{by_chance:9.3f}{sd:8.3f}{sd_by_chance:9.3f}{percent:>9}{rhat:7.3f}"
    return ess / 2, sum(run[1] for run in runs) / 2, cells + ("" if rhat <= HIGHEST_RHAT else " ?")


def main() -> None:
    """Print a row a posterior and method, and the geometric means of the ratios."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="posteriors")
    parser.add_argument("--only", action="append", default=[], help="a method, besides NUTS")
    parser.add_argument("--samples", type=int, default=1000, help="draws of each chain")
    asked = parser.parse_args()
    ratios: dict[str, list[float]] = {}
    print(HEAD)
    for name in asked.names or POSTERIORS:
        bound = None
        for label, method in METHODS.items():
            if asked.only and label not in ("NUTS", *asked.only):
                continue
            jax.clear_caches()
            ess, gradients, cells = measured(CASES[name], replace(method, num_samples=asked.samples))
            rate = 1000 * ess / gradients
            bound = bound or rate
            ratios.setdefault(label, []).append(rate / bound)
            print(
                f"{name:<20}{label:<20}{gradients:10.0f}{ess:7.0f}{rate:8.1f}{rate / bound:7.2f}{cells}",
                flush=True,
            )
    for label, found in ratios.items():
        print(f"{'geometric mean':<20}{label:<20}{np.exp(np.mean(np.log(found))):32.2f}")


if __name__ == "__main__":
    main()
