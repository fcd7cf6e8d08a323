"""A start of EM from clusters of the data, for programs whose latents are discrete."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from probdl.exact.programs.variables import Kind, Variable
from probdl.program.known import known, observation_of
from probdl.program.missing import seen_of
from probdl.program.model import Model
from probdl.program.sites import Site
from probdl.program.states import finite_range

UNORDERED = "Categorical"


@dataclass(frozen=True, kw_only=True)
class KMeansStart:
    """Begin where the data would lead if latents were the clusters that k-means finds.

    Each discrete latent in a plate or scan has as many clusters as it has states. What is clustered are the
    observations of its place, of all sites that share its plates: in units of their standard deviations,
    those of a categorical site as indicators. An M-step from these states gives the parameters; what they do
    not touch begins where the program says. Restarts have other seeds of k-means++.

    Args:
        certainty: How probable the state is that belongs to the cluster; the others share what is left.

    Raises:
        ValueError: If the certainty is not between zero and one.

    Example:
        >>> KMeansStart(certainty=0.9)
        KMeansStart(certainty=0.9)

    Source:
        Bishop & Bishop (2023), §15.1 and §15.2.2; Arthur & Vassilvitskii (2007).
    """

    certainty: float = 0.95

    def __post_init__(self) -> None:
        """Check the certainty."""
        if not 0 < self.certainty < 1:
            raise ValueError(f"Expected a certainty between 0 and 1; got {self.certainty!r}. Pass 0.95, say.")

    def states(
        self, model: Model, variables: Sequence[Variable], seed: int
    ) -> dict[str, Float[np.ndarray, "*axes state"]]:
        """Return logarithms of probabilities of the states of latents.

        Args:
            model: The model.
            variables: Its latents, as they are integrated.
            seed: A seed of k-means++.

        Raises:
            ValueError: If a latent is not discrete, or if no latent shares its plates with data.
        """
        found = {}
        for number, variable in enumerate(variables):
            if variable.kind is not Kind.DISCRETE:
                raise ValueError(
                    f"Expected discrete latents to begin from clusters; got '{variable.name}', which is "
                    f"{variable.kind.value}. Drop start=KMeansStart()."
                )
            data = observations_of(model, variable.axes)
            if data is None:
                continue
            labels = clusters(data, variable.size, seed + number)
            share = (1 - self.certainty) / max(variable.size - 1, 1)
            table = np.where(np.eye(variable.size, dtype=bool)[labels], self.certainty, share)
            found[variable.name] = np.log(table).reshape(*variable.lengths, variable.size)
        if not found:
            raise ValueError(
                "Expected a discrete latent that shares its plates or its scan with data, to begin from "
                "clusters; got none. Drop start=KMeansStart()."
            )
        return found


def observations_of(model: Model, axes: Sequence[str]) -> Float[np.ndarray, "place feature"] | None:
    """Return what was observed at each place of some plates and scans, in standard deviations.

    Args:
        model: The model.
        axes: The plates and scans.

    Returns:
        A row for each place, the last axis fastest; what was not seen is at the mean. None if nothing was
        observed there.
    """
    if not axes:
        return None
    found, columns, gaps = known(model), [], seen_of(model)
    for name, declaration in model.declarations.sites.items():
        site = declaration.site
        value = observation_of(model, name)
        if value is not None and {*axes} <= {axis for axis, _ in site.axes}:
            mask = found.masks.get(name, declaration.mask)
            seen = np.ones(site.shape, bool) if mask is None else np.broadcast_to(mask, site.shape)
            seen = seen & gaps.get(name, True)
            columns.append(_columns(site, np.broadcast_to(value, site.shape), seen, axes))
    if not columns:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a column of which nothing was seen has no mean
        rows = np.concatenate(columns, 1)
        spread = np.nanstd(rows, 0)
        return np.nan_to_num((rows - np.nanmean(rows, 0)) / np.where(spread > 0, spread, 1.0))


def _columns(
    site: Site, value: np.ndarray, seen: np.ndarray, axes: Sequence[str]
) -> Float[np.ndarray, "place feature"]:
    """Return the values of a site as rows, NaN where they were not seen."""
    if site.distribution == UNORDERED and (states := finite_range(site)) is not None:
        value, seen = (value[..., None] == np.array(states)).astype(float), seen[..., None]
    value = np.where(seen, value, np.nan)
    places: Mapping[str, int] = dict(site.axes)
    moved = np.moveaxis(value, [places[axis] for axis in axes], range(len(axes)))
    return moved.reshape(math.prod(moved.shape[: len(axes)]), -1).astype(float)


def clusters(rows: Float[np.ndarray, "place feature"], count: int, seed: int) -> Int[np.ndarray, " place"]:
    """Return the cluster of each row.

    Args:
        rows: The rows.
        count: How many clusters; some are empty if fewer rows differ.
        seed: A seed.

    Example:
        >>> first, second, third = clusters(np.array([[0.0], [0.1], [5.0]]), 2, 0)
        >>> bool(first == second != third)
        True
    """
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = KMeans(min(count, len(rows)), n_init=1, random_state=seed)  # pyright: ignore[reportArgumentType]
        return np.asarray(found.fit(rows).labels_)
