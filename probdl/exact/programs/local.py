"""The terms of a program as functions of one element of each integrated site that they read.

The elements of a plate lie side by side: where every element of a term reads one element of a site, giving
all elements of the site the same value shows what each element of the term makes of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.exact.programs.positions import one_position, over
from probdl.exact.programs.scan_equation import ScanEquation
from probdl.exact.programs.variables import Ref, Variable
from probdl.exact.programs.window import Window, windows
from probdl.graphs.relation import Position, Read
from probdl.program.jaxprs import part
from probdl.program.repeated import Repeated
from probdl.program.sites import Site
from probdl.program.terms import Terms


class Unaligned(ValueError):
    """A term that reads more than one element of a variable along an axis: its elements go together.

    Args:
        variable: The variable.
        axis: The plate or scan.
        reason: Who reads it how.
    """

    def __init__(self, variable: str, axis: str, reason: str) -> None:
        self.variable, self.axis, self.reason = variable, axis, reason
        super().__init__(reason)


class NotIntegrable(ValueError):
    """A latent that cannot be integrated out with the others.

    Args:
        name: The latent.
        reason: What prevents it.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"'{name}' cannot be integrated out: {reason}")


@dataclass(frozen=True, eq=False)
class Local:
    """A term as a function of elements.

    Attributes:
        name: The site.
        axes: Its plates and scans, in the order of the axes of its values.
        lengths: Their lengths.
        start: The first step of the scan that it holds for.
        refs: What it reads.
        run: From the flat inputs and one element for each ref to the term. Its axes are `axes`, of length
            one where it does not vary; then those that are no part of the batch.
        step: The one step of a scan that it is, without an axis for it; or None.
    """

    name: str
    axes: tuple[str, ...]
    lengths: tuple[int, ...]
    start: int
    refs: tuple[Ref, ...]
    run: Callable[[Sequence[Array], Sequence[Array]], Array]
    step: int | None = None


