"""The warm-up: its windows, and what it learns."""

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from probdl.inference.chains import Chains
from probdl.inference.descent import climb
from probdl.inference.devices import Devices
from probdl.inference.lost import lost_chains, replaced
from probdl.inference.warmup import Clock, windows
from tests.inference.programs import HEIGHTS, gaussian


@pytest.mark.parametrize("num_warmup", [0, 1, 19, 20, 30, 99, 150, 151, 300, 1000, 5000])
def test_windows_fill_the_warm_up(num_warmup):
    schedule = windows(num_warmup)
    assert sum(schedule.lengths) == num_warmup
    assert all(length > 0 for length in schedule.lengths)
    assert schedule.fewest <= max(len(schedule.lengths) - 1, 0)


def test_what_has_settled_goes_to_the_last_window():
    schedule = windows(1000)
    clock = Clock(window=schedule.fewest - 1)
    last = len(schedule.lengths) - 1
    assert clock.next_window(schedule, settled=True, num_warmup=1000).window == last
    assert clock.next_window(schedule, settled=False, num_warmup=1000).window == schedule.fewest
    assert Clock(window=0).next_window(schedule, settled=True, num_warmup=1000).window == 1
    again = Clock(window=last, steps=400, within=80)
    assert again.next_window(schedule, settled=False, num_warmup=1000).window == last
    assert again.next_window(schedule, settled=False, num_warmup=450).window == last + 1


def scales():
    numpyro.sample("x", dist.Normal(0, np.array([1e-3, 1.0, 1e3])).to_event(1))


@pytest.mark.slow
@pytest.mark.parametrize("method", [pdl.NUTS(), pdl.HMC()], ids=["NUTS", "HMC"])
def test_scales_are_learnt(method):
    result = pdl.infer(pdl.Model(scales), method, key=0)
    stats = result.data["sample_stats"]
    assert result.status is pdl.Status.OK
    assert float(stats["n_steps"].mean()) < 10
    assert (stats["step_size"].std("draw") < 1e-12).all(), "the step size changes after the warm-up"
    np.testing.assert_allclose(result["x"].std(("chain", "draw")), [1e-3, 1, 1e3], rtol=0.1)
    assert result.data.attrs["warmup_steps"] < 500, "a Gaussian settles soon"


@pytest.mark.slow
def test_the_acceptance_follows_its_target():
    targets = (0.6, 0.8, 0.95)
    runs = [pdl.infer(pdl.Model(scales), pdl.NUTS(target_acceptance=t), key=0) for t in targets]
    rates = [float(run.data["sample_stats"]["acceptance_rate"].mean()) for run in runs]
    assert rates == sorted(rates)
    assert all(rate > target - 0.05 for rate, target in zip(rates, targets, strict=True))


def ridge():
    x = numpyro.sample("x", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(x, 0.02))


@pytest.mark.slow
def test_dense_and_low_rank_maps_learn_correlations():
    families = (pdl.Diagonal(), pdl.Dense(), pdl.LowRank(rank=2))
    runs = [pdl.infer(pdl.Model(ridge), pdl.NUTS(preconditioner=f), key=0) for f in families]
    diagonal, *others = (float(r.data["sample_stats"]["n_steps"].mean()) for r in runs)
    assert all(steps < diagonal / 3 for steps in others)


