"""What a posterior with a reference is, and how draws are compared with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from arviz_stats.base.array import array_stats

import probdl as pdl

FOLDER = Path(__file__).parent / "data"
Draws = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Reference:
    """What is known of a quantity from reference draws.

    Attributes:
        mean: Its posterior mean.
        sd: Its posterior standard deviation.
        draws: How many independent draws they are worth.
    """

    mean: float
    sd: float
    draws: float


@dataclass(frozen=True)
class Bias:
    """How far draws are from the reference, in standard errors of both together.

    Attributes:
        mean: Largest |mean - reference| / MCSE.
        mean_at: The quantity where it is.
        sd: Largest |sd - reference| / MCSE.
        sd_at: The quantity where it is.
    """

    mean: float
    mean_at: str
    sd: float
    sd_at: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """A posterior.

    Attributes:
        program: The program.
        data: Its arguments by name.
        reference: Means and standard deviations by quantity, "beta[1]" the first element of `beta`.
        parts: Draws of the sites -> arrays (chain, draw, ...) by the names that the reference uses.
        discrete: The same program with its discrete sites, where they are summed out by hand.
    """

    program: Callable
    data: Mapping[str, Any]
    reference: Mapping[str, Reference]
    parts: Callable[[Draws], Draws] = dict
    discrete: Callable | None = None

    def model(self) -> pdl.Model:
        """Return the program with its data."""
        return pdl.Model(self.program, **self.data)

    def quantities(self, draws: Draws) -> dict[str, np.ndarray]:
        """Return the draws (chain, draw) of the quantities of the reference.

        Args:
            draws: Arrays (chain, draw, ...) by site.
        """
        arrays = {name: np.asarray(array, float) for name, array in self.parts(draws).items()}
        found = {}
        for quantity in self.reference:
            name, _, place = quantity.removesuffix("]").partition("[")
            flat = arrays[name].reshape(*arrays[name].shape[:2], -1)
            found[quantity] = flat[:, :, int(place) - 1 if place else 0]
        return found

    def bias(self, draws: Draws) -> Bias:
        """Return how far draws are from the reference.

        Args:
            draws: Arrays (chain, draw, ...) by site.
        """
        means, sds = {}, {}
        for name, values in self.quantities(draws).items():
            known = self.reference[name]
            means[name], sds[name] = _distances(values, known)
        mean_at, sd_at = (max(z, key=lambda name: z[name]) for z in (means, sds))
        return Bias(means[mean_at], mean_at, sds[sd_at], sd_at)


def _distances(values: np.ndarray, known: Reference) -> tuple[float, float]:
    own: list[Any] = [
        array_stats.mcse(values, chain_axis=0, draw_axis=1, method=kind) for kind in ("mean", "sd")
    ]
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    kurtosis = float(((values - mean) ** 4).mean() / sd**4)
    of_mean = known.sd / known.draws**0.5
    of_sd = known.sd * (max(kurtosis - 1, 0.1) / (4 * known.draws)) ** 0.5
    return (
        abs(mean - known.mean) / float(np.hypot(own[0], of_mean)),
        abs(sd - known.sd) / float(np.hypot(own[1], of_sd)),
    )


def read(name: str) -> tuple[dict[str, np.ndarray], dict[str, Reference]]:
    """Return the data and the reference of a posterior.

    Args:
        name: Name of its file.
    """
    known = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    data = {key: np.asarray(values) for key, values in known["data"].items()}
    reference = {
        key: Reference(row["mean"], row["sd"], known["draws"]) for key, row in known["reference"].items()
    }
    return data, reference
