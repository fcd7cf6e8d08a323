"""Whether draws agree with what is known, within their Monte Carlo error."""

import jax
import numpy as np
from arviz_stats.base.array import array_stats
from scipy import stats

import probdl as pdl


def agrees(values, exact, number=4.5, least=0.0):
    """Whether the mean of draws (chain, draw, ...) is as expected, within some of its standard errors.

    An error is not taken to be smaller than `least`: rare values may never have been drawn.
    """
    values, exact = np.asarray(values, float), np.asarray(exact, float)
    flat = values.reshape(*values.shape[:2], -1)
    moving = (flat != flat[:1, :1]).any((0, 1))
    error = np.zeros(flat.shape[2])
    if moving.any():
        error[moving] = array_stats.mcse(flat[:, :, moving], chain_axis=0, draw_axis=1, method="mean")
    distance = np.abs(flat.mean((0, 1)) - np.broadcast_to(exact, values.shape[2:]).reshape(-1))
    return bool((distance <= number * np.maximum(error, least) + 1e-12).all())


def has_frequencies(values, probabilities, number=4.5):
    """Whether states (chain, draw), numbered from 0, are as frequent as expected."""
    least = [np.sqrt(p * (1 - p) / values.size) for p in probabilities]
    return all(agrees(values == s, p, number, least[s]) for s, p in enumerate(probabilities))


def smallest_ess(values):
    """Return the smallest bulk effective sample size of the elements of draws (chain, draw, ...)."""
    flat = np.asarray(values, float).reshape(*values.shape[:2], -1)
    return float(array_stats.ess(flat, chain_axis=0, draw_axis=1, method="bulk").min())


def transition_counts(method, target, tuning, starts, count, seed=0):
    """Return how often a step leads from each of some positions to each of them.

    Args:
        method: The method.
        target: Its target.
        tuning: Its tuning.
        starts: All positions (state, dim).
        count: How many steps are done from each.
        seed: A seed.

    Returns:
        Counts (from, to).
    """

    def once(key, start):
        state = method.init(key, start, target)
        end = method.step(key, state, target, tuning)[0].position
        return jax.numpy.argmax((jax.numpy.abs(end - starts) < 1e-9).all(-1))

    @jax.jit
    def all_from(key, start):
        ends = jax.vmap(lambda k: once(k, start))(jax.random.split(key, count))
        return jax.numpy.bincount(ends, length=len(starts))

    keys = jax.random.split(jax.random.key(seed), len(starts))
    return np.stack([all_from(key, start) for key, start in zip(keys, starts, strict=True)])


def balanced(counts, probabilities, false_alarms=1e-4):
    """Whether counts of steps are in detailed balance: p_i P_ij = p_j P_ji for all pairs of states."""
    total = counts.sum(1)
    rates = counts / total[:, None]
    flow = probabilities[:, None] * rates
    variance = probabilities[:, None] ** 2 * rates * (1 - rates) / total[:, None]
    difference, spread = flow - flow.T, np.sqrt(variance + variance.T)
    pairs = np.triu_indices(len(counts), 1)
    limit = stats.norm.isf(false_alarms / 2 / len(pairs[0]))
    return bool((np.abs(difference[pairs]) <= limit * spread[pairs] + 1e-15).all())


def is_invariant(counts, probabilities, false_alarms=1e-4):
    """Whether a step from the distribution leads to the distribution: p P = p."""
    total = counts.sum(1)
    rates = counts / total[:, None]
    after = probabilities @ rates
    variance = (probabilities[:, None] ** 2 * rates * (1 - rates) / total[:, None]).sum(0)
    limit = stats.norm.isf(false_alarms / 2 / len(counts))
    return bool((np.abs(after - probabilities) <= limit * np.sqrt(variance)).all())


def after_a_step(method, model, draws, seed=0):
    """Return where steps lead from draws.

    Args:
        method: The method, whose tuning is that before any warm-up.
        model: A model of one latent.
        draws: Values of the latent (draw, ...), as many as chains.
        seed: A seed.

    Returns:
        Values of the latent after one step of each.
    """
    with pdl.Precision.DOUBLE.active():
        chains, density = method.prepared(model)
        arrays = model.arrays(pdl.Precision.DOUBLE)
        (name,) = model.latents

        @jax.jit
        def run(keys, values):
            target = density.target(arrays)
            positions = jax.vmap(lambda value: density.position(arrays, {name: value}))(values)
            states = jax.vmap(lambda key, x: chains.init(key, x, target))(keys, positions)
            moved = chains.steps(keys, states, target, chains.untuned(positions.shape[1]))[0].position
            return jax.vmap(lambda x: density.values(arrays, x)[name])(moved)

        return np.asarray(run(jax.random.split(jax.random.key(seed), len(draws)), jax.numpy.asarray(draws)))


def follow(values, distribution, false_alarms=1e-4):
    """Whether independent values follow a distribution of SciPy, by the test of Kolmogorov and Smirnov."""
    return bool(stats.kstest(values, distribution.cdf).pvalue > false_alarms)