@dataclass(frozen=True, eq=False)
class Locals:
    """All terms of a program.

    Attributes:
        terms: The trace of the program.
        sites: Its sites.
        reads: What the sites read of each other, through deterministic ones.
        variables: What is integrated.
    """

    terms: Terms
    sites: Mapping[str, Site]
    reads: Mapping[tuple[str, str], Sequence[Read]]
    variables: Mapping[str, Variable]

    def all(self) -> list[Local]:
        """Return the terms that read a variable, those of a scan once for each kind of step.

        Returns:
            The terms.

        Raises:
            Unaligned: If elements of a variable have to go together.
        """
        return [local for number in range(len(self.terms.names)) for local in self._of(number)]

    def of(self, name: str) -> list[Local]:
        """Return the own term of a site, that of a scan once for each kind of step.

        Args:
            name: The site.

        Returns:
            The terms, if they read a variable.

        Raises:
            Unaligned: If elements of a variable have to go together.
        """
        return [
            local for number, own in enumerate(self.terms.names) if own == name for local in self._of(number)
        ]

    def constant(self, inputs: Sequence[Array]) -> list[Array]:
        """Return the terms that read no variable.

        Args:
            inputs: The flat inputs of the terms.

        Returns:
            One array a term.
        """
        wanted = [i for i in range(len(self.terms.names)) if not self._used(i)]
        return part(self.terms.jaxpr, wanted).run(*inputs) if wanted else []

    def _used(self, number: int) -> list[str]:
        used = part(self.terms.jaxpr, [number]).used
        return [
            name
            for name, flag in zip(self.terms.inputs, used, strict=True)
            if flag and name is not None and name in self.variables
            if self._matters(name, self.terms.names[number])
        ]

    def _matters(self, parent: str, child: str) -> bool:
        return parent == child or (parent, child) in self.reads

    def _of(self, number: int) -> list[Local]:
        used = self._used(number)
        if not used:
            return []
        site = self.sites[self.terms.names[number]]
        along = [name for name in used if site.scan is not None and site.scan in self.variables[name].axes]
        if along:
            return self._steps(number, site, along)
        shape = self.terms.jaxpr.out_avals[number].shape
        axes = self._axes(site, shape[: len(shape) - self.terms.trailing])
        refs = tuple(self._ref(name, site, axes) for name in used)
        step = part(self.terms.jaxpr, [number])

        def run(inputs: Sequence[Array], elements: Sequence[Array]) -> Array:
            placed = self._placed(inputs, dict(zip(used, elements, strict=True)))
            return arranged(step.repeating(placed)[0], axes, self.terms.trailing)

        return [Local(site.name, *self._lengths(site, axes), 0, refs, run)]

    def _steps(self, number: int, site: Site, along: Sequence[str]) -> list[Local]:
        jaxpr, names = self.terms.jaxpr.jaxpr, frozenset(self.variables)
        var = jaxpr.outvars[number]
        equation = next((e for e in jaxpr.eqns if var in e.outvars), None)
        if equation is None or equation.primitive.name != "scan":
            raise Unaligned(along[0], str(site.scan), f"the steps of '{site.name}' cannot be told apart")
        if equation.params["reverse"]:
            raise Unaligned(along[0], str(site.scan), f"the scan of '{site.name}' runs backward")
        own = frozenset(name for name in names if site.scan in self.variables[name].axes)
        scan = ScanEquation(self.terms, equation, names, own)
        found = windows(scan, equation.outvars.index(var))
        if found is None:
            reason = f"'{site.name}' reads all earlier steps of '{along[0]}'"
            raise Unaligned(along[0], str(site.scan), reason)
        return [self._windowed(window, site) for window in found]

    def _windowed(self, window: Window, site: Site) -> Local:
        scan = str(site.scan)
        axes = self._axes(site, site.shape[: len(site.shape) - site.event_dim])
        keys = [key for key in window.reads if self._matters(key[0], site.name)]
        outer = [name for name in window.outer if self._matters(name, site.name)]
        refs = [self._ref(name, site, axes, lag, scan) for name, lag in keys]
        refs += [self._ref(name, site, axes) for name in outer]
        if window.reaches_back:
            place = [name for name, _ in axes].index(scan)
            refs = [ref.at_step(place, window.start) for ref in refs]
            refs = [ref.of_step(scan, window.start) for ref in refs[: len(keys)]] + refs[len(keys) :]
            axes = tuple((name, axis - 1) for name, axis in axes if name != scan)

        def run(inputs: Sequence[Array], elements: Sequence[Array]) -> Array:
            values = dict(zip([*keys, *outer], elements, strict=True))
            steps = {key: self.variables[key[0]].filled(values[key]).whole[0] for key in keys}
            steps |= {key: self.variables[key[0]].nothing[0] for key in window.reads if key not in steps}
            placed = self._placed(inputs, {name: values[name] for name in outer})
            found = window.run([Repeated.of(value).whole for value in placed], steps)
            found = found[0] if window.reaches_back else found
            return arranged(Repeated.of(found), axes, self.terms.trailing)

        start, step = (0, window.start) if window.reaches_back else (window.start, None)
        return Local(site.name, *self._lengths(site, axes), start, tuple(refs), run, step)

    def _placed(self, inputs: Sequence[Array], elements: Mapping[str, Array]) -> list[Array | Repeated]:
        """Return the inputs with elements in the place of variables."""
        placed: list[Array | Repeated] = list(inputs)
        for i, name in enumerate(self.terms.inputs):
            if name is None:
                continue
            if name in elements:
                placed[i] = self.variables[name].filled(elements[name])
            elif name in self.variables:
                placed[i] = self.variables[name].nothing
        return placed

    @staticmethod
    def _axes(site: Site, shape: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
        """Return the axis of a term along which each plate and scan of its site lies."""
        shift = len(shape) - (len(site.shape) - site.event_dim)
        found = [(name, axis if name == site.scan else axis + shift) for name, axis in site.axes]
        kept = [(n, a) for n, a in found if 0 <= a < len(shape) and shape[a] == length_of(site, n)]
        return tuple(sorted(kept, key=lambda item: item[1]))

    @staticmethod
    def _lengths(site: Site, axes: Sequence[tuple[str, int]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        names = tuple(name for name, _ in axes)
        return names, tuple(length_of(site, name) for name in names)

    def _ref(
        self, name: str, child: Site, axes: Sequence[tuple[str, int]], lag: int = 0, scan: str | None = None
    ) -> Ref:
        """Return where a term finds a variable.

        Raises:
            Unaligned: If it reads more than one of its elements.
        """
        variable, places = self.variables[name], [axis for axis, _ in axes]
        at = []
        for axis in variable.axes:
            if axis == scan:
                continue
            if name == child.name:
                position: Position = 0
            else:
                reads = self.reads[name, child.name]
                position = one_position([read.positions.get(axis, 0) for read in reads])
            if position is None or (isinstance(position, int) and axis not in places):
                raise Unaligned(name, axis, f"'{child.name}' reads more than one '{name}' along '{axis}'")
            if not isinstance(position, int):
                read = self.reads[name, child.name][0]
                at.append((axis, over(np.asarray(position), read.axes, places)))
            elif position != 0:
                length = length_of(variable.site, axis)
                shifted = np.clip(np.arange(length) + position, 0, length - 1)
                at.append((axis, over(shifted, (axis,), places)))
        return Ref(name, lag, tuple(at))


def length_of(site: Site, name: str) -> int:
    """Return the length of a plate or scan of a site."""
    return site.shape[dict(site.axes)[name]]


def arranged(term: Repeated, axes: Sequence[tuple[str, int]], trailing: int = 0) -> Array:
    """Return a term summed over all axes but those of plates and scans, where it may be of length one.

    Args:
        term: The term.
        axes: The plates and scans, each with its axis.
        trailing: How many last axes are kept, too, and written out.
    """
    rank = len(term.shape)
    term = term.along(range(rank - trailing, rank))
    kept = [axis for _, axis in axes]
    summed = tuple(axis for axis in range(rank - trailing) if axis not in kept)
    count = math.prod(term.shape[axis] for axis in summed if axis in term.axes)
    return count * jnp.sum(term.array, axis=summed)
