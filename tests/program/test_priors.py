"""Other priors in a model: the same as a program that is written with them."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.program.priors import with_priors


def program(y, prior=None):
    rate = numpyro.sample("rate", dist.Gamma(1.0, 1.0) if prior is None else prior)
    with numpyro.plate("side", 2), handlers.scale(scale=3.0):
        p = numpyro.sample("p", dist.Beta(1.0, 1.0))
    with numpyro.plate("n", len(y)):
        numpyro.sample("y", dist.Poisson(rate * p.sum()), obs=y)


def walk(y):
    def step(x, y_t):
        x = numpyro.sample("x", dist.Normal(x, 1.0))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=y_t)
        return x, None

    scan(step, 0.0, y)


Y = np.array([2, 0, 1])
AT = {"rate": 1.7, "p": np.array([0.2, 0.6])}


def test_the_density_is_that_of_the_program_with_the_prior():
    found = with_priors(pdl.Model(program, Y), rate=dist.Gamma(4.0, 2.0))
    assert found.log_joint(AT) == pytest.approx(pdl.Model(program, Y, dist.Gamma(4.0, 2.0)).log_joint(AT))


def test_a_distribution_replaces_the_weight_of_the_old_one_too():
    before = pdl.Model(program, Y)
    found = with_priors(before, p=dist.Beta(jnp.array([2.0, 1.0]), 1.0))
    assert found.log_joint(AT) - before.log_joint(AT) == pytest.approx(np.log(2.0 * 0.2), rel=1e-6)


@pytest.mark.slow
def test_data_and_interventions_stay_and_priors_can_be_replaced_again():
    model = pdl.Model(program, Y).do(p=np.array([0.5, 0.5])).condition(y=Y + 1)
    found = with_priors(with_priors(model, rate=dist.Gamma(9.0, 1.0)), rate=dist.Gamma(4.0, 2.0))
    assert found.latents == ("rate",)
    expected = dist.Gamma(4.0, 2.0).log_prob(1.7) + dist.Poisson(1.7).log_prob(Y + 1).sum()
    assert found.log_joint({"rate": 1.7}) == pytest.approx(float(expected), rel=1e-5)


def test_numbers_are_inputs():
    one, other = (
        with_priors(pdl.Model(program, Y), rate=dist.Gamma(jnp.asarray(shape), jnp.asarray(2.0)))
        for shape in (1.0, 5.0)
    )
    assert one.bound[0] == other.bound[0]
    assert one.argument_names[-1] == "y"


REFUSED = {
    "misspelt": (
        lambda: with_priors(pdl.Model(program, Y), rat=dist.Gamma(1.0, 1.0)),
        pdl.SiteNotFound,
        "Expected a latent site in with_priors; got 'rat'. Did you mean 'rate'",
    ),
    "another shape": (
        lambda: with_priors(pdl.Model(program, Y), p=dist.Beta(1.0, 1.0)),
        ValueError,
        r"Expected a distribution of shape \(2,\) for 'p' in with_priors; got \(\)",
    ),
    "in a scan": (
        lambda: with_priors(pdl.Model(walk, np.ones(3)), x=dist.Normal(np.zeros(3), 1.0)),
        ValueError,
        "Expected a site outside scans in with_priors; got 'x', which 'time' repeats",
    ),
}


@pytest.mark.parametrize(("call", "error", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
