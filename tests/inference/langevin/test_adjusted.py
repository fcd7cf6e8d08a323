"""MALA, Barker and AdjustedMCLMC: their rule of acceptance, and that they leave a density as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import probdl as pdl
from probdl.inference.langevin import adjusted_mclmc, barker, mala
from tests.inference.langevin.moves import (
    CHAINS,
    banana,
    begun,
    from_banana,
    leaves_the_banana,
    moved,
    normal,
    run,
    same_mean,
)

H = 0.7


def log_mala(start, gradient, end):
    """Return the log-density of a proposal, up to a constant."""
    return stats.norm.logpdf(end, start + H**2 / 2 * gradient, H).sum(1)


def log_barker(start, gradient, end):
    jump = end - start
    return (np.log(2) + stats.norm.logpdf(jump, 0, H) - np.log1p(np.exp(-jump * gradient))).sum(1)


PROPOSALS = {"MALA": (pdl.MALA(), log_mala), "Barker": (pdl.Barker(), log_barker)}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "log_proposal"), PROPOSALS.values(), ids=PROPOSALS)
def test_acceptance_is_the_ratio_of_metropolis_and_hastings(method, log_proposal):
    with pdl.Precision.DOUBLE.active():
        start = begun(method, banana, from_banana(jax.random.key(3)))
        end, infos, _ = moved(method, banana, start, H, 1)
        taken = np.asarray(end.position != start.position).any(1)
        x, y = (np.asarray(state.position)[taken] for state in (start, end))
        p_x, p_y = (np.asarray(jax.vmap(banana)(z)) for z in (x, y))
        g_x, g_y = (np.asarray(jax.vmap(jax.grad(banana))(z)) for z in (x, y))
    ratio = p_y + log_proposal(y, g_y, x) - p_x - log_proposal(x, g_x, y)
    acceptance = np.asarray(infos.acceptance_rate)
    np.testing.assert_allclose(acceptance[taken], np.minimum(1, np.exp(ratio)), rtol=1e-9)
    assert 0.2 < taken.mean() < 0.95
    assert same_mean(taken - acceptance, 0)


@pytest.mark.parametrize(
    ("method", "step_size"),
    [
        (pdl.MALA(), 0.8),
        pytest.param(pdl.Barker(), 1.0, marks=pytest.mark.slow),
        pytest.param(pdl.AdjustedMCLMC(), 0.7, marks=pytest.mark.slow),
    ],
)
def test_the_density_stays_as_it_is(method, step_size):
    assert leaves_the_banana(method, step_size)


@pytest.mark.slow
def test_one_coordinate_has_another_beside_it():
    method = pdl.AdjustedMCLMC()
    with pdl.Precision.DOUBLE.active():
        start = jax.random.normal(jax.random.key(0), (CHAINS, 1))
        states, infos, _ = moved(method, normal, begun(method, normal, start), 0.6, 4)
    assert stats.kstest(np.asarray(states.position)[:, 0], stats.norm.cdf).pvalue > 1e-4
    assert abs(np.corrcoef(start[:, 0], states.position[:, 0])[0, 1]) < 0.4
    assert (np.asarray(infos.n_steps) % 2 == 0).all()


def without_way_back(state, proposal, noise, step_size):
    return proposal.log_density - state.log_density


def blind(vectors):
    return jnp.zeros_like(vectors)


def too_fast(density, scale):
    advance = adjusted_mclmc.isokinetic_mclachlan(density, scale)

    def step(state, step_size):
        state, change = advance(state, step_size)
        return state, change / 2

    return step


PLANTED = {
    "MALA": (pdl.MALA(), 0.8, mala, "log_ratio", without_way_back),
    "Barker": (pdl.Barker(), 1.0, barker.jax.nn, "softplus", blind),
    "AdjustedMCLMC": (pdl.AdjustedMCLMC(), 0.7, adjusted_mclmc, "_integrator", too_fast),
}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "step_size", "module", "name", "mistake"), PLANTED.values(), ids=PLANTED)
def test_a_planted_mistake_is_found(monkeypatch, method, step_size, module, name, mistake):
    run.clear_cache()
    monkeypatch.setattr(module, name, mistake)
    assert not leaves_the_banana(method, step_size)
    run.clear_cache()
