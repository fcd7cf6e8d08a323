"""The M-step in closed form: which params have one, and what it is.

An argument of a distribution whose entries are entries of a param, whichever a state looks up, has the
maximum of a weighted likelihood in closed form: a mean of statistics over all places that look the entry up.
Where that is so is seen by running the program at random params: entries are told by their values. So it is
found through indexing, plates, `to_event`, `scan` and ties alike, however it is written.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from probdl.exact.programs.tabulation import Parts
from probdl.inference.em.arguments import Argument, Group
from probdl.inference.em.expected import Expected, Factor, Seen
from probdl.inference.em.matching import Looked, Matching, Use, differ
from probdl.inference.em.normal_arguments import Location, Spread, arguments_of
from probdl.program.bound import Constant
from probdl.program.model import Model

FEWEST = 1e-300
NEAR = 0.1  # matrices at random positions are well-conditioned
MOST_ENTRIES = 200_000


@dataclass(frozen=True)
class Closed:
    """The params whose maximum has a closed form. Static.

    Attributes:
        uses: Where they are arguments; locations come before spreads.
        same: Of each param, the first entry that is always equal to each entry.
    """

    uses: tuple[Use, ...] = ()
    same: tuple[tuple[str, Constant], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The params."""
        return tuple(name for name, _ in self.same)

    def updated(self, values: Mapping[str, Array], weights: Sequence[Parts], seen: Seen) -> dict[str, Array]:
        """Return all parameters, these at the maximum of the bound.

        Args:
            values: The parameters so far; an entry on which no weight falls stays as it is.
            weights: Those of an E-step.
            seen: The data.
        """
        new, same = dict(values), dict(self.same)
        for name in dict.fromkeys(use.param for use in self.uses):
            before = values[name]
            top, bottom = jnp.zeros((2, before.size))
            own = [use for use in self.uses if use.param == name]
            for use in own:
                number = use.argument.factor
                sums = use.argument.sums(weights[number][0], seen.data, self._location(use, new))
                top, bottom = (
                    x.at[use.entries.array].add(y) for x, y in zip((top, bottom), sums, strict=True)
                )
            first = same[name].array
            is_seen = (bottom > FEWEST)[first].reshape(before.shape)
            means = (top / jnp.where(bottom > FEWEST, bottom, 1.0))[first].reshape(before.shape)
            new[name] = jnp.where(is_seen, own[0].argument.value(means), before)
        return new

    def _location(self, use: Use, values: Mapping[str, Array]) -> Array | None:
        if use.location is not None:
            return jnp.asarray(use.location.array)
        for other in self.uses:
            if isinstance(other.argument, Location) and other.argument.factor == use.argument.factor:
                return values[other.param].reshape(-1)[other.entries.array]
        return None


def closed(expected: Expected, model: Model, seen: Seen) -> Closed:
    """Return which params have a maximum in closed form.

    Args:
        expected: The program with its latents integrated.
        model: The model.
        seen: The data.
    """
    params = [n for n in expected.parameters.layout.names if not model.sites[n].is_latent]
    layout = expected.parameters.layout
    ends = NEAR * np.random.default_rng(0).normal(size=(2, layout.dim))
    groups = _groups(expected, seen, ends[0]) if params else []
    if not groups:
        return Closed()
    listed = tuple(argument for group in groups for argument in group)
    positions = [*ends]
    for name in params:
        changed = ends[0].copy()
        changed[layout.places([name])] = ends[1][layout.places([name])]
        positions.append(changed)
    first, second, *others = (
        Looked(*jax.tree.map(np.asarray, _looked(expected, listed, seen, position))) for position in positions
    )
    touched = {
        name: {i for i, (x, y) in enumerate(zip(first.factors, other.factors, strict=True)) if differ(x, y)}
        for name, other in zip(params, others, strict=True)
        if not differ(first.rest, other.rest)
    }
    found = Matching(listed, first, second, {name: model.sites[name].support for name in params})
    uses = [use for group in groups for use in found.uses(group, touched)]
    while True:
        names = dict.fromkeys(use.param for use in uses)
        sound = [name for name in names if found.are_sound(name, uses, groups, touched[name])]
        if len(sound) == len(names):
            break
        uses = [use for use in uses if use.param in sound]
    uses.sort(key=lambda use: isinstance(use.argument, Spread))
    return Closed(tuple(uses), tuple((n, Constant.of(found.firsts(n))) for n in names))


def _groups(expected: Expected, seen: Seen, position: np.ndarray) -> list[Group]:
    """Return the arguments of all factors that are small enough to be looked at."""
    found: list[Group] = []

    def look(seen: Seen, position: Array) -> Array:
        factors, rest = expected.factors(seen, position)
        for number, factor in enumerate(factors):
            if factor.parts[0].size <= MOST_ENTRIES:
                found.extend(arguments_of(number, factor.name, factor.source))
        return rest

    jax.eval_shape(look, seen, position)
    return found


@functools.partial(jax.jit, static_argnums=(0, 1))
def _looked(
    expected: Expected, arguments: tuple[Argument, ...], seen: Seen, position: Array
) -> tuple[dict[str, Array], list[Array], list[Array], Array]:
    """Return the parameters, arguments, a number for each factor that changes as it does, and the rest."""
    factors, rest = expected.factors(seen, position)
    values = expected.parameters.values(seen.arrays, position)
    read = [argument.read(factors[argument.factor].parts[0], seen.data) for argument in arguments]
    return values, read, [_mark(factor) for factor in factors], rest


def _mark(factor: Factor) -> Array:
    parts = [jnp.nan_to_num(part).reshape(-1) for part in factor.parts if part is not None]
    return jnp.stack([part @ jnp.cos(jnp.arange(part.size, dtype=part.dtype)) for part in parts])
