"""Many chains at once, outside of any run: a kernel with a step size, on a density that is known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import probdl as pdl
from probdl.program.target import Target

CHAINS = 10_000
FALSE_ALARM = 1e-4


def target_of(density):
    return Target(density, lambda key: jnp.zeros(2), lambda position: {"x": position})


def normal(position):
    return -(position @ position) / 2


def banana(position):
    """A density of which exact draws are known: x ~ N(0, 1), y ~ N(x^2 / 2, 1/2)."""
    x, y = position
    return -(x**2) / 2 - (y - x**2 / 2) ** 2


@jax.jit
def from_banana(key):
    noise = jax.random.normal(key, (CHAINS, 2))
    return jnp.stack([noise[:, 0], noise[:, 0] ** 2 / 2 + noise[:, 1] / jnp.sqrt(2)], 1)


def tuning_for(method, dim, step_size):
    """Return the tuning of sampling with a step size, in the coordinates of the density."""
    unmoved = pdl.Unpreconditioned().scaled(np.ones(dim))
    return method.untuned(dim)._replace(map=unmoved, step_size=np.float64(step_size))


@functools.partial(jax.jit, static_argnames=("method", "density"))
def begun(method, density, positions, seed=0):
    """Return the states of chains that begin at some positions (chain, dim)."""
    keys = jax.random.split(jax.random.key(seed), len(positions))
    return jax.vmap(lambda key, x: method.init(key, x, target_of(density)))(keys, positions)


def nothing(state):
    return ()


def moved(method, density, states, step_size, count, seed=1, look=nothing):
    """Return the states after some steps of each chain, what happened in the last one, and a mean.

    Args:
        method: The method, without a warm-up.
        density: Its log-density.
        states: The states.
        step_size: The step size.
        count: Number of steps.
        seed: A seed.
        look: State -> arrays, whose mean over steps is returned for each chain.
    """
    tuning = tuning_for(method, states.position.shape[1], step_size)
    return run(method, density, look, states, tuning, count, jax.random.key(seed))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def run(method, density, look, states, tuning, count, key):
    def advance(i, key, state):
        return method.step(jax.random.fold_in(key, i), state, target_of(density), tuning._replace(number=i))

    def chain(key, state):
        def body(i, carry):
            state, _, total = carry
            state, info = advance(i, key, state)
            return state, info, jax.tree.map(jnp.add, total, look(state))

        empty = jax.eval_shape(lambda: (advance(0, key, state)[1], look(state)))
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), empty)
        state, info, total = jax.lax.fori_loop(0, count, body, (state, *zeros))
        return state, info, jax.tree.map(lambda leaf: leaf / count, total)

    return jax.vmap(chain)(jax.random.split(key, len(states.position)), states)


def leaves_the_banana(method, step_size, count=3):
    """Whether some steps from exact draws lead to exact draws again."""
    with pdl.Precision.DOUBLE.active():
        start = from_banana(jax.random.key(0))
        states, infos, _ = moved(method, banana, begun(method, banana, start), step_size, count)
        assert (states.position != start).any(1).mean() > 0.5, "the chains do not move"
        x, y = np.asarray(states.position).T
    residual = (y - x**2 / 2) * np.sqrt(2)
    moments = (x**3, residual**3, x**2 - 1, residual**2 - 1, x * residual, x**2 * residual)
    found = [stats.kstest(values, stats.norm.cdf).pvalue for values in (x, residual)]
    found += [stats.ttest_1samp(values, 0).pvalue for values in moments]
    return min(found) > FALSE_ALARM / len(found)


def same_mean(values, exact, number=4.5):
    """Whether the mean of independent values is as expected, within some of its standard errors."""
    values = np.asarray(values)
    return bool((abs(values.mean(0) - exact) < number * values.std(0) / np.sqrt(len(values))).all())
