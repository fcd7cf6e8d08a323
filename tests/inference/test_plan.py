"""The plan: what it says of each site, and that inference follows it."""

import re

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from tests.inference.programs import HEIGHTS, SIGMA, Y, centred_schools, gaussian

LOCS = np.array([-2.0, 0.5, 3.0])


def hidden_markov(y):
    stay = numpyro.sample("stay", dist.Beta(2.0, 2.0))
    scale = numpyro.sample("scale", dist.HalfCauchy(1.0))

    def step(z, y_t):
        z = numpyro.sample("z", dist.Bernoulli(jnp.where(z == 1, stay, 1 - stay)))
        numpyro.sample("y", dist.Normal(2.0 * z, scale), obs=y_t)
        return z, None

    scan(step, 0, y)


def three_kinds(y, count):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
    numpyro.sample("count", dist.Poisson(rate), obs=count)
    x = numpyro.sample("x", dist.Normal(0, 1))
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.Categorical(jnp.ones(3) / 3))
        numpyro.sample("y", dist.Normal(2.0 * z, 1.0), obs=y)
    numpyro.sample("x_seen", dist.Normal(x, 1.0), obs=0.4)


def counted(y):
    n = numpyro.sample("n", dist.Poisson(3.0))
    numpyro.sample("y", dist.Normal(n, 1.0), obs=y)


def counted_at_an_unknown_rate(y):
    rate = numpyro.sample("rate", dist.LogNormal(0.0, 1.0))
    n = numpyro.sample("n", dist.Poisson(rate))
    numpyro.sample("y", dist.Normal(n, 1.0), obs=y)


def counted_beside_a_gaussian(y):
    scale = numpyro.sample("scale", dist.LogNormal(0.0, 1.0))
    x = numpyro.sample("x", dist.Normal(0, scale))
    n = numpyro.sample("n", dist.Poisson(3.0))
    numpyro.sample("y", dist.Normal(n + x, 1.0), obs=y)


def logistic(x, y):
    b = numpyro.sample("b", dist.Normal(0, 1))
    with numpyro.plate("n", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=b * x), obs=y)


def subsampled(y):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    with numpyro.plate("N", len(y), subsample_size=10):
        numpyro.sample("y", dist.Normal(mu, 1), obs=numpyro.subsample(y, 0))


def constant():
    numpyro.deterministic("d", 1.0)


def branching(y):
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    numpyro.sample("y", dist.Normal(1.0 if z > 0 else 0.0, 1.0), obs=y)


SCHOOLS = pdl.Model(centred_schools, SIGMA, y=Y)
LOGISTIC = pdl.Model(logistic, LOCS, np.array([0, 1, 1]))


@pytest.mark.slow
def test_text_of_a_funnel():
    plan = pdl.plan(SCHOOLS)
    assert plan.steps[-1].reason
    assert str(plan).splitlines() == [
        "Method: Marginalized(inner=NUTS())",
        "  theta  integrated as a Gaussian  8 coordinates, 24 operations",
        "  mu     integrated as a Gaussian  1 coordinate, 1 operation",
        f"  tau    sampled by NUTS           1 coordinate                  {plan.steps[-1].reason}",
    ]


def test_text_of_an_exact_model():
    text = str(pdl.plan(pdl.Model(gaussian, HEIGHTS)))
    assert text == "Method: Exact()\n  mu  integrated as a Gaussian  1 coordinate, 1 operation"


@pytest.mark.slow
def test_three_kinds_are_told_apart():
    plan = pdl.plan(pdl.Model(three_kinds, np.zeros(4), 3))
    assert plan.method == pdl.Exact()
    steps = {step.site: step for step in plan.steps}
    assert set(steps) == {"rate", "x", "z"}
    assert steps["z"].action == "summed out"
    assert steps["z"].cost == "4 x 3 states, 12 operations"
    assert steps["x"].action == "integrated as a Gaussian"
    assert steps["rate"].action == "integrated by conjugacy"
    assert not any(step.reason for step in plan.steps)
    assert plan.obstacle is None


