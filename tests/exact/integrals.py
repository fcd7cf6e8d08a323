"""What an integral says of a program, in the words of brute force: marginals by site and element."""

import functools
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from probdl.exact.programs.search import Found, find
from probdl.exact.programs.variables import Kind
from probdl.program.precision import Precision
from tests.exact.brute_force import mixed, prior_draws, states_of

ROUNDING = 1e-10  # relative: some thousand operations in double precision


class Answers(NamedTuple):
    """What the derivatives of one integral say.

    Attributes:
        log_density: Of the data and the other latents, in nats.
        marginals: Probability of each state of each element, by discrete site (*shape, states).
        mean: By Gaussian or conjugate site: of its statistics, one row an element; Gaussian: (*shape).
        second: E[x x'] by Gaussian site (elements, elements), NaN between elements that lie side by side.
        gradient: Of the log density by the other continuous latents.
    """

    log_density: float
    marginals: dict[str, np.ndarray]
    mean: dict[str, np.ndarray]
    second: dict[str, np.ndarray]
    gradient: dict[str, np.ndarray]


@functools.cache
def search(build) -> tuple[Any, Found]:
    """Return a model and what can be integrated of it, searched once for all tests."""
    model = build()
    return model, find(model)


def kinds_of(case):
    """Return the latents that are to be integrated according to a case, with their kinds."""
    discrete = [name for name in case.model.latents if case.model.sites[name].is_discrete]
    kinds = dict.fromkeys(case.conjugate, Kind.CONJUGATE) | dict.fromkeys(case.gaussian, Kind.GAUSSIAN)
    kinds |= dict.fromkeys(discrete, Kind.DISCRETE)
    return {name: kind for name, kind in kinds.items() if name not in case.refused}


def rest_of(model, found):
    """Return values of the latents that are not integrated: a draw from the prior."""
    rest = [name for name in model.latents if name not in found.integrated]
    drawn = prior_draws(model, 1)[0] if rest else {}
    return {name: drawn[name] for name in rest}


def answers(model, integral, values=None):
    """Return what an integral says of its variables."""
    with Precision.DOUBLE.active():
        values = {name: jnp.asarray(value) for name, value in (values or {}).items()}
        moving = {n: v for n, v in values.items() if jnp.issubdtype(v.dtype, jnp.inexact)}
        fixed = {n: v for n, v in values.items() if n not in moving}
        parts = [(p.log, p.linear, p.precision) for p in integral.probes()]
        found = _differentiated(integral, model.arrays(Precision.DOUBLE), fixed, parts, moving)
        value, (by_part, gradient) = jax.tree.map(np.asarray, found)
        space = integral.space
        by_name = {
            v.name: [None if x is None else _arranged(space, v, x) for x in part]
            for v, part in zip(integral.variables, by_part, strict=True)
        }
        marginals, mean, second = {}, {}, {}
        for v in integral.variables:
            log, linear, precision = by_name[v.name]
            if v.kind is Kind.DISCRETE:
                marginals[v.name] = _by_element(v, log)
            elif v.kind is Kind.GAUSSIAN:
                mean[v.name] = np.asarray(v.unpacked(jnp.asarray(linear)))
                second[v.name] = _by_pair(v, -(precision + np.swapaxes(precision, -1, -2)))
            else:
                with_one = v.known_family.sufficient_statistics(jnp.asarray(v.states()))
                mean[v.name] = log @ np.asarray(with_one)
    return Answers(float(value), marginals, mean, second, gradient)


@functools.partial(jax.jit, static_argnums=0)
def _differentiated(integral, arrays, fixed, parts, moving):
    def log_density(parts, moving):
        probes = [
            replace(probe, log=log, linear=linear, precision=precision)
            for probe, (log, linear, precision) in zip(integral.probes(), parts, strict=True)
        ]
        return integral.swept(arrays, fixed | moving, extra=probes).log_normalizer

    return jax.value_and_grad(log_density, argnums=(0, 1))(parts, moving)


def _arranged(space, variable, array):
    """Return an array over the axes of potentials with those of the variable, in its order."""
    axes = space.ordered(set(variable.axes))
    lead = [axes.index(axis) for axis in variable.axes]
    return np.transpose(array, [*lead, *range(len(lead), array.ndim)])


def _by_element(variable, joint):
    """Return probabilities of the states of each element from those of elements together."""
    states = variable.states()
    found = []
    for state in states_of(variable.site):
        here = np.tensordot(joint, (states == state).astype(float), 1)
        found.append(np.asarray(variable.unpacked(jnp.asarray(here))))
    return np.stack(found, -1)


