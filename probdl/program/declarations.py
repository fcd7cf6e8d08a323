"""What one abstract run of a program learns of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from probdl.program.layout import Layout, Span
from probdl.program.sites import Site
from probdl.program.states import finite_range


@dataclass(frozen=True)
class Plate:
    """A plate: its size, and how many of its elements a run sees (fewer when it is subsampled)."""

    size: int
    seen: int


@dataclass(frozen=True)
class Declaration:
    """What one abstract run learns of a site beyond `Site` itself.

    Attributes:
        site: The site.
        batch_shape: Batch shape of its distribution, without the scan.
        event_shape: Event shape of its distribution.
        unconstrained_shape: Shape of its unconstrained value, or None where it has none.
        observation: The observed value where it is known without a computation, else None.
        mask: The mask of its distribution, or None.
        value: Shapes and types of its value, a tree for a param of a network.
        matrices: What its covariance is given by, under the name of the parameter.
    """

    site: Site
    batch_shape: tuple[int, ...] = ()
    event_shape: tuple[int, ...] = ()
    unconstrained_shape: tuple[int, ...] | None = None
    observation: Any = None
    mask: Any = None
    value: Any = None
    matrices: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Declarations:
    """All that a program declares, in the order of declaration.

    Attributes:
        sites: The sites.
        plates: The plates.
        scans: Lengths of the scans.
        states: Shapes and types of the mutable states of networks.
        nested: Whether a scan stands inside a scan.
    """

    sites: dict[str, Declaration] = field(default_factory=dict)
    plates: dict[str, Plate] = field(default_factory=dict)
    scans: dict[str, int] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    nested: bool = False

    def scan_of(self, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Return the scan of each of some sites that is in one."""
        return tuple((n, scan) for n in names if (scan := self.sites[n].site.scan) is not None)

    def layout(self, own: frozenset[str] = frozenset()) -> Layout:
        """Return where the latents lie in a position.

        Args:
            own: Continuous sites of which it has the values; discrete ones are always so.

        Returns:
            The layout; it leaves out sites whose distribution does not say what its values are.
        """
        continuous = {n: d for n, d in self.sites.items() if d.unconstrained_shape is not None}
        discrete = {n: d for n, d in self.sites.items() if d.site.is_latent and d.site.is_discrete}
        shapes = {n: d.site.shape if n in own else d.unconstrained_shape or () for n, d in continuous.items()}
        shapes |= {n: d.site.shape for n, d in discrete.items()}
        return Layout(
            tuple(shapes),
            tuple(shapes.values()),
            self.scan_of(shapes),
            own & frozenset(continuous) | frozenset(discrete),
            tuple(_span(d.site) for d in discrete.values()),
        )


def _span(site: Site) -> Span:
    values = finite_range(site)
    return Span() if values is None else Span(values.start, values.stop - 1)
