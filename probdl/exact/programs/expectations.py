"""Compiled questions to an integral over all latents: expectations, draws, the most probable values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from probdl.exact.conjugacy.conjugate_integral import with_further
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.potential import Potential
from probdl.exact.programs.steps import ConjugateStep
from probdl.exact.programs.sweep import Swept
from probdl.exact.programs.variables import Kind, Variable
from probdl.program.bound import Arrays
from probdl.program.handlers import Fix
from probdl.program.target import latent_values, log_probs, total

# Units of conjugate sites, how many times as many points as columns, what stands for infinite expectations.
POINTS = ((1.0, 2, 0.0), (1.0, 2, 10.0), (2.5, 3, 0.0))
AGREE = 1e-6


class Expectations(NamedTuple):
    """What the derivatives of the log evidence say of the variables.

    Attributes:
        log_evidence: In nats.
        log: By variable, probabilities of its states, or the posterior mass of an element (one).
        linear: By variable, expectation of its coordinates, or of its sufficient statistics.
        precision: By Gaussian variable, minus half the second moments.
        natural: Natural parameters of conjugate variables, by name.
    """

    log_evidence: Array
    log: dict[str, Array]
    linear: dict[str, Array]
    precision: dict[str, Array]
    natural: dict[str, Array]


@functools.partial(jax.jit, static_argnums=0)
def expectations(integral: Integral, arrays: Arrays, values: Mapping[str, Array]) -> Expectations:
    """Return what the derivatives of the log evidence by potentials say of the variables.

    Args:
        integral: The integral.
        arrays: The data.
        values: The other latents.

    Returns:
        The expectations.
    """
    return expected(integral, functools.partial(integral.swept, arrays, values))


def expected(integral: Integral, sweep: Callable[[list[Potential]], Swept]) -> Expectations:
    """Return what the derivatives of the log evidence by potentials say of the variables.

    Args:
        integral: The integral.
        sweep: Integrates, with further potentials.
    """
    probes = integral.probes()

    def total(parts: list[tuple]) -> tuple[Array, Any]:
        extra = [_with(probe, part) for probe, part in zip(probes, parts, strict=True)]
        swept = sweep(extra)
        single = [s for s in swept.steps if isinstance(s, ConjugateStep) and not s.given]
        return swept.log_normalizer, {step.name: step.natural for step in single}

    parts = [(probe.log, probe.linear, probe.precision) for probe in probes]
    (log_evidence, natural), slopes = jax.value_and_grad(total, has_aux=True)(parts)
    names = [variable.name for variable in integral.variables]
    log, linear, precision = (
        {n: s[i] for n, s in zip(names, slopes, strict=True) if s[i] is not None} for i in range(3)
    )
    return Expectations(log_evidence, log, linear, precision, natural)


class Moments(NamedTuple):
    """Expectations that two sets of points agree on; NaN where they do not, inf where they are infinite.

    Attributes:
        mean: By continuous variable, expectations of its coordinates, the axes first.
        square: By continuous variable, expectations of their squares.
        log: By discrete variable, probabilities of its states.
    """

    mean: dict[str, Array]
    square: dict[str, Array]
    log: dict[str, Array]


def moments(integral: Integral, arrays: Arrays) -> Moments:
    """Return posterior means, second moments, and probabilities of states.

    Where conjugate variables are integrated, expectations are read off at points, exact for what is linear in
    some statistics of them; other points give the same answer then.

    Args:
        integral: The integral, over all latents.
        arrays: The data.

    Returns:
        The expectations.
    """
    one, moved, other = (_moments(wide, arrays) for wide in widened(integral))
    square = jax.tree.map(lambda x, y: jnp.maximum(jnp.abs(x), jnp.abs(y)), one.square, moved.square)
    size = jax.tree.map(lambda mean, x: jnp.abs(mean) + jnp.sqrt(x), one.mean, square)
    unit = jax.tree.map(jnp.ones_like, one.log)
    return jax.tree.map(_agreed, one, moved, other, Moments(size, square, unit))


def widened(integral: Integral) -> list[Integral]:
    """Return an integral at sets of points where more than the statistics of a site can be read off.

    Args:
        integral: The integral.

    Returns:
        Three that give the same expectations of whatever is linear in known statistics of conjugate sites,
        if those are finite; the second gives others if not.
    """

    def wide(v: Variable, unit: float, excess: int, beyond: float) -> Variable:
        if v.kind is not Kind.CONJUGATE:
            return v
        return replace(
            v, points=with_further(v.known_family, unit * v.known_points.scale, excess, beyond=beyond)
        )

    return [
        replace(integral, variables=tuple(wide(v, *points) for v in integral.variables)) for points in POINTS
    ]


def _moments(integral: Integral, arrays: Arrays) -> Moments:
    known = expectations(integral, arrays, {})
    first, second, log = {}, {}, {}
    for v in integral.variables:
        if v.kind is Kind.DISCRETE:
            log[v.name] = known.log[v.name]
        elif v.kind is Kind.GAUSSIAN:
            first[v.name] = known.linear[v.name]
            second[v.name] = -2 * jnp.diagonal(known.precision[v.name], axis1=-2, axis2=-1)
        else:
            values = jnp.asarray(v.states()).reshape(v.size, -1)
            first[v.name] = known.log[v.name] @ values
            second[v.name] = known.log[v.name] @ values**2
    return Moments(first, second, log)


def _agreed(one: Array, moved: Array, other: Array, size: Array) -> Array:
    infinite = jnp.abs(one - moved) > AGREE * size
    same = jnp.abs(one - other) <= AGREE * size
    return jnp.where(infinite, jnp.inf, jnp.where(same, one, jnp.nan))


def _with(probe: Potential, part: tuple) -> Potential:
    return replace(probe, log=part[0], linear=part[1], precision=part[2])


@functools.partial(jax.jit, static_argnums=0)
def log_evidence_of(integral: Integral, arrays: Arrays) -> Array:
    """Return the log evidence of a model whose latents are all integrated, in nats."""
    return integral.log_density(arrays, {})


@functools.partial(jax.jit, static_argnums=0)
def draws(integral: Integral, keys: Array, arrays: Arrays) -> tuple[dict[str, Array], Array]:
    """Draw independently from the joint posterior; the elimination runs once.

    Args:
        integral: The integral, over all latents.
        keys: One key a draw.
        arrays: The data.

    Returns:
        Values of the latent and deterministic sites, and the log joint density in nats, the draws first.
    """
    steps = integral.swept(arrays, {}).steps

    def once(key: Array) -> tuple[dict[str, Array], Array]:
        drawn = integral.drawn(key, steps, arrays, {})
        trace = integral.bound.trace(arrays, Fix(None, drawn, dict(integral.scan_of)))
        return latent_values(trace), total(log_probs(trace), jnp.result_type(float))

    return jax.lax.map(once, keys)


@functools.partial(jax.jit, static_argnums=0)
def most_probable(integral: Integral, arrays: Arrays) -> dict[str, Array]:
    """Return the most probable values of the variables together."""
    return integral.draw(None, arrays, {})
