"""Trajectories: they leave the density as it is, whatever the step size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import probdl as pdl
from probdl.inference.mcmc import trajectory
from probdl.inference.mcmc.state import Evaluated
from probdl.inference.mcmc.trajectory import Chances, Point
from probdl.program.target import Target

CHAINS = 20_000
FALSE_ALARM = 1e-3


def banana(position):
    """A density of which exact draws are known: x ~ N(0, 1), y ~ N(x^2 / 2, 1/2)."""
    x, y = position
    return -(x**2) / 2 - (y - x**2 / 2) ** 2


def exact(key):
    noise = jax.random.normal(key, (CHAINS, 2))
    return jnp.stack([noise[:, 0], noise[:, 0] ** 2 / 2 + noise[:, 1] / jnp.sqrt(2)], 1)


def p_values(method, step_size, number_of_steps=3):
    """Begin at exact draws; the p-values of moments after a few steps."""
    with pdl.Precision.DOUBLE.active():
        target = Target(banana, lambda key: jnp.zeros(2), lambda x: {"x": x})
        start = exact(jax.random.key(0))
        states = Evaluated(start, *jax.vmap(jax.value_and_grad(banana))(start))
        tuning = method.untuned(2)._replace(map=pdl.Unpreconditioned().scaled(np.ones(2)))
        tuning = tuning._replace(step_size=np.float64(step_size))
        advance = jax.jit(lambda keys, states: method.steps(keys, states, target, tuning))
        for number in range(number_of_steps):
            states, infos = advance(jax.random.split(jax.random.key(1 + number), CHAINS), states)
        assert (states.position != start).any(1).mean() > 0.5, "the chains do not move"
        x, y = np.asarray(states.position).T
    others = np.asarray(exact(jax.random.key(99))).T
    found = [stats.ks_2samp(a, b).pvalue for a, b in zip((x, y), others, strict=True)]
    residual = (y - x**2 / 2) * np.sqrt(2)
    moments = (x, x**2 - 1, residual, residual**2 - 1, x * residual, x**3, residual**3)
    return [*found, *(stats.ttest_1samp(m, 0).pvalue for m in moments)], infos


@pytest.mark.slow
@pytest.mark.parametrize("step_size", [0.25, 0.9])
def test_nuts_leaves_the_density_as_it_is(step_size):
    found, infos = p_values(pdl.NUTS(max_tree_depth=6), step_size)
    assert min(found) > FALSE_ALARM / len(found)
    assert len(np.unique(infos.tree_depth)) > 1


@pytest.mark.slow
def test_hmc_leaves_the_density_as_it_is():
    assert min(p_values(pdl.HMC(), 0.6)[0]) > FALSE_ALARM / 9


def forgetful(vectors, step_size, density):
    """A leapfrog step that forgets the last half of the change of momentum."""
    position, gradient, momentum = vectors
    momentum = momentum + step_size / 2 * gradient
    position = position + step_size * momentum
    log_density, gradient = jax.value_and_grad(density)(position)
    return Point(jnp.stack([position, gradient, momentum]), log_density)


PLANTED = {
    "_decide": lambda uniform, probability: (uniform < 2, uniform),  # the last point is always proposed
    "leapfrog": forgetful,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found(monkeypatch, name):
    monkeypatch.setattr(trajectory, name, PLANTED[name])
    found, _ = p_values(pdl.NUTS(max_tree_depth=6), 0.9)
    assert min(found) < FALSE_ALARM / len(found)


def test_a_decision_leaves_a_uniform_number():
    r = np.random.default_rng(0)
    uniform, probability = r.random(50_000), r.random(50_000)
    yes, left = trajectory._decide(jnp.asarray(uniform), jnp.asarray(probability))
    for outcome in (True, False):
        chosen = np.asarray(yes) == outcome
        assert stats.kstest(np.asarray(left)[chosen], "uniform").pvalue > FALSE_ALARM
    assert abs(float(np.mean(yes)) - 0.5) < 5 * np.sqrt(1 / 12 / 50_000)


def tree_by_hand(momenta):
    """Whether a trajectory of points turns in one of the subtrees that a doubling completes."""

    def turns(part):
        mean = part.sum(0) - (part[0] + part[-1]) / 2
        return part[0] @ mean <= 0 or part[-1] @ mean <= 0

    def any_turns(part):
        if len(part) == 1:
            return False
        half = len(part) // 2
        return turns(part) or any_turns(part[:half]) or any_turns(part[half:])

    return any_turns(momenta)


@pytest.mark.slow
def test_a_turn_is_found_in_each_subtree_and_only_there():
    r = np.random.default_rng(1)
    found = []
    for _ in range(60):
        momenta = r.normal(size=(8, 2)) * 0.5 + [1.0, 0.3]
        t = trajectory.begin(
            Point(jnp.zeros((3, 2)), jnp.zeros(())), Chances(*jnp.full((3, 4), 0.5))
        )._replace(depth=jnp.array(3))
        turned, total = False, np.zeros(2)
        for leaf, momentum in enumerate(momenta):
            total = total + momentum
            checkpoints, turning = trajectory._checked(
                t._replace(leaf=jnp.array(leaf)), jnp.asarray(momentum), jnp.asarray(total)
            )
            t = t._replace(checkpoints=checkpoints)
            turned |= bool(turning)
        assert turned == tree_by_hand(momenta)
        found.append(turned)
    assert 5 < sum(found) < 55


@pytest.mark.slow
def test_few_chains_have_trajectories_as_long_as_one():
    """How long a trajectory may be has nothing to do with how many grow beside it."""
    flat = Target(lambda x: -(x @ x) / 2, lambda key: jnp.zeros(2), lambda x: {"x": x})
    method = pdl.NUTS(max_tree_depth=8)
    with pdl.Precision.DOUBLE.active():
        tuning = method.untuned(2)._replace(map=pdl.Unpreconditioned().scaled(np.ones(2)))
        tuning = tuning._replace(step_size=np.float64(0.01))
        start = jnp.ones((2, 2))
        states = Evaluated(start, *jax.vmap(jax.value_and_grad(flat.log_density))(start))
        _, infos = method.steps(jax.random.split(jax.random.key(0), 2), states, flat, tuning)
    assert (np.asarray(infos.n_steps) > 60).all()
