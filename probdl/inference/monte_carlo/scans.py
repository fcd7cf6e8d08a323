"""What a particle filter has to know of a program with a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jax.extend.core import Literal  # pyright: ignore[reportPrivateImportUsage]

from probdl.graphs.dataflow import scan_counts
from probdl.graphs.read import edges_of
from probdl.inference.monte_carlo import obstacles
from probdl.program.jaxprs import inputs_of, part
from probdl.program.model import Model
from probdl.program.provenance import Provenance, provenance
from probdl.program.sites import SiteKind


@dataclass(frozen=True)
class Filterable:
    """The latents of a program with one scan.

    Attributes:
        scan: The scan.
        scanned: Its latents.
        before: The latents outside that it starts from.
        is_markov: Whether what it carries on is made of the latents of the last step alone.
    """

    scan: str
    scanned: tuple[str, ...]
    before: tuple[str, ...]
    is_markov: bool


def filterable(model: Model) -> Filterable | str:
    """Return what a particle filter has to know of a model, or why it cannot treat it.

    Args:
        model: The model.

    Returns:
        The latents, or the site and what about it prevents it.
    """
    if reason := obstacles.no_prior_draws(model):
        return reason
    scans = {
        site.scan for name, site in model.sites.items() if site.scan is not None and name in model.latents
    }
    if not scans:
        return "no latent site is in a scan"
    if len(model.scans) > 1:
        return f"the program has {len(model.scans)} scans: {', '.join(model.scans)}"
    (scan,) = model.scans
    if not model.scans[scan]:
        return f"scan '{scan}' has no steps"
    scanned = tuple(name for name in model.latents if model.sites[name].scan == scan)
    outside = [name for name in model.latents if name not in scanned]
    edges = edges_of(model, latent_only=True)
    reached = _reached(edges, scanned)
    for name in reached:
        site = model.sites[name]
        if site.scan is None and (site.is_observed or site.kind is SiteKind.FACTOR):
            kind = "observed" if site.is_observed else "a factor"
            return (
                f"site '{name}' is {kind} outside the scan and depends on what is in it: put it in the scan"
            )
    loop = _Loop.of(model, scanned)
    if loop is None:
        return "its scan stands inside another transformation of JAX: put it directly in the program"
    if loop.equation.params["reverse"]:
        return f"scan '{scan}' runs backwards: turn its inputs round instead"
    fixed = loop.read_at_every_step
    for name in outside:
        if name in fixed and name not in reached:
            return (
                f"site '{name}' is a parameter of every step: fix it with model.condition({name}=...), or "
                f"infer it with NUTS(), of which Marginalized sums the states out where it can"
            )
    before = tuple(name for name in outside if name not in reached)
    return Filterable(scan, scanned, before, loop.is_markov)


def _reached(edges: dict[tuple[str, str], list], names: tuple[str, ...]) -> set[str]:
    """Return what depends on some sites."""
    found, ahead = set(), set(names)
    while ahead:
        ahead = {child for parent, child in edges if parent in ahead} - found - set(names)
        found |= ahead
    return found


@dataclass(frozen=True, eq=False)
class _Loop:
    """The loop of a program whose sites are cut.

    Attributes:
        traced: The program.
        equation: The loop.
        scanned: The latents in it.
    """

    traced: Provenance
    equation: Any
    scanned: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, scanned: tuple[str, ...]) -> _Loop | None:
        """Return the loop of a model, if it is found."""
        traced = provenance(*model.bound_to_data, model.declarations, latent_only=True)
        loops = [equation for equation in traced.jaxpr.jaxpr.eqns if equation.primitive.name == "scan"]
        found = [cls(traced, equation, scanned) for equation in loops]
        return next((loop for loop in found if loop.has_latents), None)

    @property
    def counts(self) -> tuple[int, int]:
        """How many of its inputs are constants, and how many are carried."""
        return scan_counts(self.equation.params)

    @property
    def slices(self) -> range:
        """The inputs of which each step sees a slice."""
        return range(sum(self.counts), len(self.equation.invars))

    @property
    def has_latents(self) -> bool:
        """Whether its latents are sliced by it."""
        return any(self.made_of(i) & set(self.scanned) for i in self.slices)

    def made_of(self, number: int) -> set[str]:
        """Return the sites that an input is made of."""
        if isinstance(self.equation.invars[number], Literal):
            return set()
        used = part(inputs_of(self.traced.jaxpr, self.equation), [number]).used
        return {name for name, flag in zip(self.traced.inputs, used, strict=True) if flag}

    @property
    def read_at_every_step(self) -> set[str]:
        """The sites outside that are read otherwise than by what is carried at first."""
        consts = range(self.counts[0])
        names = {name for number in (*consts, *self.slices) for name in self.made_of(number)}
        return names - set(self.scanned)

    @property
    def is_markov(self) -> bool:
        """Whether what a step carries on depends on its own latents, and on nothing random before them."""
        consts, carried = self.counts
        body = self.equation.params["jaxpr"]
        made = [part(body, [i]).used for i in range(carried)]
        latent = {i for i in self.slices if self.made_of(i) & set(self.scanned)}
        random = {i for i in range(carried) if self.made_of(consts + i)}
        while True:
            touched = {consts + i for i in random} | latent
            more = {i for i in range(carried) if any(made[i][k] for k in touched)}
            if more <= random:
                break
            random |= more
        return not any(made[i][consts + k] for i in random for k in random)