@pytest.mark.parametrize("family", [pdl.Diagonal(), pdl.Dense(), pdl.LowRank(rank=3)])
def test_maps_are_inverted_and_carry_scores(family):
    r = np.random.default_rng(0)
    draws = r.normal(size=(4, 40, 5)) @ r.normal(size=(5, 5))
    scores = -draws @ np.linalg.inv(np.cov(draws.reshape(-1, 5).T))
    map_ = family.learn(family.scaled(np.ones(5)), draws, scores).map
    z = map_.moved(draws)
    np.testing.assert_allclose(map_.position(z), draws, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(map_.score(map_.pulled(scores)), scores, rtol=1e-9, atol=1e-9)
    matrix = map_.position(np.eye(5)) - map_.position(np.zeros(5))  # rows: S e_i
    np.testing.assert_allclose(map_.pulled(scores[0, 0]), matrix @ scores[0, 0], rtol=1e-9)


@pytest.mark.parametrize("dim", [2, 20])
def test_a_gaussian_is_learnt_exactly_from_few_draws(dim):
    r = np.random.default_rng(1)
    root = r.normal(size=(dim, dim))
    draws = r.normal(size=(4, 5 * dim, dim)) @ root.T
    scores = -draws @ np.linalg.inv(root @ root.T)
    found = pdl.Dense().scaled(np.ones(dim))
    for _ in range(12):
        found, change = pdl.Dense().learn(found, draws, scores)
    assert change < 1.01
    np.testing.assert_allclose(found.matrix @ found.matrix.T, root @ root.T, rtol=0.05, atol=0.05)


def test_in_many_dimensions_the_strongest_directions_are_learnt():
    dim = 400
    r = np.random.default_rng(2)
    direction = r.normal(size=dim) / np.sqrt(dim)
    draws = r.normal(size=(4, 60, dim)) + 30 * r.normal(size=(4, 60, 1)) * direction
    precision = np.eye(dim) - np.outer(direction, direction) * 900 / (1 + 900 * direction @ direction)
    family = pdl.LowRank()
    map_ = family.learn(family.scaled(np.ones(dim)), draws, -draws @ precision).map
    z = map_.moved(draws).reshape(-1, dim)
    assert np.std((z - z.mean(0)) @ direction) < 3
    assert 0.7 < z.std(0).mean() < 1.3


def test_points_climb_to_where_the_mass_is_and_no_further():
    scale = np.geomspace(0.1, 10, 30)

    def density(x):
        return -((x / scale) ** 2).sum(1) / 2, -x / scale**2

    start = np.random.default_rng(0).uniform(-200, 200, (4, 30)) * scale
    found = climb(density, start, *density(start))
    assert (found.values > density(start)[0] / 100).all()
    assert (found.values < -0.1).all(), "at the mode there is no mass"
    again = climb(density, found.positions, *density(found.positions))
    assert (again.values >= found.values).all()


def test_points_climb_around_what_is_not_finite():
    def density(x):
        with np.errstate(all="ignore"):
            return np.log(x[:, 0]) - x[:, 0] / 50, 1 / x - 1 / 50

    start = np.array([[0.01], [4000.0]])
    found = climb(density, start, *density(start))
    assert np.isfinite(found.values).all()
    assert (found.values >= density(start)[0]).all()


def test_a_chain_without_mass_is_put_elsewhere():
    r = np.random.default_rng(0)
    draws = r.normal(size=(3, 40, 2))
    draws[1] += 10
    lp = -(draws**2).sum(2) / 2
    lp[1] -= 100
    lost = lost_chains(draws, lp)
    np.testing.assert_array_equal(lost, [False, True, False])
    found = replaced(draws[:, -1], lost, draws)
    np.testing.assert_array_equal(found[[0, 2]], draws[[0, 2], -1])
    assert any((found[1] == draws[c, 20]).all() for c in (0, 2))


@pytest.mark.slow
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_chain_that_the_last_window_finds_lost_samples_from_elsewhere(monkeypatch, is_lost):
    def put(positions, lost, draws):
        return np.where(lost[:, None], 7.0, positions)

    monkeypatch.setattr("probdl.inference.chains.replaced", put)
    model, method = pdl.Model(gaussian, HEIGHTS), pdl.HMC(num_warmup=40, num_samples=5, num_chains=2)
    with method.precision.active():
        chains = Chains.of(jax.random.key(0), method, model, model.density, Devices(None))
        underway, last = chains.begun(), len(chains.schedule.lengths) - 1
        while underway.clock.warming_up(chains.schedule):
            lost = np.array([is_lost and underway.clock.window == last, False])
            monkeypatch.setattr("probdl.inference.chains.lost_chains", lambda *_, lost=lost: lost)
            underway, _ = chains.advance(underway, 100)
        assert (underway.clock.relocated > 0) == is_lost
        _, chunk = chains.advance(underway, 1)
    far = chunk.stats["energy"][:, 0] > 60  # that of the start, whether the trajectory was accepted or not
    assert far.tolist() == [is_lost, False]


def two_modes(gap):
    x = numpyro.sample("x", dist.Uniform(-30, 30))
    numpyro.factor("modes", np.log(0.5) + jnp_logaddexp(x, gap))


def jnp_logaddexp(x, gap):
    import jax.numpy as jnp

    return jnp.logaddexp(-((x - 10) ** 2) / 2, gap - (x + 10) ** 2 / 2)


@pytest.mark.slow
def test_minor_modes_are_left_and_equal_ones_are_reported():
    minor = pdl.infer(pdl.Model(two_modes, -60.0), pdl.NUTS(num_samples=200), key=1)
    assert float(minor["x"].min()) > 0
    equal = pdl.infer(pdl.Model(two_modes, 0.0), pdl.NUTS(num_samples=200, num_chains=8), key=1)
    assert float(equal["x"].min()) < 0 < float(equal["x"].max())
    assert equal.status is pdl.Status.SEVERAL_MODES
