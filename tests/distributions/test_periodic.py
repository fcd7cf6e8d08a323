"""Angles against SciPy's circular statistics."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from probdl.distributions.periodic import circular_summary, fit_von_mises
from probdl.program.precision import Precision


@pytest.fixture(autouse=True)
def double():
    with Precision.DOUBLE.active():
        yield


def test_circular_statistics_are_those_of_scipy():
    angles = stats.vonmises(2.0, loc=3.0).rvs(50, random_state=0)
    summary = circular_summary(jnp.asarray(angles))
    np.testing.assert_allclose(summary.mean, stats.circmean(angles, high=np.pi, low=-np.pi), rtol=1e-10)
    np.testing.assert_allclose(summary.variance, stats.circvar(angles), rtol=1e-10)
    np.testing.assert_allclose(summary.standard_deviation, stats.circstd(angles), rtol=1e-10)
    np.testing.assert_allclose(circular_summary(jnp.asarray(angles) + 2 * np.pi), summary, rtol=1e-9)


@pytest.mark.parametrize("concentration", [0.1, 2.0, 500.0])
def test_von_mises_fit_is_that_of_scipy(concentration):
    angles = stats.vonmises(concentration, loc=-1.0).rvs(300, random_state=1)
    fitted = fit_von_mises(jnp.asarray(angles))
    kappa, loc, _ = stats.vonmises.fit(angles, fscale=1)
    np.testing.assert_allclose([fitted.concentration, fitted.loc], [kappa, loc], rtol=1e-6)


@pytest.mark.slow
def test_weights_are_repetitions():
    angles, weights = jnp.array([0.1, 0.5, 2.0]), np.array([1, 2, 3])
    repeated = fit_von_mises(jnp.repeat(angles, weights, total_repeat_length=6))
    weighted = fit_von_mises(angles, jnp.asarray(weights, float))
    np.testing.assert_allclose(weighted.concentration, repeated.concentration, rtol=1e-10)
    summary = circular_summary(angles, jnp.asarray(np.stack([weights, weights]), float))
    np.testing.assert_allclose(summary.mean, np.full(2, weighted.loc), rtol=1e-10)


def test_lists_are_angles():
    assert (
        fit_von_mises([0.1, 0.5, 2.0]).concentration
        == fit_von_mises(jnp.array([0.1, 0.5, 2.0])).concentration
    )


@pytest.mark.parametrize("angles", [np.zeros(0), np.zeros((2, 3))])
@pytest.mark.parametrize("call", [fit_von_mises, circular_summary])
def test_angles_are_checked(call, angles):
    with pytest.raises(
        ValueError, match=r"Expected one angle or more, of shape \(n,\); got shape \(.*\)\. Map"
    ):
        call(angles)
