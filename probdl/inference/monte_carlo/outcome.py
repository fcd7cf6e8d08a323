"""The end of a run: its draws become a result."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Array

from probdl.inference import files
from probdl.inference.assemble import provenance
from probdl.inference.destination import destination
from probdl.inference.diagnostics import diagnose
from probdl.inference.method import Method, Options
from probdl.inference.monte_carlo.weights import (
    NUM_WEIGHTED,
    PARETO_K,
    UNDEFINED,
    WEIGHTED_SIZE,
    Evidence,
    effective_size,
    smoothed,
)
from probdl.inference.result import LOG_EVIDENCE, LOG_EVIDENCE_ERROR, Result
from probdl.inference.start import not_finite
from probdl.inference.status import InferenceWarning, verdict
from probdl.program.handlers import Fix
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.target import log_probs

if TYPE_CHECKING:
    import xarray as xr


class Run:
    """What is known of a run from its start.

    Args:
        key: Its key.
        method: The method that the user asked for.
        model: The model.
        options: Where draws go, and how they are labelled.

    Raises:
        FileExistsError: If there is something where the draws should go.
    """

    def __init__(self, key: Array, method: Method, model: Model, options: Options) -> None:
        path = options.store
        if path is not None and path.exists() and not options.overwrite:
            raise FileExistsError(
                f"Expected a path with nothing there for the draws; got '{path}'. Choose another one, or "
                f"pass overwrite=True."
            )
        self.began = time.perf_counter()
        self.model, self.options = model, options
        self.attributes = provenance(key, method)

    def result(
        self,
        values: Mapping[str, np.ndarray],
        stats: Mapping[str, np.ndarray],
        *,
        evidence: Evidence | None = None,
        asked: int | None = None,
        groups: xr.DataTree | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Result:
        """Return the result, and write it to where it should go.

        Args:
            values: Draws by site: (chain, draw, ...).
            stats: Statistics of the draws: (chain, draw).
            evidence: The log evidence, if the method gives it.
            asked: How many draws of each chain were asked for, if it is not what there is.
            groups: Further groups of the data.
            attributes: Further attributes of the data.

        Returns:
            The result.
        """
        count = next(iter(stats.values())).shape[1]
        known = dict(self.attributes) | {"num_samples": count if asked is None else asked}
        if evidence is not None:
            known |= {LOG_EVIDENCE: evidence.value, LOG_EVIDENCE_ERROR: evidence.error}
        known |= dict(attributes or {}) | {"wall_time_seconds": time.perf_counter() - self.began}
        kept = destination(self.model, self.options, known)
        kept.append(values, stats)
        data = kept.finish()
        if groups is not None:
            if self.options.store is not None:
                for name, node in groups.children.items():  # the attributes of the root are those of the run
                    part = node.to_dataset(inherit=False)
                    part.to_zarr(self.options.store, group=name, mode="a", consolidated=False)
            data = files.merged(data, groups)
        value, error = (None, None) if evidence is None else evidence
        return Result(data, diagnose(data), log_evidence=value, log_evidence_error=error, model=self.model)


def warn(result: Result) -> Result:
    """Warn the caller of `infer` of what was found in a result; called by the `run` of a method.

    Args:
        result: The result.

    Returns:
        The same.

    Warns:
        InferenceWarning: If the draws should not be trusted as they are.
    """
    if result.findings:
        warnings.warn(verdict(result.findings), InferenceWarning, stacklevel=4)
    return result


def of_weights(log_ratios: np.ndarray, why: Callable[[], str]) -> tuple[np.ndarray, dict[str, Any]]:
    """Return normalised and smoothed weights, and what is recorded of them.

    Args:
        log_ratios: Raw logarithms of weights.
        why: Says what is not finite, if nothing is; see `causes`.

    Returns:
        Logarithms of weights of the same shape, and attributes of the data.

    Raises:
        ValueError: If none is finite.
    """
    undefined = np.isnan(log_ratios)
    ratios = defined(log_ratios)
    check_some_possible(ratios, int(undefined.sum()), why)
    log_weights, k = smoothed(ratios)
    recorded = {PARETO_K: k, WEIGHTED_SIZE: effective_size(log_weights), NUM_WEIGHTED: ratios.size}
    return log_weights, {**recorded, UNDEFINED: int(undefined.sum())}


def defined(log_ratios: np.ndarray) -> np.ndarray:
    """Return logarithms of weights that are numbers: zero weight where there was none."""
    return np.where(np.isnan(log_ratios), -np.inf, log_ratios)


def causes(model: Model, values: Mapping[str, np.ndarray]) -> str:
    """Return in words what of the log joint density is not finite at the first draw, for a message.

    Args:
        model: The model.
        values: Draws of all latents: (chain, draw, ...).
    """
    first = {name: np.asarray(values[name])[0, 0] for name in model.latents}
    handler = Fix(None, first, dict(model.declarations.scan_of(model.latents)))
    terms = log_probs(model.bound[0].trace(model.arrays(Precision.DOUBLE), handler))
    bad = {name: np.asarray(term) for name, term in terms.items() if not np.isfinite(term).all()}
    return "; ".join(not_finite(model, name, term) for name, term in bad.items())


def check_some_possible(log_ratios: np.ndarray, undefined: int = 0, why: Callable[[], str] = str) -> None:
    """Check that the data are possible at one of the draws.

    Args:
        log_ratios: Logarithms of weights.
        undefined: How many of them were no numbers.
        why: Says what is not finite.

    Raises:
        ValueError: If not.
    """
    if np.isfinite(log_ratios).any():
        return
    count, cause = log_ratios.size, why()
    reason = f": {cause}" if cause else ""
    if undefined == count:
        raise ValueError(
            f"Expected a log-density that is a number; got NaN at all of {count} draws{reason}. Keep the "
            f"parameters of distributions in their domain whatever the latents are (a scale by exp, say)."
        )
    raise ValueError(
        f"Expected draws at which the data are possible; got {count} of weight zero{reason}. Correct the "
        f"data, or take a guide that is closer to the posterior, SMC() or NUTS()."
    )
