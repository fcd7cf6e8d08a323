"""What can be said of a run while it goes on, and when it may stop."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

FIRST_LOOK, LOOKS_GROW = 100, 1.25
MOST_ELEMENTS, LEAST_ELEMENTS = 1024, 4
MOST_DRAWS, MOST_PARTS = 2048, 64
MOST_FOR_ESS, PER_ESS = 2**17, 4.0


@dataclass(frozen=True, kw_only=True)
class Until:
    """When a run may stop before all draws have been made.

    It is looked at after 100 draws of each chain, and then whenever there are a quarter more; so the number
    of draws does not depend on how fast the machine is.

    Attributes:
        min_ess: The smallest bulk effective sample size that is enough: of all chains, up to 32,768 a chain.
        max_rhat: The largest R-hat that is small enough.

    Raises:
        ValueError: If one of them can never be met.

    Example:
        >>> Until(min_ess=400)
        Until(min_ess=400, max_rhat=1.01)
    """

    min_ess: float = 400
    max_rhat: float = 1.01

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.min_ess > 0 or not self.max_rhat > 1:
            raise ValueError(
                f"Expected min_ess above 0 and max_rhat above 1; got {self.min_ess!r} and {self.max_rhat!r}. "
                f"Pass for instance Until(min_ess=400, max_rhat=1.01)."
            )

    def met(self, snapshot: Snapshot) -> bool:
        """Return whether a run may stop."""
        return snapshot.min_ess >= self.min_ess and snapshot.max_rhat <= self.max_rhat


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """A run under way, after a chunk of steps.

    Attributes:
        warming_up: Whether it still warms up.
        steps: Steps done of each chain.
        drawn: Draws kept of each chain.
        num_samples: How many are asked for.
        divergences: Transitions among the draws that diverged.
        step_size: The step size now; NaN if the method has none.
        seconds: Time since the start.
        seconds_left: About how long it will take; NaN before anything is known.
        samples: Draws of some sites, thinned: for R-hat and ESS, which are computed when they are asked for.

    Example:
        >>> draws = np.random.default_rng(0).normal(size=(4, 500, 1))
        >>> snapshot = Snapshot(
        ...     warming_up=False, steps=800, drawn=500, num_samples=1000, divergences=0, step_size=0.9,
        ...     seconds=2.0, seconds_left=2.0, samples={"x": draws})
        >>> snapshot.max_rhat < 1.02, snapshot.min_ess > 1000
        (True, True)
    """

    warming_up: bool
    steps: int
    drawn: int
    num_samples: int
    divergences: int
    step_size: float
    seconds: float
    seconds_left: float
    samples: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def _worst(self) -> tuple[float, float]:
        from probdl.inference.diagnostics import worst_of

        if self.drawn < 4:
            return np.inf, 0.0
        unnamed = ((name, v, np.full(v.shape[2], "")) for name, v in self.samples.items())
        rhat, bulk, _ = worst_of(unnamed)
        return (1.0 if rhat is None else rhat[0]), (np.inf if bulk is None else bulk[0])

    @property
    def max_rhat(self) -> float:
        """The largest R-hat of the draws so far; infinite before there are any."""
        return self._worst[0]

    @property
    def min_ess(self) -> float:
        """The smallest bulk effective sample size of the draws so far."""
        return self._worst[1]


def next_look(drawn: int) -> int:
    """Return the number of draws at which a run is looked at next.

    Args:
        drawn: Draws so far.

    Returns:
        More than that.

    Example:
        >>> next_look(0), next_look(100), next_look(130)
        (100, 125, 156)
    """
    look = FIRST_LOOK
    while look <= drawn:
        look = int(look * LOOKS_GROW)
    return look


def kept_for(min_ess: float, num_chains: int) -> int:
    """Return how many draws of each chain are kept at most for an effective sample size to be seen.

    Thinned draws are worth no more than there are of them. Twice as many as that leave of correlated ones
    nearly all that they are worth, and thinning may have halved them.

    Args:
        min_ess: The effective sample size.
        num_chains: Number of chains.

    Returns:
        A number between 2048 and 131,072.

    Example:
        >>> kept_for(400, 4), kept_for(20_000, 4), kept_for(1e9, 4)
        (2048, 20000, 131072)
    """
    return int(min(max(MOST_DRAWS, PER_ESS * min_ess / num_chains), MOST_FOR_ESS))


class Thinned:
    """Draws of some elements of all sites: when there are too many, every other one is kept.

    Args:
        most: The most draws of each chain. The more they are, the fewer elements are looked at.
    """

    def __init__(self, most: int = MOST_DRAWS) -> None:
        self._most, self._elements = most, MOST_ELEMENTS * MOST_DRAWS // most
        self._every, self._seen = 1, 0
        self._kept: dict[str, tuple[np.ndarray, ...]] = {}

    def add(self, values: Mapping[str, np.ndarray]) -> None:
        """Add a block of draws (chain, draw, ...) by site."""
        arrays = {name: array for name, array in values.items() if array.dtype.kind in "fiub" and array.size}
        count = next(iter(values.values())).shape[1]
        rows = np.arange(-self._seen % self._every, count, self._every)
        most = max(self._elements // max(len(arrays), 1), LEAST_ELEMENTS)
        for name, array in arrays.items():
            flat = array.reshape(*array.shape[:2], -1)
            size = flat.shape[2]
            picked = np.unique(np.linspace(0, size - 1, min(size, most)).astype(int))
            part = np.asarray(flat[:, rows][:, :, picked], float)
            parts = (*self._kept.get(name, ()), part)
            self._kept[name] = parts if len(parts) < MOST_PARTS else (np.concatenate(parts, axis=1),)
        self._seen += count
        while self._seen // self._every > self._most:
            self._kept = {name: (array[:, ::2],) for name, array in self.samples.items()}
            self._every *= 2

    @property
    def samples(self) -> Mapping[str, np.ndarray]:
        """The draws (chain, draw, element) by site, joined when they are looked at."""
        return _Joined(dict(self._kept))


class _Joined(Mapping[str, np.ndarray]):
    """Arrays by name whose parts are joined when they are looked at."""

    def __init__(self, parts: dict[str, tuple[np.ndarray, ...]]) -> None:
        self._parts = parts

    def __getitem__(self, name: str) -> np.ndarray:
        return np.concatenate(self._parts[name], axis=1)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)
