"""What a program declares: its sites, and the axes along which they repeat."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


class SiteKind(enum.Enum):
    """What a site is to inference."""

    LATENT = "latent"
    OBSERVED = "observed"
    DETERMINISTIC = "deterministic"
    FACTOR = "factor"
    PARAM = "param"
    INTERVENED = "intervened"


@dataclass(frozen=True)
class Site:
    """One declared site of a program.

    Attributes:
        name: The name that the program gives it.
        kind: Latent, observed, deterministic, factor, param or intervened (held by `do`).
        shape: Shape of its value: scan steps, plates, other batch axes, then the event.
        dtype: Type of its value.
        event_dim: How many rightmost axes form one draw.
        plates: The plates around it, outermost first.
        scan: The scan that repeats it, or None; its axis is the first of the shape.
        axes: The axis of the value along which each of its plates and its scan lies.
        distribution: Name of its distribution, without the wrappers; "" where it has none.
        support: The NumPyro constraint on its values, of a param as well; None where it depends on other
            sites or where there is none.
        is_discrete: Whether its values are discrete.

    Example:
        >>> site = Site("y", SiteKind.OBSERVED, (8,), np.dtype("float32"), plates=("school",))
        >>> site.is_random
        True
    """

    name: str
    kind: SiteKind
    shape: tuple[int, ...] = ()
    dtype: np.dtype = np.dtype("float32")
    event_dim: int = 0
    plates: tuple[str, ...] = ()
    scan: str | None = None
    axes: tuple[tuple[str, int], ...] = ()
    distribution: str = ""
    support: Any = None
    is_discrete: bool = False

    @property
    def is_random(self) -> bool:
        """Whether the site is drawn from a distribution, observed or not."""
        return self.kind in (SiteKind.LATENT, SiteKind.OBSERVED)

    @property
    def is_latent(self) -> bool:
        """Whether the site is random and not observed."""
        return self.kind is SiteKind.LATENT

    @property
    def is_observed(self) -> bool:
        """Whether the site is random and its value is known."""
        return self.kind is SiteKind.OBSERVED


def intervened(site: Site) -> Site:
    """Return a site as it is when `do` holds it.

    Args:
        site: The site.

    Returns:
        The same site without its distribution.
    """
    return replace(site, kind=SiteKind.INTERVENED, distribution="", support=None, is_discrete=False)
