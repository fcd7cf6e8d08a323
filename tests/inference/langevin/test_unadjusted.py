"""ULA, UnderdampedLangevin and MCLMC: what their steps do to densities that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, stats

import probdl as pdl
from probdl.inference.langevin import underdamped
from probdl.inference.langevin.underdamped import temperature_excess
from tests.inference.langevin.moves import CHAINS, begun, leaves_the_banana, moved, normal, run, same_mean

FRICTION, H = 0.8, 0.9
ULA, BAOAB = pdl.ULA(num_warmup=0), pdl.UnderdampedLangevin(num_warmup=0, friction=FRICTION)
MCLMC = pdl.MCLMC(num_warmup=0)


def anharmonic(position):
    x = position[0]
    return -(x**2) / 2 - jnp.cos(2 * x) / 2


@pytest.mark.slow
def test_ula_draws_a_gaussian_with_the_variance_of_its_docstring():
    sd = (1 - H**2 / 4) ** -0.5
    with pdl.Precision.DOUBLE.active():
        noise = jax.random.normal(jax.random.key(0), (CHAINS, 2))
        ends = [
            np.asarray(moved(ULA, normal, begun(ULA, normal, scale * noise), H, 5)[0].position)
            for scale in (sd, 1.0)
        ]
    assert stats.kstest(ends[0].reshape(-1), stats.norm(0, sd).cdf).pvalue > 1e-4
    assert stats.kstest(ends[1].reshape(-1), stats.norm(0, 1).cdf).pvalue < 1e-4, "the test sees nothing"


def stationary_by_hand(h, friction):
    """Return the covariance of position and momentum under BAOAB on a standard normal."""
    kick = np.array([[1, 0], [-h / 2, 1]])
    drift = np.array([[1, h / 2], [0, 1]])
    keep = np.exp(-friction * h)
    after = kick @ drift
    advance = after @ np.diag([1, keep]) @ drift @ kick
    noise = after @ np.diag([0, 1 - keep**2]) @ after.T
    return linalg.solve_discrete_lyapunov(advance, noise)


@pytest.mark.slow
@pytest.mark.parametrize("h", [0.9, pytest.param(1.6, marks=pytest.mark.slow)])
def test_positions_of_baoab_are_exact_on_a_gaussian(h):
    covariance = stationary_by_hand(h, FRICTION)
    assert covariance[0, 0] == pytest.approx(1, rel=1e-12)
    root = np.linalg.cholesky(covariance)
    with pdl.Precision.DOUBLE.active():
        drawn = np.random.default_rng(0).normal(size=(CHAINS, 2)) @ root.T
        start = begun(BAOAB, normal, jnp.asarray(drawn[:, :1]))._replace(momentum=jnp.asarray(drawn[:, 1:]))
        end = moved(BAOAB, normal, start, h, 6)[0]
    both = np.hstack([end.position, end.momentum])
    products = both[:, :, None] * both[:, None, :]
    assert same_mean(products.reshape(-1, 4), covariance.reshape(-1))
    assert stats.kstest(both[:, 0], stats.norm.cdf).pvalue > 1e-4
    assert abs(covariance[1, 1] - 1) > 0.1, "the test sees nothing"


@pytest.mark.slow
def test_baoab_measures_its_own_error():
    h = 0.9

    def look(state):
        kicked = underdamped.kicked_half(state.momentum, state.gradient, h)
        return temperature_excess(kicked, FRICTION * h), -state.position * state.gradient - 1

    with pdl.Precision.DOUBLE.active():
        start = begun(BAOAB, anharmonic, jax.random.normal(jax.random.key(0), (2000, 1)))
        settled = moved(BAOAB, anharmonic, start, h, 100)[0]
        measured, direct = moved(BAOAB, anharmonic, settled, h, 1000, 2, look)[2]
    assert same_mean(np.asarray(measured - direct), 0)
    assert not same_mean(np.asarray(measured), 0), "there is no error to be measured"


@pytest.mark.slow
def test_microcanonical_motion_keeps_its_speed_and_its_energy():
    variances = {}
    with pdl.Precision.DOUBLE.active():
        start = begun(MCLMC, anharmonic_pair, 0.6 * jax.random.normal(jax.random.key(0), (CHAINS, 2)))
        for h in (0.1, 0.2):
            end, infos, _ = moved(MCLMC, anharmonic_pair, start, h, 8)
            np.testing.assert_allclose(np.linalg.norm(end.momentum, axis=1), 1, rtol=1e-9)
            variances[h] = np.median(infos.energy_variance)
    assert variances[0.2] / variances[0.1] > 40, "the error of the energy is of third order"
    assert variances[0.2] < 1e-6


def anharmonic_pair(position):
    return anharmonic(position[:1]) + normal(position[1:])


@pytest.mark.slow
def test_small_steps_of_mclmc_leave_the_density_as_it_is():
    assert leaves_the_banana(MCLMC, 0.15, 12)
    assert not leaves_the_banana(MCLMC, 1.4, 12), "the test sees nothing"


@pytest.mark.slow
def test_one_coordinate_has_another_beside_it():
    with pdl.Precision.DOUBLE.active():
        start = jax.random.normal(jax.random.key(0), (CHAINS, 1))
        states = moved(MCLMC, normal, begun(MCLMC, normal, start), 0.3, 15)[0]
    assert stats.kstest(np.asarray(states.position)[:, 0], stats.norm.cdf).pvalue > 1e-4
    assert abs(np.corrcoef(start[:, 0], states.position[:, 0])[0, 1]) < 0.3


@pytest.mark.slow
def test_a_planted_mistake_is_found(monkeypatch):
    run.clear_cache()

    def cold(momentum, noise, lost):
        return jnp.exp(-lost) * momentum + jnp.sqrt(1 - jnp.exp(-lost)) * noise

    monkeypatch.setattr(underdamped, "refreshed_half", cold)
    with pdl.Precision.DOUBLE.active():
        start = begun(BAOAB, normal, jax.random.normal(jax.random.key(0), (CHAINS, 1)))
        end = moved(BAOAB, normal, start, 0.9, 10)[0]
    assert not same_mean(np.asarray(end.position) ** 2, 1)
    run.clear_cache()


@pytest.mark.slow
@pytest.mark.parametrize("method", [ULA, *(pytest.param(m, marks=pytest.mark.slow) for m in (BAOAB, MCLMC))])
def test_no_chain_leaves_for_where_there_is_no_density(method):
    def half(position):
        return jnp.where(position[0] > 0, -position @ position / 2, jnp.nan)

    with pdl.Precision.DOUBLE.active():
        start = begun(method, half, jnp.abs(jax.random.normal(jax.random.key(0), (500, 2))) + 0.01)
        states, _, lost = moved(method, half, start, 0.5, 50, look=lambda state: state.position[0] <= 0)
    assert not np.asarray(lost).any()
    assert np.isfinite(states.position).all()
