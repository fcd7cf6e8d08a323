"""Posterior covariances of any elements: second derivatives of the log evidence by their weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import lax
from jaxtyping import Array, Float

from probdl.distributions.exponential_family import ExponentialFamily
from probdl.distributions.independent import IndependentFamily
from probdl.exact.posteriors.entries import Entry, entries
from probdl.exact.posteriors.solved import Solved
from probdl.exact.posteriors.weighing import directions, grouped, log_evidence_weighed, scattered
from probdl.exact.programs.expectations import widened
from probdl.exact.programs.integral import Integral
from probdl.exact.programs.variables import Kind
from probdl.program.bound import Arrays
from probdl.program.precision import Precision

MOST_ELEMENTS = 2000
AT_ONCE = 32
AGREE = 1e-6


def covariance(
    solved: Solved, names: Sequence[str]
) -> tuple[list[Entry], Float[np.ndarray, "element element"]]:
    r"""Return the posterior covariance matrix of elements.

    $\mathrm{Cov}(x_i, x_j) = \partial_i \partial_j \log \mathrm E[e^{t \cdot x}]$ at $t = 0$: in a Gaussian
    posterior its covariance, in a mixture the law of total covariance over all of its components.

    Args:
        solved: The model.
        names: Sites, elements or slices.

    Returns:
        The elements, and their covariances; NaN where they have no closed form.

    Raises:
        SiteNotFound: If a name is that of no latent site.
        ValueError: If there are too many elements.
    """
    wanted = entries(solved.integral.variables, names, "covariance", MOST_ELEMENTS)
    groups = grouped(wanted)
    order = [entry for group in groups.values() for entry in group]
    integrals = widened(solved.integral) if solved.has_points else [solved.integral]
    elements = tuple(jnp.array([entry.element for entry in group]) for group in groups.values())
    with Precision.DOUBLE.active():
        found = []
        for integral in integrals:
            known = integral.space.variables
            ways = tuple(
                jnp.asarray(directions(known[name], [entry.coordinate for entry in group]))
                for name, group in groups.items()
            )
            found.append(np.asarray(_curvature(integral, tuple(groups), solved.arrays, elements, ways)))
    whole = _agreed(solved, order, *found) if solved.has_points else (found[0] + found[0].T) / 2
    place = [order.index(entry) for entry in wanted]
    return wanted, whole[np.ix_(place, place)]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _curvature(
    integral: Integral,
    names: tuple[str, ...],
    arrays: Arrays,
    elements: tuple[Array, ...],
    ways: tuple[Array, ...],
) -> Array:
    """Return the derivative of each first derivative (row) by each weight (column)."""
    ends = np.cumsum([len(way) for way in ways])

    def total(t: Array) -> Array:
        parts = jnp.split(t, ends[:-1].tolist())
        weights = {
            name: scattered(integral, name, at, part[:, None] * way)
            for name, at, part, way in zip(names, elements, parts, ways, strict=True)
        }
        return log_evidence_weighed(integral, arrays, weights)

    count = int(ends[-1])
    slopes = jax.grad(total)

    def column(way: Array) -> Array:
        return jax.jvp(slopes, (jnp.zeros(count),), (way,))[1]

    return lax.map(column, jnp.eye(count), batch_size=min(AT_ONCE, count)).T


def _agreed(
    solved: Solved, order: Sequence[Entry], one: np.ndarray, moved: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Return what all sets of points, and both orders of differentiation, do not contradict.

    A derivative by the weight of a conjugate site is exact where what it moves stays in the family: if the
    order of two is the wrong one, other points give another number. What a site says of its own entries
    together is read off its distribution.
    """
    apart = np.maximum(np.abs(one - other), np.abs(one - moved))
    own = np.where(np.diag(apart) <= AGREE * np.abs(np.diag(one)), np.diag(one), np.nan)
    scale = np.sqrt([_variance(solved, *item) for item in zip(order, own, strict=True)])
    size = np.outer(scale, scale)
    with np.errstate(invalid="ignore"):
        same = (apart <= AGREE * size) & np.isfinite(size)
        known = np.where(same, one, np.nan)
        contradicted = np.abs(known - known.T) > AGREE * size
    either = np.where(np.isnan(known), known.T, known)
    found = np.where(contradicted, np.nan, (either + np.where(np.isnan(known.T), known, known.T)) / 2)
    for i, a in enumerate(order):
        for j, b in enumerate(order):
            if a.variable is b.variable and a.element == b.element and a.variable.kind is Kind.CONJUGATE:
                found[i, j] = scale[i] ** 2 if i == j else _within(solved, a, b)
        if np.isinf(scale[i]):
            found[i, i] = np.inf
    return found


def _variance(solved: Solved, entry: Entry, curvature: float) -> float:
    """Return the variance of an entry, given what both sets of points agree on, or NaN."""
    if entry.variable.kind is not Kind.CONJUGATE and not np.isnan(curvature):
        return curvature
    name, at = entry.variable.name, (entry.element, entry.coordinate)
    natural = solved.expectations.natural.get(name)
    if natural is not None:
        with Precision.DOUBLE.active():
            variance = np.asarray(entry.variable.known_family.moments(natural)[1])
        return float(variance.reshape(-1, math.prod(entry.variable.local_shape))[at])
    if entry.variable.kind is Kind.DISCRETE:
        shares = np.asarray(solved.moments.log[name]).reshape(-1, entry.variable.size)[entry.element]
        values = directions(entry.variable, [entry.coordinate])[0]
        return float(shares @ (values - shares @ values) ** 2)
    mean, square = (np.asarray(x[name]) for x in (solved.moments.mean, solved.moments.square))
    coordinates = mean.shape[-1]
    mean, square = (x.reshape(-1, coordinates)[at] for x in (mean, square))
    return float(np.inf if np.isinf(square) else square - mean**2)


def _within(solved: Solved, a: Entry, b: Entry) -> float:
    """Return the covariance of two entries of one value of a conjugate site, NaN where there is no form."""
    natural = solved.expectations.natural.get(a.variable.name)
    if natural is None:
        return np.nan
    with Precision.DOUBLE.active():
        own = natural.reshape(-1, natural.shape[-1])[a.element]
        return _covariance_of(a.variable.known_family, own, a.coordinate, b.coordinate)


def _covariance_of(family: ExponentialFamily, natural: Array, i: int, j: int) -> float:
    """Return the covariance of two entries of a value of a family, NaN where there is no form."""
    if isinstance(family, IndependentFamily):
        each = math.prod(family.base.event_shape)
        if i // each != j // each:
            return 0.0
        own = family.apart(natural).reshape(-1, family.base.dimension)[i // each]
        return _covariance_of(family.base, own, i % each, j % each)
    known = family.distribution(natural)
    if isinstance(known, dist.MultivariateNormal):
        return float(known.covariance_matrix[i, j])  # pyright: ignore[reportIndexIssue]
    if isinstance(known, dist.Dirichlet):
        return float(-known.mean[i] * known.mean[j] / (jnp.sum(known.concentration) + 1))
    return float(known.variance) if i == j and not known.event_shape else np.nan
