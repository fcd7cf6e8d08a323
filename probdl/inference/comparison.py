"""Results of several models of the same data side by side."""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from probdl.inference.monte_carlo.weights import highest_good_k, log_sum_exp, smoothed
from probdl.inference.result import Result
from probdl.inference.status import Finding, Status, verdict
from probdl.program.datatree import SAMPLE_DIMS, site_variables

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["rank", "elpd", "se", "elpd_diff", "dse", "weight", "p", "high_k"]
EVIDENCE = ["log_evidence", "log_evidence_error", "log_bayes_factor", "log_bayes_factor_error"]
RESAMPLING = 0


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models in the order of how well they predict what was left out. It prints itself as a table.

    Attributes:
        table: One row a model, the best first. `elpd`: expected log predictive density, in nats, with its
            standard error `se`; `elpd_diff`: the difference to the best, with its standard error `dse`;
            `weight`: in the mixture of the models that predicts best (stacking); `p`: effective number of
            parameters; `high_k`: how many of the parts that were left out could not be trusted. Where all
            results have one: `log_evidence` and `log_bayes_factor` against the highest, with errors.
        findings: What is wrong.
        left_out: What was left out at a time.
    """

    table: pd.DataFrame
    findings: tuple[Finding, ...]
    left_out: str

    def __str__(self) -> str:
        """Return the table and the verdict as text."""
        return (
            f"{self._rounded.to_string()}\n\nLeft out at a time: {self.left_out}.\n{verdict(self.findings)}"
        )

    __repr__ = __str__

    @property
    def _rounded(self) -> pd.DataFrame:
        whole = {"rank", "high_k"}
        forms = {name: "{:.0f}" if name in whole else "{:.2f}" for name in self.table.columns}
        return self.table.assign(**{name: self.table[name].map(form.format) for name, form in forms.items()})

    def _repr_html_(self) -> str:
        lines = (f"Left out at a time: {self.left_out}.", *verdict(self.findings).splitlines())
        return self._rounded.to_html() + "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def compare(results: Mapping[str, Result], *, plate: str | None = None) -> Comparison:
    r"""Compare models of the same data by leave-one-out prediction, and by evidence where it is known.

    $\mathrm{elpd} = \sum_i \log p(y_i \mid y_{-i})$ is estimated by importance sampling from the posterior
    given all data, with Pareto smoothed weights (PSIS-LOO).

    Args:
        results: Results by name: each knows its model, or has the group `log_likelihood`.
        plate: The plate of which one element is left out at a time, with all observations in it; by default
            each observation.

    Returns:
        The models, the best first.

    Raises:
        TypeError: If something is no result.
        ValueError: If there are fewer than two, if they are of other data, or if an observed site does not
            lie in the plate.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> from probdl import Exact, Model, infer
        >>> def program(y, scale):
        ...     mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        ...     with numpyro.plate("n", len(y)):
        ...         numpyro.sample("y", dist.Normal(mu, scale), obs=y)
        >>> y = np.array([0.3, -0.9, 1.4, 0.2])
        >>> results = {f"sd {s}": infer(Model(program, y, s), Exact(), key=0) for s in (1.0, 9.0)}
        >>> list(compare(results).table.index)
        ['sd 1.0', 'sd 9.0']

    Source:
        Vehtari, Gelman & Gabry (2017), doi:10.1007/s11222-016-9696-4; Yao et al. (2018), arXiv:1704.02030,
        for the weights; both as in ArviZ. Bishop & Bishop (2023), §9.6.
    """
    _check(results)
    terms = {name: _terms(name, result, plate) for name, result in results.items()}
    counts = {name: term.shape[-1] for name, term in terms.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(
            f"Expected as many parts to leave out in all results; got {counts}. Name a plate that all models "
            f"have."
        )
    table, findings = _by_prediction(terms)
    if all(r.log_evidence is not None and r.log_evidence_error is not None for r in results.values()):
        _add_evidence(table, results)
    left_out = "an observation" if plate is None else f"an element of plate '{plate}'"
    return Comparison(table, tuple(findings), left_out)


def _check(results: Mapping[str, Result]) -> None:
    if not isinstance(results, Mapping) or not all(isinstance(r, Result) for r in results.values()):
        raise TypeError(
            f"Expected results by name; got {results!r}. Call compare({{'one': result, 'other': other}})."
        )
    if len(results) < 2:
        raise ValueError(f"Expected at least two results; got {len(results)}. Give each a name.")
    (first, reference), *others = ((name, _observations(result)) for name, result in results.items())
    for name, found in others:
        if why := _difference(reference, found):
            raise ValueError(
                f"Expected results of the same data; got '{first}' and '{name}', which differ: {why}. Fit "
                f"all models to the same observations."
            )


def _observations(result: Result) -> dict[str, np.ndarray]:
    if "observed_data" not in result.data.children:
        return {}
    return {name: x.to_numpy() for name, x in site_variables(result.data.children["observed_data"])}


def _difference(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> str:
    """Return in what two sets of observations differ; names may, where there is one site only."""
    if len(first) == len(second) == 1:
        second = dict.fromkeys(first, *second.values())
    if set(first) != set(second):
        return f"one has {', '.join(first) or 'none'}, the other {', '.join(second) or 'none'}"
    for name, value in first.items():
        a, b = value.ravel(), second[name].ravel()
        if a.size != b.size:
            return f"'{name}' has {a.size} values in one and {b.size} in the other"
        other = ~np.isclose(a, b, rtol=1e-9, atol=0, equal_nan=True)
        if other.any():
            index = int(np.argmax(other))
            return f"'{name}' has {a[index]:.6g} in one and {b[index]:.6g} in the other"
    return ""


def _terms(name: str, result: Result, plate: str | None) -> Float[np.ndarray, "chain draw part"]:
    """Return the log-likelihood of each part that is left out, at each draw."""
    equal = result.resample(RESAMPLING) if result.is_weighted else result
    if "log_likelihood" not in equal.data.children:
        equal = equal.with_log_likelihood()
    found = []
    for site, array in site_variables(equal.data.children["log_likelihood"]):
        array = array.transpose(*SAMPLE_DIMS, ...)
        if plate is None:
            values = array.to_numpy()
            found.append(values.reshape(*values.shape[:2], -1))
            continue
        dims = [dim for dim in array.dims if dim in (plate, f"{plate}_dim")]
        if not dims:
            raise ValueError(
                f"Expected every observed site of '{name}' in plate '{plate}'; got '{site}' with "
                f"{', '.join(map(str, array.dims[2:])) or 'no dimension'}. Name a plate around all of them, "
                f"or leave it out."
            )
        others = [dim for dim in array.dims if dim not in (*SAMPLE_DIMS, *dims)]
        found.append(array.sum(others).to_numpy())
    return np.concatenate(found, -1) if plate is None else np.sum(found, 0)


def _by_prediction(terms: Mapping[str, np.ndarray]) -> tuple[pd.DataFrame, list[Finding]]:
    from arviz_stats.loo.compare import compare as ranked

    parts, findings = {}, []
    for name, term in terms.items():
        parts[name] = _left_out(term)
        k, good = parts[name].pareto_k.to_numpy(), parts[name].good_k
        if (high := int((k > good).sum())) > 0:
            worst = int(np.nanargmax(k))
            findings.append(
                Finding(
                    Status.HIGH_PARETO_K,
                    f"Pareto k-hat of '{name}' is above {good:.2f} for {high} of {k.size} parts that were "
                    f"left out, {k[worst]:.2f} for part {worst}",
                )
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = ranked(parts, round_to="none")
    table["high_k"] = [int((parts[n].pareto_k.to_numpy() > parts[n].good_k).sum()) for n in table.index]
    return table[COLUMNS], findings


def _left_out(term: Float[np.ndarray, "chain draw part"]) -> Any:
    """Return what ArviZ knows of each part that is left out; one that no latent enters is as it is."""
    import xarray as xr
    from arviz_stats.base.array import array_stats
    from arviz_stats.utils import ELPDDataLOO

    draws, count = term.shape[0] * term.shape[1], term.shape[2]
    moving = (term != term[:1, :1]).any((0, 1))
    elpd, k, p = term[0, 0].copy(), np.full(count, -np.inf), np.zeros(count)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = term[..., moving]
        scaled = np.exp(columns - columns.max((0, 1)))
        sizes = array_stats.ess(scaled, chain_axis=0, draw_axis=1, method="mean")
        efficiency = float(np.nanmean(np.clip(sizes / draws, 1e-3, 1.0))) if moving.any() else 1.0
    for i in np.flatnonzero(moving):
        own = term[..., i]
        log_weights, k[i] = smoothed(-own, efficiency)
        elpd[i] = log_sum_exp(log_weights + own)
        p[i] = log_sum_exp(own) - np.log(draws) - elpd[i]
    good = highest_good_k(draws)
    return ELPDDataLOO(
        elpd=elpd.sum(),
        se=np.sqrt(count * elpd.var()),
        p=p.sum(),
        n_samples=draws,
        n_data_points=count,
        scale="log",
        warning=bool((k > good).any()),
        good_k=good,
        elpd_i=xr.DataArray(elpd, dims="part"),
        pareto_k=xr.DataArray(k, dims="part"),
    )


def _add_evidence(table: pd.DataFrame, results: Mapping[str, Result]) -> None:
    values = np.array([results[str(name)].log_evidence for name in table.index], float)
    errors = np.array([results[str(name)].log_evidence_error for name in table.index], float)
    best = int(np.argmax(values))
    other = np.where(np.arange(len(values)) == best, 0.0, np.hypot(errors, errors[best]))
    for column, numbers in zip(EVIDENCE, (values, errors, values - values[best], other), strict=True):
        table[column] = numbers
