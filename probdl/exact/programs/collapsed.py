"""Terms of observed sites whose natural parameters do not change along a plate: one potential for all data.

Such a term is eta . T(x) - A. What depends on the latents and parameters, eta and A, is small; the data enter
by products with T. So the gradient by eta is a sum of statistics, weighted by posterior probabilities.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.programs.integral import Integral
from probdl.exact.programs.local import Local
from probdl.exact.programs.potential import Landing, Potential, Space, landing
from probdl.exact.programs.tabulation import Parts, Term, ordered, parts, shifted
from probdl.exact.programs.variables import Kind, Ref
from probdl.program.bound import Arrays
from probdl.program.member import Data, Member
from probdl.program.naturals import naturals
from probdl.program.terms import abstractly, flat_inputs

PLAIN = string.ascii_letters


@dataclass(frozen=True, eq=False)
class Collapsed:
    """A term as a function of natural parameters.

    Attributes:
        space: The variables.
        member: The site.
        kept: Which axes of its batch it has.
        local: Its natural parameters, followed by minus the log normalizer.
        data: What is known of its data.
        way: Which axes are summed over, if any.
    """

    space: Space
    member: Member
    kept: tuple[int, ...]
    local: Local
    data: Data
    way: Landing | None

    def parts(self, inputs: Sequence[Array]) -> Parts:
        """Return the natural parameters for all states of what the term reads.

        Args:
            inputs: The flat inputs of the trace.

        Returns:
            Axes, states, statistics; the same with their slopes by Gaussian variables; minus the curvature
            of minus the log normalizer. Axes have length one where nothing changes.
        """
        return parts(self.space, self.local, inputs, self.local.axes, _expanded)

    def potential(self, found: Parts) -> Potential:
        """Return the term as a potential.

        Args:
            found: Its natural parameters.
        """
        log, linear, precision = found
        base = self._of_steps(self.data.log_base)
        listed = [ref for ref in self._refs if self.space.is_tabulated(ref)]
        whole = self._product(log) + self._summed(base.reshape(*base.shape, *[1] * len(listed)))
        if linear is not None and precision is not None:
            linear = self._product(jnp.swapaxes(linear, -1, -2))
            precision = self._summed(precision)
        axes = self.local.axes if self.way is None else self.way.axes
        refs = self._refs if self.way is None else self.way.refs
        start = self.local.start if axes[:1] == self.local.axes[:1] else 0
        return Potential(axes, tuple(refs), whole, linear, precision, start)

    @property
    def _refs(self) -> tuple[Ref, ...]:
        return ordered(self.space, self.local)

    @property
    def _dropped(self) -> list[int]:
        return [] if self.way is None else [self.local.axes.index(axis) for axis in self.way.summed]

    def _of_steps(self, array: Array | None) -> Array:
        """Return what belongs to the steps of the term, where it is in a scan."""
        whole = jnp.asarray(array)
        if self.local.step is not None:
            return whole[self.local.step]
        return whole[self.local.start :] if self.local.start else whole

    def _product(self, array: Array) -> Array:
        """Multiply by statistics: the last axis and the axes that go are summed over."""
        statistics = self._of_steps(self.data.statistics)
        lead = len(self.local.axes)
        axes, rest = PLAIN[:lead], PLAIN[lead : array.ndim - 1]
        thin = [i for i in range(lead) if array.shape[i] == 1]
        own = "".join(axes[i] for i in range(lead) if i not in thin)
        kept = "".join(axes[i] for i in range(lead) if i not in self._dropped)
        squeezed = jnp.squeeze(array, thin)
        return jnp.einsum(f"{own}{rest}_,{axes}_->{kept}{rest}".replace("_", PLAIN[-1]), squeezed, statistics)

    def _summed(self, array: Array) -> Array:
        for axis in self._dropped:
            count = self.space.lengths[self.local.axes[axis]] - (self.local.start if axis == 0 else 0)
            array = array * (count if array.shape[axis] == 1 else 1)
        return jnp.sum(array, axis=tuple(self._dropped))


def collapsed(
    integral: Integral,
    arrays: Arrays,
    values: Mapping[str, Array],
    sites: tuple[Member, ...],
    data: Mapping[str, Data],
) -> tuple[list[Collapsed], list[Array]]:
    """Return the terms of sites as functions of natural parameters, and the inputs of these.

    Args:
        integral: The integral.
        arrays: The data.
        values: The other latents.
        sites: The sites.
        data: What is known of their data, by name.
    """
    whole = {**values, **{v.name: v.nothing for v in integral.variables}}
    measures = {site.name: Data(data[site.name].unit) for site in sites}
    found = naturals(integral.bound, integral.scan_of, sites, *abstractly((arrays, whole, measures)))
    space, by_name = integral.space, {site.name: site for site in sites}
    listed = []
    for local in integral.locals_of(found).all():
        places = dict(integral.sites[local.name].axes)
        kept = tuple(places[axis] for axis in local.axes)
        way = landing(space, local.axes, ordered(space, local))
        listed.append(Collapsed(space, by_name[local.name], kept, local, data[local.name], way))
    return listed, [*flat_inputs(arrays, whole), *jax.tree.leaves(measures)]


def repeats(term: Collapsed, shape: Sequence[int]) -> bool:
    """Return whether a term is worth while to be treated so.

    Args:
        term: The term.
        shape: The shape of its natural parameters.

    Returns:
        Whether they are the same all along an axis, if there is one, and no element is looked up.
    """
    lengths = [term.space.lengths[axis] for axis in term.local.axes]
    thin = any(n > 1 == shape[i] for i, n in enumerate(lengths)) or max(lengths, default=1) == 1
    is_plain = all(not ref.at for ref in term.local.refs) and not (term.way and term.way.looked_up)
    kinds = {term.space.variables[ref.name].kind for ref in term.local.refs}
    return thin and is_plain and Kind.CONJUGATE not in kinds


def _expanded(space: Space, others: Sequence[Ref], term: Term) -> Callable[..., Parts]:
    """Return what maps states to natural parameters as functions of Gaussian variables."""
    if not others:
        return lambda *states: (term(states), None, None)

    def coefficients(*states: Array) -> Parts:
        along, zero = shifted(space, others, term, states)
        bend = -jax.jacfwd(jax.jacfwd(lambda u: along(u)[..., -1]))(zero)
        return along(zero), jax.jacfwd(along)(zero), bend

    return coefficients
