"""What inference returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Array, Float

from probdl.errors import SiteNotFound
from probdl.inference import files, pointwise
from probdl.inference.diagnostics import diagnose
from probdl.inference.status import Finding, Status
from probdl.inference.summary import Summary, summarise
from probdl.program.datatree import site_variables
from probdl.program.model import Model

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Result:
    """What is known about the latent sites of a model after inference. Immutable.

    Attributes:
        data: The groups of ArviZ: posterior (chain, draw, then plates), sample_stats, observed_data,
            constant_data; log_likelihood and log_prior on demand; provenance in the attributes.
        findings: What is wrong with it, the most severe first.
        parameters: Point estimates of params, by name.
        log_evidence: Log marginal likelihood in nats, where the method gives it.
        objective: Trace of the objective, where the method has one.
        plan: How each site was inferred, where that was planned.
        model: The model; None if the result was loaded.
    """

    data: xr.DataTree
    findings: tuple[Finding, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    log_evidence: float | None = None
    objective: Float[Array, " step"] | None = None
    plan: Any = None
    model: Model | None = None

    @property
    def status(self) -> Status:
        """The most severe of the findings, or OK."""
        return self.findings[0].status if self.findings else Status.OK

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return the draws of a site.

        Args:
            name: Name of the site, as the program gives it.

        Returns:
            Dimensions chain, draw, then those of the site.

        Raises:
            SiteNotFound: If the posterior has no such site.
        """
        draws = dict(site_variables(self.data.children["posterior"]))
        if name not in draws:
            raise SiteNotFound(name, draws, "the posterior")
        return draws[name]

    def summary(self) -> Summary:
        """Return ArviZ's table of all sites with the verdict on the run.

        Returns:
            What prints itself, also in a notebook; `.table` is a pandas DataFrame.
        """
        return summarise(self.data.children["posterior"], self.findings)

    def with_log_likelihood(self) -> Result:
        """Return the result with the log-likelihood of each observation at each draw, in nats.

        Returns:
            A new result, whose data have the group `log_likelihood`.

        Raises:
            ValueError: If the result was loaded, so that the model is not known.
        """
        return self._with("log_likelihood", observed=True)

    def with_log_prior(self) -> Result:
        """Return the result with the log-density of each latent site at each draw, in nats.

        Returns:
            A new result, whose data have the group `log_prior`.

        Raises:
            ValueError: If the result was loaded, so that the model is not known.
        """
        return self._with("log_prior", observed=False)

    def _with(self, group: str, *, observed: bool) -> Result:
        if self.model is None:
            raise ValueError(
                f"Expected a result that knows its model for with_{group}(); got a loaded one. Set it with "
                f"dataclasses.replace(result, model=model)."
            )
        added = pointwise.log_probs(self.model, self.data, group, observed=observed)
        return replace(self, data=files.merged(self.data, added))

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the data to a file.

        Args:
            path: A name that ends in .nc (netCDF, one file) or .zarr (a folder).
            overwrite: Whether an existing file may be replaced.

        Returns:
            The path.

        Raises:
            ValueError: If the ending is another one.
            FileExistsError: If there is something already.
        """
        return files.write(self.data, Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Result:
        """Read a result, or what a run has written to its store so far, even if it was killed.

        Args:
            path: A file .nc or a folder .zarr.

        Returns:
            The result, without its model.

        Raises:
            FileNotFoundError: If there is nothing.
            ValueError: If it is no result; the message says what is missing.
        """
        data = files.read(Path(path))
        return cls(data, diagnose(data), log_evidence=data.attrs.get("log_evidence"))

    def __repr__(self) -> str:
        """Return the sites and the status in a line."""
        names = ", ".join(name for name, _ in site_variables(self.data.children["posterior"]))
        sizes = self.data.children["posterior"].sizes
        shape = ", ".join(f"{sizes[name]} {name}s" for name in ("chain", "draw") if name in sizes)
        return f"Result({names}; {shape}; {self.status})"
