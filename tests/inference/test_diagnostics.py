"""Each finding is found where it should be, and only there."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro.distributions import constraints

import probdl as pdl
from probdl.inference.diagnostics import diagnose, ebfmi, worst
from probdl.inference.status import InferenceWarning, Status, verdict


def tree(values, stats=None, **attributes):
    rng = np.random.default_rng(0)
    data = {
        "posterior": xr.Dataset({n: (("chain", "draw", *"ab"[: v.ndim - 2]), v) for n, v in values.items()})
    }
    stats = {"energy": rng.normal(size=(4, 500))} if stats is None else stats
    data["sample_stats"] = xr.Dataset({n: (("chain", "draw"), v) for n, v in stats.items()})
    result = xr.DataTree.from_dict(data)
    result.attrs.update({"num_samples": next(iter(values.values())).shape[1], **attributes})
    return result


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(4, 500, *shape))


def statuses(data):
    return [finding.status for finding in diagnose(data)]


def test_good_draws_are_ok():
    assert diagnose(tree({"x": noise(3)})) == ()
    assert verdict(()) == "OK: Nothing suspicious was found."


def test_the_worst_element_is_named():
    x = noise(3, 2)
    x[0, :, 1, 1] += 3
    finding = diagnose(tree({"x": x, "y": noise(seed=1)}))[0]
    assert finding.status is Status.HIGH_RHAT
    assert "at 'x[1, 1]'" in finding.detail


def test_autocorrelated_draws_have_few_effective_ones():
    x = np.cumsum(noise(), 1) * 0.01 + noise(seed=1) * 0.1
    assert Status.LOW_ESS in statuses(tree({"x": x}))


def test_divergences_and_cut_off_trajectories_are_counted():
    flags = np.zeros((4, 500), bool)
    flags[1, :7] = True
    details = [
        str(f) for f in diagnose(tree({"x": noise()}, {"diverging": flags, "reached_max_tree_depth": flags}))
    ]
    assert details[0].startswith("DIVERGENCES: 7 of 2000 transitions diverged. The sampler misses")
    assert details[1].startswith("MAX_TREE_DEPTH: 7 of 2000 trajectories")


def test_slow_energy_is_found():
    slow = np.cumsum(noise(), 1)
    assert statuses(tree({"x": noise()}, {"energy": slow})) == [Status.LOW_EBFMI]
    exact = (np.diff(slow[0]) ** 2).sum() / ((slow[0] - slow[0].mean()) ** 2).sum()
    np.testing.assert_allclose(ebfmi(slow)[0], exact)


def test_most_severe_comes_first():
    data = tree({"x": np.cumsum(noise(), 1)}, {"energy": np.cumsum(noise(), 1)}, num_samples=900)
    order = statuses(data)
    assert order[0] is Status.INTERRUPTED
    assert order == sorted(order, key=list(Status).index)


def test_constant_elements_are_left_out():
    x = noise(2)
    x[..., 1] = 1.0
    rhat, bulk, tail = worst(tree({"x": x, "c": np.ones((4, 500))})["posterior"])
    assert rhat[1] == bulk[1] == tail[1] == "x[0]"
    assert diagnose(tree({"c": np.ones((4, 500))})) == ()


def test_draws_that_are_not_finite_are_found():
    x = noise(2)
    x[2, 7, 1] = np.inf
    assert "at 'x[1]'" in diagnose(tree({"x": x}))[0].detail


def test_chains_stuck_at_different_points_are_found():
    stuck = np.broadcast_to(np.arange(4.0)[:, None], (4, 500))
    assert Status.HIGH_RHAT in statuses(tree({"x": stuck}))


def flat():
    numpyro.sample("m", dist.ImproperUniform(constraints.real, (), ()))


def flat_scale():
    numpyro.sample("s", dist.ImproperUniform(constraints.positive, (), ()))


def ridge():
    a = numpyro.sample("a", dist.ImproperUniform(constraints.real, (), ()))
    b = numpyro.sample("b", dist.ImproperUniform(constraints.real, (), ()))
    numpyro.sample("c", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(a + b, 1), obs=0.3)


def determined():
    a = numpyro.sample("a", dist.ImproperUniform(constraints.real, (), ()))
    numpyro.sample("y", dist.Normal(a, 1), obs=0.3)


def two_modes():
    pair = dist.Normal(jnp.array([-20.0, 20.0]), 1)
    numpyro.sample("x", dist.MixtureSameFamily(dist.Categorical(jnp.array([0.5, 0.5])), pair))


SHORT = pdl.NUTS(num_samples=300, num_warmup=300)


@pytest.mark.slow
@pytest.mark.parametrize(("program", "sites"), [(flat, "'m'"), (flat_scale, "'s'"), (ridge, "'a', 'b'")])
def test_improper_posteriors_are_suspected(program, sites):
    with pytest.warns(InferenceWarning, match=f"IMPROPER: .* does not fall off far out in {sites}. The data"):
        result = pdl.infer(pdl.Model(program), SHORT, key=0)
    assert result.status is Status.IMPROPER


@pytest.mark.slow
def test_proper_posteriors_are_not():
    assert pdl.infer(pdl.Model(determined), key=0).status is Status.OK
    assert pdl.infer(pdl.Model(two_modes), SHORT, key=0).status is Status.SEVERAL_MODES


def test_chains_in_different_modes_are_told_apart_from_chains_that_have_not_met():
    x = noise(2)
    x[[1, 3], :, 1] += 12
    found = diagnose(tree({"x": x}))
    assert found[0].status is Status.SEVERAL_MODES
    assert "chains 0, 2 around" in found[0].detail
    assert "chains 1, 3 around 12" in found[0].detail
    assert "at 'x[1]'" in found[0].detail
    x = noise(2)
    x[1] += 1
    assert statuses(tree({"x": x}))[0] is Status.HIGH_RHAT


def test_a_stuck_chain_is_named():
    x, lp = noise(), noise(seed=1)
    x[2], lp[2] = 5.0, -7.0
    found = diagnose(tree({"x": x}, {"lp": lp}))
    assert str(found[0]).startswith("STUCK_CHAIN: chain 2 moved in less than 2% of its draws.")
