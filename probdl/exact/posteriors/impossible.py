"""Which observations of a program contradict each other, or its priors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from probdl.exact.programs.expectations import log_evidence_of
from probdl.exact.programs.search import find
from probdl.exact.tables.contradiction import ImpossibleEvidence, minimal_conflict
from probdl.program.masking import Masked
from probdl.program.model import Model
from probdl.program.precision import Precision
from probdl.program.sites import SiteKind

MOST_OBSERVATIONS = 10**6

Item = tuple[str, tuple[int, ...]]


def check_possible(model: Model, log_evidence: float) -> None:
    """Check that the observations have a density that is a positive number.

    Raises:
        ImpossibleEvidence: If they are impossible; it names a smallest set of them that is.
        ValueError: If that is not found out, or if the density is no number.
    """
    if np.isfinite(log_evidence):
        return
    observed = ", ".join(f"'{name}'" for name, site in model.sites.items() if site.is_observed) or "nothing"
    if log_evidence == -np.inf:
        why = why_observations_are_impossible(model)
        if why is not None:
            raise why
        raise ValueError(
            f"Expected observations that are possible; got a log evidence of -inf: no values of the latents "
            f"give {observed} together. Check the supports of these sites, or drop some observations."
        )
    raise ValueError(
        f"Expected a log evidence that is a number; got {log_evidence}: a covariance is singular, or a "
        f"distribution given {observed} is improper. Check scales and missing values."
    )


def why_observations_are_impossible(model: Model) -> ImpossibleEvidence | None:
    """Return the error that names a smallest set of observations of probability zero.

    Halves of the observations are left out, again and again, of the same compiled integral.

    Args:
        model: The model, all of whose latents can be integrated; its log evidence is minus infinity.

    Returns:
        The error: with any one of the observations left out, the others are possible. None if there are too
        many of them to try, or if it is not for them that nothing is possible.
    """
    declared = model.declarations.sites
    asked = [n for n, s in model.sites.items() if s.is_observed or declared[n].site.kind is SiteKind.FACTOR]
    shapes = {n: model.sites[n].shape[: len(model.sites[n].shape) - model.sites[n].event_dim] for n in asked}
    items: list[Item] = [(name, place) for name in asked for place in np.ndindex(shapes[name])]
    if len(items) > MOST_OBSERVATIONS:
        return None
    masks = {name: np.ones(shape, bool) for name, shape in shapes.items()}
    masked = Masked(model.program, model.declarations.scan_of(masks)).model(masks, model.args, model)
    with Precision.DOUBLE.active():
        found = find(masked)
        if found.integral is None or found.rest:
            return None
        integral, arrays = found.integral, masked.arrays(Precision.DOUBLE)
        names = sorted(asked)  # as the leaves of a dictionary are numbered

        def possible(some: Sequence[Item]) -> bool:
            masks = {name: np.zeros(shapes[name], bool) for name in names}
            for name, place in some:
                masks[name][place] = True
            leaves = {**arrays.leaves, **{str(i): masks[name] for i, name in enumerate(names)}}
            return not np.isneginf(log_evidence_of(integral, replace(arrays, leaves=leaves)))

        conflict = minimal_conflict(items, possible)
    if not conflict:
        return None
    return ImpossibleEvidence({_name(item): _value(model, item) for item in conflict})


def _name(item: Item) -> str:
    name, place = item
    return f"{name}[{','.join(map(str, place))}]" if place else name


def _value(model: Model, item: Item) -> object:
    name, place = item
    seen = model.observed.get(name, model.declarations.sites[name].observation)
    return None if seen is None else np.asarray(seen)[place].tolist()
