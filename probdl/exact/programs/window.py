"""The terms of a scan as functions of a window of steps: the same function at every step.

A step of a scan sees earlier steps only through the carry. A carry that is made of integrated sites is
followed back to the steps whose values it is made of; a carry that is not (a clock, the observation of the
step before) is computed once for all steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.programs.scan_equation import ScanEquation
from probdl.program.jaxprs import Part, part

LONGEST = 4


@dataclass(frozen=True, eq=False)
class Window:
    """A term of a scan at some steps, as a function of the integrated sites that it reads.

    Attributes:
        scan: The scan.
        stages: What is computed of each step of the window, the earliest first; the last gives the term.
        start: The first step that it holds for.
        stop: The step after the last one.
        reaches_back: Whether it goes back to the start of the scan: it then holds for one step.
    """

    scan: ScanEquation
    stages: tuple[Part, ...]
    start: int
    stop: int
    reaches_back: bool = False

    @property
    def reads(self) -> tuple[tuple[str, int], ...]:
        """The sites of the scan that it reads, each with how many steps ago."""
        return tuple(
            (site, len(self.stages) - 1 - level)
            for level, stage in enumerate(self.stages)
            for site, number in self.scan.sliced.items()
            if stage.used[number]
        )

    @property
    def _from_start(self) -> tuple[int, ...]:
        return self.scan.carry_of(self.stages[0].used, integrated=True)

    @property
    def _free(self) -> tuple[int, ...]:
        direct = {i for stage in self.stages for i in self.scan.carry_of(stage.used, integrated=False)}
        return self.scan.closed(direct) if direct else ()

    @property
    def _slices(self) -> tuple[int, ...]:
        first, own = sum(self.scan.counts), self.scan.sliced.values()
        stages = self._all_parts()
        return tuple(
            i
            for i in range(first, len(stages[0].used))
            if i not in own and any(stage.used[i] for stage in stages)
        )

    def _all_parts(self) -> tuple[Part, ...]:
        return (*self.stages, part(self.scan.body, self._free)) if self._free else self.stages

    @property
    def varies(self) -> bool:
        """Whether it depends on the step otherwise than by the values that it reads."""
        return bool(self._free or self._slices)

    @property
    def _inputs(self) -> tuple[int, ...]:
        consts = self.scan.counts[0]
        fixed = {i for i in range(consts) if any(stage.used[i] for stage in self._all_parts())}
        carried = {consts + i for i in (*self._free, *self._from_start)}
        return tuple(sorted({*fixed, *carried, *self._slices}))

    @property
    def outer(self) -> tuple[str, ...]:
        """The integrated sites outside of the scan that it reads."""
        names = self.scan.terms.inputs
        used = self.scan.inputs(self._inputs).used
        read = (name for name, flag in zip(names, used, strict=True) if flag and name is not None)
        return tuple(name for name in read if name in self.scan.names)

    def run(self, inputs: Sequence[Array], values: Mapping[tuple[str, int], Array]) -> Array:
        """Return the term, the steps first: of length one unless it varies.

        Args:
            inputs: The flat inputs of the terms.
            values: Values of what it reads, for one step.

        Returns:
            One array.
        """
        held = dict(zip(self._inputs, self.scan.inputs(self._inputs).run(*inputs), strict=True))
        before = self.scan.before(held, self._free)
        depth, consts = len(self.stages), self.scan.counts[0]
        sliced = {i: jnp.asarray(held[i]) for i in self._slices}
        sliced |= {consts + i: stacked for i, stacked in before.items()}
        first, count = self.start - (depth - 1), self.stop - self.start
        entering = [{i: x[first + k : first + k + count] for i, x in sliced.items()} for k in range(depth)]

        def once(entering: list[dict[int, Array]]) -> Array:
            results: list[Array] = []
            made = {consts + i: held[consts + i] for i in self._from_start}
            for level, stage in enumerate(self.stages):
                own = {
                    number: values[site, depth - 1 - level]
                    for site, number in self.scan.sliced.items()
                    if stage.used[number]
                }
                results = self.scan.called(stage, held | made | entering[level] | own)
                if level < depth - 1:
                    following = self.scan.carry_of(self.stages[level + 1].used, integrated=True)
                    made = {consts + i: r for i, r in zip(following, results, strict=True)}
            return results[0]

        return jax.vmap(once)(entering) if sliced else once(entering)[None]


def windows(scan: ScanEquation, result: int) -> list[Window] | None:
    """Return a term of a scan as windows: one for each of the first few steps, and one for all others.

    Args:
        scan: The scan.
        result: The number of the term among the results of a step.

    Returns:
        The windows, or None if the term depends on integrated sites of all earlier steps.
    """
    stages = [part(scan.body, [result])]
    while needed := scan.carry_of(stages[0].used, integrated=True):
        if len(stages) == LONGEST:
            return None
        stages.insert(0, part(scan.body, needed))
    depth = len(stages)
    found = [
        Window(scan, tuple(stages[depth - 1 - step :]), step, step + 1, reaches_back=True)
        for step in range(min(depth - 1, scan.length))
    ]
    if scan.length >= depth:
        found.append(Window(scan, tuple(stages), depth - 1, scan.length))
    return found
