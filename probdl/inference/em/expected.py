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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.exact.programs.integral import Integral
from probdl.exact.programs.potential import Potential
from probdl.exact.programs.sweep import Sweep
from probdl.program.bound import Arrays
from probdl.program.parameters import Parameters

Parts = tuple[Array, Array | None, Array | None]


class Bound(NamedTuple):
    """What an E-step leaves of the data.

    Attributes:
        objective: Log-likelihood at the parameters so far, in nats; log-priors of sites included.
        weights: Of each factor, the weights of its logarithm: tables, linear and quadratic coefficients.
    """

    objective: Float[Array, ""]
    weights: list[Parts]


@dataclass(frozen=True)
class Expected:
    """A program with its latents integrated, as a function of its parameters. Static.

    Attributes:
        integral: The integral over all latents that are no parameters.
        parameters: The parameters.
    """

    integral: Integral
    parameters: Parameters

    def factors(self, arrays: Arrays, position: Float[Array, " dim"]) -> tuple[list[Potential], Array]:
        """Return the factors that read a latent, and the sum of the logarithms of all others.

        Args:
            arrays: The data.
            position: The parameters.
        """
        return self.integral.potentials(arrays, self.parameters.values(arrays, position))

    def objective(self, arrays: Arrays, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log-likelihood of parameters, and log-priors of sites, in nats.

        Args:
            arrays: The data.
            position: The parameters.
        """
        factors, rest = self.factors(arrays, position)
        return self._integrated(factors, [_parts(factor) for factor in factors]) + rest

    def e_step(self, arrays: Arrays, position: Float[Array, " dim"]) -> Bound:
        """Return the weights of the factors, given parameters.

        Args:
            arrays: The data.
            position: The parameters.
        """
        factors, rest = self.factors(arrays, position)
        inside = functools.partial(self._integrated, factors)
        total, weights = jax.value_and_grad(inside)([_parts(factor) for factor in factors])
        return Bound(total + rest, weights)

    def bound(
        self, arrays: Arrays, position: Float[Array, " dim"], weights: Sequence[Parts]
    ) -> Float[Array, ""]:
        """Return the lower bound on the objective, up to a constant, in nats.

        Args:
            arrays: The data.
            position: The parameters.
            weights: Those of an E-step.
        """
        factors, rest = self.factors(arrays, position)
        terms = (_inner(w, _parts(factor)) for factor, w in zip(factors, weights, strict=True))
        return sum(terms, rest)

    def losses(self, arrays: Arrays, before: Array, after: Array) -> dict[str, float]:
        """Return how much the bound lost between two positions by the factors of each site, in nats.

        Args:
            arrays: The data.
            before: The position of the E-step.
            after: Another position.
        """
        weights = self.e_step(arrays, before).weights
        found: dict[str, float] = {}
        ends = (self.factors(arrays, position)[0] for position in (before, after))
        for name, one, other, w in zip(self.names(arrays, before), *ends, weights, strict=True):
            lost = float(_inner(w, _parts(one)) - _inner(w, _parts(other)))
            found[name] = found.get(name, 0.0) + lost
        return found

    def names(self, arrays: Arrays, position: Array) -> list[str]:
        """Return the site of each factor.

        Args:
            arrays: The data.
            position: A position.
        """
        values = self.parameters.values(arrays, position)
        return [local.name for local in self.integral.locals(arrays, values)[0].all()]

    def _integrated(self, factors: Sequence[Potential], parts: Sequence[Parts]) -> Array:
        given = [
            replace(f, log=p[0], linear=p[1], precision=p[2]) for f, p in zip(factors, parts, strict=True)
        ]
        integral = self.integral
        return Sweep(integral.space, given, last=integral.last).run().log_normalizer


def _parts(factor: Potential) -> Parts:
    return factor.log, factor.linear, factor.precision


def _inner(weights: Parts, parts: Parts) -> Array:
    """Return the sum of products; what has no weight may be infinite."""

    def one(weight: Array, part: Array) -> Array:
        return jnp.sum(weight * jnp.where(weight == 0, 0.0, part))

    return sum(
        (one(w, p) for w, p in zip(weights, parts, strict=True) if w is not None and p is not None),
        jnp.zeros(()),
    )
