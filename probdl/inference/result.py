"""What inference returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Array, Float

from probdl.errors import SiteNotFound
from probdl.inference import files, pointwise
from probdl.inference.diagnostics import diagnose
from probdl.inference.resampled import resampled
from probdl.inference.status import Finding, Status
from probdl.inference.summary import Summary, summarise, summarise_fit
from probdl.program.datatree import is_weighted, site_variables
from probdl.program.model import Model

if TYPE_CHECKING:
    import xarray as xr

LOG_EVIDENCE, LOG_EVIDENCE_ERROR = "log_evidence", "log_evidence_error"
FIT = "fit"  # what a fit is known by: names of parameters, the objective, findings


@dataclass(frozen=True, eq=False)
class Result:
    """What is known about the latent sites of a model after inference. Immutable.

    Attributes:
        data: The groups of ArviZ: posterior (chain, draw, then plates), sample_stats, observed_data,
            constant_data; log_likelihood and log_prior on demand; provenance in the attributes. Weighted
            draws have `log_weight` in sample_stats: normalised over all draws, in nats.
        findings: What is wrong with it, the most severe first.
        parameters: Point estimates of params, by name.
        log_evidence: Log marginal likelihood in nats, where the method gives it.
        objective: Trace of the objective, where the method has one.
        plan: How each site was inferred, where that was planned.
        model: The model; None if the result was loaded.
        log_evidence_error: Standard error of the log evidence, in nats; 0 where it is exact.
    """

    data: xr.DataTree
    findings: tuple[Finding, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    log_evidence: float | None = None
    objective: Float[np.ndarray, " step"] | None = None
    plan: Any = None
    model: Model | None = None
    log_evidence_error: float | None = None

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
        """Return ArviZ's table of all sites with the verdict on the run; of weighted draws a weighted one.

        Of a fit, the parameters with their standard errors, if these were asked for.

        Returns:
            What prints itself, also in a notebook; `.table` is a pandas DataFrame.
        """
        if self.parameters:
            return summarise_fit(self.parameters, self.data, self.findings)
        return summarise(self.data, self.findings)

    @property
    def is_weighted(self) -> bool:
        """Whether the draws have weights: `log_weight` in `sample_stats`."""
        return is_weighted(self.data)

    def resample(self, key: int | Array, num_samples: int | None = None) -> Result:
        """Return draws of equal weight, chosen with probabilities in proportion to the weights.

        A draw of a large weight comes several times; what was found of the weights is kept.

        Args:
            key: A seed or a JAX key.
            num_samples: How many draws; by default as many as there are.

        Returns:
            A new result of one chain.

        Raises:
            TypeError: If the key is none.
            ValueError: If the number is not positive.
        """
        data = resampled(key, self.data, num_samples)
        return replace(self, data=data, findings=diagnose(data))

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
        if FIT in data.attrs:
            return cls._fit(data)
        value, error = (data.attrs.get(name) for name in (LOG_EVIDENCE, LOG_EVIDENCE_ERROR))
        return cls(data, diagnose(data), log_evidence=value, log_evidence_error=error)

    @classmethod
    def _fit(cls, data: xr.DataTree) -> Result:
        """Return a fit from what was written of it."""
        known = json.loads(data.attrs[FIT])
        draws = dict(site_variables(data.children["posterior"]))
        return cls(
            data,
            tuple(Finding(Status[status], detail) for status, detail in known["findings"]),
            parameters={name: draws[name].to_numpy()[0, 0] for name in known["parameters"]},
            objective=np.array(known["objective"]),
        )

    def __repr__(self) -> str:
        """Return the sites and the status in a line."""
        names = ", ".join(name for name, _ in site_variables(self.data.children["posterior"]))
        sizes = self.data.children["posterior"].sizes
        shape = ", ".join(f"{sizes[name]} {name}s" for name in ("chain", "draw") if name in sizes)
        weighted = "; weighted" if self.is_weighted else ""
        return f"Result({names}; {shape}{weighted}; {self.status})"