def _by_pair(variable, blocks):
    """Return the moments of all pairs of elements of a site from those that are known."""
    count = int(np.prod(variable.site.shape))
    size = variable.size
    whole = np.full((count, count), np.nan)
    for i, block in enumerate(blocks.reshape(-1, size, size)):
        whole[i * size : (i + 1) * size, i * size : (i + 1) * size] = block
    order = np.asarray(variable.unpacked(jnp.arange(count))).ravel()
    return whole[np.ix_(order, order)]


def check_against_brute_force(model, integral, values=None):
    """Check the log density and all marginals of discrete and Gaussian sites."""
    kinds = {v.name: v.kind for v in integral.variables}
    gaussian = tuple(name for name, kind in kinds.items() if kind is Kind.GAUSSIAN)
    exact = mixed(model, gaussian, values)
    here = answers(model, integral, values)
    scale = 1 + abs(exact.log_evidence)
    assert abs(here.log_density - exact.log_evidence) < ROUNDING * scale, (here[0], exact.log_evidence)
    for name, probabilities in here.marginals.items():
        np.testing.assert_allclose(probabilities, exact.discrete.marginals[name], atol=10 * ROUNDING * scale)
    first = np.concatenate([exact.gaussian.mean[n].ravel() for n in gaussian] or [np.zeros(0)])
    moments = exact.gaussian.covariance + np.outer(first, first)
    sites = np.array([site for site, _ in exact.gaussian.order])
    for name in gaussian:
        rows = np.flatnonzero(sites == name)
        size = 1 + np.abs(moments).max()
        np.testing.assert_allclose(here.mean[name], exact.gaussian.mean[name], atol=10 * ROUNDING * size)
        known = ~np.isnan(here.second[name])
        assert known.any()
        np.testing.assert_allclose(
            here.second[name][known], moments[np.ix_(rows, rows)][known], atol=10 * ROUNDING * size
        )
    assert all(np.isfinite(slope).all() for slope in here.gradient.values())
    return here, exact


def draws(model, integral, num_draws, values=None, seed=0):
    """Return draws of the variables given everything else, by site (num_draws, *shape)."""
    with Precision.DOUBLE.active():
        values = {name: jnp.asarray(value) for name, value in (values or {}).items()}
        keys = jax.random.split(jax.random.key(seed), num_draws)
        found = _drawn(integral, keys, model.arrays(Precision.DOUBLE), values)
        return {name: np.asarray(value) for name, value in found.items()}


@functools.partial(jax.jit, static_argnums=0)
def _drawn(integral, keys, arrays, values):
    return jax.vmap(lambda key: integral.draw(key, arrays, values))(keys)


def most_probable(model, integral, values=None):
    """Return what is drawn without a key."""
    with Precision.DOUBLE.active():
        values = {name: jnp.asarray(value) for name, value in (values or {}).items()}
        found = _most_probable(integral, model.arrays(Precision.DOUBLE), values)
        return {name: np.asarray(value) for name, value in found.items()}


@functools.partial(jax.jit, static_argnums=0)
def _most_probable(integral, arrays, values):
    return integral.draw(None, arrays, values)


def log_density(model, integral, values=None):
    """Return the logarithm of the density of the data and the other latents."""
    with Precision.DOUBLE.active():
        values = {name: jnp.asarray(value) for name, value in (values or {}).items()}
        return float(_log_density(integral, model.arrays(Precision.DOUBLE), values))


@functools.partial(jax.jit, static_argnums=0)
def _log_density(integral, arrays, values):
    return integral.log_density(arrays, values)


def moments(exact):
    """Return E[x] and E[x x'] of all elements of a mixture, and their (site, index), discrete ones first."""
    table = exact.discrete
    rows = len(table.log_joints)
    discrete = np.concatenate([np.zeros((rows, 0)), *(x.reshape(rows, -1) for x in table.values.values())], 1)
    points = np.concatenate([discrete, exact.means], 1)
    second = (points.T * table.weights) @ points
    d = discrete.shape[1]
    second[d:, d:] += np.tensordot(table.weights, exact.covariances, 1)
    order = [(name, i) for name, x in table.values.items() for i in np.ndindex(x.shape[1:])]
    return table.weights @ points, second, [*order, *exact.gaussian.order]


def check_moments(found, mean, second, errors=5):
    """Check that draws (draws, elements) have first and second moments, within Monte Carlo errors.

    What happens less than once in all draws may be missing: it adds ten draws' worth to the tolerance.
    """
    number = len(found)
    products = found[:, :, None] * found[:, None, :]
    size = 1 + np.abs(found).max() ** 2
    for values, exact in ((found, mean), (products, second)):
        error = values.std(0) / np.sqrt(number)
        assert (np.abs(values.mean(0) - exact) <= errors * error + 10 * size / number * (error == 0)).all()
