"""A scan in the trace of a program: what its carry is made of, and what enters its steps."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal  # pyright: ignore[reportPrivateImportUsage]
from jaxtyping import Array

from probdl.graphs.dataflow import scan_counts
from probdl.program.jaxprs import Part, inputs_of, part
from probdl.program.terms import Terms

Arrays = tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class ScanEquation:
    """A scan in the trace of a program.

    A step has inputs in the order constants, carry, slices; its results are the carry, then what is stacked.

    Attributes:
        terms: The trace.
        equation: The equation of the scan.
        names: The sites that are integrated.
        own: Those of the scan, with steps side by side.
    """

    terms: Terms
    equation: Any
    names: frozenset[str]
    own: frozenset[str]

    @property
    def length(self) -> int:
        """Number of steps."""
        return self.equation.params["length"]

    @property
    def body(self) -> ClosedJaxpr:
        """One step."""
        return self.equation.params["jaxpr"]

    @functools.cached_property
    def counts(self) -> tuple[int, int]:
        """How many inputs are constants, and how many are carried."""
        return scan_counts(self.equation.params)

    @functools.cached_property
    def sliced(self) -> dict[str, int]:
        """The integrated sites whose values are sliced, with the number of the input of a step."""
        site_of = dict(zip(self.terms.jaxpr.jaxpr.invars, self.terms.inputs, strict=True))
        first = sum(self.counts)
        names = [None if isinstance(v, Literal) else site_of.get(v) for v in self.equation.invars[first:]]
        return {name: first + i for i, name in enumerate(names) if name is not None and name in self.own}

    @functools.cached_property
    def integrated(self) -> frozenset[int]:
        """The entries of the carry that are made of integrated sites of this scan."""
        consts, carried = self.counts
        made = [part(self.body, [i]).used for i in range(carried)]
        found: set[int] = set()
        while True:
            touched = {consts + i for i in found} | set(self.sliced.values())
            more = {i for i, used in enumerate(made) if any(used[k] for k in touched)}
            if more <= found:
                return frozenset(found)
            found |= more

    def carry_of(self, used: Sequence[bool], *, integrated: bool) -> tuple[int, ...]:
        """Return the entries of the carry among the inputs of a step that are used.

        Args:
            used: For each input of a step whether it is used.
            integrated: Whether those made of integrated sites are wanted, or the others.

        Returns:
            Their numbers.
        """
        consts, carried = self.counts
        return tuple(i for i in range(carried) if used[consts + i] and (i in self.integrated) is integrated)

    def closed(self, free: Iterable[int]) -> tuple[int, ...]:
        """Return entries of the carry together with those that they are computed from."""
        found = set(free)
        while more := set(self.carry_of(part(self.body, sorted(found)).used, integrated=False)) - found:
            found |= more
        return tuple(sorted(found))

    def inputs(self, wanted: Iterable[int]) -> Part:
        """Return what computes some inputs of the scan, in the order of their numbers."""
        return part(inputs_of(self.terms.jaxpr, self.equation), sorted(set(wanted)))

    def before(self, inputs: dict[int, Array], free: tuple[int, ...]) -> dict[int, Array]:
        """Return entries of the carry as each step finds them, those that integrated sites do not touch.

        Args:
            inputs: Inputs of the scan, by number.
            free: Which entries; closed.

        Returns:
            Arrays with the steps first.
        """
        if not free:
            return {}
        consts = self.counts[0]
        step = part(self.body, free)
        sliced = [i for i in range(sum(self.counts), len(step.used)) if step.used[i]]

        def go(carry: Arrays, xs: Arrays) -> tuple[Arrays, Arrays]:
            held = {consts + i: value for i, value in zip(free, carry, strict=True)}
            held |= dict(zip(sliced, xs, strict=True))
            return tuple(self.called(step, inputs | held)), carry

        start = tuple(inputs[consts + i] for i in free)
        _, found = jax.lax.scan(go, start, tuple(inputs[i] for i in sliced), length=self.length)
        return dict(zip(free, found, strict=True))

    def called(self, step: Part, held: dict[int, Array]) -> list[Array]:
        """Run a part of the step on inputs by number."""
        return step.run(*(held.get(i) for i in range(len(step.used))))
