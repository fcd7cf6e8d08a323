"""Whether a method draws from the posterior it should: simulation-based calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

import jax
import numpy as np
from jaxtyping import Array

from probdl.graphs.places import place_at
from probdl.inference import compilation_cache
from probdl.inference.assemble import provenance
from probdl.inference.calibration_bands import p_values
from probdl.inference.calibration_data import (
    Simulations,
    check_generative,
    check_types,
    method_for,
    simulate,
)
from probdl.inference.calibration_draws import fits
from probdl.inference.calibration_progress import metered
from probdl.inference.calibration_ranks import Ranking, Ranks
from probdl.inference.calibration_thinning import FEWEST, SPACING
from probdl.inference.calibration_verdict import Verdict, checked_rate, family_wise
from probdl.inference.method import Method, at_least
from probdl.program.datatree import tree
from probdl.program.keys import as_key, check_key
from probdl.program.model import Model

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SIMULATION = "simulation"
FEWEST_SIMULATIONS = 10
CLEAR = 3.0


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Calibration(Verdict):
    """What simulation-based calibration found of a method. It prints itself; it is true if the method passes.

    Attributes:
        table: A row for each quantity: the mean of its `pit`, how its posterior is wrong if it is, the
            p-value, and that adjusted for the number of quantities.
        method: The method.
        false_alarm_rate: The probability, at most, that a right method fails: of all quantities together.
        notes: What else is worth knowing.
        data: Groups `ranks` and `pit` (ranks in [0, 1), uniform if all is right), with the latent sites and
            the log-likelihood; `prior` and `prior_predictive`, the true values and the data; `sample_stats`:
            of each run the number of draws that ranks are among, the smallest effective sample size, and
            the divergences. The first dimension is `simulation`.
        num_draws: Among how many draws values are ranked at most.
    """

    data: xr.DataTree
    num_draws: int

    @property
    def num_simulations(self) -> int:
        """Number of data sets."""
        return self.data.children["ranks"].sizes[SIMULATION]

    @property
    @override
    def test(self) -> str:
        """Name of the test, and how much was looked at."""
        count = len(self.table)
        what = f"{count} {'quantity' if count == 1 else 'quantities'}, {self.num_simulations} simulations"
        return f"simulation-based calibration ({what})"


def calibrate(
    model: Model,
    method: Method | None = None,
    *,
    key: int | Array,
    num_simulations: int = 100,
    num_draws: int = 99,
    false_alarm_rate: float = 0.01,
    progress: bool | None = None,
) -> Calibration:
    """Test a method on data sets that the model itself draws: are true values like posterior draws?

    Latents are drawn from the prior, data given the latents, draws given the data by the method. Then true
    values and draws come from one distribution, and the rank of each true value among the draws is uniform.
    Ranks of all elements of all latent sites are looked at, and of the log-likelihood, which notices when the
    data are ignored. Draws are thinned until they are about independent. The values of the model's own data
    play no part, only their shapes.

    Markov chains run on all data sets at once. A calibrated method shows no sign of error on average over the
    prior; where the prior is wide, that says little of the posterior of one data set.

    Args:
        model: The model, with data. Priors have to be proper, without factors.
        method: The method, in the lengths that are to be judged; by default that of `plan(model)`.
        key: A seed or a JAX key; the run on data set i is that of `infer` with
            fold_in(fold_in(key, 1), i), but for the end of the warm-up.
        num_simulations: How many data sets. The more, the smaller errors are found: about 1 / sqrt of that,
            in units of the posterior's sd.
        num_draws: Among how many draws a true value is ranked, at most.
        false_alarm_rate: The probability, at most, that a calibrated method fails.
        progress: Whether to show a progress bar; by default if stderr is a terminal.

    Returns:
        The verdict, and all ranks. `plot` draws them.

    Raises:
        TypeError: If the model, the method or the key is none.
        NotApplicable: If the method cannot treat the model, or nothing can be drawn from the program: the
            message names the site.
        ValueError: If a number is out of range, if a draw from the prior is not finite, or if the log-density
            of a data set is finite nowhere.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl import Exact
        >>> def lawn(wet):
        ...     rain = numpyro.sample("rain", dist.Bernoulli(0.3))
        ...     numpyro.sample("wet", dist.Bernoulli(0.1 + 0.8 * rain), obs=wet)
        >>> calibrate(Model(lawn, np.array(1)), Exact(num_samples=50), key=0, num_simulations=10).passed
        True

    Source:
        Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788; the test of Säilynoja, Bürkner
        & Vehtari (2022), doi:10.1007/s11222-022-10090-6, with exact p-values, all quantities together by
        Holm's procedure; the log-likelihood by Modrák et al. (2023), doi:10.1214/23-BA1404.
    """
    check_key(key)
    check_types(model, method, "calibrate")
    at_least("num_simulations", num_simulations, FEWEST_SIMULATIONS)
    at_least("num_draws", num_draws, 1)
    rate = checked_rate(false_alarm_rate)
    check_generative(model, "calibrate")
    chosen = method_for(model, method)
    compilation_cache.enable()
    drawing, running, ranking = (jax.random.fold_in(as_key(key), i) for i in range(3))
    simulations = simulate(drawing, model, num_simulations)
    seeds = np.asarray(jax.random.key_data(ranking)).ravel().tolist()
    ranking = Ranking(simulations, np.random.default_rng(seeds))
    with metered(num_simulations, "calibrating", wanted=progress) as meter:
        for fitted in fits(running, chosen, simulations, num_draws, meter):
            ranking.add(fitted)
    ranks, stats = ranking.ranks(), ranking.stats()
    table = _table(simulations, ranks, num_draws + 1, rate)
    data = _data(simulations, ranks, stats)
    data.attrs.update(provenance(as_key(key), chosen))
    return Calibration(
        table=table,
        method=chosen,
        false_alarm_rate=rate,
        notes=_notes(stats, num_draws),
        data=data,
        num_draws=num_draws,
    )


def _table(simulations: Simulations, ranks: Mapping[str, Ranks], cells: int, rate: float) -> pd.DataFrame:
    """Return a row for each element that is not always the same."""
    import pandas as pd

    names: list[str] = []
    columns: list[np.ndarray] = []
    for name, (_, uniforms) in ranks.items():
        shape = uniforms.shape[1:]
        site = simulations.model.sites.get(name)
        kept = _free(simulations.truth[name]) if site is not None else np.arange(1)
        columns.append(uniforms.reshape(len(uniforms), -1)[:, kept])
        indices = [tuple(map(int, np.unravel_index(i, shape))) for i in kept]
        names += [name if site is None or not shape else place_at(site, at).name for at in indices]
    values = np.concatenate(columns, axis=1)
    found = p_values(values, cells)
    adjusted = family_wise(found)
    return pd.DataFrame(
        {
            "quantity": names,
            "mean_rank": values.mean(0),
            "posterior": [_fault(x) if p <= rate else "" for x, p in zip(values.T, adjusted, strict=True)],
            "p_value": found,
            "adjusted": adjusted,
        }
    )


def _free(truth: np.ndarray) -> np.ndarray:
    """Return which elements of a site are not the same in all simulations."""
    return np.flatnonzero(np.ptp(truth, axis=0).ravel())


def _fault(uniforms: np.ndarray) -> str:
    """Return in words what ranks say of the posterior: where they gather most, by the larger z-score."""
    count = len(uniforms)
    low = (uniforms.mean() - 1 / 2) * np.sqrt(12 * count)
    narrow = (np.square(uniforms - 1 / 2).mean() - 1 / 12) * np.sqrt(180 * count)
    if max(abs(low), abs(narrow)) < CLEAR:
        return "of another shape"
    if abs(low) > abs(narrow):
        return "too low" if low > 0 else "too high"
    return "too narrow" if narrow > 0 else "too wide"


def _data(
    simulations: Simulations, ranks: Mapping[str, Ranks], stats: Mapping[str, np.ndarray]
) -> xr.DataTree:
    groups: dict[str, Mapping[str, Any]] = {
        "ranks": {name: found.ranks for name, found in ranks.items()},
        "pit": {name: found.uniforms for name, found in ranks.items()},
        "prior": simulations.truth,
        "prior_predictive": simulations.data,
        "sample_stats": stats,
    }
    return tree(groups, simulations.model.sites, (SIMULATION,))


def _notes(stats: Mapping[str, np.ndarray], num_draws: int) -> tuple[str, ...]:
    notes, count = [], len(stats["ess"])
    few = int((stats["ess"] < SPACING * min(FEWEST, num_draws)).sum())
    if few:
        least = np.nanmin(stats["ess"])
        notes.append(
            f"{few} of {count} runs are worth too few independent draws (the least {least:.1f}), so that a "
            f"right method may fail: raise num_samples, or num_warmup."
        )
    if diverging := int((stats["divergences"] > 0).sum()):
        notes.append(f"{diverging} of {count} runs have divergent transitions.")
    return tuple(notes)
