"""Elliptical slice sampling: Gaussian processes, alone and inside Gibbs, and priors that are not Gaussian."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan
from scipy import special, stats

import probdl as pdl
from probdl.inference.mcmc.gaussian_prior import not_gaussian
from tests.inference.mcmc.agreement import after_a_step, agrees, follow

PLACES = np.array([0.0, 0.4, 1.5])
COUNTS = np.array([1, 4, 2])


def kernel(x, scale=1.0, length=1.0):
    return scale**2 * jnp.exp(-0.5 * ((x[:, None] - x) / length) ** 2) + 1e-6 * jnp.eye(len(x))


def counts_of_a_process(x, counts):
    f = numpyro.sample("f", dist.MultivariateNormal(0.5 * jnp.ones(len(x)), kernel(x)))
    with numpyro.plate("n", len(x)):
        numpyro.sample("y", dist.Poisson(jnp.exp(f)), obs=counts)


def scaled_process(x, counts):
    scale = numpyro.sample("scale", dist.LogNormal(0.0, 0.5))
    f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(len(x)), kernel(x, scale)))
    with numpyro.plate("n", len(x)):
        numpyro.sample("y", dist.Poisson(jnp.exp(f)), obs=counts)


def grid(size, reach):
    axes = np.meshgrid(*[np.linspace(-reach, reach, 81)] * size, indexing="ij")
    return np.stack(axes, -1).reshape(-1, size)


def covariance(x, scale=1.0):
    return np.asarray(scale**2 * np.exp(-0.5 * (x[:, None] - x) ** 2) + 1e-6 * np.eye(len(x)))


@pytest.mark.slow
def test_counts_of_a_gaussian_process():
    result = pdl.infer(
        pdl.Model(counts_of_a_process, PLACES, COUNTS),
        pdl.EllipticalSlice(num_samples=3000, num_warmup=100),
        key=0,
    )
    z = grid(3, 5.0) @ np.linalg.cholesky(covariance(PLACES)).T  # whitened: the covariance is nearly singular
    f = 0.5 + z
    log = -0.5 * (grid(3, 5.0) ** 2).sum(1) + stats.poisson.logpmf(COUNTS, np.exp(f)).sum(1)
    weight = special.softmax(log)
    drawn = result["f"].to_numpy()
    assert agrees(drawn, weight @ f)
    assert agrees(drawn**2, weight @ f**2)


@pytest.mark.slow
def test_the_scale_of_a_process_is_moved_in_turn():
    model = pdl.Model(scaled_process, PLACES[1:], COUNTS[1:])
    with pytest.raises(pdl.NotApplicable, match=r"'scale' is not Gaussian .* Gibbs\(inner=Elliptical"):
        pdl.infer(model, pdl.EllipticalSlice(), key=0)
    method = pdl.Gibbs(inner=pdl.EllipticalSlice(thinning=3), num_samples=3000)
    assert method.blocks_of(model).blocks == (("f",), ("scale",))
    assert "moved by EllipticalSlice" in str(method.blocks_of(model))
    result = pdl.infer(model, method, key=0)
    scales = np.geomspace(0.08, 12.0, 121)
    z = grid(2, 6.0)
    total, sums = 0.0, np.zeros(3)
    for scale, width in zip(scales, np.gradient(scales), strict=True):
        f = z @ np.linalg.cholesky(covariance(PLACES[1:], scale)).T
        log = -0.5 * (z**2).sum(1) + stats.poisson.logpmf(COUNTS[1:], np.exp(f)).sum(1)
        weight = np.exp(log) * stats.lognorm.pdf(scale, 0.5) * width
        total += weight.sum()
        sums += np.array([*(weight @ f), weight.sum() * scale])
    found = np.concatenate([result["f"].to_numpy(), result["scale"].to_numpy()[..., None]], -1)
    assert agrees(found, sums / total)


def with_errors():
    x = numpyro.sample("x", dist.Normal(1.0, 2.0))
    numpyro.sample("y", dist.StudentT(3.0, x, 0.5), obs=3.0)


@pytest.mark.slow
def test_a_step_leaves_a_distribution_as_it_is():
    edges = np.linspace(-20, 20, 40_001)
    density = stats.norm.pdf(edges, 1, 2) * stats.t.pdf(3.0 - edges, 3, scale=0.5)
    cumulative = np.cumsum(density) / density.sum()
    x = np.interp(np.random.default_rng(0).random(20_000), cumulative, edges)
    moved = after_a_step(pdl.EllipticalSlice(), pdl.Model(with_errors), x)
    known = type("Known", (), {"cdf": staticmethod(lambda v: np.interp(v, edges, cumulative))})
    assert follow(moved, known)
    assert (moved != x).all()
    assert not follow(moved * 1.05, known), "the test sees nothing"


def walk(y):
    start = numpyro.sample("start", dist.Normal(0.0, 1.0))

    def step(before, value):
        x = numpyro.sample("x", dist.Normal(0.9 * before, 0.3))
        numpyro.sample("y", dist.Poisson(jnp.exp(x)), obs=value)
        return x, None

    scan(step, start, y)


def product():
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("b", dist.Normal(a * jnp.abs(a), 1.0))


def spread():
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("b", dist.Normal(0.0, jnp.exp(a)))


@pytest.mark.slow
def test_which_priors_are_gaussian():
    assert not_gaussian(pdl.Model(walk, np.arange(4)), ("start", "x")) is None
    assert "'b' (Normal) is not Gaussian" in not_gaussian(pdl.Model(product), ("a", "b"))
    assert "'b' (Normal) is not Gaussian: its scale" in not_gaussian(pdl.Model(spread), ("a", "b"))
    assert not_gaussian(pdl.Model(spread), ("b",)) is None


@pytest.mark.slow
def test_a_chain_in_time():
    counts = np.array([0, 1, 1, 3, 2])
    result = pdl.infer(pdl.Model(walk, counts), pdl.EllipticalSlice(thinning=5, num_samples=2000), key=0)
    reference = pdl.infer(pdl.Model(walk, counts), pdl.NUTS(), key=1)
    for name in ("start", "x"):
        ours, theirs = (r[name].to_numpy() for r in (result, reference))
        assert agrees(ours - theirs.mean((0, 1)), 0.0, 6.0)


def test_what_has_been_integrated_has_no_prior():
    def program(y):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0))
        b = numpyro.sample("b", dist.Normal(a, 1.0))
        numpyro.sample("y", dist.Normal(b, 1.0), obs=y)

    with pytest.raises(pdl.NotApplicable, match="integrated out, and the prior with them"):
        pdl.infer(pdl.Model(program, 1.0), pdl.Marginalized(pdl.EllipticalSlice(), sites=("b",)), key=0)
