"""A latent that is read by steps only is found out; what has a slope, or is a constraint, is not."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.inference.steps import by_steps

GRID = np.linspace(-3.0, 3.0, 7)


def read(function):
    def program(y):
        x = numpyro.sample("x", dist.Normal(0.0, 1.0))
        w = numpyro.sample("w", dist.Gamma(2.0, 2.0))
        numpyro.sample("y", dist.Normal(function(x), w), obs=y)

    return pdl.Model(program, 0.5)


def in_a_scan(y):
    x = numpyro.sample("x", dist.Normal(0.0, 1.0))

    def step(level, y_t):
        level = numpyro.sample("level", dist.Normal(0.5 * level + jnp.floor(x), 1.0))
        numpyro.sample("y", dist.Normal(level, 1.0), obs=y_t)
        return level, None

    scan(step, 0.0, y)


def a_discrete_child(y):
    x = numpyro.sample("x", dist.Normal(0.0, 1.0))
    z = numpyro.sample("z", dist.Bernoulli(jax.nn.sigmoid(x)), infer={"enumerate": "parallel"})
    numpyro.sample("y", dist.Normal(z, 1.0), obs=y)


def constrained(y):
    x = numpyro.sample("x", dist.Normal(0.0, 1.0))
    numpyro.factor("positive", jnp.where(x > 0, 0.0, -jnp.inf))
    numpyro.sample("y", dist.Uniform(x, x + 1), obs=y)


def found(model):
    smooth = {name for name in model.latents if not model.sites[name].is_discrete}
    return by_steps(pdl.NUTS(), model, smooth, model.arrays(pdl.Precision.SINGLE))


STEPS = {
    "round": read(jnp.round),
    "comparison": read(lambda x: jnp.where(x > 0.2, 1.0, -1.0)),
    "index": read(lambda x: jnp.asarray(GRID)[(x > 0).astype(int)]),
    "stop_gradient": read(jax.lax.stop_gradient),
}
SLOPES = {
    "interpolation": read(lambda x: jnp.interp(x, GRID, GRID**2)),
    "kink": read(jnp.abs),
    "branch": read(lambda x: jnp.where(x > 0, x, 2 * x)),
    "round beside a slope": read(lambda x: x - jnp.round(x)),
    "nothing": read(lambda x: 1.0),
    "constraint": pdl.Model(constrained, 0.5),
    "discrete child": pdl.Model(a_discrete_child, 0.5),
}


@pytest.mark.parametrize("model", STEPS.values(), ids=STEPS)
def test_steps_are_found(model):
    assert "the density of 'y' depends on 'x' by steps alone" in str(found(model))


def test_steps_in_a_scan_are_found():
    assert "the density of 'level' depends on 'x' by steps" in str(found(pdl.Model(in_a_scan, GRID)))


@pytest.mark.parametrize("model", SLOPES.values(), ids=SLOPES)
def test_slopes_and_constraints_are_let_through(model):
    assert found(model) is None


@pytest.mark.slow
@pytest.mark.parametrize("method", [pdl.NUTS(num_warmup=5, num_samples=5), pdl.MALA(num_warmup=5)])
def test_methods_that_follow_gradients_refuse_steps(method):
    name = type(method).__name__
    with pytest.raises(
        pdl.NotApplicable, match=rf"{name} .*'y' depends on 'x' by steps.* Call Metropolis\(\)"
    ):
        pdl.infer(STEPS["round"], method, key=0)
