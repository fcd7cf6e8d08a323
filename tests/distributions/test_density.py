"""Density estimators against SciPy, scikit-learn, sums by hand and integrals."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.neighbors import KernelDensity as Peer

from probdl.distributions.density import (
    Histogram,
    KernelDensity,
    NearestNeighbourDensity,
    leave_one_out_bandwidth,
    scott_bandwidth,
)


def test_histogram_is_that_of_scipy_and_integrates_to_one():
    draws, edges = np.random.default_rng(0).normal(size=100), np.array([-3.0, -1.0, 0.0, 0.5, 3.0])
    histogram = Histogram(draws, edges)
    x = np.array([-2.0, -1.0, 0.2, 2.9])
    peer = stats.rv_histogram(np.histogram(draws, edges), density=False)
    np.testing.assert_allclose(np.exp(histogram.log_prob(x)), peer.pdf(x), rtol=1e-12)
    assert np.isfinite(histogram.log_prob(3.0))
    assert (histogram.log_prob([-3.1, 3.1]) == -np.inf).all()
    np.testing.assert_allclose(np.exp(histogram.log_prob((edges[1:] + edges[:-1]) / 2)) @ np.diff(edges), 1)


def test_kernel_density_is_that_of_sklearn_and_integrates_to_one():
    draws, x = np.random.default_rng(1).normal(size=(2, 700, 2))
    peer = Peer(bandwidth=0.3, rtol=1e-10).fit(draws).score_samples(x)
    np.testing.assert_allclose(KernelDensity(draws, 0.3).log_prob(x), peer, rtol=1e-8)
    line = KernelDensity(draws[:20, :1], 0.3)
    total, error = integrate.quad(lambda t: np.exp(line.log_prob([[t]]))[0], -10, 10, limit=200)
    assert abs(total - 1) < 10 * error


def test_leave_one_out_is_the_sum_over_the_others():
    draws = np.random.default_rng(3).normal(size=(600, 1))
    widths, few = np.geomspace(0.05, 2.0, 100), draws[:10]

    def score(width):
        others = (np.delete(few, i, 0) for i in range(len(few)))
        return sum(KernelDensity(rest, width).log_prob(few[[i]])[0] for i, rest in enumerate(others))

    assert leave_one_out_bandwidth(few, widths) == max(widths, key=score)
    assert leave_one_out_bandwidth(draws, [0.01, 0.3, 3.0]) == 0.3


def test_nearest_neighbours_by_hand():
    r = np.random.default_rng(4)
    draws, x = r.normal(size=(50, 2)), r.normal(size=(5, 2))
    distance = np.sort(np.linalg.norm(x[:, None] - draws, axis=-1), 1)
    for k in (1, 7):
        by_hand = k / (50 * np.pi * distance[:, k - 1] ** 2)
        found = NearestNeighbourDensity(draws, k).log_unnormalized(x)
        np.testing.assert_allclose(np.exp(found), by_hand, rtol=1e-10)


def test_number_of_bins_is_that_of_numpy():
    draws = np.random.default_rng(5).gamma(2.0, size=200)
    histogram, (density, edges) = Histogram(draws, 10), np.histogram(draws, 10, density=True)
    np.testing.assert_array_equal(histogram.edges, edges)
    np.testing.assert_allclose(np.exp(histogram.log_prob((edges[1:] + edges[:-1]) / 2)), density, rtol=1e-12)
    np.testing.assert_array_equal(Histogram(draws.tolist(), edges.tolist()).edges, edges)


def test_default_bandwidth_is_that_of_scipy():
    draws, x = np.random.default_rng(6).gamma(2.0, size=(2, 60))
    peer = stats.gaussian_kde(draws, "scott").logpdf(x)
    np.testing.assert_allclose(KernelDensity(draws[:, None]).log_prob(x[:, None]), peer, rtol=1e-10)
    pair = np.random.default_rng(7).normal(size=(60, 2))
    white = np.linalg.solve(np.linalg.cholesky(np.cov(pair.T)), pair.T).T
    peer = stats.gaussian_kde(white.T, "scott").logpdf(pair.T)
    np.testing.assert_allclose(KernelDensity(white).log_prob(pair), peer, rtol=1e-10)


def test_messages():
    with pytest.raises(ValueError, match="Expected one bin or more; got 0"):
        Histogram(np.zeros(3), 0)
    with pytest.raises(ValueError, match="finite draws to take 4 bins from; got 2 draws, of which 1 are not"):
        Histogram(np.array([1.0, np.nan]), 4)
    with pytest.raises(ValueError, match="finite draws that vary; got 3 with a standard deviation of 0"):
        KernelDensity(np.ones((3, 2)))
    with pytest.raises(ValueError, match="got 1 with a standard deviation of 0. Give a bandwidth"):
        scott_bandwidth(np.ones((1, 1)))
    table = np.zeros((4, 1))
    with pytest.raises(ValueError, match="Expected edges that increase; got"):
        Histogram(np.zeros(3), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="Expected draws between 1.0 and 2.0; got none. Widen the edges."):
        Histogram(np.zeros(3), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="Expected a positive bandwidth; got 0.0"):
        KernelDensity(table, 0.0)
    with pytest.raises(ValueError, match=r"Expected draws of shape \(draws, dim\); got \(4,\)"):
        KernelDensity(np.zeros(4), 1.0)
    with pytest.raises(ValueError, match="Expected from 1 to 4 neighbours; got 5"):
        NearestNeighbourDensity(table, 5)
    with pytest.raises(ValueError, match=r"Expected positive bandwidths; got \[-1.0\]"):
        leave_one_out_bandwidth(table, [-1.0])
