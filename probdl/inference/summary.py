"""The table of a result, with the verdict on its run."""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from probdl.inference.monte_carlo.weights import effective_size
from probdl.inference.resampled import weights_of
from probdl.inference.status import Finding, verdict
from probdl.program.datatree import SAMPLE_DIMS, SLASH, is_weighted, site_variables

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TAILS = (0.055, 0.945)


@dataclass(frozen=True, eq=False)
class Summary:
    """ArviZ's table of all sites, and the verdict on the run. It prints itself.

    Attributes:
        rounded: ArviZ's table, which shows each number to the digits that its error allows; a slash in a
            name is written as a division slash.
        findings: What is wrong with the run.
        note: What has to be known to read the table; "" where nothing has.
        digits: The table with all digits, if `rounded` does not hold them.
    """

    rounded: Any
    findings: tuple[Finding, ...]
    note: str = ""
    digits: Any = None

    @property
    def table(self) -> pd.DataFrame:
        """One row an element of a site, under its own name; all digits."""
        import pandas as pd

        whole = self.rounded if self.digits is None else self.digits
        return pd.DataFrame(whole).rename(index=lambda label: str(label).replace(SLASH, "/"))

    @property
    def verdict(self) -> str:
        """What was found, a line each."""
        return verdict(self.findings)

    def __str__(self) -> str:
        """Return the table and the verdict as text."""
        lines = "\n".join(filter(None, (self.note, self.verdict)))
        return f"{self.rounded.to_string().replace(SLASH, '/')}\n\n{lines}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        text = (self.note, *self.verdict.splitlines())
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in text if line)
        return f"{self.rounded.to_html().replace(SLASH, '/')}{lines}"


def summarise(data: xr.DataTree, findings: tuple[Finding, ...]) -> Summary:
    """Return ArviZ's summary of all sites; of weighted draws means, deviations and quantiles by weight.

    Args:
        data: The groups of a result.
        findings: What is wrong with the run.

    Returns:
        The summary; without rows for sites without elements.
    """
    import pandas as pd
    import xarray as xr
    from arviz_stats.summary import summary

    columns = {}
    for name, array in site_variables(data.children["posterior"]):
        if array.size and array.dtype.kind in "fiub":
            own = {dim: f"{len(columns)}_{dim}" for dim in array.dims if dim not in SAMPLE_DIMS}
            columns[name.replace("/", SLASH)] = array.astype(float).rename(own)
    if not columns:
        return Summary(pd.DataFrame(), findings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # draws that never change have no R-hat
        table = summary(xr.Dataset(columns))
    if not is_weighted(data):
        return Summary(table, findings)
    log_weights = weights_of(data)
    values = np.concatenate([_flat(array) for array in columns.values()], 1)
    size = effective_size(log_weights)
    note = f"By weight: {log_weights.size} weighted draws, worth {size:.0f} of equal weight."
    digits = pd.DataFrame(_weighted(values, np.exp(log_weights)), index=table.index)
    rounded = digits.map("{:.3g}".format).assign(ess=digits["ess"].map("{:.0f}".format))
    return Summary(rounded, findings, note, digits)


def standard_errors_of(data: xr.DataTree) -> dict[str, np.ndarray]:
    """Return the standard errors of the parameters of a fit by name; none if they were not asked for."""
    if "standard_errors" not in data.children:
        return {}
    return {name: array.to_numpy() for name, array in site_variables(data.children["standard_errors"])}


def summarise_fit(parameters: Mapping[str, Any], data: xr.DataTree, findings: tuple[Finding, ...]) -> Summary:
    """Return the estimates of a fit, with their standard errors if these are known.

    Args:
        parameters: The estimates.
        data: The groups of the result.
        findings: What is wrong with the fit.
    """
    import pandas as pd

    known = standard_errors_of(data)
    rows: dict[str, dict[str, float]] = {}
    for name, value in parameters.items():
        estimates = np.asarray(value, float)
        for index in np.ndindex(estimates.shape):
            row = {"estimate": float(estimates[index])}
            if name in known:
                row["standard_error"] = float(known[name][index])
            rows[f"{name}{list(index) if index else ''}"] = row
    digits = pd.DataFrame.from_dict(rows, orient="index")
    attributes = data.attrs
    note = f"Objective: {attributes['objective']:.3f} nats after {attributes['num_steps']} steps"
    if "bic" in attributes:
        note += f"; {attributes['num_parameters']} parameters, BIC {attributes['bic']:.1f}"
    latents = [group for group in ("responsibilities", "latent_mean") if group in data.children]
    note += f". Latents: {', '.join(f'data[{group!r}]' for group in latents)}." if latents else "."
    return Summary(digits.map("{:.4g}".format), findings, note, digits)


def _flat(array: xr.DataArray) -> np.ndarray:
    values = array.transpose(*SAMPLE_DIMS, ...).to_numpy()
    return values.reshape(values.shape[0] * values.shape[1], -1)


def _weighted(values: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of the table, under ArviZ's names.

    The error of a mean is that of a ratio of two estimates: the root of sum_i w_i^2 (x_i - mean)^2. So the
    effective number of draws is not the same for all sites.
    """
    mean = weights @ values
    squares = (values - mean) ** 2
    variance = weights @ squares
    error, spread_error = (np.sqrt(weights**2 @ x) for x in (squares, (squares - variance) ** 2))
    order = np.argsort(values, axis=0)
    reached = np.cumsum(weights[order], axis=0)
    ends = [np.minimum((reached < tail * reached[-1]).sum(0), len(values) - 1) for tail in TAILS]
    low, high = (values[order[at, columns], columns] for at in ends for columns in [np.arange(len(mean))])
    with np.errstate(all="ignore"):  # draws that never change have no effective number
        return {
            "mean": mean,
            "sd": np.sqrt(variance),
            "eti89_lb": low,
            "eti89_ub": high,
            "ess": variance / error**2,
            "mcse_mean": error,
            "mcse_sd": spread_error / (2 * np.sqrt(variance)),
        }
