"""Elimination over plates and scans: variables are removed one after the other, elements side by side.

The order is found while it runs. It depends on shapes alone, so that an abstract run is the plan.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.chains.logarithms import log_sum
from probdl.exact.conjugacy.conjugate_integral import integrated
from probdl.exact.gaussians.gaussian import Canonical
from probdl.exact.gaussians.gaussian_integral import MOST_NATS, integrate, maximize
from probdl.exact.programs.chain_steps import (
    ChainStep,
    GaussianChainStep,
    log_maximum_of_paths,
    log_sum_of_paths,
)
from probdl.exact.programs.chains import chain_arrays, gaussian_chain
from probdl.exact.programs.joined import curvatures, joint_quadratic, joint_table, over_batch, quadratic
from probdl.exact.programs.local import NotIntegrable, Unaligned
from probdl.exact.programs.potential import Potential, Space, check_table, scope_of, settled
from probdl.exact.programs.steps import ConjugateStep, DiscreteStep, GaussianStep, Step
from probdl.exact.programs.variables import Kind, Ref, Variable

LOST = 1e-12  # of a curvature: of what is left when sharper terms cancel, four digits are right


class Operation(enum.Enum):
    """What happens to a discrete or Gaussian variable that is removed."""

    SUM = "sum"
    MAXIMUM = "maximum"


@dataclass(frozen=True, eq=False)
class Swept:
    """What an elimination leaves.

    Attributes:
        log_normalizer: Logarithm of the sum and integral of the product of all potentials, in nats.
        steps: What was removed, in order.
    """

    log_normalizer: Array
    steps: tuple[Step, ...]


@dataclass(eq=False)
class Sweep:
    """An elimination at work.

    Attributes:
        space: The variables.
        potentials: What is left.
        operation: What happens to discrete and Gaussian variables.
        last: Variables that are removed when all others are.
        steps: What was removed so far.
        total: What no longer depends on any variable, in nats.
    """

    space: Space
    potentials: list[Potential]
    operation: Operation = Operation.SUM
    last: frozenset[str] = frozenset()
    steps: list[Step] = field(default_factory=list)
    total: Array | float = 0.0

    def run(self) -> Swept:
        """Remove all variables.

        Returns:
            The total, and the steps.

        Raises:
            Unaligned: If elements of a variable have to go together.
        """
        left = dict(self.space.variables)
        while True:
            self._settle()
            if not left:
                return Swept(jnp.asarray(self.total), tuple(self.steps))
            for name in self._next(left):
                del left[name]

    def _settle(self) -> None:
        found = []
        for potential in self.potentials:
            now = settled(self.space, potential)
            while now is not potential:
                potential, now = now, settled(self.space, now)
            if now.refs:
                found.append(now)
            else:
                self.total = self.total + now.log
        self.potentials = found

    def _next(self, left: dict[str, Variable]) -> tuple[str, ...]:
        waits = self.last if left.keys() - self.last else frozenset()
        ready = [v for v in left.values() if v.name not in waits and self._is_ready(v)]
        continuous = [v for v in ready if v.kind is not Kind.DISCRETE]
        if ready:
            # What is declared last goes first of those kept to the end: priors are then drawn in one order.
            candidates = (continuous or ready)[:: -1 if self.last and not waits else 1]
            best = min(candidates, key=self._cost)
            self._remove(best)
            return (best.name,)
        for scan in self.space.lengths:
            names = self._chained(scan)
            if names and self._chain_is_ready(scan, names):
                self._remove_chain(scan, names)
                return names
        stuck = [settled(self.space, potential, stuck=True) for potential in self.potentials]
        if any(a is not b for a, b in zip(stuck, self.potentials, strict=True)):
            self.potentials = stuck
            return ()
        raise self._conflict(left)

    def _with(self, names: Sequence[str]) -> list[Potential]:
        return [p for p in self.potentials if any(ref.name in names for ref in p.refs)]

    def _is_ready(self, variable: Variable) -> bool:
        axes = self.space.ordered(set(variable.axes))
        for potential in self._with([variable.name]):
            own = [ref for ref in potential.refs if ref.name == variable.name]
            lagged = any(ref.lag for ref in potential.refs)
            if potential.axes != axes or lagged or len(own) > 1 or own[0].at or potential.start:
                return False
            if variable.kind is not Kind.GAUSSIAN and potential.linear is not None:
                return False
        return True

    def _cost(self, variable: Variable) -> tuple[float, float]:
        discrete, others = scope_of(self.space, self._with([variable.name]))
        size = math.prod(self.space.variables[ref.name].weight for ref in discrete)
        border = sum(self.space.variables[ref.name].size for ref in others)
        elements = math.prod(self.space.lengths[axis] for axis in variable.axes)
        return float(size) * max(border, 1) ** 2, -float(elements)

    def _chained(self, scan: str) -> tuple[str, ...]:
        """Return the variables whose steps hang together along a scan."""
        found: set[str] = set()
        for potential in self.potentials:
            if any(ref.lag for ref in potential.refs) and scan in potential.axes:
                found |= {r.name for r in potential.refs if scan in self.space.aligned(r)}
        return tuple(name for name in self.space.variables if name in found)

    def _chain_is_ready(self, scan: str, names: Sequence[str]) -> bool:
        axes = self.space.ordered({scan, *self.space.variables[names[0]].axes})
        kinds = {self.space.variables[name].kind for name in names}
        for potential in self._with(names):
            inside = [ref for ref in potential.refs if ref.name in names]
            outside = [ref for ref in potential.refs if ref.name not in names]
            if potential.axes != axes or any(ref.lag > 1 or ref.at for ref in inside):
                return False
            if any(ref.at or scan in self.space.aligned(ref) for ref in outside):
                return False
            if Kind.DISCRETE in kinds and potential.linear is not None:
                return False
        return len(kinds) == 1 and Kind.CONJUGATE not in kinds

    def _remove(self, variable: Variable) -> None:
        touching = self._with([variable.name])
        if not touching:
            raise NotIntegrable(variable.name, "it has no density and nothing reads it")
        kept = [p for p in self.potentials if p not in touching]
        axes = self.space.ordered(set(variable.axes))
        if variable.kind is Kind.DISCRETE:
            new, step = self._sum_out(variable, axes, touching)
        elif variable.kind is Kind.GAUSSIAN:
            new, step = self._integrate(variable, axes, touching)
        else:
            new, step = self._integrate_conjugate(variable, axes, touching)
        self.potentials = [*kept, new]
        self.steps.append(step)

    def _sum_out(
        self, variable: Variable, axes: tuple[str, ...], touching: list[Potential]
    ) -> tuple[Potential, Step]:
        discrete, _ = scope_of(self.space, touching)
        refs = sorted(discrete, key=lambda ref: ref.name == variable.name)
        check_table(self.space, [self.space.lengths[a] for a in axes], refs)  # for questions to elements
        table = joint_table(self.space, touching, refs)
        reduce = log_sum if self.operation is Operation.SUM else jnp.max
        step = DiscreteStep(self.space, variable.name, axes, tuple(refs[:-1]), table)
        return Potential(axes, tuple(refs[:-1]), reduce(table, axis=-1)), step

    def _integrate(
        self, variable: Variable, axes: tuple[str, ...], touching: list[Potential]
    ) -> tuple[Potential, Step]:
        discrete, others = scope_of(self.space, touching)
        own = [ref for ref in others if ref.name == variable.name]
        others = [ref for ref in others if ref.name != variable.name]
        whole = joint_quadratic(self.space, touching, discrete, [*own, *others])
        remove = integrate if self.operation is Operation.SUM else maximize
        rest, conditional = remove(whole, variable.size)
        lost = jnp.abs(rest.log_scale - whole.log_scale) > MOST_NATS
        if others:
            lost |= self._is_lost(variable, touching, discrete, whole, rest)
        rest = rest._replace(log_scale=jnp.where(lost, jnp.nan, rest.log_scale))
        step = GaussianStep(self.space, variable.name, axes, tuple(discrete), tuple(others), conditional)
        return quadratic(axes, discrete, others, rest), step

    def _is_lost(
        self,
        variable: Variable,
        touching: list[Potential],
        discrete: list[Ref],
        whole: Canonical,
        rest: Canonical,
    ) -> Array:
        """Whether one potential is so sharp that what others say of a variable is lost in rounding."""
        sharp = curvatures(self.space, touching, discrete, variable.name)
        others = jnp.sort(jnp.stack(jnp.broadcast_arrays(*sharp)), 0)[:-1].sum(0)
        before, after = (jnp.diagonal(x.precision, axis1=-2, axis2=-1) for x in (whole, rest))
        gone = jnp.abs(after) < LOST * before[..., variable.size :]
        return (others > 0).any(-1) & gone.any(-1)

    def _integrate_conjugate(
        self, variable: Variable, axes: tuple[str, ...], touching: list[Potential]
    ) -> tuple[Potential, Step]:
        listed, _ = scope_of(self.space, touching)
        own = [ref for ref in listed if ref.name == variable.name]
        others = [ref for ref in listed if ref.name != variable.name]
        table = joint_table(self.space, touching, [*others, *own])
        log, natural = integrated(variable.known_points, variable.known_family, table)
        step = ConjugateStep(
            self.space, variable.name, axes, tuple(others), table, variable.known_family, natural
        )
        return Potential(axes, tuple(others), log), step

    def _remove_chain(self, scan: str, names: tuple[str, ...]) -> None:
        touching = self._with(names)
        kept = [p for p in self.potentials if p not in touching]
        axes = tuple(axis for axis in touching[0].axes if axis != scan)
        discrete, others = scope_of(self.space, touching)
        outside = [ref for ref in discrete if ref.name not in names]
        if self.space.variables[names[0]].kind is Kind.DISCRETE:
            transitions, emissions = chain_arrays(self.space, scan, names, touching, outside)
            step: Step = ChainStep(self.space, names, scan, axes, tuple(outside), transitions, emissions)
            reduce = log_sum_of_paths if self.operation is Operation.SUM else log_maximum_of_paths
            new = Potential(axes, tuple(outside), over_batch(reduce, (transitions, emissions), (3, 2)))
        else:
            border = [ref for ref in others if ref.name not in names]
            rest, steps = gaussian_chain(self.space, scan, names, touching, discrete, border)
            if self.operation is Operation.MAXIMUM:
                rest = rest._replace(log_scale=rest.log_scale + steps.log_peak().sum(-1))
            step = GaussianChainStep(self.space, names, scan, axes, tuple(discrete), tuple(border), steps)
            new = quadratic(axes, discrete, border, rest)
        self.potentials = [*kept, new]
        self.steps.append(step)

    def _conflict(self, left: dict[str, Variable]) -> Unaligned:
        """Return the cheapest way on: elements of one variable that have to go together."""
        choices = [(v, axis) for v in left.values() for axis in v.axes if self._is_in_the_way(v, axis)]
        choices = choices or [(v, axis) for v in left.values() for axis in v.axes]
        if not choices:
            raise RuntimeError(
                f"Expected a way to remove {', '.join(left)}; found none. Report this program."
            )
        variable, axis = min(choices, key=lambda choice: choice[0].merging(choice[1]).log_size)
        met = dict.fromkeys(ref.name for p in self._with([variable.name]) for ref in p.refs)
        others = " and ".join(repr(name) for name in met if name != variable.name)
        joined = f"the elements of '{variable.name}' along '{axis}' are joined by"
        return Unaligned(variable.name, axis, f"{joined} {others or 'a term'}")

    def _is_in_the_way(self, variable: Variable, axis: str) -> bool:
        """Whether a variable keeps an axis in a potential that others, which lack the axis, read as well."""
        for potential in self._with([variable.name]):
            others = [self.space.variables[ref.name] for ref in potential.refs if ref.name != variable.name]
            if any(axis not in other.axes for other in others):
                return True
        return False
