r"""The two steps of EM for any program whose other latents can be integrated.

The log-likelihood of parameters $\theta$ is $G(f_1(\theta), f_2(\theta), \dots)$: the integral over the
latents, a function of the logarithms $f_a$ of the factors of the program. G is convex in them, whether they
are tables of discrete latents or quadratic functions of Gaussian ones. So with the weights
$w_a = \partial G / \partial f_a$ at the parameters so far, which are posterior probabilities or expectations
of statistics,

$$ Q(\theta) = G_0 + \sum_a \langle w_a, f_a(\theta) - f_{a,0} \rangle \le \log p(y \mid \theta), $$

with equality, and equal slopes, at the parameters so far. The E-step is one gradient of G, and the M-step
sees nothing of the latents but the weights.

Source:
    Bishop & Bishop (2023), §15.3 and §15.4; Dempster, Laird and Rubin (1977).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from probdl.exact.programs.collapsed import Collapsed, collapsed, repeats
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.local import NotIntegrable, Unaligned
from probdl.exact.programs.potential import Potential
from probdl.exact.programs.sweep import Sweep, Swept
from probdl.exact.programs.tabulation import Parts
from probdl.program.bound import Arrays
from probdl.program.member import Data, Member
from probdl.program.model import Model
from probdl.program.naturals import data_of, members
from probdl.program.parameters import Parameters

MOST_BYTES = 2**31


class Seen(NamedTuple):
    """The data.

    Attributes:
        arrays: Those of the model.
        data: Sums of them are all that matters of these sites.
    """

    arrays: Arrays
    data: dict[str, Data]


class Factor(NamedTuple):
    """A factor of the program that reads a latent.

    Attributes:
        name: Its site.
        parts: What depends on the parameters: its logarithm, as a table, linear and quadratic coefficients;
            or its natural parameters.
        source: What they are of.
    """

    name: str
    parts: Parts
    source: Potential | Collapsed

    def potential(self, parts: Parts) -> Potential:
        """Return the factor with other parts."""
        if isinstance(self.source, Collapsed):
            return self.source.potential(parts)
        return replace(self.source, log=parts[0], linear=parts[1], precision=parts[2])


class Bound(NamedTuple):
    """What an E-step leaves of the data.

    Attributes:
        objective: Log-likelihood at the parameters so far, in nats; log-priors of sites included.
        weights: Of each factor, the weights of its parts.
        rounding: By how much sums of data may be wrong, in nats.
    """

    objective: Float[Array, ""]
    weights: list[Parts]
    rounding: Float[Array, ""]


@dataclass(frozen=True)
class Expected:
    """A program with its latents integrated, as a function of its parameters. Static.

    Attributes:
        integral: The integral over all latents that are no parameters.
        parameters: The parameters.
        collapsed: Observed sites whose factors are functions of natural parameters.
    """

    integral: Integral
    parameters: Parameters
    collapsed: tuple[Member, ...] = ()

    def collapsing(self, model: Model, arrays: Arrays) -> tuple[Expected, Seen]:
        """Return the same with sums of data in the place of data, where that saves work.

        Args:
            model: The model.
            arrays: Its data.
        """
        kept = tuple(site for site in members(model, arrays) if self._saves(site, arrays))
        chosen = replace(self, collapsed=kept)
        return chosen, Seen(arrays, data_of(self.integral.bound, chosen.collapsed, arrays))

    def _saves(self, site: Member, arrays: Arrays) -> bool:
        """Whether a site is better treated by sums of its data."""
        alone, seen = (
            replace(self, collapsed=(site,)),
            functools.partial(data_of, self.integral.bound, (site,)),
        )
        data = jax.eval_shape(seen, arrays)
        statistics = data[site.name].statistics
        found: list[bool] = []

        def look(arrays: Arrays, data: dict[str, Data], key: Array) -> list[Parts]:
            values = self.parameters.values(arrays, self.parameters.start(arrays, key))
            terms, inputs = alone._terms(Seen(arrays, data), values)
            parts = [term.parts(inputs) for term in terms]
            found.extend(repeats(term, own[0].shape) for term, own in zip(terms, parts, strict=True))
            return parts

        try:
            jax.eval_shape(look, arrays, data, jax.random.key(0))
        except (Unaligned, NotIntegrable):  # of the parameters of the site, not of its density
            return False
        size = math.inf if statistics is None else statistics.size * statistics.dtype.itemsize
        return bool(found) and all(found) and size <= MOST_BYTES

    def factors(self, seen: Seen, position: Float[Array, " dim"]) -> tuple[list[Factor], Array]:
        """Return the factors that read a latent, and the sum of the logarithms of all others.

        Args:
            seen: The data.
            position: The parameters.
        """
        values = self.parameters.values(seen.arrays, position)
        names = {site.name for site in self.collapsed}
        plain, rest = self.integral.potentials(seen.arrays, values, names)
        found = [Factor(local.name, (f.log, f.linear, f.precision), f) for local, f in plain.items()]
        terms, inputs = self._terms(seen, values) if names else ([], [])
        return [*found, *(Factor(term.local.name, term.parts(inputs), term) for term in terms)], rest

    def swept(self, seen: Seen, position: Float[Array, " dim"], extra: Sequence[Potential] = ()) -> Swept:
        """Integrate over the latents.

        Args:
            seen: The data.
            position: The parameters.
            extra: Further potentials.
        """
        factors, rest = self.factors(seen, position)
        found = self._swept(factors, [factor.parts for factor in factors], extra)
        return replace(found, log_normalizer=found.log_normalizer + rest)

    def objective(self, seen: Seen, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-likelihood of parameters, and log-priors of sites, in nats.

        Args:
            seen: The data.
            position: The parameters.
        """
        return self.swept(seen, position).log_normalizer

    def e_step(self, seen: Seen, position: Float[Array, " dim"]) -> Bound:
        """Return the weights of the factors, given parameters.

        Args:
            seen: The data.
            position: The parameters.
        """
        factors, rest = self.factors(seen, position)

        def inside(parts: list[Parts]) -> Array:
            return self._swept(factors, parts).log_normalizer

        total, weights = jax.value_and_grad(inside)([factor.parts for factor in factors])
        sizes = [
            _inner(jax.tree.map(jnp.abs, w), jax.tree.map(jnp.abs, factor.parts))
            for factor, w in zip(factors, weights, strict=True)
            if isinstance(factor.source, Collapsed)
        ]
        return Bound(total + rest, weights, jnp.finfo(total.dtype).eps * sum(sizes, jnp.zeros(())))

    def weights_at(
        self, seen: Seen, position: Float[Array, " dim"], states: Mapping[str, Array]
    ) -> list[Parts]:
        """Return the weights of the factors if the program did not matter: given probabilities of states.

        Args:
            seen: The data.
            position: Any parameters.
            states: Logarithms of probabilities of the states of latents, over their axes; all states of
                others are alike.
        """
        factors, _ = self.factors(seen, position)
        probes = [
            replace(probe, log=_placed(states[v.name], v.axes, probe.axes)) if v.name in states else probe
            for v, probe in zip(self.integral.variables, self.integral.probes(), strict=True)
        ]
        nothing = jax.tree.map(jnp.zeros_like, [factor.parts for factor in factors])
        return jax.grad(lambda parts: self._swept(factors, parts, probes).log_normalizer)(nothing)

    def bound(self, seen: Seen, position: Float[Array, " dim"], weights: Sequence[Parts]) -> Float[Array, ""]:
        """Return the lower bound on the objective, up to a constant, in nats.

        Args:
            seen: The data.
            position: The parameters.
            weights: Those of an E-step.
        """
        factors, rest = self.factors(seen, position)
        terms = (_inner(w, factor.parts) for factor, w in zip(factors, weights, strict=True))
        return sum(terms, rest)

    def losses(self, seen: Seen, before: Array, after: Array) -> dict[str, float]:
        """Return how much the bound lost between two positions by the factors of each site, in nats.

        Args:
            seen: The data.
            before: The position of the E-step.
            after: Another position.
        """
        weights = self.e_step(seen, before).weights
        found: dict[str, float] = {}
        ends = (self.factors(seen, position)[0] for position in (before, after))
        for one, other, w in zip(*ends, weights, strict=True):
            lost = float(_inner(w, one.parts) - _inner(w, other.parts))
            found[one.name] = found.get(one.name, 0.0) + lost
        return found

    def _terms(self, seen: Seen, values: Mapping[str, Array]) -> tuple[list[Collapsed], list[Array]]:
        return collapsed(self.integral, seen.arrays, values, self.collapsed, seen.data)

    def _swept(
        self, factors: Sequence[Factor], parts: Sequence[Parts], extra: Sequence[Potential] = ()
    ) -> Swept:
        whole = lax.optimization_barrier(list(parts))  # or small things are computed anew for each row
        given = [factor.potential(own) for factor, own in zip(factors, whole, strict=True)]
        return Sweep(self.integral.space, [*given, *extra], last=self.integral.last).run()


def _placed(table: Array, axes: Sequence[str], wanted: Sequence[str]) -> Array:
    return jnp.moveaxis(table, [axes.index(axis) for axis in wanted], range(len(wanted)))


def _inner(weights: Parts, parts: Parts) -> Array:
    """Return the sum of products; what has no weight may be infinite."""

    def one(weight: Array, part: Array) -> Array:
        return jnp.sum(weight * jnp.where(weight == 0, 0.0, part))

    return sum(
        (one(w, p) for w, p in zip(weights, parts, strict=True) if w is not None and p is not None),
        jnp.zeros(()),
    )


@functools.partial(jax.jit, static_argnums=0)
def values_of(expected: Expected, seen: Seen, position: Float[Array, " dim"]) -> dict[str, Array]:
    """Return the values of the parameters at a position."""
    return expected.parameters.values(seen.arrays, position)
