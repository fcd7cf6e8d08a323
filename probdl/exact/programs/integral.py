"""Integrals of a program over some of its latents, exact, as functions of the others and of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.exact.programs.local import Local, Locals, NotIntegrable, Unaligned
from probdl.exact.programs.potential import Potential, Space
from probdl.exact.programs.steps import Step
from probdl.exact.programs.sweep import Operation, Sweep, Swept
from probdl.exact.programs.tabulation import tabulated
from probdl.exact.programs.variables import Kind, Ref, Variable
from probdl.exact.tables.limits import MOST_ENTRIES
from probdl.graphs.relation import Read
from probdl.program.bound import Arrays, BoundProgram
from probdl.program.sites import Site
from probdl.program.terms import Terms, abstractly, flat_inputs, terms

MOST_LOG_STATES = 12.0
MOST_LOG_STATES_BESIDE = 5.0  # where it is done for a Gaussian variable that could be sampled as well
MOST_COORDINATES = 2000


@dataclass(frozen=True)
class Integral:
    """The integral of a program over some of its latents. Static: what is compiled is compiled for it.

    Attributes:
        bound: The program.
        variables: What is integrated.
        scan_of: The scan of each latent that is in one.
        digest: Of all indices by which variables are read: other data may mean another integral.
        sites: The sites of the program.
        reads: What they read of each other.
        max_table: The most entries that a table may have.
        last: Variables that are integrated when all others are.
    """

    bound: BoundProgram
    variables: tuple[Variable, ...]
    scan_of: tuple[tuple[str, str], ...]
    digest: str
    sites: Mapping[str, Site] = field(compare=False)
    reads: Mapping[tuple[str, str], list[Read]] = field(compare=False)
    max_table: int = MOST_ENTRIES
    last: frozenset[str] = frozenset()

    @property
    def space(self) -> Space:
        """The variables with the lengths of all plates and scans: scans first, then plates by their dim."""
        lengths: dict[str, int] = {}
        dims: dict[str, int] = {}
        for site in self.sites.values():
            batch = len(site.shape) - site.event_dim
            lengths |= {name: site.shape[axis] for name, axis in site.axes}
            dims |= {name: axis - batch for name, axis in site.axes if name != site.scan}
        order = sorted(lengths, key=lambda name: dims.get(name, -np.inf))
        return Space(
            {v.name: v for v in self.variables}, {name: lengths[name] for name in order}, self.max_table
        )

    def locals(self, arrays: Arrays, values: Mapping[str, Array]) -> tuple[Locals, list[Array]]:
        """Return the terms of the program, and their inputs.

        Args:
            arrays: The data.
            values: The other latents.

        Returns:
            The terms as functions of the variables; the inputs, with zeros for these.
        """
        nothing = {v.name: v.nothing for v in self.variables}
        whole = {**values, **nothing}
        found = terms(self.bound, self.scan_of, *abstractly((arrays, whole)))
        return self.locals_of(found), flat_inputs(arrays, whole)

    def locals_of(self, found: Terms) -> Locals:
        """Return traced terms as functions of the variables."""
        return Locals(found, self.sites, self.reads, {v.name: v for v in self.variables})

    def potentials(
        self, arrays: Arrays, values: Mapping[str, Array], without: Collection[str] = ()
    ) -> tuple[dict[Local, Potential], Array]:
        """Return the terms that read a variable as potentials, and the sum of those that read none.

        Args:
            arrays: The data.
            values: The other latents.
            without: Sites whose terms are left out if they read a variable.

        Returns:
            The potentials by their terms, and a number in nats.

        Raises:
            Unaligned: If elements of a variable have to go together.
        """
        whole, inputs = self.locals(arrays, values)
        space = self.space
        rest = [jnp.sum(term) for term in whole.constant(inputs)]
        wanted = (local for local in whole.all() if local.name not in without)
        found = {local: tabulated(space, local, inputs) for local in wanted}
        return found, sum(rest, jnp.zeros(()))

    def swept(
        self,
        arrays: Arrays,
        values: Mapping[str, Array],
        extra: list[Potential] | None = None,
        operation: Operation = Operation.SUM,
    ) -> Swept:
        """Integrate.

        Args:
            arrays: The data.
            values: The other latents.
            extra: Further potentials.
            operation: What happens to discrete and Gaussian variables.

        Returns:
            Logarithm of the integral, and each variable given those that were integrated later.
        """
        potentials, rest = self.potentials(arrays, values)
        found = Sweep(self.space, [*potentials.values(), *(extra or [])], operation, self.last).run()
        return Swept(found.log_normalizer + rest, found.steps)

    def log_density(self, arrays: Arrays, values: Mapping[str, Array]) -> Array:
        """Return the logarithm of the density of data and other latents, in nats."""
        return self.swept(arrays, values).log_normalizer

    def draw(self, key: Array | None, arrays: Arrays, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return values of the variables given everything else.

        Args:
            key: A key; without one each variable has its most probable value.
            arrays: The data.
            values: The other latents.

        Returns:
            Values of the sites.
        """
        operation = Operation.SUM if key is not None else Operation.MAXIMUM
        return self.drawn(key, self.swept(arrays, values, operation=operation).steps, arrays, values)

    def drawn(
        self, key: Array | None, steps: tuple[Step, ...], arrays: Arrays, values: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Go back through the steps of an elimination.

        What is distributed given a conjugate variable is known at its points alone: once this is drawn, the
        rest is eliminated again.

        Args:
            key: A key; without one each variable has its most probable value.
            steps: The steps.
            arrays: The data.
            values: The other latents.

        Returns:
            Values of the sites.
        """
        known: dict[str, Array] = {}
        conjugate = {v.name: v for v in self.variables if v.kind is Kind.CONJUGATE}
        for number, step in enumerate(reversed(steps)):
            if key is not None and any(ref.name in conjugate for ref in step.given):
                fixed = {n: self.value(v, known[n]) for n, v in conjugate.items() if n in known}
                rest = replace(self, variables=tuple(v for v in self.variables if v.name not in fixed))
                inner = rest.draw(jax.random.fold_in(key, number), arrays, {**values, **fixed})
                return fixed | inner
            known |= step.draw(None if key is None else jax.random.fold_in(key, number), known)
        return {variable.name: self.value(variable, known[variable.name]) for variable in self.variables}

    @staticmethod
    def value(variable: Variable, elements: Array) -> Array:
        """Return the value of a site from elements: states by number, or coordinates."""
        if variable.kind is Kind.DISCRETE:
            elements = jnp.asarray(variable.states())[elements]
        elif variable.centre:
            elements = elements + variable.origin
        return variable.unpacked(elements).astype(variable.nothing.dtype)

    def probes(self) -> list[Potential]:
        """Return potentials of single variables that are one everywhere: their gradients are marginals."""
        found = []
        for v in self.variables:
            axes = self.space.ordered(set(v.axes))
            shape = tuple(self.space.lengths[axis] for axis in axes)
            table = shape if v.kind is Kind.GAUSSIAN else (*shape, v.size)
            linear = jnp.zeros((*shape, v.size)) if v.kind is Kind.GAUSSIAN else None
            precision = jnp.zeros((*shape, v.size, v.size)) if v.kind is Kind.GAUSSIAN else None
            found.append(Potential(axes, (Ref(v.name),), jnp.zeros(table), linear, precision))
        return found


def merged_as_needed(integral: Integral, arrays: Arrays, values: Mapping[str, Any]) -> tuple[Integral, Swept]:
    """Return an integral with elements put together where they have to be, by abstract runs.

    Args:
        integral: The integral.
        arrays: Its data, abstract or not.
        values: The other latents, abstract or not.

    Returns:
        The integral, and its abstract elimination.

    Raises:
        NotIntegrable: If too many states or coordinates would have to go together.
    """
    while True:
        try:
            return integral, abstractly_swept(integral, arrays, values)
        except Unaligned as way:
            variables = {variable.name: variable for variable in integral.variables}
            variables[way.variable] = variables[way.variable].merging(way.axis)
            beside = any(v.kind is Kind.GAUSSIAN for v in integral.variables)
            check_size(
                variables[way.variable], way.reason, MOST_LOG_STATES_BESIDE if beside else MOST_LOG_STATES
            )
            integral = replace(integral, variables=tuple(variables.values()))


def abstractly_swept(integral: Integral, arrays: Arrays, values: Mapping[str, Any]) -> Swept:
    """Return an elimination without computing anything: its steps, with abstract arrays."""
    found: list[Swept] = []

    def run(arrays: Arrays, values: Mapping[str, Array]) -> Array:
        found.append(integral.swept(arrays, values))
        return found[0].log_normalizer

    jax.eval_shape(run, arrays, dict(values))
    return found[0]


def check_size(variable: Variable, reason: str, most: float) -> None:
    """Check that the elements of a variable can go together.

    Args:
        variable: The variable, with its elements together.
        reason: Why they go together.
        most: Logarithm of the most joint states.

    Raises:
        NotIntegrable: If they are too many, or conjugate.
    """
    power = variable.log_size / np.log(10)
    count = f"{10**power:.3g}" if power < 15 else f"1e{power:.0f}"
    if variable.kind is Kind.DISCRETE and variable.log_size > most:
        raise NotIntegrable(variable.name, f"{reason}: together, '{variable.name}' would have {count} states")
    if variable.kind is Kind.GAUSSIAN and variable.size > MOST_COORDINATES:
        raise NotIntegrable(
            variable.name, f"{reason}: together, '{variable.name}' would have {count} coordinates"
        )
    if variable.kind is Kind.CONJUGATE:
        raise NotIntegrable(variable.name, f"{reason}: its elements are not independent")


def digest_of(reads: Mapping[tuple[str, str], list[Read]], names: set[str]) -> str:
    """Return a digest of what is read of some sites."""
    digest = hashlib.sha256()
    for (parent, child), found in sorted(reads.items(), key=lambda item: item[0]):
        if parent in names:
            for read in found:
                digest.update(f"{parent}>{child}:{read.axes}".encode())
                for axis, position in read.positions.items():
                    array = position if isinstance(position, np.ndarray) else np.array(repr(position))
                    digest.update(f"{parent}>{child}:{axis}{array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
