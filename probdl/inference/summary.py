"""The table of a result, with the verdict on its run."""

from __future__ import annotations

import html
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probdl.inference.status import Finding, verdict
from probdl.program.datatree import SAMPLE_DIMS, SLASH, site_variables

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Summary:
    """ArviZ's table of all sites, and the verdict on the run. It prints itself.

    Attributes:
        rounded: ArviZ's table, which shows each number to the digits that its error allows; a slash in a
            name is written as a division slash.
        findings: What is wrong with the run.
    """

    rounded: Any
    findings: tuple[Finding, ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row an element of a site, under its own name; all digits."""
        import pandas as pd

        return pd.DataFrame(self.rounded).rename(index=lambda label: str(label).replace(SLASH, "/"))

    @property
    def verdict(self) -> str:
        """What was found, a line each."""
        return verdict(self.findings)

    def __str__(self) -> str:
        """Return the table and the verdict as text."""
        return f"{self.rounded.to_string().replace(SLASH, '/')}\n\n{self.verdict}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in self.verdict.splitlines())
        return f"{self.rounded.to_html().replace(SLASH, '/')}{lines}"


def summarise(posterior: xr.DataTree, findings: tuple[Finding, ...]) -> Summary:
    """Return ArviZ's summary of all sites.

    Args:
        posterior: The group of draws.
        findings: What is wrong with the run.

    Returns:
        The summary; without rows for sites without elements.
    """
    import pandas as pd
    import xarray as xr
    from arviz_stats.summary import summary

    columns = {}
    for name, array in site_variables(posterior):
        if array.size and array.dtype.kind in "fiub":
            own = {dim: f"{len(columns)}_{dim}" for dim in array.dims if dim not in SAMPLE_DIMS}
            columns[name.replace("/", SLASH)] = array.astype(float).rename(own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # draws that never change have no R-hat
        return Summary(summary(xr.Dataset(columns)) if columns else pd.DataFrame(), findings)
