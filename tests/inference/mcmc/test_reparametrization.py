"""Hierarchical sites in other coordinates: the same posterior, better mixed."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.inference.reparametrization import hierarchical_sites
from probdl.program.centring import CENTRING


def hierarchy(error, y):
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    tau = numpyro.sample("tau", dist.HalfNormal(2))
    numpyro.sample("rate", dist.Gamma(2, jnp.exp(mu)))
    with numpyro.plate("n", len(y)):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, error), obs=y)


def walk(y):
    step = numpyro.sample("step", dist.HalfNormal(1))

    def body(x, seen):
        x = numpyro.sample("x", dist.Normal(0.9 * x, step))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=seen)
        return x, None

    scan(body, 0.0, y)


Y = np.array([1.0, -0.5, 2.0, 0.3, 1.2])
MODELS = {"hierarchy": (pdl.Model(hierarchy, 1.0, Y), "theta"), "walk": (pdl.Model(walk, Y), "x")}


def test_sites_are_found_in_the_graph():
    model = MODELS["hierarchy"][0]
    assert hierarchical_sites(model, model.density) == ("theta",)
    model = MODELS["walk"][0]
    assert hierarchical_sites(model, model.density) == ("x",)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("degree", [0.0, 0.4, 1.0])
def test_the_density_is_that_of_the_program(name, degree):
    """The Jacobian of the whole map from positions to unconstrained values explains the difference."""
    model, site = MODELS[name]
    with pdl.Precision.DOUBLE.active():
        arrays, density = model.arrays(pdl.Precision.DOUBLE), model.density
        other = replace(arrays, centring={CENTRING + site: jnp.full(len(Y), degree)})
        position = jnp.asarray(np.random.default_rng(0).normal(size=density.layout.dim))
        shapes = dict(zip(density.layout.names, density.layout.shapes, strict=True))

        def program_position(position):
            values = density.target(other).constrain(position)
            plain = density.layout.unravel(position) | {site: values[site]}
            return jnp.concatenate([jnp.ravel(plain[n]) for n in shapes])

        log_det = jnp.linalg.slogdet(jax.jacfwd(program_position)(position))[1]
        expected = density.target(arrays).log_density(program_position(position)) + log_det
        np.testing.assert_allclose(density.target(other).log_density(position), expected, rtol=1e-12)


@pytest.mark.slow
def test_the_degree_follows_the_data():
    model, site = MODELS["hierarchy"]
    chosen = pdl.Reparametrization()
    degrees = []
    for error in (10.0, 0.01):
        weak = pdl.Model(hierarchy, error, Y)
        with pdl.Precision.DOUBLE.active():
            arrays = chosen.chosen(jax.random.key(0), weak, weak.density, weak.arrays(pdl.Precision.DOUBLE))
        degrees.append(np.asarray(arrays.centring[CENTRING + site]))
    assert (degrees[0] < 0.3).all()
    assert (degrees[1] > degrees[0] + 0.2).all()


@pytest.mark.slow
def test_a_funnel_is_sampled_and_the_posterior_stays():
    from models import eight_schools, eight_schools_centred

    method = pdl.NUTS(reparametrize="auto")
    result = pdl.infer(eight_schools_centred.model(), method, key=0)
    other = pdl.infer(eight_schools.model(), pdl.NUTS(), key=0)
    table, reference = result.summary().table, other.summary().table
    assert table["ess_bulk"].astype(float).min() > 1000
    for name in ("mu", "tau", "theta[0]", "theta[7]"):
        error = np.hypot(*(float(t.loc[name, "mcse_mean"]) for t in (table, reference)))
        assert abs(result_mean(result, name) - result_mean(other, name)) < 5 * error


def result_mean(result, name):
    site, _, index = name.partition("[")
    draws = result[site]
    return float(draws[..., int(index[:-1])].mean() if index else draws.mean())


@pytest.mark.slow
def test_marginalised_sites_stay_out_of_it():
    model = MODELS["hierarchy"][0]
    inner = pdl.NUTS(num_samples=40, num_warmup=60, reparametrize="auto")
    with pytest.warns(pdl.InferenceWarning):
        result = pdl.infer(model, pdl.Marginalized(inner, sites=("theta",)), key=0)
    assert result["theta"].shape == (4, 40, 5)


def test_what_cannot_be_reparametrised_is_named():
    model = MODELS["hierarchy"][0]
    with pytest.raises(pdl.SiteNotFound, match="got 'tau'"):
        pdl.infer(model, pdl.NUTS(reparametrize=pdl.Reparametrization((("tau", 0.5),))), key=0)
    with pytest.raises(ValueError, match="between 0 and 1 for site 'theta'; got 2"):
        pdl.Reparametrization((("theta", 2),))
    with pytest.raises(TypeError, match="'auto' or a Reparametrization; got 'none'"):
        pdl.NUTS(reparametrize="none")