@pytest.mark.slow
def test_a_scan_is_a_chain():
    plan = pdl.plan(pdl.Model(hidden_markov, np.zeros(30)))
    assert plan.method == pdl.Marginalized()
    steps = {step.site: step for step in plan.steps}
    assert steps["z"].action == "summed out, as a chain"
    assert steps["z"].cost == "30 x 2 states, 120 operations"
    assert steps["stay"].action == steps["scale"].action == "sampled by NUTS"
    assert steps["stay"].reason


def test_nothing_to_integrate_is_sampled():
    plan = pdl.plan(LOGISTIC)
    assert plan.method == pdl.NUTS()
    assert [(step.site, step.action) for step in plan.steps] == [("b", "sampled by NUTS")]
    assert plan.steps[0].reason


OBSTACLES = {
    "alone": (counted, "n"),
    "below a latent that could be sampled": (counted_at_an_unknown_rate, "n"),
    "beside a latent that is integrated": (counted_beside_a_gaussian, "n"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("program", "name"), OBSTACLES.values(), ids=OBSTACLES.keys())
def test_an_obstacle_is_named(program, name):
    model = pdl.Model(program, 2.5)
    plan = pdl.plan(model)
    assert plan.method is None
    assert plan.obstacle is not None
    assert plan.obstacle.site == name
    assert str(plan).startswith("Nothing can infer this model.\n")
    assert f"{name}  " in str(plan)
    assert str(plan).count("its support is not finite (Poisson)") == 1
    assert not any(step.action == "sampled by NUTS" for step in plan.steps)
    text = (
        rf"infer is not applicable: site '{name}' is discrete and cannot be summed out: its support is not "
        r"finite \(Poisson\)\. Observe it, or bound its support\."
    )
    with pytest.raises(pdl.NotApplicable, match=text):
        pdl.infer(model, key=0)


NO_CHAIN = {
    "subsampled plate": (pdl.Model(subsampled, np.zeros(100)), r"plate 'N' is subsampled \(10 of 100"),
    "nothing latent": (pdl.Model(constant), "the program has no latent site"),
}


@pytest.mark.parametrize(("model", "text"), NO_CHAIN.values(), ids=NO_CHAIN.keys())
def test_no_method_without_an_obstacle_says_why(model, text):
    plan = pdl.plan(model)
    assert plan.method is None
    assert plan.obstacle is None
    assert str(plan).startswith("Nothing can infer this model." if model.latents else "Nothing to infer: ")
    with pytest.raises(pdl.NotApplicable, match=text):
        pdl.infer(model, key=0)


def test_branching_on_a_latent_is_refused():
    with pytest.raises(ValueError, match=r"uses the value of site 'z' in Python"):
        pdl.plan(pdl.Model(branching, 0.3))


def test_html_has_a_row_for_each_site():
    html = pdl.plan(SCHOOLS)._repr_html_()
    assert re.findall(r"<tr><td>(\w+)</td>", html) == ["theta", "mu", "tau"]
    assert html.startswith("<p>Method: Marginalized(inner=NUTS())</p><table>")
    assert html.count("<th>") == 4
    assert html.count("<table>") == html.count("</table>") == 1


def test_html_escapes_names():
    def program():
        numpyro.sample("<b>", dist.Normal(0, 1))

    assert "<td>&lt;b&gt;</td>" in pdl.plan(pdl.Model(program))._repr_html_()


def test_what_is_chosen_is_the_method_of_the_plan():
    for model in (SCHOOLS, LOGISTIC, pdl.Model(gaussian, HEIGHTS)):
        assert pdl.plan(model).chosen == pdl.plan(model).method


def test_infer_follows_the_plan():
    model = pdl.Model(gaussian, HEIGHTS)
    result, asked = pdl.infer(model, key=0), pdl.infer(model, pdl.Exact(), key=0)
    assert result.data.attrs["method"] == repr(pdl.Exact())
    assert str(result.plan) == str(pdl.plan(model))
    assert asked.plan is None
    np.testing.assert_array_equal(result["mu"], asked["mu"])
